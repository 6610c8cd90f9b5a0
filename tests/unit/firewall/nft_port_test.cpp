// SPDX-License-Identifier: GPL-2.0-or-later
// The real nf_tables, in a namespace of the test's own.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "firewall/nft/port.h"
#include "firewall/render.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall {
namespace {

using testing::config_of;
using testing::guest_of;
using testing::network_of;
using testing::publish_of;
using testing::run;

// Every kind of guest that there is: plain, with IPv6, pinned, publishing, without an address.
std::vector<config::Guest> some_guests() {
  std::vector guests{guest_of(0), guest_of(1, true), guest_of(2, true), guest_of(3)};
  guests[2].mac = MacAddress{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
  guests[1].publish = {publish_of(8080, 80), publish_of(2222, 22)};
  guests[1].publish[1].host = boost::asio::ip::make_address("192.0.2.1");
  guests[3].address.reset();
  return guests;
}

// Statements that only some policies need.
void add_more_words(Table& table) {
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

Ruleset desired_of(const std::vector<config::Guest>& guests, bool own_table = false) {
  const auto network = network_of();
  auto ruleset = compile(config_of(network), {{"eth0"}, {"eth1"}, own_table, ServiceUsers{.dhcp = 990, .dns = 991}});
  add_more_words(ruleset.tables.front());
  ruleset.insert(upstream_elements({boost::asio::ip::make_address("9.9.9.9")}));
  for (const auto& guest : guests) ruleset.insert(compile_guest(guest, network));
  return ruleset;
}

std::unique_ptr<NftPort> open_port() {
  auto port = open_nft();
  EXPECT_TRUE(port.has_value()) << port.error().to_string();
  return std::move(*port);
}

Observed observe(NftPort& port) {
  auto observed = port.observe();
  EXPECT_TRUE(observed.has_value()) << observed.error().to_string();
  return observed ? *observed : Observed{};
}

// What would be changed, in words that a failure can show.
std::string changes(const Transaction& t) {
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

void apply_all(NftPort& port, const Ruleset& desired) {
  const auto done = port.apply(diff(desired, observe(port)));
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
}

// nft lists the elements of a hash in the hash's order: one element per line, sorted.
std::string in_any_order(const std::string& listing) {
  std::vector<std::string> items;
  std::string item;
  for (const char c : listing) {
    if (c == ',' || c == '\n' || c == '{' || c == '}') {
      const auto first = item.find_first_not_of(" \t");
      if (first != std::string::npos) items.push_back(item.substr(first, item.find_last_not_of(" \t") - first + 1));
      item.clear();
    } else {
      item += c;
    }
  }
  // Rules keep their order: only the elements move, and sorting the whole loses nothing that the diff doesn't check.
  std::ranges::sort(items);
  std::string text;
  for (const auto& line : items) text += line + "\n";
  return text;
}

void write(const std::string& path, const std::string& text) {
  std::ofstream{path} << text;
}

std::string scratch_file(const char* name) {
  return ::testing::TempDir() + "vrouter_" + std::to_string(::getpid()) + "_" + name;
}

class NftPortTest : public testing::InNamespace {};

TEST_F(NftPortTest, AppliesAndThenFindsNothingToChange) {
  auto port = open_port();
  const auto desired = desired_of(some_guests());
  apply_all(*port, desired);
  const auto again = diff(desired, observe(*port));
  EXPECT_EQ(changes(again), "");
}

TEST_F(NftPortTest, NftReadsTheRenderedTextAsTheSameBytecode) {
  const auto desired = desired_of(some_guests());
  const auto file = scratch_file("rendered.nft");
  write(file, render_nft(desired));
  run("nft -f " + file);
  ::unlink(file.c_str());
  auto port = open_port();
  const auto observed = observe(*port);
  for (const auto& table : desired.tables) {
    for (const auto& chain : table.chains) {
      const auto& have = observed.tables.at(table.family).chains.at(chain.name);
      ASSERT_EQ(have.rules.size(), chain.rules.size()) << chain.name;
      for (std::size_t i = 0; i < chain.rules.size(); ++i) {
        EXPECT_EQ(have.rules[i].code, assemble(chain.rules[i])) << chain.name << ": " << render_rule(chain.rules[i]);
        EXPECT_EQ(have.rules[i].comment, chain.rules[i].comment);
      }
    }
    for (const auto& set : table.sets) {
      EXPECT_EQ(observed.tables.at(table.family).sets.at(set.name), set) << set.name;
    }
  }
  EXPECT_EQ(observed.elements, desired.elements);
  EXPECT_EQ(changes(diff(desired, observed)), "");
}

TEST_F(NftPortTest, NftListsWhatWeSendAsItListsTheRenderedText) {
  const auto desired = desired_of(some_guests());
  const auto file = scratch_file("rendered.nft");
  write(file, render_nft(desired));
  run("nft -f " + file);
  const auto by_nft = run("nft list ruleset");
  run("nft flush ruleset");
  auto port = open_port();
  apply_all(*port, desired);
  EXPECT_EQ(in_any_order(run("nft list ruleset")), in_any_order(by_nft));
  ::unlink(file.c_str());
}

TEST_F(NftPortTest, ListAndReloadIsAFixpoint) {
  const auto desired = desired_of(some_guests());
  const auto file = scratch_file("listed.nft");
  {
    auto port = open_port();
    apply_all(*port, desired);
  }
  const auto listed = run("nft list ruleset");
  write(file, listed);
  run("nft flush ruleset && nft -f " + file);
  EXPECT_EQ(in_any_order(run("nft list ruleset")), in_any_order(listed));
  ::unlink(file.c_str());
  auto port = open_port();
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
}

TEST_F(NftPortTest, MendsInPlaceWhatOthersChanged) {
  auto port = open_port();
  const auto desired = desired_of(some_guests());
  apply_all(*port, desired);
  run("nft flush chain inet vrouter from_guest");
  run("nft flush chain inet vrouter words; nft delete counter inet vrouter r_first");
  run("nft add counter inet vrouter intruder");
  run("nft add chain inet vrouter intruder '{ type filter hook forward priority 5; policy drop; }'");
  run("nft delete element inet vrouter id4 '{ 10.0.5.2 }'");
  run("nft delete element inet vrouter masq4 '{ 10.0.5.0/24 }'");
  run("nft add element inet vrouter masq4 '{ 10.0.0.0/16 }'");
  run("nft add element arp vrouter taps '{ \"eth0\" }'");
  run("nft 'delete element inet vrouter dst4 { \"tap0\" . 10.0.5.2 }; add element inet vrouter dst4 { \"tap0\" . "
      "10.0.5.2 : 9 }'");
  const auto mend = diff(desired, observe(*port));
  EXPECT_TRUE(mend.delete_tables.empty());
  EXPECT_EQ(mend.refill_chains.size(), 2U);
  EXPECT_EQ(mend.add_counters, (std::vector<CounterRef>{{Family::inet, "r_first"}}));
  EXPECT_EQ(mend.delete_counters, (std::vector<CounterRef>{{Family::inet, "intruder"}}));
  EXPECT_EQ(mend.delete_chains.size(), 1U);
  EXPECT_EQ(mend.flush_sets.size(), 1U);
  const auto done = port->apply(mend);
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
}

TEST_F(NftPortTest, ReplacesATableThatIsMadeDifferently) {
  run("nft 'table inet vrouter { set taps { type ipv4_addr; }; chain input { type filter hook input priority 3; }; }'");
  auto port = open_port();
  const auto desired = desired_of(some_guests());
  const auto replace = diff(desired, observe(*port));
  EXPECT_EQ(replace.delete_tables, std::vector{Family::inet});
  EXPECT_EQ(replace.add_tables, (std::vector{Family::inet, Family::arp}));
  const auto done = port->apply(replace);
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
}

TEST_F(NftPortTest, ReplacesATableWithAChainOfATypeThatWeNeverMake) {
  auto port = open_port();
  const auto desired = desired_of(some_guests());
  apply_all(*port, desired);
  run("nft add chain inet vrouter reroute '{ type route hook output priority 0; }'");
  EXPECT_EQ(diff(desired, observe(*port)).delete_tables, std::vector{Family::inet});
  apply_all(*port, desired);
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
}

TEST_F(NftPortTest, ARuleThatTheKernelRefusesIsNamed) {
  auto port = open_port();
  auto desired = desired_of({});
  auto& chain = desired.tables.front().chains.back();
  chain.rules.push_back({{Lookup{{Field::ip_saddr}, "nowhere"}}, "no such set"});
  const auto done = port->apply(diff(desired, observe(*port)));
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, ENOENT);
  EXPECT_EQ(done.error().what,
            "add rule `ip saddr @nowhere comment \"no such set\"` to chain " + chain.name + " of table inet vrouter");
  EXPECT_TRUE(observe(*port).tables.empty()) << "all or nothing";
}

TEST_F(NftPortTest, AGuestComesChangesAndGoes) {
  auto port = open_port();
  const auto network = network_of();
  const auto skeleton = desired_of({});
  apply_all(*port, skeleton);
  auto guest = guest_of(7, true);
  const auto plain = compile_guest(guest, network);
  ASSERT_TRUE(port->apply(change_elements({}, plain)).has_value());
  guest.publish = {publish_of(8080, 80)};
  guest.mac = MacAddress{{0x52, 0x54, 0, 1, 2, 3}};
  const auto pinned = compile_guest(guest, network);
  ASSERT_TRUE(port->apply(change_elements(plain, pinned)).has_value());
  auto with_guest = skeleton;
  with_guest.insert(pinned);
  EXPECT_EQ(changes(diff(with_guest, observe(*port))), "");
  ASSERT_TRUE(port->apply(change_elements(pinned, {})).has_value());
  EXPECT_EQ(changes(diff(skeleton, observe(*port))), "");
}

TEST_F(NftPortTest, AMeterChangesInOneTransactionAndNftReadsItBack) {
  auto port = open_port();
  auto network = network_of();
  network.limits = {.egress_packets = 1000, .egress_bits = 100'000'000, .new_connections = 7};
  auto guest = guest_of(7, true);
  guest.limits.ingress_packets = 10'000'000;  // the most there is
  guest.limits.ingress_bits = 100'000'000'000;
  Profiles profiles;
  profiles.add(guest, network);
  const auto skeleton = compile(config_of(network), {}, profiles);
  apply_all(*port, skeleton);
  const auto before = compile_guest(guest, network, profiles);
  ASSERT_TRUE(port->apply(change_elements({}, before)).has_value());
  guest.limits.egress_packets = 2000;
  guest.limits.new_connections = 0;
  const auto after = compile_guest(guest, network, profiles);
  const auto change = change_elements(before, after);
  EXPECT_EQ(change.delete_elements.size(), 2U);
  EXPECT_EQ(change.add_elements.size(), 1U);
  ASSERT_TRUE(port->apply(change).has_value());
  auto desired = skeleton;
  desired.insert(after);
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
  const auto listed = run("nft list ruleset");
  EXPECT_NE(listed.find("\"tap7\" limit rate over 2000/second burst 200 packets"), std::string::npos) << listed;
  std::ofstream{"/tmp/vrouter-limits.nft"} << "flush ruleset\n" << listed;
  run("nft -f /tmp/vrouter-limits.nft");
  std::filesystem::remove("/tmp/vrouter-limits.nft");
  EXPECT_EQ(run("nft list ruleset"), listed);
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
}

TEST_F(NftPortTest, AMeterThatSomebodyElseLoosenedIsPutBack) {
  auto port = open_port();
  auto network = network_of();
  network.limits = {.new_connections = 9};
  const auto guest = guest_of(7);
  Profiles profiles;
  profiles.add(guest, network);
  auto desired = compile(config_of(network), {}, profiles);
  desired.insert(compile_guest(guest, network, profiles));
  apply_all(*port, desired);
  run("nft 'delete element inet vrouter new_connections { \"tap7\" }; add element inet vrouter new_connections { "
      "\"tap7\" limit rate over 900/second }'");
  EXPECT_FALSE(diff(desired, observe(*port)).empty());
  apply_all(*port, desired);
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
}

TEST_F(NftPortTest, AnErrorNamesTheElementAndChangesNothing) {
  auto port = open_port();
  const auto skeleton = desired_of({});
  apply_all(*port, skeleton);
  Transaction bad;
  for (unsigned i = 0; i < 3; ++i) {
    const auto elements = compile_guest(guest_of(i), network_of());
    std::ranges::copy_if(elements, std::back_inserter(bad.delete_elements),
                         [](const auto& e) { return e.set.set == "id4"; });
  }
  ASSERT_TRUE(port->apply(change_elements({}, {bad.delete_elements[0]})).has_value());
  const auto done = port->apply(bad);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, ENOENT);
  EXPECT_NE(done.error().what.find("delete element 10.0.5.3 : 0x00000001, set id4 of table inet vrouter"),
            std::string::npos)
      << done.error().to_string();
  auto one = skeleton;
  one.insert({bad.delete_elements[0]});
  EXPECT_EQ(changes(diff(one, observe(*port))), "");
}

// By what the kernel refuses its origin in the policy is found: a rule by its comment.
TEST_F(NftPortTest, AnErrorCarriesWhatItIsAbout) {
  auto port = open_port();
  apply_all(*port, desired_of({}));
  const auto before = observe(*port);
  Transaction transaction;
  // More tokens than 64 bits hold.
  const Limit impossible{.rate = 1, .unit = 86400, .burst = 0xffffffff};
  transaction.add_chains.push_back({Family::inet,
                                    {"r_many_12345678_eg",
                                     std::nullopt,
                                     {{{Verdict{Verdict::Kind::accept, {}}}, "fine (10-web.toml:3)"},
                                      {{impossible, Verdict{Verdict::Kind::drop, {}}}, "many (10-web.toml:7)"}}}});
  const auto of_rule = port->apply(transaction);
  ASSERT_FALSE(of_rule.has_value());
  EXPECT_EQ(of_rule.error().subject, "many (10-web.toml:7)") << of_rule.error().to_string();
  transaction.add_chains.clear();
  transaction.add_elements = {{{Family::inet, "verdicts"},
                               {{1, 0, 0, 0, 6, 0, 0, 0, 0, 80, 0, 0}, {}},
                               {{}, Verdict{Verdict::Kind::goto_chain, "r_gone_12345678_in"}}}};
  const auto of_element = port->apply(transaction);
  ASSERT_FALSE(of_element.has_value());
  EXPECT_EQ(of_element.error().subject, "r_gone_12345678_in") << of_element.error().to_string();
  EXPECT_EQ(observe(*port), before);
}

TEST_F(NftPortTest, AnErrorNamesTheSetThatIsNotThere) {
  auto port = open_port();
  const auto done = port->apply(change_elements({}, compile_guest(guest_of(0), network_of())));
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, ENOENT);
  EXPECT_NE(done.error().what.find("of table inet vrouter"), std::string::npos) << done.error().to_string();
  EXPECT_NE(done.error().what.find("also refused"), std::string::npos) << "all errors are collected";
}

TEST_F(NftPortTest, TeardownLeavesNothingAndMayBeRepeated) {
  auto port = open_port();
  apply_all(*port, desired_of(some_guests(), port->features().owner_persist));
  run("nft 'table inet others { chain c { }; }'");
  ASSERT_TRUE(port->teardown().has_value());
  EXPECT_TRUE(observe(*port).tables.empty());
  ASSERT_TRUE(port->teardown().has_value());
  EXPECT_NE(run("nft list tables").find("others"), std::string::npos);
}

TEST_F(NftPortTest, AnOwnedTableSurvivesAForeignFlush) {
  auto port = open_port();
  if (!port->features().owner_persist) GTEST_SKIP() << "this kernel has no OWNER|PERSIST (Linux 6.9)";
  const auto desired = desired_of(some_guests(), true);
  apply_all(*port, desired);
  run("nft flush ruleset");
  run("! nft delete element inet vrouter id4 '{ 10.0.5.2 }'");
  run("! nft delete table inet vrouter");
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
}

TEST_F(NftPortTest, AnOrphanIsAdoptedAsItIs) {
  auto first = open_port();
  if (!first->features().owner_persist) GTEST_SKIP() << "this kernel has no OWNER|PERSIST (Linux 6.9)";
  const auto desired = desired_of(some_guests(), true);
  apply_all(*first, desired);
  first.reset();  // as a kill -9 closes it
  auto second = open_port();
  EXPECT_EQ(observe(*second).tables.at(Family::inet).ownership, Ownership::orphan);
  const auto adopt = diff(desired, observe(*second));
  EXPECT_EQ(adopt.adopt_tables, (std::vector{Family::inet, Family::arp}));
  EXPECT_TRUE(adopt.delete_tables.empty() && adopt.add_elements.empty() && adopt.refill_chains.empty());
  ASSERT_TRUE(second->apply(adopt).has_value());
  EXPECT_EQ(changes(diff(desired, observe(*second))), "");
  run("nft flush ruleset");
  EXPECT_EQ(observe(*second).tables.at(Family::inet).ownership, Ownership::ours);
}

TEST_F(NftPortTest, AnotherLivingOwnerIsNeitherRobbedNorFooled) {
  auto first = open_port();
  if (!first->features().owner_persist) GTEST_SKIP() << "this kernel has no OWNER|PERSIST (Linux 6.9)";
  const auto desired = desired_of(some_guests(), true);
  apply_all(*first, desired);
  auto second = open_port();
  EXPECT_EQ(observe(*second).tables.at(Family::inet).ownership, Ownership::foreign);
  const auto done = second->apply(diff(desired, observe(*second)));
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, EPERM) << done.error().to_string();
  EXPECT_EQ(changes(diff(desired, observe(*first))), "");
}

TEST_F(NftPortTest, TeardownTakesAnOrphanToo) {
  auto first = open_port();
  if (!first->features().owner_persist) GTEST_SKIP() << "this kernel has no OWNER|PERSIST (Linux 6.9)";
  apply_all(*first, desired_of(some_guests(), true));
  first.reset();
  auto second = open_port();
  ASSERT_TRUE(second->teardown().has_value());
  EXPECT_TRUE(observe(*second).tables.empty());
}

TEST_F(NftPortTest, AnUnownedTableBecomesOwnedAndBack) {
  auto port = open_port();
  if (!port->features().owner_persist) GTEST_SKIP() << "this kernel has no OWNER|PERSIST (Linux 6.9)";
  for (const bool owned : {false, true, false}) {
    const auto desired = desired_of(some_guests(), owned);
    apply_all(*port, desired);
    EXPECT_EQ(changes(diff(desired, observe(*port))), "") << owned;
  }
}

TEST_F(NftPortTest, TheProbeLeavesNothingBehind) {
  auto port = open_port();
  EXPECT_EQ(run("nft list tables"), "");
}

TEST_F(NftPortTest, FindsForeignChainsThatDrop) {
  auto port = open_port();
  apply_all(*port, desired_of({}));
  run("nft 'table ip filter { chain DOCKER-USER { }; chain FORWARD { type filter hook forward priority 0; policy drop; "
      "}; }'");
  run("nft 'table inet mine { chain in { type filter hook input priority 0; policy drop; }; "
      "chain forwarded { type filter hook forward priority 0; policy accept; }; }'");
  const auto foreign = port->foreign();
  ASSERT_TRUE(foreign.has_value()) << foreign.error().to_string();
  EXPECT_TRUE(foreign->docker);
  EXPECT_EQ(foreign->base_chains, (std::vector<ForeignChain>{{"inet", "mine", "forwarded", Hook::forward, 0, false},
                                                             {"inet", "mine", "in", Hook::input, 0, true},
                                                             {"ip", "filter", "FORWARD", Hook::forward, 0, true}}));
  const auto sentences = obstacles(*foreign, "tap0");
  ASSERT_EQ(sentences.size(), 2U);
  // The advice for nft's own tables must be words that nft takes.
  const auto command = sentences[0].substr(sentences[0].find("nft insert rule"));
  run(command);
  EXPECT_NE(run("nft list chain inet mine in").find("iifgroup 7672 accept"), std::string::npos);
}

TEST_F(NftPortTest, TenThousandGuests) {
  auto port = open_port();
  const auto network = network_of();
  std::vector<config::Guest> guests;
  for (unsigned i = 0; i < 10000; ++i) guests.push_back(guest_of(i, i % 2 == 0));
  const auto desired = desired_of(guests);
  const auto start = std::chrono::steady_clock::now();
  apply_all(*port, desired);
  const auto loaded = std::chrono::steady_clock::now();
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
  const auto compared = std::chrono::steady_clock::now();
  const auto elements = compile_guest(guest_of(20000), network);
  std::vector<std::chrono::nanoseconds> rounds;
  for (int i = 0; i < 101; ++i) {
    const auto before = std::chrono::steady_clock::now();
    ASSERT_TRUE(port->apply(change_elements({}, elements)).has_value());
    rounds.push_back(std::chrono::steady_clock::now() - before);
    ASSERT_TRUE(port->apply(change_elements(elements, {})).has_value());
  }
  std::ranges::sort(rounds);
  using us = std::chrono::microseconds;
  const auto show = [](auto d) { return std::chrono::duration_cast<us>(d).count(); };
  std::cout << "10,000 guests: observe, diff, apply " << show(loaded - start) << " us; observe, diff "
            << show(compared - loaded) << " us; one guest more, median " << show(rounds[50]) << " us ("
            << elements.size() << " elements)\n";
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
}

}  // namespace
}  // namespace vrouter::firewall
