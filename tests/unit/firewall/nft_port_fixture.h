// SPDX-License-Identifier: GPL-2.0-or-later
// A port on the real nf_tables, guests of every kind to put there, and what would be changed of it in words.
#pragma once

#include <sstream>

#include "firewall/nft/port.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall::testing {

// Every kind of guest that there is: plain, with IPv6, pinned, publishing, without an address.
inline std::vector<config::Guest> some_guests() {
  std::vector guests{guest_of(0), guest_of(1, true), guest_of(2, true), guest_of(3)};
  guests[2].mac = MacAddress{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
  guests[1].publish = {publish_of(8080, 80), publish_of(2222, 22)};
  guests[1].publish[1].host = boost::asio::ip::make_address("192.0.2.1");
  guests[3].address.reset();
  return guests;
}

// Statements that only some policies need.
inline void add_more_words(Table& table) {
  table.counters = {"r_first", "r_second"};
  table.sets.push_back({"verdicts", {Type::mark, Type::inet_proto, Type::inet_service}, DataKind::verdict, {}, false});
  const Compare tcp{Field::l4proto, {6}, false, 0}, sctp{Field::l4proto, {132}, false, 0};
  const Between ports{Field::th_dport, {0, 80}, {0, 90}};
  const Key key{Field::mark, Field::l4proto, Field::th_dport};
  table.chains.push_back(
      {"words",
       std::nullopt,
       {{{tcp, ports, Limit{10, 60, 5, true}, Verdict{Verdict::Kind::drop, {}}}, "ten a minute"},
        {{sctp, ports, Limit{3, 3600, 20, false}, Log{"vr:first", 7672, 128}}, "logged"},
        {{Update{{Field::iifname}, "denied_from", Counter{}},
          Update{{Field::oifname}, "log_to", Limit{10, 1, 20, false}}, Log{"vr:second", 7672, 128}},
         "seen"},
        {{VerdictMap{key, "verdicts"}}, "by peer, protocol and port"},
        {{Compare{Field::mark, {0, 0, 0, 0}, false, 0}, Count{"r_second"}, Reject{Reject::Kind::admin_prohibited}},
         "counted"}}});
}

inline Ruleset desired_of(const std::vector<config::Guest>& guests, bool own_table = false) {
  const auto network = network_of();
  auto ruleset = compile(config_of(network), {{"eth0"}, {"eth1"}, own_table, ServiceUsers{.dhcp = 990, .dns = 991}});
  add_more_words(ruleset.tables.front());
  ruleset.insert(upstream_elements({boost::asio::ip::make_address("9.9.9.9")}));
  for (const auto& guest : guests) ruleset.insert(compile_guest(guest, network));
  return ruleset;
}

inline std::unique_ptr<NftPort> open_port() {
  auto port = open_nft();
  EXPECT_TRUE(port.has_value()) << port.error().to_string();
  return std::move(*port);
}

inline Observed observe(NftPort& port) {
  auto observed = port.observe();
  EXPECT_TRUE(observed.has_value()) << observed.error().to_string();
  return observed ? *observed : Observed{};
}

// What would be changed, in words that a failure can show.
inline std::string changes(const Transaction& t) {
  std::ostringstream text;
  for (const auto f : t.adopt_tables) text << "adopt " << name(f) << "\n";
  for (const auto f : t.delete_tables) text << "delete table " << name(f) << "\n";
  for (const auto f : t.add_tables) text << "add table " << name(f) << "\n";
  for (const auto& c : t.add_counters) text << "add counter " << c.counter << "\n";
  for (const auto& c : t.delete_counters) text << "delete counter " << c.counter << "\n";
  for (const auto& s : t.add_sets) text << "add set " << s.set.name << "\n";
  for (const auto& c : t.add_chains) text << "add chain " << c.chain.name << "\n";
  for (const auto& c : t.refill_chains) text << "refill chain " << c.chain.name << "\n";
  for (const auto& s : t.flush_sets) text << "flush set " << s.set << "\n";
  for (const auto& e : t.delete_elements) text << "delete element of " << e.set.set << "\n";
  for (const auto& s : t.delete_sets) text << "delete set " << s.set << "\n";
  for (const auto& c : t.delete_chains) text << "delete chain " << c.chain << "\n";
  for (const auto& e : t.add_elements) text << "add element to " << e.set.set << "\n";
  EXPECT_EQ(text.str().empty(), t.empty());
  return text.str();
}

inline void apply_all(NftPort& port, const Ruleset& desired) {
  const auto done = port.apply(diff(desired, observe(port)));
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
}

}  // namespace vrouter::firewall::testing
