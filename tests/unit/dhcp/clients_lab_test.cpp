// SPDX-License-Identifier: GPL-2.0-or-later
// Debian's DHCP clients, as they come, against the server over a veth pair: what they make of our replies is what
// counts. Each of kClients through all that a lease goes through; the ROM of a machine is in rom_lab_test.cpp.
#include <gtest/gtest.h>

#include "tests/unit/dhcp/clients.h"
#include "tests/unit/dhcp/lab.h"
#include "tests/unit/dhcp/packets.h"
#include "tests/unit/dhcp/watch.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

using std::chrono::seconds;

constexpr seconds kShortLease{20};            // dhcpcd takes none to be shorter, udhcpc none than 16 s
constexpr const char* kBeyond = "192.0.2.1";  // an address of the host that only the default route leads to

// Where the client is, and what it is to make of it.
struct Network {
  const char* name;
  const char* gateway;
  config::Addressing addressing;
  std::optional<std::uint8_t> mask;
  const char* prefix;

  friend std::ostream& operator<<(std::ostream& out, const Network& network) { return out << network.name; }
};
constexpr Network kRouted{"Routed", "10.0.5.1", config::Addressing::routed, {}, "/32"};
constexpr Network kRoutedOffSubnet{"RoutedOffSubnet", "169.254.1.1", config::Addressing::routed, {}, "/32"};
constexpr Network kSubnet{"Subnet", "10.0.5.1", config::Addressing::subnet, {}, "/24"};
// A guest's own mask: for a system that takes no /32.
constexpr Network kMasked{"MaskedOffSubnet", "169.254.1.1", config::Addressing::routed, 24, "/24"};

class ClientTest : public ::testing::Test {
 protected:
  void set_up(const ClientProgram& client, const Network& network = kRouted) {
    client_ = &client;
    network_ = &network;
    enter_host_namespace(network.gateway);
    EXPECT_EQ(testing::run(std::string{"ip address add "} + kBeyond + "/32 dev lo").status, 0);
    guest_ = std::make_unique<Guest>();
    binding_ = testing::binding();
    binding_.tap = "vr0";
    binding_.ifindex = connect(*guest_, "vr0", "10.0.5.2");
    binding_.settings.own().gateway = ip(network.gateway);
    binding_.settings.own().addressing = network.addressing;
    binding_.settings.own().mask = network.mask;
    binding_.settings.own().mtu = 1400;
    watch_ = std::make_unique<RequestWatch>("vr0");
    start_server();
    ASSERT_EQ(guest_->run(client.prepare).status, 0) << guest_->output(client.prepare);
  }
  void start_server() {
    server_ = std::make_unique<RunningServer>();
    apply();
  }
  void apply() { server_->apply({.snapshot = false, .upserts = {binding_}, .removed_ifindexes = {}}); }
  void set_lease_time(seconds time) {
    binding_.settings.own().lease_time = time;
    apply();
  }
  void move_guest(const char* address) {
    binding_.address = ip(address);
    EXPECT_EQ(testing::run(std::string{"ip route replace "} + address + "/32 dev vr0").status, 0);
    apply();
  }

  // Its output must not keep the pipe open once it has gone to the background.
  void in_guest(const std::string& command) {
    const auto result = guest_->run("{ " + command + "; } >>/tmp/log 2>&1 </dev/null");
    EXPECT_EQ(result.status, 0) << command << "\n" << guest_->output("cat /tmp/log");
  }
  void start_client() { in_guest(client_->start); }
  // The client gone, the interface bare, the lease file still there.
  void cut_power() {
    in_guest(std::string{"kill -9 $(cat /tmp/pid); "} + client_->lose_power +
             "; ip -4 address flush dev eth0; ip -4 route flush dev eth0; : >/etc/resolv.conf; "
             "ip link set eth0 down mtu 1500; ip link set eth0 up");
  }

  void expect_configured() {
    EXPECT_TRUE(eventually([&] {
      return has_address() && has_default_route() && resolves() && reaches(network_->gateway) && reaches(kBeyond);
    })) << story();
    // dhcpcd leaves the link alone and puts the MTU on its routes.
    const auto mtu = guest_->output("ip link show eth0; ip -4 route show default");
    EXPECT_NE(mtu.find("mtu 1400"), std::string::npos) << mtu;
  }
  bool has_address() const {
    return guest_->output("ip -4 address show dev eth0")
        .contains("inet " + binding_.address.to_string() + network_->prefix + " ");
  }
  bool has_default_route() const {
    return guest_->output("ip -4 route show").contains(std::string{"default via "} + network_->gateway + " dev eth0");
  }
  bool resolves() const {
    const auto resolver = guest_->output(client_->resolver);
    return resolver.find(network_->gateway) != std::string::npos &&
           resolver.find("guests.internal") != std::string::npos;
  }
  bool reaches(const std::string& address) const { return guest_->run("ping -c1 -W2 " + address).status == 0; }
  bool wait_for(LeaseState state, std::size_t n = 1) {
    return eventually([&] { return server_->count(state) >= n; });
  }
  std::string story() {
    return watch_->story() + guest_->output("ip -4 address show eth0; ip -4 route; cat /etc/resolv.conf /tmp/log");
  }

  const ClientProgram* client_ = nullptr;
  const Network* network_ = nullptr;
  std::unique_ptr<Guest> guest_;
  Binding binding_;
  std::unique_ptr<RequestWatch> watch_;
  std::unique_ptr<RunningServer> server_;
};

// --- the matrix ----------------------------------------------------------------------------------------------------

class Gets : public ClientTest, public ::testing::WithParamInterface<std::tuple<ClientProgram, Network>> {};

TEST_P(Gets, AllOfItsLease) {
  const auto& [client, network] = GetParam();
  set_up(client, network);
  start_client();
  ASSERT_TRUE(wait_for(LeaseState::bound));
  if (network.mask && !std::string_view{client.not_over_an_off_subnet_gateway}.empty()) {
    EXPECT_TRUE(eventually([&] { return has_address() && resolves(); })) << story();
    EXPECT_FALSE(has_default_route() || reaches(network.gateway)) << client.not_over_an_off_subnet_gateway;
    return;
  }
  expect_configured();
  const auto event = server_->events().front();
  EXPECT_EQ(event.guest, "web1");
  EXPECT_EQ(event.address, ip("10.0.5.2"));
  EXPECT_EQ(server_->statistics().nak, 0u);
}

INSTANTIATE_TEST_SUITE_P(, Gets,
                         ::testing::Combine(::testing::ValuesIn(kClients),
                                            ::testing::Values(kRouted, kRoutedOffSubnet, kSubnet, kMasked)),
                         [](const auto& info) {
                           return std::string{std::get<0>(info.param).name} + std::get<1>(info.param).name;
                         });

class Client : public ClientTest, public ::testing::WithParamInterface<ClientProgram> {
 protected:
  void SetUp() override { set_up(GetParam()); }
};

TEST_P(Client, RenewsAtHalfItsTime) {
  set_lease_time(kShortLease);
  start_client();
  ASSERT_TRUE(wait_for(LeaseState::bound)) << story();
  const auto discovers = watch_->count(Asked::discover);
  ASSERT_TRUE(eventually([&] { return watch_->count(Asked::renewing) >= 1; })) << story();
  ASSERT_TRUE(wait_for(LeaseState::bound, 2)) << story();
  EXPECT_EQ(server_->count(LeaseState::expired), 0u);
  expect_configured();
  EXPECT_EQ(watch_->count(Asked::discover), discovers) << story();
  EXPECT_EQ(watch_->count(Asked::rebinding), 0u) << story();
}

// Away at T1 (10 s), back before T2 (17 s), at which the client turns to whoever hears it. One that asks its server
// again before that would just renew.
TEST_P(Client, RebindsAfterTheServerWasAway) {
  set_lease_time(kShortLease);
  in_guest(GetParam().be_quick);
  start_client();
  ASSERT_TRUE(wait_for(LeaseState::bound)) << story();
  server_.reset();
  const auto discovers = watch_->count(Asked::discover);
  ASSERT_TRUE(eventually([&] { return watch_->count(Asked::renewing) >= 1; })) << story();
  ASSERT_EQ(testing::run("nft 'table ip t { chain c { type filter hook input priority 0; "
                         "ip daddr != 255.255.255.255 udp dport 67 drop; }; }'")
                .status,
            0);
  start_server();
  EXPECT_TRUE(wait_for(LeaseState::bound)) << story();
  EXPECT_GE(watch_->count(Asked::rebinding), 1u) << story();
  EXPECT_EQ(watch_->count(Asked::discover), discovers) << story();
  expect_configured();
}

TEST_P(Client, ComesBackAfterAPowerCut) {
  start_client();
  expect_configured();
  cut_power();
  const auto discovers = watch_->count(Asked::discover);
  start_client();
  expect_configured();
  const bool reboots = std::string_view{GetParam().not_rebooting}.empty();
  EXPECT_EQ(watch_->count(Asked::init_reboot) > 0, reboots) << story();
  EXPECT_EQ(watch_->count(Asked::discover) == discovers, reboots) << story();
  EXPECT_EQ(server_->statistics().nak, 0u);
}

TEST_P(Client, GetsTheNewAddressIfItWasMovedWhileItWasOff) {
  start_client();
  expect_configured();
  cut_power();
  move_guest("10.0.5.3");
  start_client();
  expect_configured();
  EXPECT_EQ(server_->statistics().nak, watch_->count(Asked::init_reboot)) << story();
}

TEST_P(Client, Releases) {
  start_client();
  expect_configured();
  in_guest(GetParam().release);
  EXPECT_TRUE(wait_for(LeaseState::released)) << story();
  EXPECT_EQ(watch_->count(Asked::release), 1u) << story();
}

INSTANTIATE_TEST_SUITE_P(, Client, ::testing::ValuesIn(kClients),
                         [](const auto& info) { return std::string{info.param.name}; });

// --- what only one of them does ------------------------------------------------------------------------------------

class Clients : public ClientTest {};

TEST_F(Clients, UdhcpcIsMovedToItsNewAddressAtRenewal) {
  set_up(kUdhcpc);
  start_client();
  expect_configured();
  move_guest("10.0.5.3");
  in_guest("kill -USR1 $(cat /tmp/pid)");
  expect_configured();
  EXPECT_GE(server_->statistics().nak, 1u);
}

TEST_F(Clients, UdhcpcWithTheBroadcastFlagGetsAll) {
  set_up(kUdhcpc);
  in_guest(std::string{kUdhcpc.start} + " -B -O 121");
  expect_configured();
}

TEST_F(Clients, DhcpcdIsBoundByRapidCommit) {
  set_up(kDhcpcd);
  start_client();
  expect_configured();
  const auto s = server_->statistics();
  EXPECT_EQ(s.discover, 1u);
  EXPECT_EQ(s.request, 0u);  // DISCOVER was acknowledged at once
  ASSERT_TRUE(wait_for(LeaseState::bound));
  EXPECT_GE(server_->events().front().client_id.size(), 2u);
}

TEST_F(Clients, ALeaseThatNobodyRenewsEnds) {
  set_up(kUdhcpc);
  set_lease_time(seconds{1});
  in_guest("busybox udhcpc -q -t 5 -T 1 -i eth0 -s /etc/udhcpc/default.script");
  EXPECT_TRUE(wait_for(LeaseState::expired));
  EXPECT_EQ(server_->count(LeaseState::bound), 1u);
}

// libvirt runs dnsmasq so: 0.0.0.0:67 with SO_REUSEADDR and SO_BINDTODEVICE. Either must serve its own link, whoever
// came first.
class BesideDnsmasq : public ClientTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    set_up(kUdhcpc);
    connect(other_, "virbr0", "192.168.122.50");
    ASSERT_EQ(testing::run("ip address add 192.168.122.1/24 dev virbr0").status, 0);
    if (!GetParam()) server_.reset();
    const std::string command =
        "dnsmasq -k --conf-file=/dev/null --port=0 --bind-dynamic --interface=virbr0 --except-interface=lo --user=root "
        "--dhcp-range=192.168.122.50,192.168.122.50 --dhcp-leasefile=/dev/null --pid-file= >/dev/null 2>&1 & echo $!";
    const auto started = testing::run(command);
    dnsmasq_ = std::stoi(started.output);
    ASSERT_TRUE(
        eventually([] { return testing::run("ss -Hulpn sport = :67").output.find("dnsmasq") != std::string::npos; }));
    if (!GetParam()) start_server();
  }
  void TearDown() override {
    if (dnsmasq_ > 0) ::kill(dnsmasq_, SIGTERM);
  }
  Guest other_;
  pid_t dnsmasq_ = -1;
};

TEST_P(BesideDnsmasq, EachServesItsOwnLink) {
  start_client();
  expect_configured();
  const auto theirs = other_.run(std::string{kUdhcpc.start} + " >/tmp/log 2>&1 </dev/null");
  EXPECT_EQ(theirs.status, 0);
  const auto addresses = other_.output("ip -4 address show dev eth0; cat /tmp/log");
  EXPECT_NE(addresses.find("192.168.122.50/24"), std::string::npos) << addresses;
  EXPECT_EQ(server_->count(LeaseState::bound), 1u);
}

INSTANTIATE_TEST_SUITE_P(WhoeverCameFirst, BesideDnsmasq, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "We" : "Dnsmasq"; });

}  // namespace
}  // namespace vrouter::dhcp
