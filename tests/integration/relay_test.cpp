// SPDX-License-Identifier: GPL-2.0-or-later
// Clients behind a DHCP relay: ISC's dhcrelay on a router of their own network, which is all that they see of us.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/shared_link.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kRelay = "10.9.0.254";

// host 198.51.100.1 r0 --- up0 198.51.100.2 relay 10.9.0.254 lan --- client
struct Relayed : ::testing::Test {
  Relayed() {
    connect({scene.host, "r0", "198.51.100.1/30"}, {relay, "up0", "198.51.100.2/30"});
    relay.must(
        "ip link add lan type bridge forward_delay 0 && ip link set lan up && ip address add 10.9.0.254/24 dev lan");
    relay.must("ip route add default via 198.51.100.1 && sysctl -qw net.ipv4.ip_forward=1");
    scene.host.must("ip route add 10.9.0.0/24 via 198.51.100.2");
    client = std::make_unique<LinkClient>(relay, 1, "lan");
    scene.daemon->start();
  }
  static DaemonOptions options() {
    DaemonOptions options;
    options.config =
        "[networks.lab]\nprefix = \"10.9.0.0/24\"\ngateway = \"10.9.0.1\"\n"
        "dhcp = { range = \"10.9.0.100-10.9.0.105\", lease_time = \"60s\", relays = [\"10.9.0.254\", \"198.51.100.2\"] "
        "}\n";
    return options;
  }
  Process start_relay(const Arguments& more = {}) {
    Arguments command{"dhcrelay", "-4", "-d", "--no-pid", "-a"};
    command.insert(command.end(), more.begin(), more.end());
    command.insert(command.end(), {"-id", "lan", "-iu", "up0", "198.51.100.1"});
    auto process = relay.spawn(command);
    if (!wait_until([&] { return process.output().find("Sending on   Socket") != std::string::npos; }))
      throw LabError{process.output()};
    return process;
  }
  std::string status() { return scene.daemon->vrouter({"status"}); }
  std::string leases() { return scene.daemon->vrouter({"leases"}); }

  Scene scene{options(), false};
  Namespace relay{"relay"};
  std::unique_ptr<LinkClient> client;
};

TEST_F(Relayed, LeaseRenewalPastTheRelayAndRelease) {
  if (!relay.sh("which dhcrelay").ok()) GTEST_SKIP() << "no dhcrelay (Debian: isc-dhcp-relay)";
  auto agent = start_relay();
  auto& inside = client->inside();
  auto udhcpc = inside.spawn(
      {"busybox", "udhcpc", "-f", "-R", "-i", "eth0", "-s", "/tmp/script", "-x", "hostname:printer", "-p", "/tmp/pid"});
  ASSERT_TRUE(wait_until([&] { return client->address() == "10.9.0.100"; })) << udhcpc.output() << agent.output();
  EXPECT_TRUE(wait_until([&] { return inside.must("ip route").find("default via 10.9.0.254") != std::string::npos; }))
      << inside.must("ip route");
  EXPECT_THAT(inside.must("ip address show dev eth0"), HasSubstr("10.9.0.100/24"));
  EXPECT_THAT(leases(), HasSubstr("relay"));
  EXPECT_TRUE(client->reaches(kRelay, 2));
  EXPECT_TRUE(client->reaches("198.51.100.1", 2));

  // The relay is gone, and so is its giaddr: what comes now comes by unicast.
  agent.terminate();
  inside.must("kill -USR1 $(cat /tmp/pid)");
  EXPECT_TRUE(wait_until([&] { return status().find("ack 2") != std::string::npos; }, 5s))
      << udhcpc.output() << status();
  // Not only sent: a client that is asked to renew while it waits for an answer begins anew.
  const std::string had = "lease of 10.9.0.100 obtained";
  EXPECT_TRUE(wait_until([&] { return udhcpc.output().find(had) != udhcpc.output().rfind(had); }, 5s))
      << udhcpc.output() << status();
  EXPECT_THAT(inside.must("ip route"), HasSubstr("default via 10.9.0.254"));
  // After kill -9 the lease is known, and renewed.
  scene.daemon->kill9();
  scene.daemon->start();
  EXPECT_THAT(leases(), HasSubstr("bound"));
  inside.must("kill -USR1 $(cat /tmp/pid)");
  EXPECT_TRUE(wait_until([&] { return status().find("ack 1") != std::string::npos; }, 5s))
      << udhcpc.output() << status();
  inside.must("kill -USR2 $(cat /tmp/pid)");
  EXPECT_TRUE(wait_until([&] { return leases().find("released") != std::string::npos; }, 5s)) << leases();
}

// The relay throws away what comes back without the option that it added, or with another's.
TEST_F(Relayed, WhatTheRelayAddedComesBack) {
  if (!relay.sh("which dhcrelay").ok()) GTEST_SKIP() << "no dhcrelay (Debian: isc-dhcp-relay)";
  auto agent = start_relay({"-D", "-m", "discard"});
  EXPECT_EQ(client->lease(), "10.9.0.100") << agent.output();
  EXPECT_THAT(agent.output(), Not(HasSubstr("bogus")));
}

TEST_F(Relayed, AnUnlistedRelayAndAGuestAsRelayGetNothing) {
  if (!relay.sh("which dhcrelay").ok()) GTEST_SKIP() << "no dhcrelay (Debian: isc-dhcp-relay)";
  relay.must("ip address del 10.9.0.254/24 dev lan && ip address add 10.9.0.253/24 dev lan");
  auto agent = start_relay();
  static_cast<void>(client->lease("-t 3"));
  EXPECT_EQ(client->address(), "");
  EXPECT_THAT(agent.output(), HasSubstr("orward"));
  EXPECT_THAT(leases(), Not(HasSubstr("10.9.0.100")));
  agent.terminate();
  // A guest that plays the listed relay, from an address of its own.
  scene.daemon->vrouter({"add-guest", "tap0", "10.9.0.2", "--name", "web1"});
  TapGuest guest{scene.host, "tap0"};
  guest.set_static("10.9.0.2/32", kLabGateway);
  const auto udhcpc = guest.inside().sh(
      "ip link add v0 type veth peer name v1 && ip address add 10.9.0.254/32 dev v0 && "
      "ip link set v0 up && ip link set v1 up && (timeout 4 dhcrelay -4 -d --no-pid "
      "-id v0 -iu eth0 10.9.0.1 & sleep 1; busybox udhcpc -f -n -q -i v1 -t 2 -T 1; wait) 2>&1",
      15s);
  EXPECT_THAT(udhcpc.out, HasSubstr("Forwarded BOOTREQUEST")) << udhcpc.to_string();
  EXPECT_THAT(udhcpc.out, HasSubstr("no lease")) << udhcpc.to_string();
  EXPECT_THAT(leases(), Not(HasSubstr("10.9.0.10")));
}

}  // namespace
}  // namespace vrouter::lab
