// SPDX-License-Identifier: GPL-2.0-or-later
// What the compiled rules do with random policies is what the documented meaning says, by way of the evaluator.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <map>

#include "firewall/compile.h"
#include "tests/truth/table.h"
#include "tests/unit/firewall/agreement.h"

namespace vrouter::truth {
namespace {

using boost::asio::ip::make_address;
using Verdict = Decision::Verdict;

constexpr std::uint32_t kPolicies = 300, kPerTest = 100;
constexpr std::size_t kLines = 500;

class Truth : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(Truth, OfOracleAndEvaluator) {
  for (std::uint32_t i = 0; i < kPerTest; ++i) {
    const auto table = table_of(GetParam() + i, kLines);
    const auto found = differences(table);
    if (found.empty()) continue;
    ADD_FAILURE() << "seed " << table.number << ": " << found.size() << " flows differ\n"
                  << table.policy.to_string() << "\n"
                  << found.front();
    return;
  }
}

INSTANTIATE_TEST_SUITE_P(From, Truth, ::testing::Values(0, 100, 200),
                         [](const auto& info) { return std::to_string(info.param); });

// Else agreement would say little.
TEST(RandomPolicies, SayManyThings) {
  std::map<Verdict, std::size_t> verdicts;
  std::size_t by_rules = 0, lines = 0, refused = 0;
  for (std::uint32_t number = 0; number < kPolicies; ++number) {
    const auto table = table_of(number, 100);
    refused += table.policy.refused;
    for (const auto& line : table.lines) {
      ++verdicts[line.decision.verdict];
      ++lines;
      by_rules += line.decision.why.starts_with("rule ") ? 1 : 0;
    }
  }
  EXPECT_LT(refused * 10, kPolicies) << "the loader takes too few of them";
  EXPECT_GT(verdicts[Verdict::allow] * 5, lines);
  EXPECT_GT(verdicts[Verdict::deny] * 10, lines);
  EXPECT_GT(verdicts[Verdict::reject] * 10, lines);
  EXPECT_GT(by_rules * 5, lines) << "rules decide too few flows";
  RecordProperty("refused", static_cast<int>(refused));
}

// What a cache holds of one policy must not show in the next, be it another's or the same with a little changed.
TEST(RandomPolicies, CompileToTheSameWithACache) {
  firewall::CompileCache cache;
  const auto check = [&](const config::Config& config) {
    firewall::Profiles profiles{config};
    for (const auto& guest : config.guests) profiles.add(guest, config.networks.at(guest.network));
    return firewall::compile(config, {}, profiles, &cache) == firewall::compile(config, {}, profiles);
  };
  constexpr std::uint32_t kCompiled = 24;  // each is compiled a dozen times, which takes sanitizers a second
  for (std::uint32_t number = 0; number < kCompiled; ++number) {
    auto config = random_policy(number).config;
    ASSERT_TRUE(check(config)) << number;
    auto& policy = config.policy;
    if (!policy.rules.empty()) {
      auto& rule = policy.rules[number % policy.rules.size()];
      std::swap(rule.from, rule.to);
      ASSERT_TRUE(check(config)) << number << ", " << rule.name << " turned round";
      std::ranges::reverse(policy.rules);
      ASSERT_TRUE(check(config)) << number << ", the other way round";
      policy.rules.erase(policy.rules.begin() + static_cast<std::ptrdiff_t>(number % policy.rules.size()));
      ASSERT_TRUE(check(config)) << number << ", one rule less";
    }
    for (auto& [name, group] : policy.groups) std::swap(group.egress, group.ingress);
    ASSERT_TRUE(check(config)) << number << ", other defaults";
    for (auto& [name, set] : policy.sets) std::swap(set.v4, policy.sets.begin()->second.v4);
    ASSERT_TRUE(check(config)) << number << ", other addresses";
    auto& guests = config.guests.own();
    if (guests.size() > 1) std::swap(guests.front().groups, guests.back().groups);
    if (!guests.empty()) guests.pop_back();
    ASSERT_TRUE(check(config)) << number << ", other guests";
  }
}

TEST(RandomPolicies, AreTheSameForTheSameNumber) {
  EXPECT_EQ(random_policy(17).to_string(), random_policy(17).to_string());
  EXPECT_NE(random_policy(17).to_string(), random_policy(18).to_string());
}

// A compiler that took one rule's action for another would be found out, though no flow may be drawn for a narrow rule.
TEST(TruthTable, TellsWhereOneRuleIsOtherwise) {
  std::size_t told = 0;
  constexpr std::uint32_t kTried = 40;
  constexpr std::size_t kMany = 2 * kLines;
  for (std::uint32_t number = 0; number < kTried; ++number) {
    auto table = table_of(number, kMany);
    auto config = table.policy.config;
    auto& action = config.policy.rules.front().action;
    action = action == config::Action::deny ? config::Action::allow : config::Action::deny;
    config.policy.rules.front().limit.reset();
    table.ruleset = firewall::testing::without_limits(firewall::testing::ruleset_of(config, {}));
    told += differences(table).empty() ? 0 : 1;
  }
  EXPECT_GT(told * 3, kTried * 2);
}

// The oracle by itself, word by word.
class OracleSays : public ::testing::Test {
 protected:
  [[nodiscard]] Verdict say(const std::string& policy, const char* from, const char* to, std::uint8_t protocol,
                            std::uint16_t port) const {
    const std::vector<config::PolicyText> files{{"policy.d/10.toml",
                                                 "[groups.web]\n[groups.db]\negress = \"reject\"\n"
                                                 "ingress = \"deny\"\n" +
                                                     policy}};
    const auto config = config::parse_config(kGuests, "vrouter.toml", files);
    if (!config) {
      for (const auto& problem : config.error()) ADD_FAILURE() << problem.to_string();
      return Verdict::unreachable;
    }
    const Oracle oracle{*config, {make_address("192.0.2.1")}};
    return oracle.decide({make_address(from), make_address(to), protocol, 40000, port}).verdict;
  }

  static constexpr auto kGuests = R"(
    [networks.default]
    prefix = "10.0.5.0/24"
    [networks.lab]
    prefix = "10.0.6.0/24"
    mode = "isolated"
    [[guests]]
    tap = "tap0"
    address = "10.0.5.2"
    groups = ["web"]
    publish = ["8080:80"]
    [[guests]]
    tap = "tap1"
    address = "10.0.5.3"
    groups = ["web", "db"]
    [[guests]]
    tap = "tap2"
    address = "10.0.5.4"
    [[guests]]
    tap = "tap3"
    address = "10.0.6.2"
  )";
  static constexpr auto *kWeb = "10.0.5.2", *kBoth = "10.0.5.3", *kPlain = "10.0.5.4", *kIsolated = "10.0.6.2",
                        *kGateway = "10.0.5.1", *kUplink = "192.0.2.1", *kWorld = "203.0.113.7";
};

TEST_F(OracleSays, DefaultsWhereNoRuleDoes) {
  EXPECT_EQ(say("", kWeb, kWorld, IPPROTO_TCP, 80), Verdict::allow);
  EXPECT_EQ(say("", kWorld, kWeb, IPPROTO_TCP, 80), Verdict::reject);
  EXPECT_EQ(say("", kBoth, kWorld, IPPROTO_TCP, 80), Verdict::reject);  // the strictest
  EXPECT_EQ(say("", kWorld, kBoth, IPPROTO_TCP, 80), Verdict::deny);
  EXPECT_EQ(say("", kPlain, kWorld, IPPROTO_TCP, 80), Verdict::allow);
  EXPECT_EQ(say("", kWorld, kPlain, IPPROTO_TCP, 80), Verdict::reject);
  EXPECT_EQ(say("", kIsolated, kWorld, IPPROTO_TCP, 80), Verdict::reject);
  EXPECT_EQ(say("", kWeb, "10.0.5.99", IPPROTO_TCP, 80), Verdict::unreachable);
}

TEST_F(OracleSays, TheFirstRuleOnEachSide) {
  const std::string one = "[[rules]]\nfrom = \"group:web\"\nto = \"guest:tap2\"\nallow = \"tcp/80\"\n";
  EXPECT_EQ(say(one, kWeb, kPlain, IPPROTO_TCP, 80), Verdict::allow);
  EXPECT_EQ(say(one, kBoth, kPlain, IPPROTO_TCP, 80), Verdict::allow);  // speaks on the sender's side too
  EXPECT_EQ(say(one, kWeb, kPlain, IPPROTO_TCP, 81), Verdict::reject);
  EXPECT_EQ(say(one, kPlain, kWeb, IPPROTO_TCP, 80), Verdict::reject);
  const std::string denied = "[[rules]]\nfrom = \"net:10.0.5.2\"\nto = \"any\"\ndeny = \"tcp/80-90\"\n";
  EXPECT_EQ(say(denied + one, kWeb, kPlain, IPPROTO_TCP, 80), Verdict::deny);
  EXPECT_EQ(say(one + denied, kWeb, kPlain, IPPROTO_TCP, 80), Verdict::allow);
}

TEST_F(OracleSays, PublishedPortsAreOpenWhereNoRuleOfTheReceiverMatches) {
  EXPECT_EQ(say("", kWorld, kUplink, IPPROTO_TCP, 8080), Verdict::allow);
  const std::string shut = "[[rules]]\nfrom = \"world\"\nto = \"group:web\"\nreject = \"tcp/80\"\n";
  EXPECT_EQ(say(shut, kWorld, kUplink, IPPROTO_TCP, 8080), Verdict::reject);
  EXPECT_EQ(say(shut, kPlain, kUplink, IPPROTO_TCP, 8080), Verdict::allow);
  EXPECT_EQ(say(shut, kBoth, kUplink, IPPROTO_TCP, 8080), Verdict::reject);  // by the sender's default
}

TEST_F(OracleSays, ThisHostIsMeantWhereItIsNamed) {
  EXPECT_EQ(say("", kWeb, kGateway, IPPROTO_UDP, 53), Verdict::allow);
  EXPECT_EQ(say("", kWeb, kUplink, IPPROTO_UDP, 53), Verdict::reject);
  EXPECT_EQ(say("[[rules]]\nfrom = \"group:web\"\nallow = \"any\"\n", kWeb, kGateway, IPPROTO_TCP, 22),
            Verdict::reject);
  const std::string named = "[[rules]]\nfrom = \"group:web\"\nto = \"host\"\nallow = \"tcp/22\"\n";
  EXPECT_EQ(say(named, kWeb, kGateway, IPPROTO_TCP, 22), Verdict::allow);
  EXPECT_EQ(say(named, kPlain, kGateway, IPPROTO_TCP, 22), Verdict::reject);
  EXPECT_EQ(say("", kGateway, kBoth, IPPROTO_TCP, 22), Verdict::allow);
  EXPECT_EQ(say("[[rules]]\nfrom = \"host\"\nto = \"group:db\"\ndeny = \"any\"\n", kGateway, kBoth, IPPROTO_TCP, 22),
            Verdict::deny);
}

}  // namespace
}  // namespace vrouter::truth
