// SPDX-License-Identifier: GPL-2.0-or-later
// Each statement, and what verdicts do to chains, in rulesets made by hand.
#include "firewall/evaluate.h"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>

#include <cstring>

namespace vrouter::firewall {
namespace {

using boost::asio::ip::make_address;
using enum Field;

const Verdict kAccept{Verdict::Kind::accept, {}}, kDrop{Verdict::Kind::drop, {}}, kReturn{Verdict::Kind::return_, {}};
Verdict jump(std::string chain) {
  return {Verdict::Kind::jump, std::move(chain)};
}
Verdict go(std::string chain) {
  return {Verdict::Kind::goto_chain, std::move(chain)};
}
Rule rule(std::vector<Statement> statements, std::string comment = {}) {
  return {std::move(statements), std::move(comment)};
}
Bytes host_order(std::uint32_t value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}
Bytes bytes_of(const char* text) {
  const auto a = make_address(text);
  if (a.is_v6()) {
    const auto bytes = a.to_v6().to_bytes();
    return {bytes.begin(), bytes.end()};
  }
  const auto bytes = a.to_v4().to_bytes();
  return {bytes.begin(), bytes.end()};
}
Bytes name_of(std::string name) {
  name.resize(16, '\0');
  return {name.begin(), name.end()};
}
Compare is(Field field, Bytes value, bool negated = false, std::uint8_t prefix_length = 0) {
  return {field, std::move(value), negated, prefix_length};
}

Packet udp(const char* from = "10.0.0.1", const char* to = "192.0.2.7", std::uint16_t port = 53) {
  Packet packet;
  packet.iifname = "tap0";
  packet.oifname = "up0";
  packet.ether_saddr = MacAddress{{2, 0, 0, 0, 0, 1}};
  packet.source = make_address(from);
  packet.destination = make_address(to);
  packet.protocol = IPPROTO_UDP;
  packet.source_port = 5000;
  packet.destination_port = port;
  return packet;
}
Packet of_protocol(std::uint8_t protocol, const char* from = "10.0.0.1", const char* to = "192.0.2.7") {
  auto packet = udp(from, to);
  packet.protocol = protocol;
  return packet;
}

// One table with these chains; the first is the base chain, in forward where nothing else is said.
struct Chains {
  Ruleset ruleset{false, {Table{}}, {}};

  explicit Chains(std::vector<Rule> base, Base where = {ChainType::filter, Hook::forward, 0}) {
    add("base", std::move(base), where);
  }
  Chains& add(std::string name, std::vector<Rule> rules, std::optional<Base> where = std::nullopt) {
    ruleset.tables[0].chains.push_back({std::move(name), where, std::move(rules)});
    return *this;
  }
  Chains& set(Set definition, const std::vector<std::pair<ElementKey, Datum>>& elements) {
    for (const auto& [key, data] : elements) ruleset.elements[{Family::inet, definition.name}].own()[key] = data;
    ruleset.tables[0].sets.push_back(std::move(definition));
    return *this;
  }
  [[nodiscard]] Outcome run(Packet& packet, Hook hook = Hook::forward) const {
    auto again = packet;
    const auto indexed = Evaluator{ruleset, Evaluator::Packets::many}.run_hook(Family::inet, hook, again);
    auto outcome = Evaluator{ruleset}.run_hook(Family::inet, hook, packet);
    EXPECT_EQ(indexed.ruling, outcome.ruling) << "an index changes nothing";
    EXPECT_EQ(again.mark, packet.mark);
    EXPECT_EQ(again.destination, packet.destination);
    return outcome;
  }
};

// Does a rule of this statement and a drop drop the packet?
bool holds(const Statement& statement, Packet packet, Hook hook = Hook::forward, std::int32_t priority = 0) {
  const Chains chains{{rule({statement, kDrop})}, Base{ChainType::filter, hook, priority}};
  return chains.run(packet, hook).ruling == Ruling::drop;
}

TEST(Evaluate, AnEmptyRulesetAcceptsWithoutAStep) {
  auto packet = udp();
  const Ruleset nothing;
  const auto outcome = Evaluator{nothing}.run_hook(Family::inet, Hook::forward, packet);
  EXPECT_EQ(outcome.ruling, Ruling::accept);
  EXPECT_TRUE(outcome.steps.empty());
}

TEST(Evaluate, ComparesAllBytesOrSomeBits) {
  EXPECT_TRUE(holds(is(ip_saddr, bytes_of("10.0.0.1")), udp()));
  EXPECT_FALSE(holds(is(ip_saddr, bytes_of("10.0.0.2")), udp()));
  EXPECT_FALSE(holds(is(ip_saddr, bytes_of("10.0.0.1"), true), udp()));
  EXPECT_TRUE(holds(is(ip_saddr, bytes_of("10.0.0.2"), true), udp()));
  EXPECT_TRUE(holds(is(ip_saddr, bytes_of("10.0.0.0"), false, 8), udp()));
  EXPECT_TRUE(holds(is(ip_saddr, bytes_of("10.15.0.0"), false, 12), udp()));
  EXPECT_FALSE(holds(is(ip_saddr, bytes_of("10.16.0.0"), false, 12), udp()));
  EXPECT_TRUE(holds(is(ip_saddr, bytes_of("10.16.0.0"), true, 12), udp()));
}

// nft's `!=` looks at a field too: a packet that hasn't it is no different packet.
TEST(Evaluate, AFieldOfAnotherProtocolBreaksTheRule) {
  const auto tcp = of_protocol(IPPROTO_TCP), v6 = udp("fd00::1", "fd00::2");
  for (const bool negated : {false, true}) {
    EXPECT_FALSE(holds(is(udp_dport, {0, 54}, negated), tcp));
    EXPECT_FALSE(holds(is(ip_saddr, bytes_of("10.9.9.9"), negated), v6));
    EXPECT_FALSE(holds(is(ip6_saddr, bytes_of("fd00::9"), negated), udp()));
    EXPECT_FALSE(holds(is(icmp_type, {9}, negated), udp()));
    EXPECT_FALSE(holds(is(icmp_type, {9}, negated), of_protocol(IPPROTO_ICMP, "fd00::1", "fd00::2")));
    EXPECT_FALSE(holds(is(icmpv6_type, {9}, negated), of_protocol(IPPROTO_ICMPV6)));
    EXPECT_FALSE(holds(is(arp_saddr_ip, bytes_of("10.9.9.9"), negated), udp()));
    EXPECT_FALSE(holds(is(skuid, host_order(7), negated), udp()));
  }
  auto bare = udp();
  bare.ether_saddr.reset();
  EXPECT_FALSE(holds(is(ether_saddr, {2, 0, 0, 0, 0, 9}, true), bare));
  EXPECT_TRUE(holds(is(ether_saddr, {2, 0, 0, 0, 0, 9}, true), udp()));
}

TEST(Evaluate, FieldsAreAsTheKernelLaysThemOut) {
  auto packet = udp();
  packet.iifgroup = 7;
  packet.oifgroup = 8;
  packet.mark = 0x01020304;
  packet.skuid = 991;
  packet.fib_daddr_type = 2;
  EXPECT_TRUE(holds(is(iifname, name_of("tap0")), packet));
  EXPECT_TRUE(holds(is(oifname, name_of("up0")), packet));
  EXPECT_TRUE(holds(is(iifgroup, host_order(7)), packet));
  EXPECT_TRUE(holds(is(oifgroup, host_order(8)), packet));
  EXPECT_TRUE(holds(is(mark, host_order(0x01020304)), packet));
  EXPECT_TRUE(holds(is(nfproto, {2}), packet));
  EXPECT_TRUE(holds(is(nfproto, {10}), udp("fd00::1", "fd00::2")));
  EXPECT_TRUE(holds(is(l4proto, {17}), packet));
  EXPECT_TRUE(holds(is(udp_sport, {0x13, 0x88}), packet));
  EXPECT_TRUE(holds(is(th_sport, {0x13, 0x88}), packet));
  EXPECT_TRUE(holds(is(th_dport, {0, 53}), packet));
  EXPECT_TRUE(holds(is(skuid, host_order(991)), packet));
  EXPECT_TRUE(holds(is(fib_daddr_type, host_order(2)), packet));
  EXPECT_TRUE(holds(is(ip6_daddr, bytes_of("fd00::2")), udp("fd00::1", "fd00::2")));
  auto ping = of_protocol(IPPROTO_ICMP);
  ping.icmp_type = 8;
  EXPECT_TRUE(holds(is(icmp_type, {8}), ping));
  EXPECT_TRUE(holds(is(th_sport, {8, 0}), ping)) << "type and code are where ports are";
}

// No device: its name is empty, but it is of no group at all.
TEST(Evaluate, AHookShowsOnlyTheDevicesThatItHas) {
  EXPECT_TRUE(holds(is(oifname, name_of("")), udp(), Hook::prerouting));
  EXPECT_FALSE(holds(is(oifgroup, host_order(9), true), udp(), Hook::prerouting));
  EXPECT_FALSE(holds(is(oifgroup, host_order(9), true), udp(), Hook::input));
  EXPECT_TRUE(holds(is(iifname, name_of("")), udp(), Hook::output));
  EXPECT_FALSE(holds(is(iifgroup, host_order(9), true), udp(), Hook::output));
  EXPECT_TRUE(holds(is(iifgroup, host_order(9), true), udp(), Hook::postrouting));
}

TEST(Evaluate, RangesHoldTheirEnds) {
  const Between range{th_dport, {0, 80}, {1, 0}};
  EXPECT_FALSE(holds(range, udp("10.0.0.1", "192.0.2.7", 79)));
  EXPECT_TRUE(holds(range, udp("10.0.0.1", "192.0.2.7", 80)));
  EXPECT_TRUE(holds(range, udp("10.0.0.1", "192.0.2.7", 256)));
  EXPECT_FALSE(holds(range, udp("10.0.0.1", "192.0.2.7", 257)));
  EXPECT_FALSE(holds(Between{udp_dport, {0, 0}, {0xff, 0xff}}, of_protocol(IPPROTO_TCP)));
}

TEST(Evaluate, OneBitOfTheStateIsEnough) {
  auto packet = udp();
  packet.ct_state = kCtRelated;
  EXPECT_TRUE(holds(AnyBit{ct_state, kCtEstablished | kCtRelated}, packet));
  EXPECT_FALSE(holds(AnyBit{ct_state, kCtNew | kCtInvalid}, packet));
  packet.ct_status = IPS_DST_NAT;
  EXPECT_TRUE(holds(AnyBit{ct_status, IPS_DST_NAT}, packet));
  EXPECT_FALSE(holds(AnyBit{ct_status, IPS_SRC_NAT}, packet));
}

TEST(Evaluate, BeforeConntrackEveryPacketIsOfNoConnection) {
  constexpr std::int32_t kRaw = -300, kMangle = -150;
  auto packet = udp();
  packet.ct_status = IPS_DST_NAT;
  for (const auto hook : {Hook::prerouting, Hook::output}) {
    EXPECT_TRUE(holds(AnyBit{ct_state, kCtInvalid}, packet, hook, kRaw));
    EXPECT_FALSE(holds(AnyBit{ct_status, IPS_DST_NAT}, packet, hook, kRaw));
    EXPECT_TRUE(holds(AnyBit{ct_state, kCtNew}, packet, hook, kMangle));
    EXPECT_TRUE(holds(AnyBit{ct_status, IPS_DST_NAT}, packet, hook, kMangle));
  }
  EXPECT_TRUE(holds(AnyBit{ct_state, kCtNew}, packet, Hook::forward, kRaw)) << "forward comes later";
}

TEST(Evaluate, WhatHasNoConnectionHasNoStatus) {
  auto packet = udp();
  packet.ct_status = IPS_DST_NAT;
  for (const auto state : {kCtInvalid, kCtUntracked}) {
    packet.ct_state = state;
    EXPECT_FALSE(holds(AnyBit{ct_status, IPS_DST_NAT}, packet));
  }
}

TEST(Evaluate, LookUpsPadEachFieldOfAConcatenation) {
  Bytes key{17, 0, 0, 0, 0, 53, 0, 0};
  Chains chains{{rule({Lookup{{l4proto, th_dport}, "services"}, kDrop})}};
  chains.set({"services", {Type::inet_proto, Type::inet_service}, DataKind::none, {}, false}, {{{key, {}}, {}}});
  auto packet = udp();
  EXPECT_EQ(chains.run(packet).ruling, Ruling::drop);
  packet.destination_port = 54;
  EXPECT_EQ(chains.run(packet).ruling, Ruling::accept);
  EXPECT_FALSE(holds(Lookup{{iifname}, "nobody filled it"}, packet));
}

TEST(Evaluate, IntervalsHoldTheirEndsAndNothingBetweenThem) {
  Chains chains{{rule({Lookup{{ip_daddr}, "nets"}, kDrop})}};
  chains.set({"nets", {Type::ipv4_addr}, DataKind::none, {}, true},
             {{{bytes_of("10.0.0.0"), bytes_of("10.0.0.255")}, {}},
              {{bytes_of("10.0.2.0"), bytes_of("10.0.2.255")}, {}},
              {{bytes_of("10.0.4.4"), {}}, {}}});
  const auto in = [&chains](const char* to) {
    auto packet = udp("10.0.0.1", to);
    return chains.run(packet).ruling == Ruling::drop;
  };
  for (const auto* inside : {"10.0.0.0", "10.0.0.7", "10.0.0.255", "10.0.2.0", "10.0.2.255", "10.0.4.4"})
    EXPECT_TRUE(in(inside)) << inside;
  for (const auto* outside : {"9.255.255.255", "10.0.1.0", "10.0.1.255", "10.0.3.0", "10.0.4.3", "10.0.4.5"})
    EXPECT_FALSE(in(outside)) << outside;
}

TEST(Evaluate, AVerdictMapThatLacksTheKeyBreaksTheRule) {
  Chains chains{{rule({VerdictMap{{mark}, "profiles"}}), rule({kDrop}, "no profile")}};
  chains.set({"profiles", {Type::mark}, DataKind::verdict, {}, false},
             {{{host_order(1), {}}, {{}, kAccept}}, {{host_order(2), {}}, {{}, go("closed")}}});
  chains.add("closed", {rule({Reject{Reject::Kind::admin_prohibited}}, "closed")});
  auto packet = udp();
  packet.mark = 1;
  EXPECT_EQ(chains.run(packet).ruling, Ruling::accept);
  packet.mark = 2;
  const auto closed = chains.run(packet);
  EXPECT_EQ(closed.ruling, Ruling::reject);
  EXPECT_EQ(closed.steps.back().answer, Reject::Kind::admin_prohibited);
  EXPECT_EQ(closed.steps.back().comment(), "closed");
  packet.mark = 3;
  EXPECT_EQ(chains.run(packet).steps.back().comment(), "no profile");
}

TEST(Evaluate, AMarkIsKeptWhenTheRuleBreaksBehindIt) {
  Chains chains{{rule({SetMark{5}, is(l4proto, {IPPROTO_TCP}), kDrop}), rule({MarkFromMap{{ip_saddr}, "ids"}, kDrop})}};
  chains.set({"ids", {Type::ipv4_addr}, DataKind::value, {Type::mark}, false},
             {{{bytes_of("10.0.0.9"), {}}, {host_order(9), std::nullopt}}});
  auto packet = udp();
  EXPECT_EQ(chains.run(packet).ruling, Ruling::accept) << "neither rule holds";
  EXPECT_EQ(packet.mark, 5U);
  packet = udp("10.0.0.9");
  EXPECT_EQ(chains.run(packet).ruling, Ruling::drop);
  EXPECT_EQ(packet.mark, 9U);
}

TEST(Evaluate, ResetsAndProhibitionsAreToldApart) {
  const Chains chains{{rule({is(l4proto, {IPPROTO_TCP}), Reject{Reject::Kind::tcp_reset}}),
                       rule({Reject{Reject::Kind::admin_prohibited}})}};
  auto packet = of_protocol(IPPROTO_TCP);
  EXPECT_EQ(chains.run(packet).steps.back().answer, Reject::Kind::tcp_reset);
  packet = udp();
  EXPECT_EQ(chains.run(packet).steps.back().answer, Reject::Kind::admin_prohibited);
}

TEST(Evaluate, OnlyASynIsASyn) {
  auto packet = of_protocol(IPPROTO_TCP);
  EXPECT_TRUE(holds(TcpSyn{}, packet));
  packet.tcp_flags = 0x12;
  EXPECT_TRUE(holds(TcpSyn{}, packet));
  packet.tcp_flags = 0x10;
  EXPECT_FALSE(holds(TcpSyn{}, packet));
  EXPECT_FALSE(holds(TcpSyn{}, udp()));
  EXPECT_TRUE(holds(ClampMss{}, packet));
  EXPECT_FALSE(holds(ClampMss{}, udp()));
}

TEST(Evaluate, WhatIsNotTrackedIsSeenAsSuchAndByNoNat) {
  auto packet = udp();
  EXPECT_TRUE(holds(Notrack{}, packet));
  const Chains chains{{rule({Notrack{}}), rule({AnyBit{ct_state, kCtNew}, Verdict{Verdict::Kind::drop, {}}})}};
  EXPECT_EQ(chains.run(packet).ruling, Ruling::accept);
  EXPECT_EQ(packet.ct_state, kCtUntracked);
}

TEST(Evaluate, LimitsAreNeverExceededAndLogsAndCountersPassOn) {
  EXPECT_TRUE(holds(Limit{10, 60, 5, false}, udp()));
  EXPECT_FALSE(holds(Limit{10, 60, 5, true}, udp()));
  EXPECT_TRUE(holds(Update{{ip_saddr}, "seen", Counter{}}, udp()));
  EXPECT_TRUE(holds(Update{{ip_saddr}, "seen", Limit{10, 1, 20, false}}, udp()));
  EXPECT_FALSE(holds(Update{{ip6_saddr}, "seen", Counter{}}, udp())) << "a field that it hasn't";
  EXPECT_TRUE(holds(Log{"vrouter: ", 5, 96}, udp()));
  EXPECT_TRUE(holds(Count{"rule 1"}, udp()));
}

constexpr Base kDnat{ChainType::nat, Hook::prerouting, -100}, kSnat{ChainType::nat, Hook::postrouting, 100};

Chains publishing(const char* to) {
  auto target = bytes_of(to);
  target.insert(target.end(), {0, 80, 0, 0});
  const bool v6 = make_address(to).is_v6();
  Chains chains{{rule({Nat{Nat::Kind::dnat, v6, {l4proto, th_dport}, "pub"}}, "published"), rule({kDrop}, "not")},
                kDnat};
  chains.set(
      {"pub", {Type::inet_proto, Type::inet_service}, DataKind::value, {Type::ipv4_addr, Type::inet_service}, false},
      {{{{17, 0, 0, 0, 0x1f, 0x90, 0, 0}, {}}, {target, std::nullopt}}});
  return chains;
}

TEST(Evaluate, DestinationNatWritesAddressAndPortAndAccepts) {
  auto packet = udp("192.0.2.9", "192.0.2.1", 8080);
  const auto outcome = publishing("10.0.5.2").run(packet, Hook::prerouting);
  EXPECT_EQ(outcome.ruling, Ruling::accept);
  EXPECT_EQ(packet.destination, make_address("10.0.5.2"));
  EXPECT_EQ(packet.destination_port, 80);
  EXPECT_NE(packet.ct_status & IPS_DST_NAT, 0U);
  auto v6 = udp("fd00::9", "fd00::1", 8080);
  EXPECT_EQ(publishing("fd00::2").run(v6, Hook::prerouting).ruling, Ruling::accept);
  EXPECT_EQ(v6.destination, make_address("fd00::2"));
  EXPECT_EQ(v6.destination_port, 80);
}

TEST(Evaluate, NatWithoutTheKeyBreaksAndOfAnotherFamilyPassesOn) {
  auto chains = publishing("10.0.5.2");
  auto& rules = chains.ruleset.tables[0].chains[0].rules.own();
  rules[0].statements.emplace_back(kDrop);
  rules[1] = rule({kAccept}, "next rule");
  auto packet = udp("192.0.2.9", "192.0.2.1", 8081);
  EXPECT_EQ(chains.run(packet, Hook::prerouting).steps.at(0).comment(), "next rule");
  auto v6 = udp("fd00::9", "fd00::1", 8080);
  EXPECT_EQ(chains.run(v6, Hook::prerouting).ruling, Ruling::drop) << "the statement behind it";
  EXPECT_EQ(v6.destination, make_address("fd00::1"));
}

TEST(Evaluate, WhatIsTranslatedToItselfIsNotTranslated) {
  auto packet = udp("192.0.2.9", "10.0.5.2", 8080);
  packet.destination_port = 80;
  Chains chains{{rule({Nat{Nat::Kind::snat, false, {ip_saddr}, "same"}})}, kSnat};
  chains.set({"same", {Type::ipv4_addr}, DataKind::value, {Type::ipv4_addr}, false},
             {{{bytes_of("192.0.2.9"), {}}, {bytes_of("192.0.2.9"), std::nullopt}}});
  EXPECT_EQ(chains.run(packet, Hook::postrouting).ruling, Ruling::accept);
  EXPECT_EQ(packet.ct_status & IPS_SRC_NAT, 0U);
}

TEST(Evaluate, MasqueradingTakesTheAddressOfTheWayOut) {
  const Chains chains{{rule({Masquerade{}}), rule({kDrop})}, kSnat};
  auto packet = udp();
  packet.masquerade = make_address("192.0.2.1");
  EXPECT_EQ(chains.run(packet, Hook::postrouting).ruling, Ruling::accept);
  EXPECT_EQ(packet.source, make_address("192.0.2.1"));
  EXPECT_EQ(packet.source_port, 5000);
  EXPECT_NE(packet.ct_status & IPS_SRC_NAT, 0U);
  auto v6 = udp("fd00::1", "fd00::2");
  EXPECT_EQ(chains.run(v6, Hook::postrouting).ruling, Ruling::accept);
  EXPECT_EQ(v6.source, make_address("::")) << "not known";
}

TEST(Evaluate, NatIsAskedOncePerEndAndOfNewConnectionsOnly) {
  const auto chains = publishing("10.0.5.2");
  auto packet = udp("192.0.2.9", "192.0.2.1", 8080);
  packet.ct_state = kCtEstablished;
  EXPECT_TRUE(chains.run(packet, Hook::prerouting).steps.empty());
  packet.ct_state = kCtUntracked;
  EXPECT_TRUE(chains.run(packet, Hook::prerouting).steps.empty());
  packet.ct_state = kCtNew;
  EXPECT_EQ(chains.run(packet, Hook::prerouting).steps.size(), 1U);
  EXPECT_TRUE(chains.run(packet, Hook::prerouting).steps.empty()) << "its destination is settled";
  const Chains keeping{{rule({kAccept})}, kDnat};
  packet = udp();
  EXPECT_EQ(keeping.run(packet, Hook::prerouting).steps.size(), 1U);
  EXPECT_TRUE(keeping.run(packet, Hook::prerouting).steps.empty()) << "it is kept for good";
}

TEST(Evaluate, TheSecondNatChainIsNotAskedOnceTheFirstTranslated) {
  auto chains = publishing("10.0.5.2");
  chains.add("second", {rule({kDrop}, "second")}, Base{ChainType::nat, Hook::prerouting, -99});
  auto packet = udp("192.0.2.9", "192.0.2.1", 8080);
  EXPECT_EQ(chains.run(packet, Hook::prerouting).ruling, Ruling::accept);
}

TEST(Evaluate, AcceptEndsOneBaseChainAndDropEndsAll) {
  Chains chains{{rule({kAccept}, "yes"), rule({kDrop}, "never asked")}};
  chains.add("later", {rule({is(udp_dport, {0, 53}), kDrop}, "no")}, Base{ChainType::filter, Hook::forward, 10});
  chains.add("last", {rule({kAccept}, "not reached")}, Base{ChainType::filter, Hook::forward, 20});
  auto packet = udp();
  const auto outcome = chains.run(packet);
  EXPECT_EQ(outcome.ruling, Ruling::drop);
  ASSERT_EQ(outcome.steps.size(), 2U);
  EXPECT_EQ(outcome.steps[0].comment(), "yes");
  EXPECT_EQ(outcome.steps[0].ruling, Ruling::accept);
  EXPECT_EQ(outcome.steps[1].base->name, "later");
  EXPECT_EQ(outcome.steps[1].comment(), "no");
}

TEST(Evaluate, BaseChainsAreAskedInOrderOfPriorityOfTheirHookAlone) {
  Chains chains{{rule({kAccept})}, Base{ChainType::filter, Hook::forward, 0}};
  chains.add("first", {}, Base{ChainType::filter, Hook::forward, -10});
  chains.add("elsewhere", {rule({kDrop})}, Base{ChainType::filter, Hook::input, -20});
  auto packet = udp();
  const auto outcome = chains.run(packet);
  ASSERT_EQ(outcome.steps.size(), 2U);
  EXPECT_EQ(outcome.steps[0].base->name, "first");
  EXPECT_EQ(outcome.steps[1].base->name, "base");
  EXPECT_EQ(outcome.steps[0].decider(), nullptr) << "its policy";
}

std::vector<std::string> names(const std::vector<RulePlace>& way) {
  std::vector<std::string> names;
  for (const auto& place : way) names.push_back(place.chain->name + "/" + std::to_string(place.index));
  return names;
}

TEST(Evaluate, AJumpComesBackAndAGotoDoesNot) {
  Chains chains{{rule({jump("jumped")}), rule({go("gone")}), rule({kDrop}, "never asked")}};
  chains.add("jumped", {rule({is(udp_dport, {0, 1}), kDrop})}).add("gone", {rule({is(udp_dport, {0, 1}), kDrop})});
  auto packet = udp();
  const auto outcome = chains.run(packet);
  EXPECT_EQ(outcome.ruling, Ruling::accept);
  EXPECT_EQ(outcome.steps[0].decider(), nullptr);
}

TEST(Evaluate, AGotoWithinAJumpComesBackToWhoJumped) {
  Chains chains{{rule({jump("a")}), rule({kDrop}, "back")}};
  chains.add("a", {rule({go("b")}), rule({kAccept}, "never asked")}).add("b", {rule({is(udp_dport, {0, 1}), kAccept})});
  auto packet = udp();
  const auto step = chains.run(packet).steps[0];
  EXPECT_EQ(step.ruling, Ruling::drop);
  EXPECT_EQ(names(step.way), (std::vector<std::string>{"base/1"})) << "what was returned from is left out";
}

TEST(Evaluate, TheWayNamesTheRulesThatLedThere) {
  Chains chains{{rule({is(udp_dport, {0, 1}), kDrop}), rule({jump("a")})}};
  chains.add("a", {rule({jump("empty")}), rule({go("b")})}).add("empty", {}).add("b", {rule({kDrop}, "here")});
  auto packet = udp();
  const auto step = chains.run(packet).steps[0];
  EXPECT_EQ(names(step.way), (std::vector<std::string>{"base/1", "a/1", "b/0"}));
  EXPECT_EQ(step.comment(), "here");
}

TEST(Evaluate, AReturnGoesBackOrToThePolicy) {
  Chains chains{{rule({jump("a")}), rule({kReturn}), rule({kDrop}, "never asked")}};
  chains.add("a", {rule({kReturn}), rule({kDrop}, "never asked")});
  auto packet = udp();
  const auto outcome = chains.run(packet);
  EXPECT_EQ(outcome.ruling, Ruling::accept);
  EXPECT_EQ(outcome.steps[0].decider(), nullptr);
}

TEST(Evaluate, AChainThatLeadsBackToItselfEndsInADrop) {
  Chains chains{{rule({go("a")})}};
  chains.add("a", {rule({go("b")})}).add("b", {rule({go("a")})});
  auto packet = udp();
  EXPECT_EQ(chains.run(packet).ruling, Ruling::drop);
}

TEST(Evaluate, ArpHasATableOfItsOwn) {
  const auto mac = Bytes{2, 0, 0, 0, 0, 1};
  Ruleset ruleset{false, {{Family::arp, {}, {}}}, {}};
  ruleset.tables[0].chains = {
      {"input",
       Base{ChainType::filter, Hook::input, 0},
       {rule({is(arp_operation, {0, 1}), is(arp_saddr_ip, bytes_of("0.0.0.0")), kAccept}, "probe"),
        rule({is(arp_saddr_ether, mac), is(ether_saddr, mac), is(arp_saddr_ip, bytes_of("10.0.5.2")), kAccept}, "own"),
        rule({is(l4proto, {0}), kAccept}, "ARP has no layer 4"), rule({kDrop}, "foreign")}}};
  const Evaluator evaluator{ruleset};
  const auto said = [&evaluator](const char* sender, std::uint16_t operation) {
    Packet packet;
    packet.iifname = "tap0";
    packet.ether_saddr = MacAddress{{2, 0, 0, 0, 0, 1}};
    packet.arp = Packet::Arp{operation, *packet.ether_saddr, boost::asio::ip::make_address_v4(sender)};
    return std::string{evaluator.run_hook(Family::arp, Hook::input, packet).steps.at(0).comment()};
  };
  EXPECT_EQ(said("0.0.0.0", 1), "probe");
  EXPECT_EQ(said("0.0.0.0", 2), "foreign");
  EXPECT_EQ(said("10.0.5.2", 2), "own");
  EXPECT_EQ(said("10.0.5.3", 1), "foreign");
}

}  // namespace
}  // namespace vrouter::firewall
