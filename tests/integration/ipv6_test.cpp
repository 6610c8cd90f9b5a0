// SPDX-License-Identifier: GPL-2.0-or-later
// Guests with a static IPv6 address: what they reach and what reaches them, and that the host is as before afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kWorld6 = "2001:db8:1::80";
constexpr const char* kGateway6 = "fd76:7274:5::1";
constexpr const char* kGuest6 = "fd76:7274:5::2";

constexpr const char* kRouted = R"(
[networks.default]
[networks.public]
prefix = "10.0.6.0/24"
prefix6 = "2001:db8:9::/64"
mode = "routed"
)";

// A host and a world that speak IPv6 with one another, and a daemon that was started after that.
struct Scene6 : Scene {
  explicit Scene6(DaemonOptions options = {}) : Scene{std::move(options), false} {
    host.must("ip -6 address add 2001:db8:1::1/64 dev eth0 nodad; ip -6 route add default via 2001:db8:1::80");
    world.must("ip -6 address add 2001:db8:1::80/64 dev eth0 nodad");
    for (const auto* where : {&host, &world}) {
      EXPECT_TRUE(wait_until([&] { return where->must("ip -6 address show tentative").empty(); }));
    }
    daemon->start();
  }
  // Until a reply is there: a guest's first packets may be lost to its own address detection.
  [[nodiscard]] static bool reaches(Namespace& from, const std::string& to) {
    return wait_until([&] { return from.sh("ping -c 1 -W 1 " + to).ok(); }, 6s);
  }
  [[nodiscard]] static bool reached_now(Namespace& from, const std::string& to) {
    return from.sh("ping -c 2 -i 0.2 -W 1 " + to).ok();
  }
};

void give_ipv6(TapGuest& guest, const std::string& address, const std::string& gateway) {
  guest.inside().must("ip link set eth0 up; ip -6 address replace " + address +
                      "/64 dev eth0 nodad; ip -6 route replace default via " + gateway + " dev eth0");
}

struct Ipv6Guest : testing::Test {
  void add(const std::string& addresses = std::string{"10.0.5.2,"} + kGuest6) {
    scene.daemon->vrouter({"add-guest", "tap0", addresses});
    guest.set_static("10.0.5.2/24", "10.0.5.1");
    give_ipv6(guest, kGuest6, "fe80::1");
  }
  [[nodiscard]] bool reaches(const std::string& to) { return Scene6::reaches(guest.inside(), to); }

  Scene6 scene;
  TapGuest guest{scene.host, "tap0"};
};

TEST_F(Ipv6Guest, ReachesItsGatewayByBothNamesResolvesAndReachesTheWorldBehindNat) {
  add();
  EXPECT_TRUE(reaches("fe80::1%eth0"));
  EXPECT_TRUE(reaches(kGateway6));
  const std::string ask = std::string{"dig +short +tries=1 +time=5 www.world.example @"} + kGateway6;
  EXPECT_EQ(guest.inside().must(ask), "192.0.2.80\n");
  EXPECT_EQ(guest.inside().must(ask + " +tcp"), "192.0.2.80\n");
  EXPECT_EQ(guest.inside().must(std::string{"dig +short +tries=1 +time=5 AAAA tap0.guests.internal @"} + kGateway6),
            std::string{kGuest6} + "\n");
  // The world has no route to the guest: only what was translated comes back.
  EXPECT_TRUE(reaches(kWorld6));
  EXPECT_TRUE(reaches(Scene::kWorld)) << "IPv4 as well";
  give_ipv6(guest, kGuest6, kGateway6);
  guest.inside().must("ip -6 neighbour flush dev eth0");
  EXPECT_TRUE(reaches(kWorld6)) << "by the network's own gateway";
  EXPECT_THAT(scene.daemon->vrouter({"status"}), Not(HasSubstr("fd76")));
}

TEST_F(Ipv6Guest, IsNotReachableUnsolicited) {
  add();
  ASSERT_TRUE(reaches(kWorld6));
  scene.world.must("ip -6 route add fd76:7274:5::/64 via 2001:db8:1::1");
  EXPECT_FALSE(Scene6::reached_now(scene.world, kGuest6));
  EXPECT_TRUE(Scene6::reached_now(scene.host, kGuest6)) << "its host may: else the line above proves nothing";
}

TEST_F(Ipv6Guest, ASiblingsAddressPassesNowhere) {
  add();
  ASSERT_TRUE(reaches(kWorld6));
  guest.inside().must("ip -6 address add fd76:7274:5::3/64 dev eth0 nodad");
  const auto from = [&](const std::string& source, const std::string& to) {
    return guest.inside().sh("ping -c 2 -i 0.2 -W 1 -I " + source + " " + to).ok();
  };
  EXPECT_TRUE(from(kGuest6, kWorld6));
  for (const auto* to : {kWorld6, kGateway6}) EXPECT_FALSE(from("fd76:7274:5::3", to)) << to;
}

TEST_F(Ipv6Guest, TheHostIsNoRouterForOthers) {
  Namespace stranger{"stranger"};
  connect({scene.host, "eth1", ""}, {stranger, "eth0", ""});
  scene.host.must("ip -6 address add 2001:db8:3::1/64 dev eth1 nodad");
  stranger.must("ip -6 address add 2001:db8:3::9/64 dev eth0 nodad; ip -6 route add default via 2001:db8:3::1");
  scene.world.must("ip -6 route add 2001:db8:3::/64 via 2001:db8:1::1");
  add();
  ASSERT_TRUE(reaches(kWorld6));
  ASSERT_TRUE(Scene6::reaches(stranger, "2001:db8:3::1")) << "the lines below would prove nothing";
  EXPECT_FALSE(Scene6::reached_now(scene.world, "2001:db8:3::9"));
  EXPECT_FALSE(Scene6::reached_now(stranger, kWorld6));
}

TEST_F(Ipv6Guest, ARestartLosesNothing) {
  add();
  ASSERT_TRUE(reaches(kWorld6));
  const auto counted = [&](const std::function<void()>& restart) {
    // A count of its own: one that is interrupted counts what is still on its way as lost.
    auto ping = guest.inside().spawn({"ping", "-i", "0.02", "-W", "1", "-q", "-c", "200", kWorld6});
    restart();
    EXPECT_FALSE(ping.wait(0s).has_value()) << "the restart took longer than the pings";
    static_cast<void>(ping.wait(10s));
    return ping.output();
  };
  const auto stopped = counted([&] {
    EXPECT_EQ(scene.daemon->stop(), 0);
    scene.daemon->start();
  });
  EXPECT_THAT(stopped, HasSubstr(" 0% packet loss"));
  const auto before = scene.host.must("ip -6 route show table all; ip -6 -o address | sed 's/valid.*//'");
  const auto killed = counted([&] {
    scene.daemon->kill9();
    scene.daemon->start();
  });
  EXPECT_THAT(killed, HasSubstr(" 0% packet loss"));
  EXPECT_EQ(scene.host.must("ip -6 route show table all; ip -6 -o address | sed 's/valid.*//'"), before);
  EXPECT_EQ(guest.inside().must(std::string{"dig +short +tries=1 +time=5 www.world.example @"} + kGateway6),
            "192.0.2.80\n");
}

TEST_F(Ipv6Guest, RemovedItsAddressIsGoneAndItsConnectionsWithIt) {
  add();
  ASSERT_TRUE(reaches(kWorld6));
  scene.daemon->vrouter({"remove-guest", "tap0"});
  EXPECT_TRUE(
      wait_until([&] { return scene.host.must("ip -6 route show table all").find("fd76") == std::string::npos; }));
  EXPECT_TRUE(wait_until([&] {
    return scene.host.must("ip -6 address show dev lo").find("fd76") == std::string::npos;
  })) << "the last guest of its network with IPv6";
  EXPECT_TRUE(wait_until([&] {
    return scene.host.must("cat /proc/net/nf_conntrack 2>/dev/null || true").find("fd76:7274") == std::string::npos;
  }));
  scene.daemon->vrouter({"add-guest", "tap0", std::string{"10.0.5.2,"} + kGuest6});
  EXPECT_TRUE(reaches(kWorld6)) << "and comes back";
  EXPECT_TRUE(wait_until([&] {
    return guest.inside().sh(std::string{"dig +tries=1 +time=1 www.world.example @"} + kGateway6).ok();
  })) << scene.daemon->vrouter({"status"});
}

// Everything of IPv6 that vrouter may change on a host.
std::string portrait(const Namespace& host) {
  return host.must(
      "grep -r . /proc/sys/net/ipv6/conf 2>/dev/null | grep -v stable_secret | sort;"
      "ip -6 -o address show | sed 's/valid_lft.*//'; ip -6 route show table all | sed 's/expires.*//' | sort;"
      "ip -6 neighbour show nud permanent");
}

std::string differences(const std::string& before, const std::string& after) {
  const auto lines = [](const std::string& text) {
    std::multiset<std::string> all;
    std::istringstream stream{text};
    for (std::string line; std::getline(stream, line);) all.insert(line);
    return all;
  };
  std::vector<std::string> changed;
  std::ranges::set_symmetric_difference(lines(before), lines(after), std::back_inserter(changed));
  std::string text;
  for (const auto& line : changed) text += line + "\n";
  return text;
}

TEST(Ipv6Host, IsGivenBackAsItWas) {
  for (const auto* config : {"", "[host]\nforwarding = \"global\"\n"}) {
    Scene6 scene{{.config = config}};
    TapGuest guest{scene.host, "tap0"};
    TapGuest plain{scene.host, "tap1", MacAddress{{0x52, 0x54, 0, 0, 0, 3}}};
    scene.host.must("ip link set tap0 up; ip link set tap1 up");
    ASSERT_TRUE(wait_until([&] {
      return scene.host.must("ip -6 -o address show dev tap0 -tentative").find("fe80") != std::string::npos &&
             scene.host.must("ip -6 -o address show dev tap1 -tentative").find("fe80") != std::string::npos;
    }));
    scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3"});
    scene.daemon->vrouter({"remove-guest", "tap1"});
    scene.host.must("ip link set tap1 up");
    ASSERT_TRUE(wait_until([&] {
      return scene.host.must("ip -6 -o address show dev tap1 -tentative").find("fe80") != std::string::npos;
    }));
    const auto before = portrait(scene.host);
    scene.daemon->vrouter({"add-guest", "tap0", std::string{"10.0.5.2,"} + kGuest6, "--mac", kQemuMac.to_string()});
    scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3"});
    give_ipv6(guest, kGuest6, "fe80::1");
    ASSERT_TRUE(Scene6::reaches(guest.inside(), kWorld6)) << config;
    EXPECT_EQ(scene.host.sysctl("net/ipv6/conf/tap1/disable_ipv6"), "1") << "no guest of IPv6";
    EXPECT_EQ(scene.host.sysctl("net/ipv6/conf/tap0/accept_ra"), "0");
    scene.daemon->vrouter({"teardown"});
    EXPECT_TRUE(wait_until([&] { return differences(before, portrait(scene.host)).empty(); }))
        << config << differences(before, portrait(scene.host));
  }
}

// A router advertisement for half an hour, as the world's own router would send it (RFC 4861, 4.2).
void advertise(const Namespace& world) {
  world.must(
      "python3 -c 'import socket, struct\n"
      "s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)\n"
      "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)\n"
      "ra = struct.pack(\"!BBHBBHII\", 134, 0, 0, 64, 0, 1800, 0, 0)\n"
      "s.sendto(ra, (\"ff02::1\", 0, 0, socket.if_nametoindex(\"eth0\")))'");
}

bool has_advertised_route(const Namespace& host) {
  return host.must("ip -6 route show default").find("proto ra") != std::string::npos;
}

// By advertisements the uplink learned the way out: forwarding for guests must neither take it from the host nor make
// it deaf to the next one.
TEST(Ipv6Host, KeepsHeedingItsOwnRoutersAdvertisements) {
  for (const auto* config : {"", "[host]\nforwarding = \"global\"\n"}) {
    Scene6 scene{{.config = config}};
    const auto learns = [&] {
      scene.host.must("ip -6 route flush default");
      return wait_until([&] {
        advertise(scene.world);
        return has_advertised_route(scene.host);
      });
    };
    ASSERT_TRUE(learns()) << "the lines below would prove nothing";
    TapGuest guest{scene.host, "tap0"};
    scene.daemon->vrouter({"add-guest", "tap0", std::string{"10.0.5.2,"} + kGuest6});
    const bool all = scene.host.sysctl("net/ipv6/conf/all/forwarding") == "1";
    EXPECT_TRUE(all || *config == '\0') << "\"global\" means it";
    EXPECT_EQ(scene.host.sysctl("net/ipv6/conf/eth0/accept_ra"), all ? "2" : "1");
    EXPECT_TRUE(has_advertised_route(scene.host)) << config;
    give_ipv6(guest, kGuest6, "fe80::1");
    EXPECT_TRUE(Scene6::reaches(guest.inside(), kWorld6));
    EXPECT_TRUE(learns()) << config;
    scene.daemon->vrouter({"remove-guest", "tap0"});
    EXPECT_TRUE(wait_until([&] {
      return scene.host.sysctl("net/ipv6/conf/all/forwarding") == "0" &&
             scene.host.sysctl("net/ipv6/conf/eth0/accept_ra") == "1";
    }));
    EXPECT_TRUE(has_advertised_route(scene.host)) << config;
    EXPECT_TRUE(learns()) << config;
  }
}

TEST(Ipv6Host, RoutedGuestsAreSeenUnderTheirOwnAddress) {
  Scene6 scene{{.config = kRouted}};
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.6.2,2001:db8:9::2"});
  scene.world.must("ip -6 route add 2001:db8:9::/64 via 2001:db8:1::1");
  give_ipv6(guest, "2001:db8:9::2", "fe80::1");
  const auto sniffer = scene.world.spawn({"tcpdump", "-l", "-n", "-i", "eth0", "icmp6"}, {});
  ASSERT_TRUE(wait_until([&] { return sniffer.output().find("listening") != std::string::npos; }));
  ASSERT_TRUE(Scene6::reaches(guest.inside(), kWorld6));
  EXPECT_TRUE(wait_until([&] {
    return sniffer.output().find("2001:db8:9::2 > 2001:db8:1::80: ICMP6, echo request") != std::string::npos;
  })) << sniffer.output();
  EXPECT_FALSE(Scene6::reached_now(scene.world, "2001:db8:9::2")) << "unsolicited";
}

TEST(Ipv6Host, WithoutIpv6RefusesThoseGuestsOnly) {
  Scene scene{{}, false};
  scene.host.set_sysctl("net/ipv6/conf/lo/disable_ipv6", "1");
  scene.daemon->start();
  const auto refused = scene.daemon->cli({"add-guest", "tap0", std::string{"10.0.5.2,"} + kGuest6});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("sysctl net.ipv6.conf.lo.disable_ipv6=0"));
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  EXPECT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
  EXPECT_THAT(scene.daemon->vrouter({"status"}), Not(HasSubstr("IPv6")));
}

TEST(Ipv6Host, AGuestLosesAndGetsItsAddressByReload) {
  const auto file = [](const std::string& more) {
    return "[[guests]]\nname = \"web1\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n" + more;
  };
  Scene6 scene{{.config = file("")}};
  TapGuest guest{scene.host, "tap0"};
  const auto ipv6_is = [&](const char* disabled) {
    return wait_until([&] { return scene.host.sysctl("net/ipv6/conf/tap0/disable_ipv6") == disabled; });
  };
  EXPECT_TRUE(ipv6_is("1"));
  for (int round = 0; round < 2; ++round) {
    scene.daemon->set_config(file(std::string{"address6 = \""} + kGuest6 + "\"\n"));
    scene.daemon->vrouter({"reload"});
    EXPECT_TRUE(ipv6_is("0"));
    give_ipv6(guest, kGuest6, "fe80::1");
    EXPECT_TRUE(Scene6::reaches(guest.inside(), kWorld6));
    EXPECT_EQ(guest.inside().must(std::string{"dig +short +tcp +tries=2 +time=2 www.world.example @"} + kGateway6),
              "192.0.2.80\n");
    scene.daemon->set_config(file(""));
    scene.daemon->vrouter({"reload"});
    EXPECT_TRUE(ipv6_is("1"));
    EXPECT_THAT(scene.host.must("ip -6 address; ip -6 route show table all"), Not(HasSubstr("fd76")));
  }
}

}  // namespace
}  // namespace vrouter::lab
