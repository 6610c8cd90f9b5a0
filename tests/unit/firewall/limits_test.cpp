// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "firewall/compile.h"
#include "firewall/evaluate.h"
#include "firewall/render.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall {
namespace {

using testing::config_of;
using testing::guest_of;
using testing::network_of;

config::Network limited_network() {
  auto network = network_of();
  network.limits = {50'000, 100'000'000, 60'000, 200'000'000, 500, 16'384};
  return network;
}

Ruleset rules_of(const config::Guest& guest, const config::Network& network) {
  Profiles profiles;
  profiles.add(guest, network);
  auto rules = compile(config_of(network), {}, profiles);
  rules.insert(compile_guest(guest, network, profiles));
  return rules;
}

const Chain& chain_of(const Ruleset& rules, const char* name) {
  return *std::ranges::find(rules.tables.front().chains, name, &Chain::name);
}

std::string element_of(const Ruleset& rules, const char* name) {
  const auto elements = rules.elements.find({Family::inet, name});
  if (elements == rules.elements.end()) return {};
  const auto& [key, data] = *elements->second.begin();
  return render_element(*rules.find(elements->first), key, data);
}

TEST(Limits, AreElementsWithMetersOfTheirOwn) {
  const auto rules = rules_of(guest_of(0), limited_network());
  EXPECT_EQ(element_of(rules, "egress_packets"), "\"tap0\" limit rate over 50000/second burst 5000 packets");
  EXPECT_EQ(element_of(rules, "egress_bytes"), "\"tap0\" limit rate over 12500000 bytes/second burst 65536 bytes");
  EXPECT_EQ(element_of(rules, "ingress_packets"), "\"tap0\" limit rate over 60000/second burst 6000 packets");
  EXPECT_EQ(element_of(rules, "ingress_bytes"), "\"tap0\" limit rate over 25000000 bytes/second burst 65536 bytes");
  EXPECT_EQ(element_of(rules, "new_connections"), "\"tap0\" limit rate over 500/second burst 1000 packets");
  EXPECT_EQ(element_of(rules, "connections_16384"), "\"tap0\"") << "the number is the rule's";
}

TEST(Limits, OfTheGuestComeBeforeThoseOfItsNetworkAndZeroIsNone) {
  auto guest = guest_of(0);
  guest.limits.egress_packets = 7;
  guest.limits.egress_bits = 0;
  const auto rules = rules_of(guest, limited_network());
  EXPECT_EQ(element_of(rules, "egress_packets"), "\"tap0\" limit rate over 7/second burst 32 packets");
  EXPECT_EQ(element_of(rules, "egress_bytes"), "");
  EXPECT_EQ(rules.find({Family::inet, "egress_bytes"}), nullptr) << "no set that nobody needs";
}

TEST(Limits, CostNothingWhereNobodyHasAny) {
  for (const auto& chain : rules_of(guest_of(0), network_of()).tables.front().chains) {
    for (const auto& rule : chain.rules) EXPECT_FALSE(rule.comment.starts_with("over its limit")) << chain.name;
  }
}

TEST(Limits, AreAskedForBeforeAnythingElseIsDone) {
  const auto rules = rules_of(guest_of(0), limited_network());
  EXPECT_EQ(render_rule(chain_of(rules, "guest_in").rules[0]),
            "iifname @egress_packets goto over_egress_packets comment \"over its limit of packets\"");
  EXPECT_EQ(render_rule(chain_of(rules, "guest_in").rules[1]),
            "iifname @egress_bytes goto over_egress_bytes comment \"over its limit of bits\"");
  EXPECT_EQ(render_rule(chain_of(rules, "to_guest").rules[0]),
            "oifname @ingress_packets goto over_ingress_packets comment \"over its limit of packets\"");
  constexpr auto kAsks = "may it begin another connection?";
  EXPECT_EQ(render_rule(chain_of(rules, "from_guest").rules[0]),
            std::string{"ct state new jump guest_begins comment \""} + kAsks + "\"");
  const auto& begins = chain_of(rules, "guest_begins").rules;
  EXPECT_EQ(render_rule(begins[0]), "ct status confirmed return comment \"under way, and not answered yet\"");
  EXPECT_EQ(render_rule(begins[1]),
            "iifname @new_connections goto over_new_connections comment \"over its limit of new connections\"");
  EXPECT_EQ(render_rule(begins[2]),
            "iifname @connections_16384 add @held_16384 { iifname ct count over 16384 } goto over_connections "
            "comment \"over its limit of connections\"");
  // After DHCP, without which there is no guest, and before DNS.
  const auto& to_host = chain_of(rules, "guest_to_host").rules;
  const auto at = [&to_host](const char* comment) {
    return std::ranges::find(to_host, comment, &Rule::comment) - to_host.begin();
  };
  EXPECT_LT(at("DHCP"), at(kAsks));
  EXPECT_LT(at(kAsks), at("their gateway"));
}

TEST(Limits, OfAKindThatNoGuestHadNeedNewRules) {
  const auto network = network_of();
  auto guest = guest_of(0);
  guest.limits.new_connections = 5;
  Profiles profiles;
  EXPECT_FALSE(profiles.add(guest_of(1), network));
  EXPECT_TRUE(profiles.lacks(guest, network));
  EXPECT_TRUE(profiles.add(guest, network));
  EXPECT_FALSE(profiles.lacks(guest, network));
  guest.limits.new_connections = 6;
  EXPECT_FALSE(profiles.add(guest, network)) << "another number is elements only";
  guest.limits.connections = 64;
  EXPECT_TRUE(profiles.lacks(guest, network));
  EXPECT_TRUE(profiles.add(guest, network));
  guest.limits.connections = 128;
  EXPECT_TRUE(profiles.add(guest, network)) << "of connections each number has its rule";
  EXPECT_EQ(profiles.connection_limits(), (std::vector<std::uint32_t>{64, 128}));
}

TEST(Limits, AreNeverExceededForTheEvaluator) {
  const auto rules = rules_of(guest_of(0), limited_network());
  const Evaluator evaluator{rules};
  Packet packet;
  packet.iifname = "tap0";
  packet.iifgroup = kGuestGroup;
  packet.source = boost::asio::ip::make_address("10.0.5.2");
  packet.destination = boost::asio::ip::make_address("192.0.2.80");
  packet.protocol = 17;
  EXPECT_EQ(evaluator.run_hook(Family::inet, Hook::prerouting, packet).ruling, Ruling::accept);
  packet.source = boost::asio::ip::make_address("10.0.5.3");
  EXPECT_EQ(evaluator.run_hook(Family::inet, Hook::prerouting, packet).ruling, Ruling::drop) << "a limit opens nothing";
}

}  // namespace
}  // namespace vrouter::firewall
