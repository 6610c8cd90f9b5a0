// SPDX-License-Identifier: GPL-2.0-or-later
// Firewalls of others on the same host. Nothing in our table can overrule a drop of theirs, so what counts is that
// vrouter says so, with the command that mends it: the test runs that very command.
#include <gtest/gtest.h>
#include <poll.h>

#include <boost/json.hpp>
#include <sstream>

#include "tests/integration/scene.h"
#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

struct OtherFirewalls : ::testing::Test {
  void add_guest() {
    scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
    guest.set_static("10.0.5.2/32", "10.0.5.1");
  }
  [[nodiscard]] bool reaches_the_world() {
    return fetch(guest.inside(), "http://192.0.2.80/") == "hello from the world";
  }
  // Those of `vrouter show` that speak of `what`.
  std::vector<std::string> warnings_of(const std::string& what) {
    const auto shown = boost::json::parse(scene.daemon->vrouter({"--json", "show", "tap0"}));
    std::vector<std::string> found;
    for (const auto& warning : shown.at("guest").at("warnings").as_array()) {
      if (warning.as_string().find(what) != std::string::npos) found.emplace_back(warning.as_string());
    }
    return found;
  }
  // The command in a warning: from its program's name to the end or to an aside in brackets.
  static std::string remedy_in(const std::string& warning, const std::string& program) {
    const auto from = warning.find(": " + program + " ");
    if (from == std::string::npos) return "false";
    const auto command = warning.substr(from + 2);
    return command.substr(0, command.find(" (or "));
  }

  Scene scene;
  TapGuest guest{scene.host, "tap0"};
};

TEST_F(OtherFirewalls, DockersForwardDropIsMendedByWhatTheWarningSays) {
  scene.host.must("iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER");
  add_guest();
  ASSERT_FALSE(reaches_the_world()) << "the checks below would prove nothing";
  const auto warnings = warnings_of("FORWARD");
  ASSERT_EQ(warnings.size(), 1U);
  scene.host.must(remedy_in(warnings[0], "iptables"));
  EXPECT_TRUE(reaches_the_world()) << warnings[0];
}

TEST_F(OtherFirewalls, AForwardDropOfNftRulesIsMendedByWhatTheWarningSays) {
  scene.host.must(
      "nft 'add table inet mine; add chain inet mine forwarded { type filter hook forward priority 0; policy drop; }'");
  add_guest();
  ASSERT_FALSE(reaches_the_world()) << "the checks below would prove nothing";
  const auto warnings = warnings_of("inet mine");
  ASSERT_EQ(warnings.size(), 1U);
  // As an operator would paste it: each nft command is a line of its own.
  scene.host.must(remedy_in(warnings[0], "nft"));
  EXPECT_TRUE(reaches_the_world()) << warnings[0];
}

TEST_F(OtherFirewalls, AnInputDropThatEatsDhcpIsMendedByWhatTheWarningSays) {
  scene.host.must("iptables -P INPUT DROP");
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  const auto warnings = warnings_of("INPUT");
  ASSERT_EQ(warnings.size(), 1U);
  scene.host.must(remedy_in(warnings[0], "iptables"));
  EXPECT_NO_THROW(get_lease(guest)) << warnings[0];
}

// Whatever the host's own switches say: the rule is ours, in an earlier hook than every policy.
TEST(AntiSpoofing, HoldsUnderAPolicyThatAllowsAllAndWithoutReversePathFilters) {
  Scene scene{{.policies = {{"open.toml",
                             "[groups.open]\negress = \"allow\"\ningress = \"allow\"\n"
                             "[[rules]]\nfrom = \"any\"\nto = \"any\"\nallow = \"any\"\n"}}}};
  for (const auto* name : {"all", "default"})
    scene.host.set_sysctl(std::string{"net/ipv4/conf/"} + name + "/rp_filter", "0");
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--group", "open"});
  scene.host.set_sysctl("net/ipv4/conf/tap0/rp_filter", "0");
  guest.set_static("10.0.5.2/32", "10.0.5.1");
  guest.inside().must("ip address add 10.0.5.3/32 dev eth0");
  const auto sniffer = scene.world.spawn({"tcpdump", "-l", "-n", "-i", "eth0", "icmp"}, {});
  ASSERT_TRUE(wait_until([&] { return sniffer.output().find("listening") != std::string::npos; }));
  EXPECT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
  EXPECT_TRUE(wait_until([&] { return sniffer.output().find("echo request") != std::string::npos; }));
  EXPECT_FALSE(guest.inside().sh("ping -c 2 -i 0.2 -W 1 -s 1000 -I 10.0.5.3 192.0.2.80").ok());
  EXPECT_EQ(sniffer.output().find("length 1008"), std::string::npos) << sniffer.output();
}

TEST(ClosedGroup, StillGetsItsLeaseAndItsNames) {
  Scene scene{{.policies = {{"closed.toml", "[groups.closed]\negress = \"deny\"\ningress = \"deny\"\n"}}}};
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--group", "closed"});
  ASSERT_NO_THROW(get_lease(guest));
  EXPECT_EQ(guest.inside().must("dig +short +time=2 www.world.example @10.0.5.1"), "192.0.2.80\n");
  EXPECT_EQ(fetch(guest.inside(), "http://192.0.2.80/"), "");
}

// What the world still sends to the connections of the guest that is gone must not reach whoever has its address next.
TEST(ReusedAddress, InheritsNoConnection) {
  Scene scene;
  TapGuest first{scene.host, "tap0"}, second{scene.host, "tap1"};
  UniqueFd asks, answers, late;
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  first.set_static("10.0.5.2/32", "10.0.5.1");
  first.inside().enter([&] { asks = bind_udp("0.0.0.0", 6000); });
  scene.world.enter([&] { answers = bind_udp("0.0.0.0", 7000); });
  second.inside().enter([&] { late = bind_udp("0.0.0.0", 6000); });
  const auto heard = [](const UniqueFd& socket, Peer& peer) {
    pollfd ready{socket.get(), POLLIN, 0};
    return ::poll(&ready, 1, 700) == 1 ? receive_from(socket.get(), peer) : std::string{};
  };
  Peer guest, world;
  send_to(asks.get(), {Scene::kWorld, 7000}, "question");
  ASSERT_EQ(heard(answers, guest), "question");
  send_to(answers.get(), guest, "answer");
  ASSERT_EQ(heard(asks, world), "answer") << "the check below would prove nothing";

  scene.daemon->vrouter({"remove-guest", "tap0"});
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.2"});
  second.set_static("10.0.5.2/32", "10.0.5.1");
  ASSERT_TRUE(second.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
  for (int round = 0; round < 3; ++round) {
    send_to(answers.get(), guest, "late");
    EXPECT_EQ(heard(late, world), "");
  }
}

}  // namespace
}  // namespace vrouter::lab
