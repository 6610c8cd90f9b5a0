// SPDX-License-Identifier: GPL-2.0-or-later
// What guests have besides their own address: in the world, on this host's loopback, routed to them, or shared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <thread>
#include <vector>

#include "tests/integration/conversation.h"
#include "tests/integration/scene.h"
#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kWorld6 = "2001:db8:1::80";
constexpr const char* kFloating = "192.0.2.50";
constexpr const char* kFloating6 = "2001:db8:1::50";
constexpr const char* kUnreachableRoutes = "ip route show type unreachable; ip -6 route show type unreachable";
constexpr const char* kPolicy = R"([groups.web]
ingress = "deny"
[groups.db]
ingress = "allow"
[[rules]]
name = "pages"
from = "any"
to = "group:web"
allow = ["tcp/80", "ping"]
)";

// A host and a world that speak both families, and two guests that do.
struct Outside : ::testing::Test {
  Outside() {
    scene.host.must("ip -6 address add 2001:db8:1::1/64 dev eth0 nodad; ip -6 route add default via 2001:db8:1::80");
    scene.world.must("ip -6 address add 2001:db8:1::80/64 dev eth0 nodad");
    for (const auto* where : {&scene.host, &scene.world}) {
      EXPECT_TRUE(wait_until([&] { return where->must("ip -6 address show tentative").empty(); }));
    }
    before = state_of_host();
    scene.daemon->start();
  }

  std::string state_of_host() {
    return scene.host.must(
        "ip route show table all; ip -6 route show table all | grep -v 'fe80\\|ff00'; ip -o address | sed "
        "'s/valid.*//' | grep -v ' inet6 fe80'; sysctl -a 2>/dev/null | grep "
        "'eth0.*\\(proxy\\|localnet\\|forwarding\\)'");
  }

  void add(const std::vector<std::string>& first, const std::vector<std::string>& second = {}) {
    const auto add_one = [&](TapGuest& guest, const std::string& last, const std::vector<std::string>& more) {
      Arguments arguments{"add-guest", guest.tap(), "10.0.5." + last + ",fd76:7274:5::" + last};
      arguments.insert(arguments.end(), more.begin(), more.end());
      scene.daemon->vrouter(arguments);
      guest.set_static("10.0.5." + last + "/32", "10.0.5.1");
      guest.inside().must("ip -6 address replace fd76:7274:5::" + last +
                          "/128 dev eth0 nodad; ip -6 route replace default via fe80::1 dev eth0");
    };
    add_one(web, "2", first);
    add_one(other, "3", second);
    EXPECT_TRUE(reaches(web.inside(), kWorld6));
    EXPECT_TRUE(reaches(other.inside(), kWorld6));
  }

  [[nodiscard]] static bool reaches(Namespace& from, const std::string& to) {
    return wait_until([&] { return from.sh("ping -c 1 -W 1 " + to).ok(); }, 6s);
  }
  [[nodiscard]] static bool reached_now(Namespace& from, const std::string& to) {
    return from.sh("ping -c 2 -i 0.2 -W 1 " + to).ok();
  }
  [[nodiscard]] static std::string last_client(const HttpServer& pages) {
    const auto requests = pages.requests();
    return requests.empty() ? "" : requests.back().address;
  }
  // They go when the host is looked at anew, which nobody waits for who removes a guest.
  bool no_prefix_is_unreachable() {
    return wait_until([&] {
      const auto now = scene.host.must(kUnreachableRoutes);
      return now.find("10.9.0.0/24") == std::string::npos && now.find("fd00:9::/64") == std::string::npos;
    });
  }
  void tear_down() {
    scene.daemon->vrouter({"teardown"});
    EXPECT_EQ(state_of_host(), before);
    EXPECT_THAT(scene.host.must("nft list ruleset"), Not(HasSubstr("vrouter")));
  }

  Scene scene{{.policies = {{"10-web.toml", kPolicy}}}, false};
  TapGuest web{scene.host, "tap0", {{0x52, 0x54, 0, 0, 0, 2}}};
  TapGuest other{scene.host, "tap1", {{0x52, 0x54, 0, 0, 0, 3}}};
  std::string before;
};

struct Floating : Outside {
  void check_all(const std::string& when) {
    const HttpServer pages{web.inside(), "10.0.5.2", 80, {{"/", "hello from web1\n"}}};
    const HttpServer pages6{web.inside(), "fd76:7274:5::2", 80, {{"/", "hello from web1\n"}}};
    const HttpServer closed{web.inside(), "0.0.0.0", 81, {{"/", "not for you\n"}}};
    const HttpServer world6{scene.world, "::", 81, {{"/", "world\n"}}};
    const std::string url = std::string{"http://"} + kFloating + "/",
                      url6 = std::string{"http://["} + kFloating6 + "]/";
    for (auto* from : {&scene.world, &scene.host, &other.inside(), &web.inside()}) {
      const auto who = from == &scene.world    ? "world"
                       : from == &scene.host   ? "host"
                       : from == &web.inside() ? "itself"
                                               : "sibling";
      EXPECT_EQ(fetch(*from, url), "hello from web1") << who << ", " << when;
      EXPECT_EQ(fetch(*from, url6), "hello from web1") << who << ", IPv6, " << when;
    }
    EXPECT_EQ(fetch(other.inside(), url), "hello from web1");
    EXPECT_EQ(last_client(pages), "10.0.5.3") << "no address translation between guests";
    EXPECT_EQ(fetch(scene.world, url), "hello from web1");
    EXPECT_EQ(last_client(pages), Scene::kWorld) << "the client's address is kept";
    EXPECT_EQ(fetch(scene.world, url6), "hello from web1");
    EXPECT_EQ(last_client(pages6), kWorld6);
    EXPECT_EQ(fetch(scene.world, std::string{"http://"} + kFloating + ":81/"), "") << "no rule names it, " << when;
    EXPECT_EQ(fetch(web.inside(), "http://192.0.2.80/"), "hello from the world") << when;
    EXPECT_EQ(last_client(*scene.web), kFloating) << "what it starts leaves with it, " << when;
    EXPECT_EQ(fetch(web.inside(), std::string{"http://["} + kWorld6 + "]:81/"), "world") << when;
    EXPECT_EQ(last_client(world6), kFloating6) << when;
    EXPECT_TRUE(reached_now(scene.world, kFloating)) << when;
    EXPECT_TRUE(reached_now(scene.world, kFloating6)) << when;
  }
};

TEST_F(Floating, LeadsToTheGuestFromEverySideAndTheGuestLeavesWithIt) {
  add({"--group", "web", "--floating", kFloating, "--floating", kFloating6});
  check_all("first");
  EXPECT_THAT(scene.daemon->vrouter({"show", "tap0"}), HasSubstr("192.0.2.50, 2001:db8:1::50"));
  scene.daemon->vrouter({"reload"});
  check_all("after a reload");
  scene.daemon->kill9();
  scene.daemon->start();
  check_all("after a restart");
  scene.host.must("ip address del 192.0.2.50/32 dev lo; ip -6 address del 2001:db8:1::50/128 dev eth0");
  EXPECT_TRUE(wait_until([&] { return reached_now(scene.world, kFloating) && reached_now(scene.world, kFloating6); }))
      << "put back";
  scene.daemon->vrouter({"remove-guest", "tap0"});
  EXPECT_TRUE(wait_until([&] { return !scene.host.sh("ip -o address | grep -F -e 192.0.2.50 -e ::50").ok(); }));
  EXPECT_FALSE(reached_now(scene.world, kFloating));
  tear_down();
}

TEST_F(Floating, IsNoPermission) {
  add({"--floating", kFloating, "--floating", kFloating6});
  const HttpServer pages{web.inside(), "0.0.0.0", 80, {{"/", "hello\n"}}};
  for (auto* from : {&scene.world, &other.inside()}) {
    EXPECT_EQ(fetch(*from, std::string{"http://"} + kFloating + "/"), "");
    EXPECT_FALSE(reached_now(*from, kFloating6));
  }
  EXPECT_EQ(fetch(scene.host, std::string{"http://"} + kFloating + "/"), "hello") << "the host may";
  const auto why = scene.daemon->cli({"explain", "world", kFloating, "tcp/80"}).out;
  EXPECT_THAT(why, HasSubstr("10.0.5.2"));
  EXPECT_THAT(why, HasSubstr("reject"));
}

TEST_F(Floating, ConflictsAreRefusedByName) {
  add({"--name", "web1", "--floating", kFloating}, {"--name", "db1", "--publish", "192.0.2.51:80"});
  const auto refused = [&](Arguments arguments, const std::string& why) {
    arguments.insert(arguments.begin(), "add-guest");
    const auto done = scene.daemon->cli(arguments);
    EXPECT_EQ(done.status, 1) << done.out;
    EXPECT_THAT(done.err, HasSubstr(why));
  };
  refused({"tap5", "--floating", kFloating}, "the floating address of guest web1");
  refused({"tap5", "--floating", "192.0.2.1"}, "this host's own address on eth0");
  refused({"tap5", "--floating", "10.0.5.1"}, "inside network default");
  refused({"tap5", "--floating", "192.0.2.51"}, "ports of guest db1");
  refused({"tap5", "--floating", kFloating6}, "the guest has none of its own");
  refused({"tap5", "--publish", "192.0.2.50:80"}, "the floating address of guest web1");
  refused({"tap5", "--prefix", "10.0.5.64/26"}, "overlaps network default");
  refused({"tap5", "--prefix", "192.0.2.0/24"}, "192.0.2.50, the floating address of guest web1");
  refused({"tap5", "--snat", "127.0.0.1"}, "no address that the world could answer");
  refused({"tap5", "--snat", kFloating}, "the floating address of guest web1");
  refused({"tap5", "--allow-address", "10.0.5.2"}, "the address of guest web1");
  refused({"tap5", "--publish", "[::1]:80"}, "::1");
}

TEST_F(Outside, WhatThisHostDependsOnIsNoGuests) {
  scene.host.must("ip route add default via 192.0.2.254 dev eth0 metric 4000");
  for (const auto* option : {"--floating", "--snat"}) {
    const auto next_hop = scene.daemon->cli({"add-guest", "tap5", "10.0.5.9", option, "192.0.2.254"});
    EXPECT_EQ(next_hop.status, 1) << option;
    EXPECT_THAT(next_hop.err, HasSubstr("192.0.2.254 is this host's way out on eth0")) << option;
    const auto resolver = scene.daemon->cli({"add-guest", "tap5", "10.0.5.9", option, Scene::kWorld});
    EXPECT_EQ(resolver.status, 1) << option;
    EXPECT_THAT(resolver.err, HasSubstr("a DNS server that this host asks")) << option;
  }
  scene.daemon->set_config("[[guests]]\ntap = \"tap5\"\naddress = \"10.0.5.9\"\nfloating = \"192.0.2.254\"\n");
  const auto reloaded = scene.daemon->cli({"reload"});
  EXPECT_EQ(reloaded.status, 1);
  EXPECT_THAT(reloaded.err, HasSubstr("192.0.2.254 is this host's way out on eth0"));
}

TEST_F(Outside, SnatIsTheSourceOfWhatTheGuestStarts) {
  add({"--snat", "192.0.2.60", "--snat", "2001:db8:1::60"});
  const HttpServer world6{scene.world, "::", 81, {{"/", "world\n"}}};
  EXPECT_EQ(fetch(web.inside(), "http://192.0.2.80/"), "hello from the world");
  EXPECT_EQ(last_client(*scene.web), "192.0.2.60");
  EXPECT_EQ(fetch(web.inside(), std::string{"http://["} + kWorld6 + "]:81/"), "world");
  EXPECT_EQ(last_client(world6), "2001:db8:1::60");
  EXPECT_EQ(fetch(other.inside(), "http://192.0.2.80/"), "hello from the world");
  EXPECT_EQ(last_client(*scene.web), Scene::kHost) << "a guest without";
  scene.daemon->set_config("[networks.default]\nsnat = \"192.0.2.61\"\n");
  scene.daemon->vrouter({"reload"});
  EXPECT_EQ(fetch(other.inside(), "http://192.0.2.80/"), "hello from the world");
  EXPECT_EQ(last_client(*scene.web), "192.0.2.61") << "its network's";
  EXPECT_EQ(fetch(web.inside(), "http://192.0.2.80/"), "hello from the world");
  EXPECT_EQ(last_client(*scene.web), "192.0.2.60") << "the guest's own wins";
  tear_down();
}

TEST_F(Outside, PrefixesAreRoutedToTheGuestAndMaySendFromIt) {
  add({"--group", "web", "--prefix", "10.9.0.0/24", "--prefix", "fd00:9::/64"});
  web.inside().must("ip address add 10.9.0.7/32 dev lo; ip -6 address add fd00:9::7/128 dev lo nodad");
  const HttpServer pages{web.inside(), "10.9.0.7", 80, {{"/", "behind web1\n"}}};
  const HttpServer pages6{web.inside(), "fd00:9::7", 80, {{"/", "behind web1\n"}}};
  const auto from_it = [](Namespace& guest, const std::string& source, const std::string& to) {
    return guest.sh("ping -c 2 -i 0.2 -W 1 -I " + source + " " + to).ok();
  };
  const auto check_all = [&](const std::string& when) {
    for (auto* from : {&scene.host, &other.inside()}) {
      EXPECT_EQ(fetch(*from, "http://10.9.0.7/"), "behind web1") << when;
      EXPECT_EQ(fetch(*from, "http://[fd00:9::7]/"), "behind web1") << when;
    }
    EXPECT_TRUE(from_it(web.inside(), "10.9.0.7", Scene::kWorld)) << "behind NAT, " << when;
    EXPECT_TRUE(from_it(web.inside(), "fd00:9::7", kWorld6)) << when;
  };
  check_all("first");
  other.inside().must("ip address add 10.9.0.8/32 dev lo; ip -6 address add fd00:9::8/128 dev lo nodad");
  EXPECT_FALSE(from_it(other.inside(), "10.9.0.8", Scene::kWorld)) << "another guest's prefix";
  EXPECT_FALSE(from_it(other.inside(), "fd00:9::8", kWorld6));
  scene.daemon->vrouter({"reload"});
  scene.daemon->kill9();
  scene.daemon->start();
  check_all("after a restart");
  scene.daemon->vrouter({"remove-guest", "tap0"});
  EXPECT_TRUE(no_prefix_is_unreachable()) << scene.host.must(kUnreachableRoutes);
  EXPECT_THAT(scene.host.must("ip route; ip -6 route"), AllOf(Not(HasSubstr("10.9.0.0")), Not(HasSubstr("fd00:9::"))));
  tear_down();
}

TEST_F(Outside, AReloadLeavesConnectionsOfPrefixesAndAllowedAddressesAlone) {
  add({"--group", "web", "--prefix", "10.9.0.0/24", "--prefix", "fd00:9::/64", "--allow-address", "10.7.0.50"});
  web.inside().must(
      "ip address add 10.9.0.7/32 dev lo; ip address add 10.7.0.50/32 dev eth0; ip -6 address add fd00:9::7/128 dev lo "
      "nodad");
  struct Way {
    Namespace& from;
    const char* to;
  };
  std::vector<Conversation> under_way;
  for (const auto& [from, to] : {Way{scene.host, "10.9.0.7"}, Way{other.inside(), "10.9.0.7"},
                                 Way{scene.host, "10.7.0.50"}, Way{other.inside(), "10.7.0.50"}}) {
    under_way.emplace_back(Call{from, to, 80, web.inside()});
    EXPECT_TRUE(under_way.back().goes_on()) << to;
  }
  under_way.emplace_back(Call{web.inside(), Scene::kWorld, 8000, scene.world, 0, "10.9.0.7"});
  EXPECT_TRUE(under_way.back().goes_on());
  scene.daemon->set_policy("20-more.toml", "[groups.more]\n");
  scene.daemon->vrouter({"reload"});
  std::this_thread::sleep_for(400ms);  // the second walks, that of the start with them
  for (auto& each : under_way) EXPECT_TRUE(each.goes_on()) << &each - under_way.data();
}

TEST_F(Outside, APrefixLeadsNowhereWhileItsTapIsAway) {
  add({"--group", "web", "--prefix", "10.9.0.0/24", "--prefix", "fd00:9::/64"});
  web.inside().must("ip address add 10.9.0.7/32 dev lo; ip -6 address add fd00:9::7/128 dev lo nodad");
  scene.world.must(
      "nft 'add table inet seen; add chain inet seen came { type filter hook prerouting priority -400; }; "
      "add rule inet seen came ip daddr 10.9.0.0/24 counter; add rule inet seen came ip6 daddr fd00:9::/64 counter'");
  const auto reached = [&](Namespace& from) { return reaches(from, "10.9.0.7") && reaches(from, "fd00:9::7"); };
  const auto nothing_left = [&] {
    const auto seen = scene.world.must("nft list table inet seen");
    return seen.find("packets 0") != seen.rfind("packets 0") && seen.find("packets 0") != std::string::npos;
  };
  const auto leads_nowhere = [&](const std::string& when) {
    EXPECT_TRUE(wait_until([&] { return !scene.host.sh("ip route | grep '10.9.0.0/24.*tap0'").ok(); })) << when;
    EXPECT_THAT(scene.host.sh("ip route get 10.9.0.7 2>&1; ip -6 route get fd00:9::7 2>&1").out, Not(HasSubstr("eth0")))
        << when;
    EXPECT_THAT(scene.host.sh("ping -c 1 -W 1 10.9.0.7 2>&1").out, HasSubstr("No route to host")) << when;
    EXPECT_FALSE(reached_now(other.inside(), "10.9.0.7")) << when;
    EXPECT_FALSE(reached_now(other.inside(), "fd00:9::7")) << when;
    EXPECT_FALSE(reached_now(scene.host, "fd00:9::7")) << when;
    EXPECT_TRUE(nothing_left()) << when << scene.world.must("nft list table inet seen");
  };
  EXPECT_TRUE(reached(scene.host) && reached(other.inside()));
  web.unplug();
  leads_nowhere("its TAP is gone");
  scene.daemon->kill9();
  scene.daemon->start();
  leads_nowhere("after a restart without it");
  scene.host.must("ip route del unreachable 10.9.0.0/24 proto 118; ip -6 route del unreachable fd00:9::/64 proto 118");
  EXPECT_TRUE(wait_until([&] {
    const auto now = scene.host.must(kUnreachableRoutes);
    return now.find("10.9.0.0/24") != std::string::npos && now.find("fd00:9::/64") != std::string::npos;
  })) << "put back";
  leads_nowhere("after somebody deleted the routes");
  web.plug();
  EXPECT_TRUE(reached(scene.host) && reached(other.inside())) << "its TAP is back";
  scene.daemon->vrouter({"remove-guest", "tap0"});
  EXPECT_TRUE(no_prefix_is_unreachable()) << scene.host.must(kUnreachableRoutes);
  static_cast<void>(reached_now(scene.host, "10.9.0.7"));
  EXPECT_FALSE(nothing_left()) << "the checks above would prove nothing";
  tear_down();
}

TEST_F(Outside, RulesByAddressMeanGuestsThatComeLater) {
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3"});
  scene.daemon->set_policy("15-more.toml", "[groups.more]\n");
  scene.daemon->vrouter({"reload"});  // from here on the guests are the same, and only rules differ
  scene.daemon->set_policy(
      "20-nets.toml", "[[rules]]\nname = \"no way\"\nfrom = \"net:10.9.0.0/24\"\nto = \"world\"\ndeny = \"any\"\n");
  scene.daemon->vrouter({"reload"});
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--prefix", "10.9.0.0/24"});
  EXPECT_THAT(scene.daemon->cli({"explain", "10.9.0.7", "world", "tcp/443"}).out, HasSubstr("denied by \"no way"));
}

// What was under way to a prefix before it was this guest's, or after it was, is nobody's who has it now.
TEST_F(Outside, APrefixThatChangesHandsTakesNoConnectionsAlong) {
  const auto closed = [](const std::string& address) {
    return std::vector<std::string>{"--group", "shut", "--prefix", address};
  };
  scene.daemon->set_policy("20-shut.toml", "[groups.shut]\ningress = \"deny\"\n");
  scene.daemon->vrouter({"reload"});
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--snat", "192.0.2.55"});
  web.set_static("10.0.5.2/32", "10.0.5.1");
  other.set_static("10.0.5.3/32", "10.0.5.1");
  other.inside().must("ip address add 10.9.0.5/32 dev lo");
  UniqueFd ear, mouth;
  other.inside().enter([&] { ear = bind_udp("10.9.0.5", 9000); });
  web.inside().enter([&] { mouth = bind_udp("0.0.0.0", 40000); });
  const auto arrives = [&] {
    send_to(mouth.get(), {"10.9.0.5", 9000}, "x");
    pollfd ready{ear.get(), POLLIN, 0};
    std::array<char, 8> buffer{};
    return ::poll(&ready, 1, 200) > 0 && ::recv(ear.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0;
  };
  EXPECT_TRUE(wait_until([&] { return web.inside().sh("ping -c 1 -W 1 192.0.2.80").ok(); }));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(arrives()) << "to the world";
  Arguments add_other{"add-guest", "tap1", "10.0.5.3"};
  for (const auto& word : closed("10.9.0.0/24")) add_other.push_back(word);
  scene.daemon->vrouter(add_other);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(arrives()) << i << ": it denies what comes in";
  scene.daemon->vrouter({"remove-guest", "tap1"});
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3", "--group", "web", "--prefix", "10.9.0.0/24"});
  scene.daemon->set_policy("30-open.toml", "[[rules]]\nfrom = \"any\"\nto = \"group:web\"\nallow = \"udp/9000\"\n");
  scene.daemon->vrouter({"reload"});
  EXPECT_TRUE(wait_until(arrives)) << "the checks around this would prove nothing";
  scene.daemon->vrouter({"remove-guest", "tap1"});
  scene.daemon->vrouter(add_other);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(arrives()) << i << ": it went on to the next who has the prefix";
}

TEST_F(Outside, RulesByAddressMeanPrefixesAndAllowedAddresses) {
  scene.daemon->set_policy("20-nets.toml", R"([sets]
lower = ["10.9.0.0/25", "10.7.0.50", "fd00:9::/65"]
[[rules]]
name = "nothing out"
from = "set:lower"
deny = "any"
[[rules]]
name = "no pages in"
from = "world"
to = ["net:10.9.0.0/25", "net:10.7.0.50", "net:fd00:9::/65"]
deny = "tcp/81"
[[rules]]
name = "not from here"
from = "host"
to = "net:10.9.0.64/26"
reject = "tcp/81"
)");
  scene.daemon->vrouter({"reload"});
  add({"--group", "db", "--prefix", "10.9.0.0/24", "--prefix", "fd00:9::/64", "--allow-address", "10.7.0.50"});
  web.inside().must(
      "for a in 10.9.0.7 10.9.0.77 10.9.0.200; do ip address add $a/32 dev lo; done; ip address add 10.7.0.50/32 dev "
      "eth0; for a in fd00:9::7 fd00:9::8000:0:0:7; do ip -6 address add $a/128 dev lo nodad; done");
  const HttpServer pages{web.inside(), "::", 81, {{"/", "behind web1\n"}}};
  const auto gets_out = [&](const std::string& source, const std::string& to) {
    return web.inside().sh("ping -c 2 -i 0.2 -W 1 -I " + source + " " + to).ok();
  };
  EXPECT_FALSE(gets_out("10.9.0.7", Scene::kWorld));
  EXPECT_FALSE(gets_out("10.7.0.50", Scene::kWorld));
  EXPECT_FALSE(gets_out("fd00:9::7", kWorld6));
  EXPECT_TRUE(gets_out("10.9.0.200", Scene::kWorld)) << "no rule names this half";
  EXPECT_TRUE(gets_out("10.0.5.2", Scene::kWorld)) << "nor its own address";
  EXPECT_TRUE(gets_out("fd00:9::8000:0:0:7", kWorld6));
  scene.world.must(
      "ip route add 10.0.0.0/8 via 192.0.2.1; ip -6 route add fd00:9::/64 via 2001:db8:1::1; ip route; ip -6 route");
  const auto page = [](Namespace& from, const std::string& at) { return fetch(from, "http://" + at + ":81/"); };
  for (const auto* at : {"10.9.0.7", "10.7.0.50", "[fd00:9::7]"}) {
    EXPECT_EQ(page(scene.world, at), "") << at;
    EXPECT_EQ(page(other.inside(), at), "behind web1") << at << ": no stranger";
    EXPECT_EQ(page(scene.host, at), "behind web1") << at << ": the host is meant where it is named";
  }
  for (const auto* at : {"10.9.0.200", "10.0.5.2", "[fd00:9::8000:0:0:7]"}) {
    EXPECT_EQ(page(scene.world, at), "behind web1") << at;
  }
  EXPECT_EQ(page(scene.host, "10.9.0.77"), "") << "and there it is";
  EXPECT_THAT(scene.daemon->cli({"explain", "10.9.0.7", "world", "tcp/443"}).out,
              HasSubstr("denied by \"nothing out (20-nets.toml:3)\" on the sender's side"));
  EXPECT_THAT(scene.daemon->cli({"explain", "world", "10.7.0.50", "tcp/81"}).out,
              HasSubstr("denied by \"no pages in (20-nets.toml:7)\" on the receiver's side"));
  EXPECT_THAT(scene.daemon->cli({"explain", "10.9.0.200", "world", "tcp/443"}).out, HasSubstr("allowed"));
  tear_down();
}

TEST_F(Outside, AnAllowedAddressFollowsWhoeverAnnouncedItLast) {
  add({"--group", "web", "--allow-address", "10.0.5.50"}, {"--group", "db", "--allow-address", "10.0.5.50"});
  const auto hold = [](TapGuest& guest) {
    guest.inside().must("ip address replace 10.0.5.50/32 dev eth0; busybox arping -q -A -c 2 -w 2 -I eth0 10.0.5.50");
  };
  const auto leads_to = [&](const std::string& tap) {
    return wait_until([&] {
      return scene.host.must("ip route get 10.0.5.50").find("dev " + tap) != std::string::npos &&
             reached_now(scene.host, "10.0.5.50");
    });
  };
  // What is asked on paper goes the same way.
  const auto explained_as = [&](const std::string& group) {
    EXPECT_THAT(scene.daemon->cli({"explain", "world", "10.0.5.50", "tcp/81"}).out,
                HasSubstr("default of group " + group + ", ingress"));
    EXPECT_THAT(scene.daemon->cli({"explain", "10.0.5.50", "world", "tcp/81"}).out,
                HasSubstr("default of group " + group + ", egress"));
  };
  hold(other);
  EXPECT_TRUE(leads_to("tap1"));
  explained_as("db");
  EXPECT_TRUE(other.inside().sh("ping -c 2 -i 0.2 -W 1 -I 10.0.5.50 192.0.2.80").ok());
  EXPECT_TRUE(reaches(web.inside(), "10.0.5.50"));
  other.inside().must("ip address del 10.0.5.50/32 dev eth0");
  hold(web);
  EXPECT_TRUE(leads_to("tap0"));
  explained_as("web");
  web.inside().must("ip address del 10.0.5.50/32 dev eth0");
  hold(other);
  EXPECT_TRUE(leads_to("tap1")) << "and back";
  scene.daemon->kill9();
  scene.daemon->start();
  EXPECT_TRUE(leads_to("tap1")) << "a restart moves nothing";
  // Nothing else was opened.
  other.inside().must("ip address add 10.0.5.51/32 dev eth0");
  EXPECT_FALSE(other.inside().sh("ping -c 2 -i 0.2 -W 1 -I 10.0.5.51 192.0.2.80").ok());
  scene.daemon->vrouter({"remove-guest", "tap1"});
  hold(web);
  EXPECT_TRUE(leads_to("tap0"));
  tear_down();
}

TEST_F(Outside, APortOnLoopbackIsThisHostsAlone) {
  add({"--publish", "127.0.0.1:8080:80"}, {});
  const HttpServer pages{web.inside(), "0.0.0.0", 80, {{"/", "hello from web1\n"}}};
  const HttpServer private_one{scene.host, "127.0.0.1", 9090, {{"/", "this host's secret\n"}}};
  EXPECT_EQ(fetch(scene.host, "http://127.0.0.1:8080/"), "hello from web1");
  EXPECT_EQ(last_client(pages), "10.0.5.1") << "whom the guest can answer";
  EXPECT_EQ(fetch(scene.host, "http://localhost:8080/"), "hello from web1");
  EXPECT_EQ(fetch(scene.world, "http://192.0.2.1:8080/"), "");
  EXPECT_EQ(fetch(other.inside(), "http://10.0.5.1:8080/"), "");
  // CVE-2020-8558: the TAP takes loopback addresses now, and the guest must get nothing of it.
  web.inside().must(
      "ip address del 127.0.0.1/8 dev lo; sysctl -qw net.ipv4.conf.all.route_localnet=1; ip route add "
      "127.0.0.0/8 via 10.0.5.1 dev eth0 src 10.0.5.2 onlink; ip route flush cache");
  EXPECT_EQ(fetch(web.inside(), "http://127.0.0.1:9090/"), "");
  EXPECT_EQ(scene.host.must("sysctl -n net.ipv4.conf.tap0.route_localnet net.ipv4.conf.tap1.route_localnet"), "1\n0\n");
  // And nobody on the uplink's network, whatever it routes here.
  scene.world.must(
      "ip address add 192.0.2.66/24 dev eth0; ip address del 127.0.0.1/8 dev lo; sysctl -qw "
      "net.ipv4.conf.all.route_localnet=1; ip route add 127.0.0.0/8 via 192.0.2.1 src 192.0.2.66");
  EXPECT_EQ(fetch(scene.world, "http://127.0.0.1:8080/"), "");
  EXPECT_EQ(fetch(scene.host, "http://127.0.0.1:8080/"), "hello from web1") << "the checks above would prove nothing";
  scene.daemon->vrouter({"unpublish", "tap0", "127.0.0.1:8080:80"});
  EXPECT_EQ(fetch(scene.host, "http://127.0.0.1:8080/"), "");
  EXPECT_TRUE(wait_until([&] { return scene.host.must("sysctl -n net.ipv4.conf.tap0.route_localnet") == "0\n"; }));
  tear_down();
}

}  // namespace
}  // namespace vrouter::lab
