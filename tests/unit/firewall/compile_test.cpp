// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/compile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "firewall/bytecode.h"
#include "firewall/render.h"
#include "firewall/words.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall {
namespace {

using testing::config_of;
using testing::guest_of;
using testing::network_of;
using testing::publish_of;

const MacAddress kMac{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};

// "inet spoof4: "tap0" . 10.0.5.2", one line per element.
std::set<std::string> lines_of(const std::vector<Element>& elements) {
  const auto skeleton = compile(config_of(network_of()), {});
  std::set<std::string> lines;
  for (const auto& e : elements) {
    const auto* set = skeleton.find(e.set);
    EXPECT_NE(set, nullptr) << e.set.set;
    if (set == nullptr) continue;
    lines.insert(std::string{name(e.set.family)} + " " + e.set.set + ": " + render_element(*set, e.key, e.data));
  }
  EXPECT_EQ(lines.size(), elements.size()) << "no element twice";
  return lines;
}

TEST(CompileGuest, IsElementsOfBothTables) {
  EXPECT_EQ(lines_of(compile_guest(guest_of(0), network_of())),
            (std::set<std::string>{"inet taps: \"tap0\"", "inet loose: \"tap0\"", "inet spoof4: \"tap0\" . 10.0.5.2",
                                   "inet id4: 10.0.5.2 : 0x00000001", "inet dst4: \"tap0\" . 10.0.5.2 : 0x00000001",
                                   "arp taps: \"tap0\"", "arp loose: \"tap0\"", "arp spoof4: \"tap0\" . 10.0.5.2"}));
}

TEST(CompileGuest, PinnedIsInNoLooseSet) {
  auto guest = guest_of(0, true);
  guest.mac = kMac;
  for (const auto& line : lines_of(compile_guest(guest, network_of()))) {
    EXPECT_EQ(line.find("loose"), std::string::npos) << line;
    EXPECT_EQ(line.find("spoof"), std::string::npos) << line;
  }
  const auto lines = lines_of(compile_guest(guest, network_of()));
  EXPECT_TRUE(lines.contains("inet macs: \"tap0\" . 52:54:00:12:34:56"));
  EXPECT_TRUE(lines.contains("inet pinned4: \"tap0\" . 52:54:00:12:34:56 . 10.0.5.2"));
  EXPECT_TRUE(lines.contains("inet pinned6: \"tap0\" . 52:54:00:12:34:56 . fd76:7274:5::2"));
  EXPECT_TRUE(lines.contains("arp pinned4: \"tap0\" . 52:54:00:12:34:56 . 52:54:00:12:34:56 . 10.0.5.2"));
}

TEST(CompileGuest, WithoutAddressIsOnlyItsTap) {
  auto guest = guest_of(0);
  guest.address.reset();
  EXPECT_EQ(lines_of(compile_guest(guest, network_of())),
            (std::set<std::string>{"inet taps: \"tap0\"", "inet loose: \"tap0\"", "arp taps: \"tap0\"",
                                   "arp loose: \"tap0\""}));
}

// Whoever is behind it is pinned by its lease; the link itself may only answer when it is asked for an address.
TEST(CompileGuest, ASharedLinkIsKnownToArp) {
  auto guest = guest_of(0);
  guest.address.reset();
  guest.shared = true;
  EXPECT_EQ(lines_of(compile_guest(guest, network_of())),
            (std::set<std::string>{"inet taps: \"tap0\"", "inet loose: \"tap0\"", "arp taps: \"tap0\"",
                                   "arp loose: \"tap0\"", "arp shared: \"tap0\""}));
}

TEST(CompileLessee, IsPinnedToItsLinkMacAndAddress) {
  auto lessee = guest_of(0);
  lessee.mac = kMac;
  EXPECT_EQ(lines_of(compile_lessee(lessee, network_of())),
            (std::set<std::string>{"inet pinned4: \"tap0\" . 52:54:00:12:34:56 . 10.0.5.2",
                                   "inet id4: 10.0.5.2 : 0x00000001", "inet dst4: \"tap0\" . 10.0.5.2 : 0x00000001",
                                   "arp pinned4: \"tap0\" . 52:54:00:12:34:56 . 52:54:00:12:34:56 . 10.0.5.2"}));
  const auto elements = compile_lessee(lessee, network_of());
  EXPECT_TRUE(std::ranges::is_sorted(elements));
  // Nothing of it is the link's own, which stays when it goes.
  auto link = guest_of(0);
  link.address.reset();
  link.shared = true;
  for (const auto& line : lines_of(compile_guest(link, network_of())))
    EXPECT_FALSE(lines_of(elements).contains(line)) << line;
}

TEST(CompileLessee, WithoutMacOrAddressIsNothing) {
  auto lessee = guest_of(0);
  EXPECT_TRUE(compile_lessee(lessee, network_of()).empty());
  lessee.mac = kMac;
  lessee.address.reset();
  EXPECT_TRUE(compile_lessee(lessee, network_of()).empty());
}

TEST(Compile, RelaysAreWhereTheServiceMayAnswer) {
  auto config = config_of(network_of());
  auto& network = config.networks.begin()->second;
  network.dhcp.relays = {boost::asio::ip::make_address_v4("192.0.2.7"), boost::asio::ip::make_address_v4("192.0.2.8")};
  auto second = network;
  second.name = "office";
  second.prefix = boost::asio::ip::make_network_v4("10.9.0.0/24");
  second.gateway = boost::asio::ip::make_address_v4("10.9.0.1");
  second.dhcp.relays.pop_back();  // a relay of two networks
  config.networks.emplace("office", second);
  Surroundings surroundings;
  const auto count = [&](const char* set) {
    const auto ruleset = compile(config, surroundings);
    const auto found = ruleset.elements.find({Family::inet, set});
    return found == ruleset.elements.end() ? 0U : found->second.size();
  };
  EXPECT_EQ(count("relays4"), 0U);  // without a process of its own nothing of the service is held
  surroundings.users = ServiceUsers{};
  EXPECT_EQ(count("relays4"), 2U);
  EXPECT_NE(count("relayed4"), 0U);
  for (auto& [name, one] : config.networks) one.dhcp.relays.clear();
  EXPECT_EQ(count("relays4"), 0U);
  EXPECT_EQ(count("relayed4"), 0U);
}

TEST(CompileGuest, APublishedPortIsKnownInTheFamiliesThatTheGuestHas) {
  auto guest = guest_of(0, true);
  guest.publish = {publish_of(8080, 80)};
  const auto lines = lines_of(compile_guest(guest, network_of()));
  EXPECT_TRUE(lines.contains("inet pub4any: tcp . 8080 : 10.0.5.2 . 80"));
  EXPECT_TRUE(lines.contains("inet pub6any: tcp . 8080 : fd76:7274:5::2 . 80"));
  EXPECT_TRUE(lines.contains("inet hairpin4: 10.0.5.2 . 10.0.5.2 : 10.0.5.1"));
  EXPECT_TRUE(lines.contains("inet hairpin6: fd76:7274:5::2 . fd76:7274:5::2 : fd76:7274:5::1"));
}

TEST(CompileGuest, APortOnOneAddressIsOfThatAddressAlone) {
  auto guest = guest_of(0, true);
  guest.publish = {publish_of(53, 5353)};
  guest.publish[0].host = boost::asio::ip::make_address("192.0.2.1");
  guest.publish[0].protocol = config::Protocol::udp;
  const auto lines = lines_of(compile_guest(guest, network_of()));
  EXPECT_TRUE(lines.contains("inet pub4: 192.0.2.1 . udp . 53 : 10.0.5.2 . 5353"));
  EXPECT_EQ(std::ranges::count_if(lines, [](const auto& line) { return line.find("pub") != std::string::npos; }), 1);
}

TEST(CompileGuest, ARangeIsOneElementPerPortUpToTheLast) {
  auto guest = guest_of(0);
  guest.publish = {publish_of(1, 1)};
  guest.publish[0].last = 65535;
  const auto elements = compile_guest(guest, network_of());
  const auto lines = lines_of(elements);
  EXPECT_EQ(std::ranges::count_if(elements, [](const auto& e) { return e.set.set == "pub4any"; }), 65535);
  EXPECT_TRUE(lines.contains("inet pub4any: tcp . 65535 : 10.0.5.2 . 65535"));
}

TEST(CompileGuest, ARangeMayStartElsewhereInTheGuest) {
  auto guest = guest_of(0);
  guest.publish = {publish_of(6000, 7000)};
  guest.publish[0].last = 6002;
  const auto lines = lines_of(compile_guest(guest, network_of()));
  EXPECT_TRUE(lines.contains("inet pub4any: tcp . 6002 : 10.0.5.2 . 7002"));
  EXPECT_FALSE(lines.contains("inet pub4any: tcp . 6003 : 10.0.5.2 . 7003"));
}

TEST(CompileGuest, IsSortedForChangeElements) {
  auto guest = guest_of(0, true);
  guest.publish = {publish_of(8080, 80), publish_of(22, 22)};
  const auto elements = compile_guest(guest, network_of());
  EXPECT_TRUE(std::ranges::is_sorted(elements));
}

TEST(CompileGuest, AnIsolatedGuestHasAnotherProfile) {
  EXPECT_TRUE(lines_of(compile_guest(guest_of(0), network_of(config::Mode::isolated)))
                  .contains("inet id4: 10.0.5.2 : 0x00000002"));
  EXPECT_TRUE(lines_of(compile_guest(guest_of(0), network_of(config::Mode::routed)))
                  .contains("inet id4: 10.0.5.2 : 0x00000001"));
}

TEST(Compile, OnlyNatNetworksAreMasqueraded) {
  const SetRef masq{Family::inet, "masq4"};
  EXPECT_EQ(compile(config_of(network_of(config::Mode::nat)), {}).elements.at(masq).size(), 1U);
  EXPECT_FALSE(compile(config_of(network_of(config::Mode::routed)), {}).elements.contains(masq));
  EXPECT_FALSE(compile(config_of(network_of(config::Mode::isolated)), {}).elements.contains(masq));
}

TEST(Compile, GuardsTheInterfacesThatVrouterMadeForward) {
  const auto ruleset = compile(config_of(network_of()), {{"eth0"}, {"eth1", "eth2"}, false});
  EXPECT_EQ(ruleset.elements.at({Family::inet, "guarded4"}).size(), 1U);
  EXPECT_EQ(ruleset.elements.at({Family::inet, "guarded6"}).size(), 2U);
  EXPECT_FALSE(compile(config_of(network_of()), {}).elements.contains({Family::inet, "guarded4"}));
}

TEST(Compile, EveryRuleSaysWhatItIsFor) {
  for (const auto& table : compile(config_of(network_of()), {}).tables) {
    for (const auto& chain : table.chains) {
      for (const auto& rule : chain.rules) {
        EXPECT_FALSE(rule.comment.empty()) << chain.name << ": " << render_rule(rule);
        EXPECT_LE(rule.comment.size(), 127U) << rule.comment;
        EXPECT_EQ(rule.comment.find('"'), std::string::npos) << rule.comment;
      }
    }
  }
}

TEST(Compile, DependsOnNoGuest) {
  auto config = config_of(network_of());
  const auto without = compile(config, {});
  config.guests = {guest_of(0), guest_of(1)};
  EXPECT_EQ(compile(config, {}), without);
}

TEST(Ruleset, EraseUndoesInsert) {
  const auto skeleton = compile(config_of(network_of()), {});
  auto ruleset = skeleton;
  const auto guest = compile_guest(guest_of(0, true), network_of());
  ruleset.insert(guest);
  EXPECT_NE(ruleset, skeleton);
  ruleset.erase(guest);
  EXPECT_EQ(ruleset, skeleton);
}

TEST(Compile, WithoutUsersNothingJudgesWhatTheHostSends) {
  const auto filters_output = [](const Ruleset& rules) {
    return std::ranges::any_of(rules.tables.front().chains, [](const Chain& chain) {
      return chain.base && chain.base->hook == Hook::output && chain.base->type == ChainType::filter &&
             chain.name != "dns_out_untracked";
    });
  };
  const auto alone = compile(config_of(network_of()), {});
  EXPECT_FALSE(filters_output(alone));
  EXPECT_EQ(alone.find({Family::inet, "upstreams4"}), nullptr);
  EXPECT_TRUE(filters_output(compile(config_of(network_of()), {.users = ServiceUsers{.dhcp = 1, .dns = 2}})));
}

TEST(UpstreamElements, AreSortedAndNoneTwice) {
  const auto elements =
      upstream_elements({boost::asio::ip::make_address("9.9.9.9"), boost::asio::ip::make_address("fe80::1%3"),
                         boost::asio::ip::make_address("1.1.1.1"), boost::asio::ip::make_address("::ffff:1.1.1.1"),
                         boost::asio::ip::make_address("fe80::1%4"), boost::asio::ip::make_address("9.9.9.9")});
  ASSERT_EQ(elements.size(), 6U);  // rules know no scope: the link-local server is one
  EXPECT_EQ(elements[0].key.first, (Bytes{1, 1, 1, 1, IPPROTO_TCP, 0, 0, 0, 0, 53, 0, 0}));
  EXPECT_EQ(elements[1].key.first, (Bytes{1, 1, 1, 1, IPPROTO_UDP, 0, 0, 0, 0, 53, 0, 0}));
  EXPECT_EQ(elements[2].key.first, (Bytes{9, 9, 9, 9, IPPROTO_TCP, 0, 0, 0, 0, 53, 0, 0}));
  EXPECT_EQ(elements[4].set.set, "upstreams6");
}

TEST(UpstreamElements, OpenOnlyThePortAndTheProtocolsThatAServerIsAskedBy) {
  using enum config::DnsTransport;
  const auto at = boost::asio::ip::make_address("9.9.9.9");
  const auto elements = upstream_elements({{at, 5353}, {at, 53, tcp}, {at, 853, tls, "dns.example"}});
  std::set<Bytes> keys;
  for (const auto& element : elements) keys.insert(element.key.first);
  const auto key = [](std::uint8_t protocol, std::uint16_t port) {
    return words::concat({{9, 9, 9, 9}, {protocol}, words::network_order(port)});
  };
  EXPECT_EQ(keys, (std::set<Bytes>{key(IPPROTO_UDP, 5353), key(IPPROTO_TCP, 5353), key(IPPROTO_TCP, 53),
                                   key(IPPROTO_TCP, 853)}));
}

// Else the second would be looked for in the first's header, where other bytes are.
TEST(Assemble, FieldsOfTwoFamiliesInOneRuleMatchNothing) {
  using namespace words;
  const auto code =
      assemble(rule("", {within(Field::ip6_daddr, Bytes(16, 0), 64), in({Field::ip_saddr}, "set"), accept()}));
  std::vector<Bytes> families;
  for (std::size_t i = 0; i + 1 < code.size(); ++i) {
    const auto* load = std::get_if<MetaLoad>(&code[i]);
    const auto* compared = std::get_if<Cmp>(&code[i + 1]);
    if (load != nullptr && compared != nullptr && load->dreg == compared->sreg) families.push_back(compared->data);
  }
  constexpr std::uint8_t kIpv4 = 2, kIpv6 = 10;  // NFPROTO_*
  EXPECT_EQ(families, (std::vector<Bytes>{{kIpv6}, {kIpv4}}));
}

}  // namespace
}  // namespace vrouter::firewall
