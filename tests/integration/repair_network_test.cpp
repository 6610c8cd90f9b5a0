// SPDX-License-Identifier: GPL-2.0-or-later
// Others change links, addresses, routes, neighbours and switches: put right by the kernel's event, what is not ours
// left alone, and the guest next door notices nothing.
#include <algorithm>
#include <csignal>
#include <iostream>
#include <thread>

#include "tests/integration/repair_scene.h"

namespace vrouter::lab {
namespace {

using router::Conf;

struct Repair : ::testing::Test {
  void run(const std::string& command) { here.scene.host.must(command); }
  void expect_back(const std::string& what, const std::string& command, const std::function<bool()>& right) {
    here.expect_mended(what, [&] { run(command); }, right);
  }
  [[nodiscard]] bool sysctl_is(const std::string& key, const std::string& value) const {
    return here.scene.host.sysctl(key) == value;
  }
  [[nodiscard]] bool adopted(const char* tap = "tap0") const {
    const auto link = here.link(tap);
    return link.group == kGuestGroup && link.up;
  }
  [[nodiscard]] bool works() { return here.reaches(here.guest, Scene::kWorld); }
  [[nodiscard]] bool has_address(const char* on, const std::string& address) const {
    const auto index = here.link(on).index;
    return std::ranges::any_of(here.net->addresses().value(),
                               [&](const auto& a) { return a.ifindex == index && a.local.to_string() == address; });
  }

  RepairScene here;
};

TEST_F(Repair, RoutesAndAddresses) {
  Stream next_door{here.other};
  const auto routed = [&] { return here.routed("tap0", "10.0.5.2"); };
  expect_back("a deleted route", "ip route del 10.0.5.2", routed);
  expect_back("a flushed protocol's routes of one TAP", "ip route flush dev tap0", routed);
  expect_back("a route turned away", "ip route change 10.0.5.2 dev lo proto 118", routed);
  expect_back("the network's unreachable route", "ip route del unreachable 10.0.5.0/24 metric 4278198272", [&] {
    return std::ranges::any_of(here.net->routes().value(),
                               [](const auto& r) { return r.type == router::RouteType::unreachable; });
  });
  EXPECT_EQ(next_door.lost(), 0);
  expect_back("the gateway's address", "ip address del 10.0.5.1/32 dev lo",
              [&] { return has_address("lo", "10.0.5.1") && routed() && here.routed("tap1", "10.0.5.3"); });
  EXPECT_TRUE(works());
  EXPECT_GE(here.repairs("routes"), 15U);
  EXPECT_GE(here.repairs("addresses"), 5U);
  EXPECT_GE(here.lines("mended: add route 10.0.5.2 to tap0"), 1U);
}

TEST_F(Repair, WhatIsNotOursIsLeftAlone) {
  run("ip route add 198.51.100.0/24 dev eth0 proto static table 77; ip rule add from 198.51.100.9 lookup 77;"
      "ip address add 203.0.113.7/32 dev lo; ip route add 203.0.113.0/24 via 192.0.2.80 proto 119");
  const auto mended = here.scene.daemon->log().size();
  run("ip route del 198.51.100.0/24 table 77; ip rule del from 198.51.100.9; ip address del 203.0.113.7/32 dev lo;"
      "ip route del 203.0.113.0/24; ip link add veth7 type veth peer veth8; ip link set veth7 up group 5; ip link del "
      "veth7");
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(here.scene.daemon->log().size(), mended) << here.scene.daemon->log();
  EXPECT_EQ(here.scene.host.must("ip route show table 77; ip rule show | grep 198 || true"), "");
}

TEST_F(Repair, NeighboursOfAPinnedGuest) {
  here.scene.daemon->vrouter({"remove-guest", "tap0"});
  here.scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--mac", kQemuMac.to_string()});
  const auto pinned = [&] {
    const auto index = here.link("tap0").index;
    return std::ranges::any_of(here.net->neighbours().value(), [&](const auto& n) {
      return n.ifindex == index && n.mac == kQemuMac && n.state == router::NeighbourState::permanent;
    });
  };
  expect_back("a deleted neighbour", "ip neighbour del 10.0.5.2 dev tap0", pinned);
  expect_back("a neighbour with another MAC", "ip neighbour replace 10.0.5.2 lladdr 02:00:00:00:00:99 dev tap0",
              pinned);
  expect_back("flushed neighbours, while the tool that flushes gives up",
              "ip neighbour flush dev tap0 nud permanent || true", pinned);
  EXPECT_TRUE(works());
}

TEST_F(Repair, Ipv6OfAGuest) {
  Stream next_door{here.other};
  here.scene.daemon->vrouter({"remove-guest", "tap0"});
  here.scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2,fd76:7274:5::2", "--mac", kQemuMac.to_string()});
  const auto right = [&] {
    const auto index = here.link("tap0").index;
    return here.routed("tap0", "fd76:7274:5::2") && here.routed("tap0", "10.0.5.2") && has_address("tap0", "fe80::1") &&
           has_address("tap0", "fd76:7274:5::1") && has_address("lo", "fd76:7274:5::1") &&
           here.link("tap0").ipv6_on() && std::ranges::any_of(here.net->neighbours().value(), [&](const auto& n) {
             return n.ifindex == index && n.address.is_v6() && n.state == router::NeighbourState::permanent;
           });
  };
  const auto sourced = [&] {
    return right() &&
           here.scene.host.must("ip -6 route show fd76:7274:5::2").find("src fd76:7274:5::1") != std::string::npos;
  };
  expect_back("a deleted IPv6 route", "ip -6 route del fd76:7274:5::2", right);
  expect_back("the prefix's unreachable route", "ip -6 route del unreachable fd76:7274:5::/64 metric 4278198272", [&] {
    return std::ranges::any_of(here.net->routes().value(), [](const auto& r) {
      return r.type == router::RouteType::unreachable && r.destination.network().is_v6();
    });
  });
  expect_back("a deleted IPv6 neighbour", "ip -6 neighbour del fd76:7274:5::2 dev tap0", right);
  expect_back("fe80::1", "ip -6 address del fe80::1/64 dev tap0", right);
  expect_back("the gateway's IPv6 address",
              "ip -6 address del fd76:7274:5::1/128 dev tap0; ip -6 address del fd76:7274:5::1/128 dev lo", sourced);
  // ip gives up (after ten rounds) where they are back sooner than it looks again: a busy machine.
  expect_back("all IPv6 addresses of a TAP", "ip -6 address flush dev tap0 || true", right);
  expect_back("IPv6 switched off on a TAP", "echo 1 > /proc/sys/net/ipv6/conf/tap0/disable_ipv6", right);
  expect_back("an IPv6 guest's link that went down and up", "ip link set tap0 down; ip link set tap0 up", right);
  here.guest.inside().must(
      "ip -6 address add fd76:7274:5::2/64 dev eth0 nodad; ip -6 route add default via fe80::1 dev eth0");
  EXPECT_TRUE(wait_until([&] { return here.reaches(here.guest, "fd76:7274:5::1"); }));
  EXPECT_TRUE(works());
  EXPECT_EQ(next_door.lost(), 0);
}

TEST_F(Repair, LinksAndTheirGroup) {
  Stream next_door{here.other};
  const auto right = [&] { return adopted() && here.routed("tap0", "10.0.5.2"); };
  expect_back("a changed group", "ip link set tap0 group 0", right);
  expect_back("a link that went down and up", "ip link set tap0 down; ip link set tap0 up", right);
  expect_back(
      "a TAP that was a bridge's port",
      "ip link add br7 type bridge; ip link set tap0 master br7; sleep 0.1; ip link set tap0 nomaster; ip link del br7",
      right);
  expect_back(
      "a TAP renamed away and back",
      "ip link set tap0 down; ip link set tap0 name away; sleep 0.1; ip link set away name tap0; ip link set tap0 up",
      right);
  EXPECT_TRUE(works());
  run("ip link set tap0 mtu 1400; ip link set tap0 address 02:00:00:00:00:07");
  here.guest.inside().must("ip neighbour flush dev eth0");  // which knows the old one for half a minute otherwise
  EXPECT_TRUE(wait_until([&] { return works(); })) << "another MTU and another MAC of the host's side";
  EXPECT_EQ(next_door.lost(), 0);
}

TEST_F(Repair, AnInterfaceThatTakesTheGuestsNameIsLeftAlone) {
  run("ip link set tap0 down; ip link set tap0 name away; ip link add tap0 type bridge; ip link set tap0 up;"
      "ip address add 203.0.113.9/24 dev tap0");
  ASSERT_TRUE(wait_until([&] { return here.link("away").group == 0; }));
  EXPECT_FALSE(here.link("away").up) << "no guest's any more: it must not reach the host";
  EXPECT_TRUE(here.link("tap0").up && here.link("tap0").group == 0 && has_address("tap0", "203.0.113.9"));
  run("ip link del tap0; ip link set away name tap0");
  EXPECT_TRUE(wait_until([&] { return adopted() && works(); })) << here.scene.daemon->log();
}

TEST_F(Repair, ATapThatWasInAnotherNamespace) {
  run("ip netns add elsewhere");
  here.expect_mended(
      "a TAP that came back from another namespace",
      [&] { run("ip link set tap0 netns elsewhere; ip -n elsewhere link set tap0 netns 1"); },
      [&] { return adopted() && here.routed("tap0", "10.0.5.2"); });
  EXPECT_TRUE(works());
}

TEST_F(Repair, ATapMadeAgain) {
  Stream next_door{here.other};
  here.expect_mended(
      "a TAP made again",
      [&] {
        here.guest.unplug();
        ASSERT_TRUE(wait_until([&] { return here.link("tap0").index == 0; }));
        here.guest.plug();
      },
      [&] { return adopted() && here.routed("tap0", "10.0.5.2"); });
  EXPECT_TRUE(wait_until([&] { return works(); }));
  EXPECT_EQ(next_door.lost(), 0);
}

TEST_F(Repair, SwitchesThatTell) {
  expect_back("a TAP's forwarding", "echo 0 > /proc/sys/net/ipv4/conf/tap0/forwarding",
              [&] { return here.link("tap0").conf[Conf::forwarding] == 1; });
  expect_back("a TAP's rp_filter", "echo 2 > /proc/sys/net/ipv4/conf/tap0/rp_filter",
              [&] { return here.link("tap0").conf[Conf::rp_filter] == 1; });
  expect_back("the uplink's forwarding", "echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding",
              [&] { return here.link("eth0").conf[Conf::forwarding] == 1; });
  expect_back("ip_forward on and off", "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/ip_forward",
              [&] {
                const auto links = here.net->links().value();
                return std::ranges::all_of(links, [](const router::Link& link) {
                  return !(link.name.starts_with("tap") || link.name == "eth0") || link.conf[Conf::forwarding] == 1;
                });
              });
  EXPECT_GE(here.repairs("sysctls"), 20U);
  EXPECT_TRUE(works() && here.reaches(here.other, Scene::kWorld));
}

TEST_F(Repair, BridgeNetfilterTurnedOnAfterABridgeWasMade) {
  const std::string key = "net/bridge/bridge-nf-call-iptables";
  if (here.scene.host.sysctl(key).empty()) GTEST_SKIP() << "this kernel has no bridge netfilter";
  EXPECT_TRUE(wait_until([&] { return sysctl_is(key, "0"); }));
  here.expect_mended(
      "bridge netfilter, after a bridge was made",
      [&] { run("ip link add br8 type bridge; echo 1 > /proc/sys/" + key + "; ip link del br8"); },
      [&] { return sysctl_is(key, "0"); });
  // As Docker does it, some steps later.
  run("ip link add br9 type bridge");
  std::this_thread::sleep_for(400ms);
  run("echo 1 > /proc/sys/" + key);
  EXPECT_TRUE(wait_until([&] { return sysctl_is(key, "0"); }, 2s));
  EXPECT_GE(here.repairs("bridge_netfilter"), 6U);
}

TEST_F(Repair, SwitchesThatTellNothingAreFoundByTheSlowCheck) {
  run("cd /proc/sys/net/ipv4/conf/tap0; echo 1 > send_redirects; echo 1 > accept_redirects; echo 1 > arp_ignore;"
      "echo 0 > arp_announce; echo 1 > proxy_arp; echo 0 > /proc/sys/net/ipv6/conf/tap0/disable_ipv6");
  const auto begin = std::chrono::steady_clock::now();
  const auto right = [&] {
    const auto link = here.link("tap0");
    return link.conf[Conf::send_redirects] == 0 && link.conf[Conf::accept_redirects] == 0 &&
           link.conf[Conf::arp_ignore] == 0 && link.conf[Conf::arp_announce] == 2 && link.conf[Conf::proxy_arp] == 0 &&
           !link.ipv6_on();
  };
  EXPECT_TRUE(wait_until(right, 40s)) << here.scene.daemon->log();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin);
  std::cout << "the slow check took " << seconds.count() << " s\n";
}

TEST_F(Repair, AToolThatDeletesTheRouteWithoutEndNeitherFillsTheLogNorSpins) {
  Stream next_door{here.other};
  auto flood = here.scene.host.spawn({"sh", "-c", "while :; do ip route del 10.0.5.2 2>/dev/null; sleep 0.01; done"});
  std::this_thread::sleep_for(4s);
  flood.stop_now();
  EXPECT_TRUE(wait_until([&] { return here.routed("tap0", "10.0.5.2"); }, 3s));
  const auto mended = here.repairs("routes");
  std::cout << mended << " repairs in 4 s\n";
  EXPECT_GE(mended, 10U);
  EXPECT_LE(mended, 65U) << "twenty at once, then ten a second";
  EXPECT_LE(here.lines("mended: "), 8U);
  EXPECT_EQ(next_door.lost(), 0);
  EXPECT_TRUE(works());
}

// Stopped, flooded beyond what its sockets hold, then let go: it must notice that it missed things.
TEST_F(Repair, EventsThatWereLostAreMadeUpFor) {
  here.scene.daemon->vrouter({"add-guest", "tap5", "10.0.5.5", "--ephemeral"});
  auto ephemeral = std::make_unique<RawTap>(here.scene.host, "tap5");
  ASSERT_TRUE(wait_until([&] { return adopted("tap5"); }));
  ASSERT_EQ(::kill(here.scene.daemon->pid(), SIGSTOP), 0);
  // 32 MiB of events: routes are the cheapest to make many of.
  run("for i in $(seq 0 255); do for j in $(seq 0 255); do echo \"route add 172.16.$i.$j/32 dev eth0 proto 77\"; done; "
      "done > /tmp/add; sed 's/add/del/' /tmp/add > /tmp/del; ip -batch /tmp/add; ip -batch /tmp/del");
  ephemeral.reset();
  run("ip route del 10.0.5.2; ip link set tap1 group 0; ip address del 10.0.5.1/32 dev lo");
  ASSERT_EQ(::kill(here.scene.daemon->pid(), SIGCONT), 0);
  EXPECT_TRUE(wait_until([&] {
    return here.routed("tap0", "10.0.5.2") && adopted("tap1") && has_address("lo", "10.0.5.1");
  })) << here.scene.daemon->log();
  EXPECT_GE(here.lines("looking at the whole host again"), 1U) << "the socket didn't overflow: this proves nothing";
  EXPECT_TRUE(works() && here.reaches(here.other, Scene::kWorld));
  EXPECT_TRUE(wait_until([&] { return here.scene.daemon->cli({"show", "tap5"}).status == 1; }))
      << "an ephemeral guest whose TAP went unheard";
  EXPECT_GE(here.repairs("routes"), 1U);
}

TEST(ThousandGuests, IpForwardTurnedOffIsMendedForEachOfThem) {
  constexpr int kGuests = 1000;
  std::string config = "[networks.default]\nprefix = \"10.0.0.0/16\"\ngateway = \"10.0.5.1\"\n";
  for (int i = 0; i < kGuests; ++i) {
    config += "[[guests]]\ntap = \"many" + std::to_string(i) + "\"\naddress = \"10.0." + std::to_string(64 + i / 200) +
              "." + std::to_string(1 + i % 200) + "\"\n";
  }
  RepairScene here{config};
  here.scene.host.must("for i in $(seq 0 999); do echo \"tuntap add dev many$i mode tap\"; done | ip -batch -", 60s);
  const auto right = [&] {
    const auto links = here.net->links().value();
    return std::ranges::count_if(links, [](const router::Link& link) {
             return link.group == kGuestGroup && link.conf[Conf::forwarding] == 1;
           }) == kGuests + 2;
  };
  ASSERT_TRUE(wait_until(right, 60s));
  here.expect_mended(
      "ip_forward on and off, with 1,000 guests",
      [&] { here.scene.host.must("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/ip_forward"); },
      right, 5s);
  EXPECT_LE(here.lines("mended: "), 60U) << "thousands of switches, told in few lines";
}

}  // namespace
}  // namespace vrouter::lab
