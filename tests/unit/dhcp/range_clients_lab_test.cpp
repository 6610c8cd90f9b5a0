// SPDX-License-Identifier: GPL-2.0-or-later
// Debian's DHCP clients on a port of a bridge whose clients get their addresses out of a range: what
// clients_lab_test.cpp asks of a static binding, where the address is a lease and the server may have forgotten it.
#include <gtest/gtest.h>
#include <net/if.h>

#include "tests/unit/dhcp/clients.h"
#include "tests/unit/dhcp/lab.h"
#include "tests/unit/dhcp/packets.h"
#include "tests/unit/dhcp/watch.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

using std::chrono::seconds;

constexpr seconds kShortLease{20};  // dhcpcd takes none to be shorter
constexpr const char *kFirst = "10.0.5.100", *kSecond = "10.0.5.101";

class RangeClient : public ::testing::TestWithParam<ClientProgram> {
 protected:
  void SetUp() override {
    enter_host_namespace("10.0.5.1");
    const auto bridge = testing::run(
        "ip link add br0 type bridge forward_delay 0 && ip link set br0 up && ip route add 10.0.5.0/24 dev br0");
    ASSERT_EQ(bridge.status, 0) << bridge.output;
    guest_ = std::make_unique<Guest>();
    static_cast<void>(connect(*guest_, "port1", "10.0.5.250"));
    ASSERT_EQ(testing::run("ip route del 10.0.5.250 && ip link set port1 master br0").status, 0);
    pool_.network = pool_.settings.network = "office";
    pool_.settings.gateway = ip("10.0.5.1");
    pool_.settings.domain = "guests.internal";
    pool_.range = {ip(kFirst), ip("10.0.5.109")};
    pool_.links = {::if_nametoindex("br0")};
    watch_ = std::make_unique<RequestWatch>("br0");
    start_server();
    ASSERT_EQ(guest_->run(GetParam().prepare).status, 0) << guest_->output(GetParam().prepare);
  }
  // What vrouterd tells a new one: the range and who has what.
  void start_server(std::vector<Lease> leases = {}) {
    server_ = std::make_unique<RunningServer>();
    server_->apply(
        {.snapshot = true, .upserts = {}, .removed_ifindexes = {}, .pools = {pool_}, .leases = std::move(leases)});
  }
  void use_short_leases() {
    pool_.settings.lease_time = kShortLease;
    server_->apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {}, .pools = {pool_}});
  }
  void in_guest(const std::string& command) {
    const auto result = guest_->run("{ " + command + "; } >>/tmp/log 2>&1 </dev/null");
    EXPECT_EQ(result.status, 0) << command << "\n" << guest_->output("cat /tmp/log");
  }
  void start_client() { in_guest(GetParam().start); }
  void cut_power() {
    in_guest(std::string{"kill -9 $(cat /tmp/pid); "} + GetParam().lose_power +
             "; ip -4 address flush dev eth0; ip -4 route flush dev eth0; ip link set eth0 down; ip link set eth0 up");
  }
  bool has(const std::string& address) const {
    return guest_->output("ip -4 address show dev eth0").contains("inet " + address + "/32 ") &&
           guest_->run("ping -c1 -W2 10.0.5.1").status == 0;
  }
  void expect_address(const std::string& address) {
    EXPECT_TRUE(eventually([&] { return has(address); })) << address << "\n" << story();
  }
  bool written(std::size_t n) {
    return eventually([&] { return server_->committed().size() >= n; });
  }
  std::string story() { return watch_->story() + guest_->output("ip -4 address show eth0; ip -4 route; cat /tmp/log"); }
  static bool reboots() { return std::string_view{GetParam().not_rebooting}.empty(); }

  Pool pool_;
  std::unique_ptr<Guest> guest_;
  std::unique_ptr<RequestWatch> watch_;
  std::unique_ptr<RunningServer> server_;
};

TEST_P(RangeClient, RenewsAtHalfItsTime) {
  use_short_leases();
  start_client();
  ASSERT_TRUE(written(1)) << story();
  const auto first = server_->committed().front();
  EXPECT_EQ(first.address, ip(kFirst));
  const auto discovers = watch_->count(Asked::discover);
  ASSERT_TRUE(eventually([&] { return watch_->count(Asked::renewing) >= 1; })) << story();
  ASSERT_TRUE(written(2)) << story();
  const auto renewed = server_->committed().back();
  EXPECT_EQ(renewed.state, LeaseState::bound);
  EXPECT_EQ(renewed.address, first.address);
  EXPECT_EQ(renewed.client, first.client);
  EXPECT_GE(renewed.expires - first.expires, kShortLease / 2 - seconds{2});
  EXPECT_EQ(watch_->count(Asked::discover), discovers) << story();
  EXPECT_EQ(watch_->count(Asked::rebinding), 0u) << story();
  expect_address(kFirst);
}

// As of a static binding (clients_lab_test.cpp): away at T1 (10 s), back before T2 (17 s).
TEST_P(RangeClient, RebindsAfterTheServerWasAway) {
  use_short_leases();
  in_guest(GetParam().be_quick);
  start_client();
  ASSERT_TRUE(written(1)) << story();
  const auto first = server_->committed().back();
  server_.reset();
  const auto discovers = watch_->count(Asked::discover);
  ASSERT_TRUE(eventually([&] { return watch_->count(Asked::renewing) >= 1; })) << story();
  ASSERT_EQ(testing::run("nft 'table ip t { chain c { type filter hook input priority 0; "
                         "ip daddr != 255.255.255.255 udp dport 67 drop; }; }'")
                .status,
            0);
  start_server({first});
  ASSERT_TRUE(written(1)) << story();
  const auto rebound = server_->committed().back();
  EXPECT_EQ(rebound.address, first.address);
  EXPECT_EQ(rebound.client, first.client);
  EXPECT_GT(rebound.expires, first.expires);
  EXPECT_GE(watch_->count(Asked::rebinding), 1u) << story();
  EXPECT_EQ(watch_->count(Asked::discover), discovers) << story();
  EXPECT_EQ(server_->statistics().nak, 0u);
  expect_address(kFirst);
}

TEST_P(RangeClient, HasItsAddressAgainAfterAPowerCut) {
  start_client();
  expect_address(kFirst);
  cut_power();
  const auto discovers = watch_->count(Asked::discover);
  start_client();
  expect_address(kFirst);
  EXPECT_EQ(watch_->count(Asked::init_reboot) > 0, reboots()) << story();
  EXPECT_EQ(watch_->count(Asked::discover) == discovers, reboots()) << story();
  EXPECT_EQ(server_->statistics().nak, 0u);
}

// A client that asks for what it had has it still, even of a server that knows of no lease.
TEST_P(RangeClient, HasItsAddressAgainThoughTheServerForgotIt) {
  const Lease anothers{.network = "office",
                       .address = ip(kFirst),
                       .ifindex = pool_.links.front(),
                       .client = {kOtherMac, {}},
                       .host_name = {},
                       .state = LeaseState::released,
                       .expires = BootTime{seconds{1}}};
  start_server({anothers});  // it gives out the second first
  start_client();
  expect_address(kSecond);
  const auto client = server_->committed().back().client;
  cut_power();
  server_.reset();
  start_server();
  start_client();
  expect_address(reboots() ? kSecond : kFirst);
  EXPECT_EQ(server_->committed().back().client, client);
  EXPECT_EQ(server_->statistics().nak, 0u);
}

TEST_P(RangeClient, IsRefusedWhatAnotherHasByNow) {
  start_client();
  expect_address(kFirst);
  auto lease = server_->committed().back();
  cut_power();
  lease.client = {kOtherMac, {}};
  server_.reset();
  start_server({lease});
  start_client();
  expect_address(kSecond);
  EXPECT_EQ(server_->statistics().nak, watch_->count(Asked::init_reboot)) << story();
  EXPECT_EQ(watch_->count(Asked::init_reboot) > 0, reboots()) << story();
}

// systemd-networkd's RELEASE names no server.
TEST_P(RangeClient, Releases) {
  start_client();
  expect_address(kFirst);
  in_guest(GetParam().release);
  EXPECT_TRUE(eventually([&] { return server_->committed().back().state == LeaseState::released; })) << story();
  EXPECT_EQ(server_->committed().back().address, ip(kFirst));
  EXPECT_EQ(watch_->count(Asked::release), 1u) << story();
}

INSTANTIATE_TEST_SUITE_P(, RangeClient, ::testing::ValuesIn(kClients),
                         [](const auto& info) { return std::string{info.param.name}; });

}  // namespace
}  // namespace vrouter::dhcp
