// SPDX-License-Identifier: GPL-2.0-or-later
// Debian's DHCP clients, as they come, against the server over a veth pair: what they make of our replies is what
// counts.
#include <gtest/gtest.h>

#include "tests/unit/dhcp/lab.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

constexpr const char* kDhclient = "dhclient -1 -q -lf /tmp/leases -pf /tmp/pid eth0";
constexpr const char* kUdhcpc = "busybox udhcpc -b -q -t 5 -T 1 -i eth0 -s /etc/udhcpc/default.script";
constexpr const char* kUdhcpcDaemon =
    "busybox udhcpc -b -R -t 5 -T 1 -p /tmp/pid -i eth0 -s /etc/udhcpc/default.script";
// Without the ARP probe that precedes a lease for 5 s. Its IPv4LL stays off: a fallback address would hide a failure.
constexpr const char* kDhcpcd = "dhcpcd -4 -q --noarp -L -t 15 eth0";

class Clients : public ::testing::Test {
 protected:
  void SetUp() override {
    enter_host_namespace("10.0.5.1");
    server_ = std::make_unique<RunningServer>();
    guest_ = std::make_unique<Guest>();
    binding_ = testing::binding();
    binding_.tap = "vr0";
    binding_.ifindex = connect(*guest_, "vr0", "10.0.5.2");
    binding_.settings.mtu = 1400;
    apply();
  }
  void apply() { server_->apply({.snapshot = false, .upserts = {binding_}, .removed_ifindexes = {}}); }

  void start(const std::string& client) {
    // The client goes to the background once it is bound; its output must not keep the pipe open.
    const auto result = guest_->run(client + " >/tmp/log 2>&1 </dev/null");
    EXPECT_EQ(result.status, 0) << guest_->output("cat /tmp/log");
  }
  void expect_configured(const std::string& address, const std::string& mask) {
    EXPECT_TRUE(eventually([&] {
      return configured(address, mask) && resolves() && guest_->run("ping -c1 -W2 10.0.5.1").status == 0;
    })) << guest_->output("ip address show eth0; ip route; cat /etc/resolv.conf /tmp/log");
    // dhcpcd leaves the link alone and puts the MTU on its routes.
    const auto mtu = guest_->output("ip link show eth0; ip -4 route show default");
    EXPECT_NE(mtu.find("mtu 1400"), std::string::npos) << mtu;
  }
  bool configured(const std::string& address, const std::string& mask) const {
    const auto addresses = guest_->output("ip -4 address show dev eth0");
    const auto routes = guest_->output("ip -4 route show");
    const bool has_mask = mask == "/32" ? addresses.find("inet " + address + "/") == std::string::npos ||
                                              addresses.find("inet " + address + "/32 ") != std::string::npos
                                        : addresses.find("inet " + address + mask + " ") != std::string::npos;
    return addresses.find("inet " + address) != std::string::npos && has_mask &&
           routes.find("default via 10.0.5.1 dev eth0") != std::string::npos;
  }
  bool resolves() const {
    const auto resolver = guest_->output("cat /etc/resolv.conf");
    return resolver.find("nameserver 10.0.5.1") != std::string::npos &&
           resolver.find("guests.internal") != std::string::npos;
  }
  bool wait_for(LeaseState state, std::size_t n = 1) {
    return eventually([&] { return server_->count(state) >= n; });
  }
  // As if the machine had lost its power: the client gone, the interface bare, the lease file still there.
  void cut_power(const std::string& kill) {
    static_cast<void>(guest_->run(kill));
    static_cast<void>(guest_->run(
        "ip -4 address flush dev eth0; ip -4 route flush dev eth0; : >/etc/resolv.conf; ip link set eth0 mtu 1500"));
  }
  void move_guest(const char* address) {
    binding_.address = ip(address);
    EXPECT_EQ(run(std::string{"ip route replace "} + address + "/32 dev vr0").status, 0);
    apply();
  }

  std::unique_ptr<RunningServer> server_;
  std::unique_ptr<Guest> guest_;
  Binding binding_;
};

TEST_F(Clients, DhclientGetsAllAndReleases) {
  start(kDhclient);
  expect_configured("10.0.5.2", "/32");
  ASSERT_TRUE(wait_for(LeaseState::bound));
  const auto event = server_->events().front();
  EXPECT_EQ(event.guest, "web1");
  EXPECT_EQ(event.address, ip("10.0.5.2"));
  start("dhclient -r -q -lf /tmp/leases -pf /tmp/pid eth0");
  EXPECT_TRUE(wait_for(LeaseState::released));
}

TEST_F(Clients, DhclientRenews) {
  binding_.settings.lease_time = std::chrono::seconds{8};
  apply();
  start(kDhclient);
  EXPECT_TRUE(wait_for(LeaseState::bound, 3));
  const auto s = server_->statistics();
  EXPECT_EQ(s.discover, 1u);
  EXPECT_EQ(s.nak, 0u);
  EXPECT_EQ(server_->count(LeaseState::expired), 0u);
  expect_configured("10.0.5.2", "/32");
}

TEST_F(Clients, DhclientComesBackByInitReboot) {
  start(kDhclient);
  cut_power("kill -9 $(cat /tmp/pid)");
  start(kDhclient);
  expect_configured("10.0.5.2", "/32");
  EXPECT_EQ(server_->statistics().discover, 1u);
  EXPECT_EQ(server_->count(LeaseState::bound), 2u);
}

TEST_F(Clients, DhclientIsRefusedAnOldAddressAndGetsTheNewOne) {
  start(kDhclient);
  cut_power("kill -9 $(cat /tmp/pid)");
  move_guest("10.0.5.3");
  start(kDhclient);
  expect_configured("10.0.5.3", "/32");
  EXPECT_EQ(server_->statistics().nak, 1u);
  EXPECT_EQ(server_->statistics().discover, 2u);
}

TEST_F(Clients, DhclientGetsAnAddressInASubnet) {
  binding_.settings.addressing = config::Addressing::subnet;
  apply();
  start(kDhclient);
  expect_configured("10.0.5.2", "/24");
}

TEST_F(Clients, UdhcpcGetsAllRenewsAndReleases) {
  start(kUdhcpcDaemon);
  expect_configured("10.0.5.2", "/32");
  ASSERT_TRUE(wait_for(LeaseState::bound));
  static_cast<void>(guest_->run("kill -USR1 $(cat /tmp/pid)"));
  EXPECT_TRUE(wait_for(LeaseState::bound, 2));
  EXPECT_EQ(server_->statistics().discover, 1u);
  expect_configured("10.0.5.2", "/32");
  static_cast<void>(guest_->run("kill -USR2 $(cat /tmp/pid)"));
  EXPECT_TRUE(wait_for(LeaseState::released));
}

TEST_F(Clients, UdhcpcIsMovedToItsNewAddressAtRenewal) {
  start(kUdhcpcDaemon);
  expect_configured("10.0.5.2", "/32");
  move_guest("10.0.5.3");
  static_cast<void>(guest_->run("kill -USR1 $(cat /tmp/pid)"));
  expect_configured("10.0.5.3", "/32");
  EXPECT_GE(server_->statistics().nak, 1u);
}

TEST_F(Clients, UdhcpcWithTheBroadcastFlagGetsAll) {
  start(std::string{kUdhcpc} + " -B -O 121");
  expect_configured("10.0.5.2", "/32");
}

TEST_F(Clients, UdhcpcGetsAnAddressInASubnet) {
  binding_.settings.addressing = config::Addressing::subnet;
  apply();
  start(kUdhcpc);
  expect_configured("10.0.5.2", "/24");
}

TEST_F(Clients, DhcpcdGetsAllByRapidCommitRenewsAndReleases) {
  start(kDhcpcd);
  expect_configured("10.0.5.2", "/32");
  auto s = server_->statistics();
  EXPECT_EQ(s.discover, 1u);
  EXPECT_EQ(s.request, 0u);  // DISCOVER was acknowledged at once
  ASSERT_TRUE(wait_for(LeaseState::bound));
  EXPECT_GE(server_->events().front().client_id.size(), 2u);
  start("dhcpcd -4 -n eth0");
  EXPECT_TRUE(wait_for(LeaseState::bound, 2));
  EXPECT_EQ(server_->statistics().discover, 1u);
  // Twice: soon after a renewal dhcpcd 9.4.1 now and then loses the signal, and gives up waiting for itself after 10 s.
  start("sh -c 'dhcpcd -4 -k eth0 || dhcpcd -4 -k eth0'");
  EXPECT_TRUE(wait_for(LeaseState::released));
}

TEST_F(Clients, DhcpcdComesBackByInitReboot) {
  start(kDhcpcd);
  expect_configured("10.0.5.2", "/32");
  cut_power("for p in $(pidof dhcpcd); do kill -9 $p; done");
  start(kDhcpcd);
  expect_configured("10.0.5.2", "/32");
  EXPECT_EQ(server_->statistics().discover, 1u);
  EXPECT_GE(server_->count(LeaseState::bound), 2u);
}

TEST_F(Clients, DhcpcdGetsAnAddressInASubnet) {
  binding_.settings.addressing = config::Addressing::subnet;
  apply();
  start(kDhcpcd);
  expect_configured("10.0.5.2", "/24");
}

TEST_F(Clients, ALeaseThatNobodyRenewsEnds) {
  binding_.settings.lease_time = std::chrono::seconds{1};
  apply();
  start(kUdhcpc);
  EXPECT_TRUE(wait_for(LeaseState::expired));
  EXPECT_EQ(server_->count(LeaseState::bound), 1u);
}

// libvirt runs dnsmasq so: 0.0.0.0:67 with SO_REUSEADDR and SO_BINDTODEVICE. Either must serve its own link, whoever
// came first.
class BesideDnsmasq : public Clients, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    Clients::SetUp();
    connect(other_, "virbr0", "192.168.122.50");
    ASSERT_EQ(run("ip address add 192.168.122.1/24 dev virbr0").status, 0);
    if (!GetParam()) server_.reset();
    const std::string command =
        "dnsmasq -k --conf-file=/dev/null --port=0 --bind-dynamic --interface=virbr0 --except-interface=lo --user=root "
        "--dhcp-range=192.168.122.50,192.168.122.50 --dhcp-leasefile=/dev/null --pid-file= >/dev/null 2>&1 & echo $!";
    const auto started = run(command);
    dnsmasq_ = std::stoi(started.output);
    ASSERT_TRUE(eventually([] { return run("ss -Hulpn sport = :67").output.find("dnsmasq") != std::string::npos; }));
    if (!GetParam()) {
      server_ = std::make_unique<RunningServer>();
      apply();
    }
  }
  void TearDown() override {
    if (dnsmasq_ > 0) ::kill(dnsmasq_, SIGTERM);
  }
  Guest other_;
  pid_t dnsmasq_ = -1;
};

TEST_P(BesideDnsmasq, EachServesItsOwnLink) {
  start(kUdhcpc);
  expect_configured("10.0.5.2", "/32");
  const auto theirs = other_.run(std::string{kUdhcpc} + " >/tmp/log 2>&1 </dev/null");
  EXPECT_EQ(theirs.status, 0);
  const auto addresses = other_.output("ip -4 address show dev eth0; cat /tmp/log");
  EXPECT_NE(addresses.find("192.168.122.50/24"), std::string::npos) << addresses;
  EXPECT_EQ(server_->count(LeaseState::bound), 1u);
}

INSTANTIATE_TEST_SUITE_P(WhoeverCameFirst, BesideDnsmasq, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "We" : "Dnsmasq"; });

}  // namespace
}  // namespace vrouter::dhcp
