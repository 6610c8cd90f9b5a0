// SPDX-License-Identifier: GPL-2.0-or-later
// What real DHCP clients make of our leases: address, default route, resolver, domain and MTU; renewal, release,
// INIT-REBOOT.
#include <gtest/gtest.h>

#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// An udhcpc script that does what a distribution's does, in a few lines.
constexpr const char* kUdhcpcScript = R"(#!/bin/sh
case "$1" in
  bound|renew)
    ip address replace "$ip/${mask:-32}" dev "$interface"
    [ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"
    for gateway in $router; do ip route replace default via "$gateway" dev "$interface" onlink; done
    { echo "search $domain"; for server in $dns; do echo "nameserver $server"; done; } > /etc/resolv.conf ;;
  deconfig) ip address flush dev "$interface" ;;
esac
)";

struct Clients : ::testing::Test {
  Clients() : scene{options()} {
    scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--name", "web1"});
    scene.daemon->vrouter({"add-guest", "tap9", "10.0.5.9", "--name", "db1"});
  }
  static DaemonOptions options() {
    DaemonOptions options;
    options.config = "[networks.default]\nprefix = \"10.0.5.0/24\"\ngateway = \"10.0.5.1\"\nmtu = 1400\n";
    return options;
  }
  void expect_configured(const char* client) {
    auto& in = guest.inside();
    EXPECT_TRUE(wait_until([&] { return contains(in.must("ip -4 -o address show dev eth0"), "10.0.5.2/"); })) << client;
    EXPECT_TRUE(wait_until([&] { return contains(in.must("ip route show default"), "via 10.0.5.1"); }))
        << client << ": " << in.must("ip route");
    // dhcpcd puts the MTU on the routes, the others on the interface.
    EXPECT_TRUE(wait_until([&] { return contains(in.must("ip link show eth0; ip route"), "mtu 1400"); })) << client;
    const auto resolver = in.read_file("/etc/resolv.conf");
    EXPECT_TRUE(contains(resolver, "10.0.5.1") && contains(resolver, "guests.internal")) << client << ": " << resolver;
    EXPECT_EQ(fetch(in, "http://www.world.example/"), "hello from the world") << client;
    EXPECT_TRUE(contains(in.sh("getent hosts db1").out, "10.0.5.9")) << client << ": the search domain";
    EXPECT_TRUE(contains(scene.daemon->vrouter({"leases"}), "bound")) << client;
  }
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
};

TEST_F(Clients, Dhclient) {
  auto& in = guest.inside();
  in.must("dhclient -1 -v -lf /tmp/leases -pf /tmp/pid eth0 2>&1", 40s);
  expect_configured("dhclient");
  in.must("kill $(cat /tmp/pid); sleep 0.3; ip address flush dev eth0");
  const auto again = in.must("dhclient -1 -v -lf /tmp/leases -pf /tmp/pid eth0 2>&1", 40s);
  EXPECT_TRUE(contains(again, "DHCPREQUEST for 10.0.5.2") && !contains(again, "DHCPDISCOVER"))
      << "INIT-REBOOT: " << again;
  expect_configured("dhclient after INIT-REBOOT");
  const auto released = in.must("dhclient -r -v -lf /tmp/leases -pf /tmp/pid eth0 2>&1", 40s);
  EXPECT_TRUE(contains(released, "DHCPRELEASE")) << released;
  EXPECT_TRUE(wait_until([&] { return !contains(scene.daemon->vrouter({"leases"}), "bound"); }));
}

TEST_F(Clients, Udhcpc) {
  auto& in = guest.inside();
  in.write_file("/tmp/script", kUdhcpcScript);
  in.must("chmod 755 /tmp/script");
  auto client = in.spawn({"busybox", "udhcpc", "-f", "-R", "-i", "eth0", "-s", "/tmp/script", "-O", "mtu", "-O",
                          "domain", "-p", "/tmp/pid"});
  expect_configured("udhcpc");
  const auto acks = [&] { return scene.daemon->vrouter({"--json", "status"}); };
  const auto before = acks();
  in.must("kill -USR1 $(cat /tmp/pid)");  // renew, by unicast
  EXPECT_TRUE(wait_until([&] { return contains(client.output(), "lease of 10.0.5.2 obtained") && acks() != before; }))
      << client.output();
  expect_configured("udhcpc after renewal");
  in.must("kill -USR2 $(cat /tmp/pid)");  // release
  EXPECT_TRUE(wait_until([&] { return !contains(scene.daemon->vrouter({"leases"}), "bound"); })) << client.output();
}

TEST_F(Clients, Dhcpcd) {
  auto& in = guest.inside();
  in.must("dhcpcd -4 -w -t 20 eth0 2>&1", 40s);
  expect_configured("dhcpcd");
  const auto renewed = in.must("dhcpcd -4 -n eth0 2>&1; sleep 1; dhcpcd -4 -U eth0 2>&1", 40s);
  EXPECT_TRUE(contains(renewed, "10.0.5.2")) << renewed;
  // Twice: soon after a renewal dhcpcd 9.4.1 now and then loses the signal, and gives up waiting for itself after 10 s.
  in.must("dhcpcd -4 -k eth0 2>&1 || dhcpcd -4 -k eth0 2>&1", 40s);
  EXPECT_TRUE(wait_until([&] { return !contains(scene.daemon->vrouter({"leases"}), "bound"); }));
}

TEST_F(Clients, AStaticAddressWorksAsWell) {
  guest.set_static("10.0.5.2/24", "10.0.5.1", "10.0.5.1");
  EXPECT_EQ(fetch(guest.inside(), "http://www.world.example/"), "hello from the world");
  EXPECT_TRUE(guest.inside().sh("ping -c 1 -W 2 10.0.5.1").ok());
}

TEST_F(Clients, TheServerComesBackWithTheDaemon) {
  guest.inside().must("dhclient -1 -lf /tmp/leases -pf /tmp/pid eth0 2>&1", 40s);
  scene.daemon->kill9();
  scene.daemon->start();
  EXPECT_TRUE(contains(scene.daemon->vrouter({"leases"}), "10.0.5.2")) << "the lease is known after a restart";
  guest.inside().must(
      "kill $(cat /tmp/pid); sleep 0.3; ip address flush dev eth0; dhclient -1 -lf /tmp/leases -pf /tmp/pid eth0 2>&1",
      40s);
  EXPECT_EQ(fetch(guest.inside(), "http://192.0.2.80/"), "hello from the world");
}

}  // namespace
}  // namespace vrouter::lab
