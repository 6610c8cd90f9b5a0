// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/diff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>

#include "firewall/nft/fake.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall {
namespace {

using testing::config_of;
using testing::guest_of;
using testing::network_of;

class Diff : public ::testing::Test {
 protected:
  Diff() : desired_{compile(config_of(network_of()), {{"eth0"}, {}, true})} {
    desired_.insert(compile_guest(guest_of(0, true), network_of()));
    EXPECT_TRUE(fake_.apply(diff(desired_, fake_.kernel)).has_value());
  }
  Transaction again() { return diff(desired_, fake_.kernel); }
  // Applies the difference and expects that nothing is left to do.
  void mend() {
    const auto done = fake_.apply(again());
    ASSERT_TRUE(done.has_value()) << done.error().to_string();
    EXPECT_TRUE(again().empty());
  }
  ObservedTable& inet() { return fake_.kernel.tables.at(Family::inet); }

  Ruleset desired_;
  FakeNft fake_;
};

TEST_F(Diff, ARightTableIsLeftAlone) {
  EXPECT_TRUE(again().empty());
}

TEST_F(Diff, AMissingTableComesWithAllThatIsInIt) {
  fake_.kernel = {};
  EXPECT_EQ(again().add_tables.size(), 2U);
  EXPECT_TRUE(again().delete_tables.empty());
  mend();
}

TEST_F(Diff, AChangedRuleRefillsItsChainAlone) {
  std::swap(inet().chains.at("from_guest").rules.front(), inet().chains.at("from_guest").rules.back());
  const auto t = again();
  ASSERT_EQ(t.refill_chains.size(), 1U);
  EXPECT_EQ(t.refill_chains[0].chain.name, "from_guest");
  Transaction only;
  only.owned = true;
  only.refill_chains = t.refill_chains;
  EXPECT_EQ(t, only);
  mend();
}

TEST_F(Diff, AnotherCommentIsAnotherRule) {
  inet().chains.at("deny").rules.front().comment = "vrouter.toml:7";
  EXPECT_EQ(again().refill_chains.size(), 1U);
}

TEST_F(Diff, AnExpressionThatWeNeverEmitIsNoRuleOfOurs) {
  inet().chains.at("input").rules.front().code.emplace_back(Unknown{"counter"});
  EXPECT_EQ(again().refill_chains.size(), 1U);
}

TEST_F(Diff, OtherDataUnderTheSameKeyGoesAndComesAgain) {
  const SetRef ref{Family::inet, "id4"};
  auto& element = *fake_.kernel.elements.at(ref).own().begin();
  element.second.value = {9, 0, 0, 0};
  const auto t = again();
  ASSERT_EQ(t.delete_elements.size(), 1U);
  ASSERT_EQ(t.add_elements.size(), 1U);
  EXPECT_EQ(t.delete_elements[0].key, t.add_elements[0].key);
  mend();
}

TEST_F(Diff, ElementsTooManyAndTooFew) {
  const SetRef ref{Family::inet, "taps"};
  fake_.kernel.elements.at(ref) = {{ElementKey{Bytes(16, 'x'), {}}, Datum{}}};
  const auto t = again();
  EXPECT_EQ(t.delete_elements.size(), 1U);
  EXPECT_EQ(t.add_elements.size(), 1U);
  mend();
}

TEST_F(Diff, AnIntervalSetIsRebuilt) {
  const SetRef ref{Family::inet, "masq4"};
  fake_.kernel.elements.at(ref) = {{ElementKey{{10, 0, 0, 0}, {10, 255, 255, 255}}, Datum{}}};
  EXPECT_EQ(again().flush_sets, std::vector{ref});
  EXPECT_TRUE(again().delete_elements.empty());
  mend();
}

TEST_F(Diff, SetsAndChainsComeAndGoInPlace) {
  inet().sets.erase("services");
  fake_.kernel.elements.erase({Family::inet, "services"});
  inet().sets.emplace("old", Set{"old", {Type::mark}, DataKind::verdict, {}, false});
  inet().chains.erase("gateway");
  inet().chains["old"].rules.push_back({});
  const auto t = again();
  EXPECT_EQ(t.add_sets.size(), 1U);
  EXPECT_EQ(t.add_chains.size(), 1U);
  EXPECT_EQ(t.delete_sets, (std::vector<SetRef>{{Family::inet, "old"}}));
  EXPECT_EQ(t.delete_chains, (std::vector<ChainRef>{{Family::inet, "old"}}));
  EXPECT_TRUE(t.delete_tables.empty());
  mend();
}

TEST_F(Diff, ASetOfOtherTypesReplacesItsTable) {
  inet().sets.at("taps").key = {Type::ipv4_addr};
  EXPECT_EQ(again().delete_tables, std::vector{Family::inet});
  EXPECT_EQ(again().add_tables, std::vector{Family::inet});
  EXPECT_TRUE(std::ranges::none_of(again().add_elements, [](const auto& e) { return e.set.family == Family::arp; }));
  mend();
}

TEST_F(Diff, AnotherHookOrPolicyReplacesItsTable) {
  inet().chains.at("input").base->priority = 7;
  EXPECT_EQ(again().delete_tables.size(), 1U);
  mend();
  inet().chains.at("input").accepts = false;
  EXPECT_EQ(again().delete_tables.size(), 1U);
  mend();
}

TEST_F(Diff, AStrangeTableIsReplaced) {
  inet().strange = true;
  EXPECT_EQ(again().delete_tables.size(), 1U);
  mend();
}

TEST_F(Diff, AnOrphanIsAdoptedWithoutTouchingItsContents) {
  inet().ownership = Ownership::orphan;
  Transaction adopt;
  adopt.owned = true;
  adopt.adopt_tables = {Family::inet};
  EXPECT_EQ(again(), adopt);
  mend();
}

TEST_F(Diff, OwnershipIsGainedAndLostByReplacing) {
  inet().ownership = Ownership::none;
  EXPECT_EQ(again().delete_tables, std::vector{Family::inet});
  mend();
  desired_.owned = false;
  EXPECT_EQ(again().delete_tables.size(), 2U);
  mend();
  EXPECT_EQ(inet().ownership, Ownership::none);
}

TEST(ChangeElements, IsTheDifferenceOfTwoGuests) {
  auto guest = guest_of(0);
  const auto before = compile_guest(guest, network_of());
  guest.address = boost::asio::ip::make_address_v4("10.0.5.9");
  const auto after = compile_guest(guest, network_of());
  const auto t = change_elements(before, after);
  EXPECT_EQ(t.delete_elements.size(), 4U);  // spoof4 twice, id4, dst4
  EXPECT_EQ(t.add_elements.size(), 4U);
  EXPECT_TRUE(change_elements(after, after).empty());
}

TEST(FakeNft, RefusesWhatTheKernelRefuses) {
  FakeNft fake;
  const auto elements = compile_guest(guest_of(0), network_of());
  const auto without_table = fake.apply(change_elements({}, elements));
  ASSERT_FALSE(without_table.has_value());
  EXPECT_EQ(without_table.error().what, "no table inet vrouter");
  ASSERT_TRUE(fake.apply(diff(compile(config_of(network_of()), {}), fake.kernel)).has_value());
  const auto before = fake.kernel;
  EXPECT_FALSE(fake.apply(change_elements(elements, {})).has_value());
  EXPECT_EQ(fake.kernel, before);
  ASSERT_TRUE(fake.apply(change_elements({}, elements)).has_value());
  auto other = elements;
  for (auto& e : other) {
    if (!e.data.value.empty()) e.data.value = {9, 0, 0, 0};
  }
  EXPECT_FALSE(fake.apply(change_elements({}, other)).has_value()) << "the same key with other data";
}

TEST(FakeNft, FailsOnDemandOnce) {
  FakeNft fake;
  fake.fail_next = KernelError{"commit to nf_tables", ENOBUFS, ""};
  EXPECT_EQ(fake.observe().error().code, ENOBUFS);
  EXPECT_TRUE(fake.observe().has_value());
}

TEST(Obstacles, SayWhoDropsAndWhatMendsIt) {
  Foreign foreign{{{"ip", "filter", "FORWARD", Hook::forward, 0, true}}, true, {}};
  const auto docker = obstacles(foreign, "tap0");
  ASSERT_EQ(docker.size(), 1U);
  EXPECT_NE(docker[0].find("iptables -I DOCKER-USER -i tap0 -j ACCEPT"), std::string::npos) << docker[0];
  EXPECT_NE(docker[0].find("before docker"), std::string::npos);
  foreign.docker = false;
  EXPECT_NE(obstacles(foreign, "tap0")[0].find("iptables -I FORWARD -i tap0"), std::string::npos);
  foreign.base_chains = {{"ip6", "filter", "INPUT", Hook::input, 0, true}};
  EXPECT_NE(obstacles(foreign, "tap0")[0].find("ip6tables -I INPUT -i tap0"), std::string::npos);
}

TEST(Obstacles, FirewalldAndTheOldIptables) {
  const Foreign foreign{{{"inet", "firewalld", "filter_FORWARD", Hook::forward, 10, false}}, false, {"ip filter"}};
  const auto sentences = obstacles(foreign, "tap3");
  ASSERT_EQ(sentences.size(), 2U);
  EXPECT_NE(sentences[0].find("--add-interface=tap3"), std::string::npos);
  EXPECT_NE(sentences[1].find("iptables-legacy"), std::string::npos);
}

TEST(Obstacles, ChainsThatAcceptAreNone) {
  EXPECT_TRUE(obstacles({{{"inet", "mine", "fwd", Hook::forward, 0, false}}, true, {}}, "tap0").empty());
}

}  // namespace
}  // namespace vrouter::firewall
