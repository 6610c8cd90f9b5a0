// SPDX-License-Identifier: GPL-2.0-or-later
// What is counted and logged of refusals, and that neither stands in a refusal's way.
#include "firewall/denials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <variant>

#include "firewall/compile.h"
#include "firewall/diff.h"
#include "firewall/rule_names.h"
#include "fixtures.h"

namespace vrouter::firewall {
namespace {

using namespace testing;

config::PolicyRule named(std::string name) {
  config::PolicyRule rule;
  rule.name = std::move(name);
  rule.declared_at = {"/etc/vrouter/policy.d/10-web.toml", 12, 1};
  return rule;
}

TEST(Prefix, SaysTheDecisionAndItsPlace) {
  const auto prefix = log_prefix("deny", comment_of(named("web to db")));
  EXPECT_EQ(prefix, "vr:deny:web to db (10-web.toml:12)");
  EXPECT_EQ(read_log_prefix(prefix), (Decision{"deny", "web to db", "10-web.toml", 12}));
  EXPECT_EQ(read_log_prefix("vr:spoof:not its own address"), (Decision{"spoof", "not its own address", {}, 0}));
  EXPECT_EQ(read_log_prefix("vr:deny:link-local stays on its link (RFC 3927, 7): here")->words,
            "link-local stays on its link (RFC 3927, 7): here");
  EXPECT_FALSE(read_log_prefix("IN=eth0"));
  EXPECT_FALSE(read_log_prefix("vr:"));
}

TEST(Prefix, KeepsThePlaceOfALongName) {
  const auto prefix = log_prefix("reject", comment_of(named(std::string(300, 'x'))));
  EXPECT_LE(prefix.size(), 127U);
  EXPECT_EQ(read_log_prefix(prefix)->file, "10-web.toml");
  EXPECT_EQ(read_log_prefix(prefix)->line, 12U);
}

TEST(Prefix, HoldsNothingThatNftCouldNotReadBack) {
  const auto prefix = log_prefix("deny", comment_of(named("a \"quoted\" \\ name\n")));
  EXPECT_EQ(prefix, "vr:deny:a 'quoted' ' name' (10-web.toml:12)");
}

config::Config some_policy() {
  auto config = config_of(network_of());
  config::Group web;
  web.name = "web";
  web.ingress = config::Action::deny;
  config.policy.groups.emplace("web", web);
  for (const auto action : {config::Action::allow, config::Action::deny, config::Action::reject}) {
    auto rule = named(std::string{config::name(action)});
    rule.action = action;
    rule.from = {{config::Peer::Kind::any, {}, {}, {}}};
    rule.to = {{config::Peer::Kind::group, "web", {}, {}}};
    rule.services = {};
    if (action == config::Action::allow) rule.limit = config::RateLimit{10, config::RateLimit::Unit::second, 5};
    config.policy.rules.push_back(rule);
  }
  return config;
}

Ruleset compiled() {
  const auto config = some_policy();
  Profiles profiles{config};
  auto guest = guest_of(0);
  guest.groups = {"web"};
  profiles.add(guest, network_of());
  return compile(config, {}, profiles);
}

// A set that is full ends the rule that would update it.
TEST(Denials, NoVerdictStandsBehindAnUpdate) {
  std::size_t updates = 0;
  for (const auto& table : compiled().tables) {
    for (const auto& chain : table.chains) {
      for (const auto& rule : chain.rules) {
        const bool update =
            std::ranges::any_of(rule.statements, [](const Statement& s) { return std::holds_alternative<Update>(s); });
        const bool verdict = std::ranges::any_of(rule.statements, [](const Statement& s) {
          return std::holds_alternative<Verdict>(s) || std::holds_alternative<Reject>(s);
        });
        updates += update ? 1 : 0;
        EXPECT_FALSE(update && verdict) << chain.name;
      }
    }
  }
  EXPECT_GT(updates, 10U);
}

TEST(Denials, EveryRefusalOfAPolicyHasAPrefixOfItsOwn) {
  const auto prefixes = log_prefixes(compiled());
  for (const auto* prefix : {"vr:deny:deny (10-web.toml:12)", "vr:reject:reject (10-web.toml:12)",
                             "vr:limit:allow (10-web.toml:12)", "vr:spoof:not its own address or MAC"}) {
    EXPECT_TRUE(prefixes.contains(prefix)) << prefix;
  }
  EXPECT_FALSE(prefixes.contains("vr:allow:allow (10-web.toml:12)")) << "without log = true";
}

TEST(Denials, WhatTheKernelPutIntoTheirSetsIsLeftAlone) {
  const auto ruleset = compiled();
  const auto installed = apply({}, diff(ruleset, {}));
  ASSERT_TRUE(installed.has_value()) << installed.error();
  auto observed = *installed;
  const SetRef denied{Family::inet, std::string{kDeniedFrom}};
  observed.elements[denied].own()[{Bytes(16, 'x'), {}}] = {};
  EXPECT_TRUE(diff(ruleset, observed).empty());
  EXPECT_TRUE(change_rules(ruleset, ruleset)->empty());
}

}  // namespace
}  // namespace vrouter::firewall
