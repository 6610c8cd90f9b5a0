// SPDX-License-Identifier: GPL-2.0-or-later
// The real nf_tables, in a namespace of the test's own.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "firewall/render.h"
#include "tests/unit/firewall/nft_port_fixture.h"

namespace vrouter::firewall {
namespace {

using testing::apply_all;
using testing::changes;
using testing::config_of;
using testing::desired_of;
using testing::guest_of;
using testing::network_of;
using testing::observe;
using testing::open_port;
using testing::publish_of;
using testing::run;
using testing::some_guests;

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
