// SPDX-License-Identifier: GPL-2.0-or-later
// A hostile guest: what it sends under other names gets nowhere, and the others notice nothing.
#include <gtest/gtest.h>

#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

constexpr MacAddress kOwn{{0x52, 0x54, 0x00, 0x00, 0x00, 0x02}};
constexpr MacAddress kOther{{0x52, 0x54, 0x00, 0x00, 0x00, 0x99}};

// What the router's TAP has as MAC, which every frame to it must name.
MacAddress host_mac(const Namespace& host, const std::string& tap) {
  auto text = host.must("cat /sys/class/net/" + tap + "/address");
  text.resize(17);
  return *parse_mac_address(text);
}

struct Hostile : ::testing::Test {
  void add(std::vector<std::string> more = {}) {
    Arguments add{"add-guest", "tap0", "10.0.5.2"};
    add.insert(add.end(), more.begin(), more.end());
    scene.daemon->vrouter(add);
    router = {host_mac(scene.host, "tap0"), kOwn};
  }
  // Whether an echo request from that source is answered to the TAP or arrives in the world.
  bool ping_passes(const std::string& from, const std::string& to, Ethernet header) {
    const auto sniffer = scene.world.spawn({"tcpdump", "-l", "-n", "-i", "eth0", "icmp or icmp6"}, {});
    EXPECT_TRUE(wait_until([&] { return sniffer.output().find("listening") != std::string::npos; }));
    tap.send(ping(header, {from, to}, 77, 1));
    const bool answered =
        tap.receive(700ms, [&](const Seen& seen) { return seen.icmp_type == 0 && seen.protocol == kProtocolIcmp; })
            .has_value();
    return answered || sniffer.output().find("echo request") != std::string::npos;
  }
  Scene scene;
  RawTap tap{scene.host, "tap0"};
  Ethernet router;
};

TEST_F(Hostile, ItsOwnAddressPassesAndNoOther) {
  add();
  // The world's answer needs the guest's MAC: announced as any guest does.
  tap.send(
      arp({kBroadcastMac, kOwn}, {.operation = 1, .sender_mac = kOwn, .sender = "10.0.5.2", .target = "10.0.5.1"}));
  EXPECT_TRUE(ping_passes("10.0.5.2", Scene::kWorld, router)) << "the check below would prove nothing";
  for (const auto* from : {"10.0.5.3", "10.0.5.1", "192.0.2.1", "192.0.2.80", "127.0.0.1", "0.0.0.0", "198.51.100.7"}) {
    EXPECT_FALSE(ping_passes(from, Scene::kWorld, router)) << from;
    EXPECT_FALSE(ping_passes(from, "10.0.5.1", router)) << from;
  }
}

TEST_F(Hostile, ForeignIpv6PassesNowhere) {
  // The test puts neighbours and a route to all of the prefix in, so that silence means something.
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2,fd76:7274:5::2"});
  router = {host_mac(scene.host, "tap0"), kOwn};
  scene.host.must("ip -6 route add fd76:7274:5::/64 dev tap0");
  const auto answered = [&](const std::string& from) {
    scene.host.must("ip -6 neighbour replace " + from + " lladdr " + kOwn.to_string() + " dev tap0");
    tap.send(ping(router, {from, "fd76:7274:5::1"}, 78, 1));
    return tap.receive(700ms, [](const Seen& seen) { return seen.icmp_type == 129 && seen.protocol == kProtocolIcmp6; })
        .has_value();
  };
  EXPECT_TRUE(wait_until([&] { return answered("fd76:7274:5::2"); })) << "the checks below would prove nothing";
  for (const auto* from : {"fd76:7274:5::3", "fd76:7274:5::99"}) EXPECT_FALSE(answered(from)) << from;
}

TEST_F(Hostile, ArpForAnotherAddressChangesNobodysNeighbour) {
  add();
  TapGuest victim{scene.host, "tap1", kOther};
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3"});
  victim.set_static("10.0.5.3/24", "10.0.5.1");
  ASSERT_TRUE(victim.inside().sh("ping -c 1 -W 2 10.0.5.1").ok());
  for (const auto* stolen : {"10.0.5.3", "10.0.5.1", "192.0.2.80"}) {
    tap.send(arp({kBroadcastMac, kOwn}, {.operation = 1, .sender_mac = kOwn, .sender = stolen, .target = "10.0.5.1"}));
    tap.send(
        arp({router.to, kOwn},
            {.operation = 2, .sender_mac = kOwn, .sender = stolen, .target_mac = router.to, .target = "10.0.5.1"}));
  }
  EXPECT_FALSE(tap.receive(500ms, [](const Seen& seen) { return seen.type == kEtherArp && seen.arp_operation == 2; })
                   .has_value());
  const auto neighbours = scene.host.must("ip neighbour show dev tap0");
  EXPECT_EQ(neighbours.find(" 10.0.5.3"), std::string::npos) << neighbours;
  EXPECT_TRUE(victim.inside().sh("ping -c 3 -i 0.2 -W 2 10.0.5.1").ok());
  EXPECT_TRUE(victim.inside().sh("ping -c 3 -i 0.2 -W 2 192.0.2.80").ok());
}

TEST_F(Hostile, AnotherMacThanThePinnedOnePassesNothing) {
  add({"--mac", kOwn.to_string()});
  EXPECT_TRUE(ping_passes("10.0.5.2", Scene::kWorld, router));
  EXPECT_TRUE(ping_passes("10.0.5.2", "10.0.5.1", router));
  const Ethernet forged{router.to, kOther};
  EXPECT_FALSE(ping_passes("10.0.5.2", Scene::kWorld, forged));
  EXPECT_FALSE(ping_passes("10.0.5.2", "10.0.5.1", forged));
  tap.send(
      arp({kBroadcastMac, kOther}, {.operation = 1, .sender_mac = kOther, .sender = "10.0.5.2", .target = "10.0.5.1"}));
  EXPECT_FALSE(tap.receive(500ms, [](const Seen& seen) { return seen.type == kEtherArp && seen.arp_operation == 2; })
                   .has_value());
  tap.send(udp({kBroadcastMac, kOther}, {"0.0.0.0", "255.255.255.255"}, 68, 67, std::string(300, '\1')));
  EXPECT_FALSE(tap.receive(500ms, [](const Seen& seen) { return seen.to_port == 68; }).has_value());
}

TEST_F(Hostile, AnswersNoDhcpForOthers) {
  add();
  const auto listener =
      scene.host.spawn({"tcpdump", "-l", "-n", "-i", "any", "udp port 68 and not src host 10.0.5.1"}, {});
  TapGuest victim{scene.host, "tap1", kOther};
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3"});
  tap.send(udp({kBroadcastMac, kOwn}, {"10.0.5.2", "10.0.5.3"}, 67, 68, std::string(300, '\2')));
  tap.send(udp({router.to, kOwn}, {"10.0.5.2", "192.0.2.80"}, 67, 68, std::string(300, '\2')));
  const auto counted = scene.world.must("cat /proc/net/snmp | grep ^Udp:");
  get_lease(victim);
  EXPECT_TRUE(victim.inside().sh("ping -c 1 -W 2 10.0.5.1").ok());
  EXPECT_EQ(counted, scene.world.must("cat /proc/net/snmp | grep ^Udp:")) << "the forged reply left the host";
}

TEST_F(Hostile, TheCloudsMetadataServiceIsOutOfReach) {
  add();
  scene.host.must("ip route add 169.254.169.254/32 via 192.0.2.80");
  scene.world.must("ip address add 169.254.169.254/32 dev lo");
  ASSERT_TRUE(scene.host.sh("ping -c 1 -W 2 169.254.169.254").ok());
  EXPECT_FALSE(ping_passes("10.0.5.2", "169.254.169.254", router));
}

struct Recreated : ::testing::Test {
  Scene scene;
};

TEST_F(Recreated, ATapMadeAgainWhileTheDaemonIsDeadPassesNothing) {
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  ASSERT_TRUE(guest.inside().sh("ping -c 1 -W 2 10.0.5.1").ok());
  scene.daemon->kill9();
  guest.unplug();
  guest.plug();
  // As a qemu-ifup script or a careless operator would: up, with the route back.
  scene.host.must("ip link set tap0 up; ip route replace 10.0.5.2/32 dev tap0; ip address add 10.9.9.9/24 dev tap0");
  const auto listener = scene.host.spawn({"busybox", "nc", "-l", "-p", "22"});
  EXPECT_FALSE(guest.inside().sh("ping -c 2 -i 0.2 -W 1 10.0.5.1").ok());
  EXPECT_FALSE(guest.inside().sh("ping -c 2 -i 0.2 -W 1 192.0.2.1").ok());
  EXPECT_FALSE(guest.inside().sh("ping -c 2 -i 0.2 -W 1 192.0.2.80").ok());
  EXPECT_FALSE(guest.inside().sh("busybox nc -w 1 192.0.2.1 22 < /dev/null").ok()) << "the host's port 22";
  scene.host.must("ip address del 10.9.9.9/24 dev tap0");
  scene.daemon->start();
  // More than one: a question for the gateway's MAC from while the TAP was closed may just be given up.
  EXPECT_TRUE(guest.inside().sh("ping -c 5 -i 0.3 -W 2 10.0.5.1").ok()) << "adopted again at the start";
}

TEST_F(Recreated, ATapTakenOutOfItsGroupWhileTheDaemonIsDeadIsReachedByNobody) {
  TapGuest sender{scene.host, "tap0"};
  RawTap receiver{scene.host, "tap1"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3"});
  sender.set_static("10.0.5.2/32", "10.0.5.1");  // a /24 would look for its sibling on its own link
  const auto arrived = [&] {
    sender.inside().must("bash -c 'for i in 1 2 3; do echo x > /dev/udp/10.0.5.3/9; done'");
    return receiver.receive(500ms, [](const Seen& seen) { return seen.to_port == 9; }).has_value();
  };
  scene.daemon->kill9();
  scene.host.must("ip neigh replace 10.0.5.3 lladdr 52:54:00:12:34:57 nud permanent dev tap1");
  EXPECT_FALSE(arrived());
  scene.host.must("ip link set tap1 group 0");
  EXPECT_FALSE(arrived());
  scene.host.must("nft flush ruleset");
  EXPECT_TRUE(arrived()) << "the checks above prove nothing";
}

}  // namespace
}  // namespace vrouter::lab
