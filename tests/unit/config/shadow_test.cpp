// SPDX-License-Identifier: GPL-2.0-or-later
// Which rules an earlier one covers.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "config/load.h"
#include "config/load_policy.h"

namespace vrouter::config {
namespace {

constexpr std::string_view kConfig = R"(
[networks.default]
prefix6 = "fd00:5::/64"
[networks.lab]
prefix = "10.0.6.0/24"
[[guests]]
name = "w"
tap = "tap0"
address = "10.0.5.2"
address6 = "fd00:5::2"
groups = ["web"]
[[guests]]
name = "x"
tap = "tap1"
address = "10.0.6.2"
)";

constexpr std::string_view kNames = R"(
[groups.web]
[groups.db]
[sets]
all = ["0.0.0.0/0", "::/0"]
all4 = ["0.0.0.0/0"]
guests = ["10.0.5.0/24", "fd00:5::/64", "10.0.6.0/23"]
far = ["192.0.2.0/24", "2001:db8::/32"]
far4 = ["192.0.2.0/25"]
near4 = ["10.0.5.0/25"]
none = []
)";

Config load(const std::string& rules) {
  const PolicyText policy{.file = "p.toml", .text = std::string{kNames} + rules};
  auto config = parse_config(kConfig, "f", std::span{&policy, 1});
  EXPECT_TRUE(config.has_value()) << config.error().front().to_string() << rules;
  return std::move(config).value_or(Config{});
}

struct Ends {
  std::string from, to, services = "any";
};

bool covered(const Ends& outer, const Ends& inner) {
  const auto rule = [](const Ends& ends) {
    return fmt::format("[[rules]]\nfrom = \"{}\"\nto = \"{}\"\nallow = \"{}\"\n", ends.from, ends.to, ends.services);
  };
  const auto config = load(rule(outer) + rule(inner));
  const auto found = shadowed_rules(config);
  const auto said = [](const Problem& warning) { return warning.message.contains(" can never match, "); };
  EXPECT_EQ(std::ranges::count_if(config.warnings, said), std::ssize(found));
  return !found.empty();
}

TEST(Shadow, PeersThatCoverOthers) {
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"any", "any"},
      {"any", "world"},
      {"any", "group:web"},
      {"any", "guest:nobody"},
      {"any", "network:lab"},
      {"any", "set:far"},
      {"any", "net:10.0.0.0/8"},
      {"host", "host"},
      {"world", "world"},
      {"world", "set:far"},
      {"world", "net:192.0.2.1"},
      {"group:web", "group:web"},
      {"group:web", "guest:w"},
      {"guest:w", "guest:w"},
      {"network:lab", "guest:x"},
      {"network:lab", "net:10.0.6.128/25"},
      {"network:default", "guest:w"},
      {"set:all", "any"},
      {"set:all", "group:web"},
      {"set:all", "world"},
      {"set:all", "network:lab"},
      {"set:all4", "network:lab"},
      {"net:0.0.0.0/0", "network:lab"},
      {"set:guests", "network:lab"},
      {"set:guests", "network:default"},
      {"set:guests", "guest:w"},
      {"net:10.0.6.0/24", "guest:x"},
      {"net:10.0.5.0/24", "set:near4"},
      {"set:guests", "set:near4"},
      {"set:far", "set:far4"},
      {"set:far", "net:2001:db8:1::/48"},
      {"set:near4", "net:10.0.5.7"},
      {"net:10.0.0.0/8", "net:10.0.5.0/24"},
  };
  for (const auto& [outer, inner] : kCases) {
    EXPECT_TRUE(covered({outer, "group:db"}, {inner, "group:db"})) << outer << " covers " << inner;
    EXPECT_TRUE(covered({"group:db", outer}, {"group:db", inner})) << outer << " covers " << inner;
  }
}

TEST(Shadow, PeersThatDont) {
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"any", "host"},
      {"world", "any"},
      {"world", "group:web"},
      {"world", "set:guests"},
      {"world", "net:0.0.0.0/0"},
      {"world", "net:10.0.6.2"},
      {"set:all", "host"},
      {"set:all4", "any"},
      {"net:0.0.0.0/0", "group:web"},
      {"host", "any"},
      {"group:web", "group:db"},
      {"group:db", "guest:w"},
      {"group:web", "guest:nobody"},
      {"group:web", "any"},
      {"guest:w", "guest:x"},
      {"guest:w", "group:web"},
      {"network:lab", "guest:w"},
      {"network:lab", "guest:nobody"},
      {"network:lab", "group:web"},
      {"network:lab", "network:default"},
      {"network:lab", "net:10.0.6.0/23"},
      {"network:lab", "set:guests"},
      {"network:default", "any"},
      {"set:near4", "network:default"},
      {"set:guests", "any"},
      {"set:guests", "group:web"},
      {"set:far4", "set:far"},
      {"set:far", "set:guests"},
      {"set:near4", "guest:w"},
      {"net:10.0.6.0/24", "guest:nobody"},
      {"set:none", "group:web"},
      {"any", "set:none"},
      {"set:none", "set:none"},
  };
  for (const auto& [outer, inner] : kCases) {
    EXPECT_FALSE(covered({outer, "group:db"}, {inner, "group:db"})) << outer << " covers " << inner;
    EXPECT_FALSE(covered({"group:db", outer}, {"group:db", inner})) << outer << " covers " << inner;
  }
}

// Guests with more than their own addresses: y of lab, z of default, which may have one of lab's.
TEST(Shadow, WhatGuestsHaveBesidesTheirOwnAddressesCounts) {
  const std::string kMore = std::string{kConfig} + R"(
[[guests]]
name = "y"
tap = "tap2"
address = "10.0.6.3"
prefixes = ["192.0.2.128/26"]
[[guests]]
name = "z"
tap = "tap3"
address = "10.0.5.3"
address6 = "fd00:5::3"
prefixes = ["2001:db8:7::/48"]
allowed_addresses = ["10.0.6.99"]
)";
  const auto covered_there = [&](const std::string& outer, const std::string& inner) {
    const PolicyText policy{.file = "p.toml",
                            .text = fmt::format("{}[[rules]]\nfrom = \"{}\"\nto = \"group:db\"\nallow = \"any\"\n"
                                                "[[rules]]\nfrom = \"{}\"\nto = \"group:db\"\ndeny = \"any\"\n",
                                                kNames, outer, inner)};
    const auto config = parse_config(kMore, "f", std::span{&policy, 1});
    EXPECT_TRUE(config.has_value()) << config.error().front().to_string();
    return config && !shadowed_rules(*config).empty();
  };
  EXPECT_TRUE(covered_there("world", "net:192.0.2.0/25"));
  EXPECT_FALSE(covered_there("world", "net:192.0.2.0/24")) << "y has a part of it";
  EXPECT_FALSE(covered_there("world", "net:192.0.2.129"));
  EXPECT_FALSE(covered_there("world", "set:far"));
  EXPECT_FALSE(covered_there("world", "net:2001:db8:7:1::/64"));
  EXPECT_TRUE(covered_there("world", "net:2001:db8:8::/48"));
  EXPECT_TRUE(covered_there("network:lab", "net:10.0.6.0/26"));
  EXPECT_FALSE(covered_there("network:lab", "net:10.0.6.64/26")) << "z may have one of these";
  EXPECT_FALSE(covered_there("net:10.0.6.0/24", "network:lab")) << "y has more than that";
  EXPECT_FALSE(covered_there("net:10.0.6.0/24", "guest:y"));
  EXPECT_TRUE(covered_there("net:10.0.6.0/24", "guest:x"));
  EXPECT_TRUE(covered_there("network:lab", "guest:y"));
  EXPECT_TRUE(covered_there("set:all4", "network:lab"));
}

TEST(Shadow, OnlyTheFamiliesThatARuleCanHaveCount) {
  EXPECT_TRUE(covered({"net:0.0.0.0/0", "group:db"}, {"group:web", "net:192.0.2.0/24"}) == false);
  EXPECT_TRUE(covered({"net:0.0.0.0/0", "any"}, {"group:web", "net:192.0.2.0/24"}));
  EXPECT_TRUE(covered({"net:0.0.0.0/0", "any"}, {"group:web", "world", "icmp"}));
  EXPECT_FALSE(covered({"net:0.0.0.0/0", "any"}, {"group:web", "world", "ping"}));
  EXPECT_FALSE(covered({"net:0.0.0.0/0", "any"}, {"group:web", "world", "icmpv6"}));
  EXPECT_TRUE(covered({"network:lab", "any", "icmp"}, {"network:lab", "world", "ping"})) << "a network of IPv4 alone";
}

TEST(Shadow, ServicesMustBeCoveredToo) {
  EXPECT_TRUE(covered({"any", "group:db", "tcp"}, {"world", "group:db", "tcp/5432"}));
  EXPECT_FALSE(covered({"any", "group:db", "tcp/5432"}, {"world", "group:db", "tcp"}));
  EXPECT_FALSE(covered({"any", "group:db", "tcp"}, {"world", "group:db"}));
  EXPECT_FALSE(covered({"any", "group:db", "tcp/80-90"}, {"world", "group:db", "tcp/90-91"}));
}

TEST(Shadow, ListsAreCoveredItemByItem) {
  EXPECT_THAT(
      shadowed_rules(load("[[rules]]\nfrom = [\"group:web\", \"world\"]\nallow = [\"tcp/1-9\", \"udp\"]\n"
                          "[[rules]]\nfrom = [\"world\", \"set:far\"]\ndeny = [\"udp/7\", \"tcp/3\"]\n"
                          "[[rules]]\nfrom = [\"world\", \"group:db\"]\nallow = \"tcp/3\"\n"
                          "[[rules]]\nfrom = \"group:web\"\nto = \"world\"\nreject = [\"tcp/3\", \"tcp/10\"]\n")),
      testing::ElementsAre(Shadowed{.rule = 1, .by = 0}));
}

TEST(Shadow, TheFirstThatCoversIsNamed) {
  const auto config = load(
      "[[rules]]\nname = \"a\"\nfrom = \"set:all\"\nallow = \"tcp\"\n"
      "[[rules]]\nname = \"b\"\nto = \"group:web\"\nallow = \"any\"\n"
      "[[rules]]\nname = \"c\"\nfrom = \"world\"\nto = \"group:web\"\ndeny = \"tcp/80\"\n"
      "[[rules]]\nfrom = \"world\"\nto = \"guest:w\"\ndeny = \"udp\"\n");
  EXPECT_THAT(shadowed_rules(config), testing::ElementsAre(Shadowed{.rule = 2, .by = 0}, Shadowed{.rule = 3, .by = 1}));
  std::vector<std::string> said;
  for (const auto& warning : config.warnings) said.push_back(warning.to_string());
  EXPECT_THAT(said,
              testing::ElementsAre("p.toml:20:1: 'c' can never match, since 'a' (p.toml:12:1) comes first and covers "
                                   "all of it; put it before that one, or take it out",
                                   "p.toml:25:1: 'rule 4 of p.toml' can never match, since 'b' (p.toml:16:1) comes "
                                   "first and covers all of it; put it before that one, or take it out"));
}

TEST(Shadow, AGroupOfTheOnlyNetworkIsInIt) {
  const PolicyText policy{.file = "p",
                          .text =
                              "[groups.a]\n[[rules]]\nfrom = \"network:default\"\nallow = \"any\"\n"
                              "[[rules]]\nfrom = \"group:a\"\ndeny = \"any\"\n"};
  EXPECT_EQ(parse_config("", "f", std::span{&policy, 1})->warnings.size(), 1U);
  EXPECT_EQ(parse_config("[networks.default]\n[networks.lab]\nprefix = \"10.0.6.0/24\"\n", "f", std::span{&policy, 1})
                ->warnings.size(),
            0U);
}

TEST(Shadow, TenThousandRulesAreSearchedInNoTime) {
  std::string rules;
  for (int i = 0; i < 10000; ++i) {
    rules += fmt::format("[[rules]]\nfrom = \"net:172.{}.{}.0/24\"\nto = \"group:web\"\nallow = \"tcp/{}\"\n", i / 256,
                         i % 256, 1 + i);
  }
  const auto config = load(rules);
  EXPECT_EQ(config.policy.rules.size(), 10000U);
  EXPECT_TRUE(config.warnings.empty());
}

}  // namespace
}  // namespace vrouter::config
