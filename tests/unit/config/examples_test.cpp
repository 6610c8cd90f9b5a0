// SPDX-License-Identifier: GPL-2.0-or-later
// The shipped examples load, and full.toml really has every key and tells the truth about defaults.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "config/load.h"

namespace vrouter::config {
namespace {

const std::filesystem::path kExamples = std::filesystem::path{VROUTER_SOURCE_DIR} / "config/examples";
const std::filesystem::path kPolicy = kExamples / "policy.d";

TEST(Examples, LoadWithoutAProblem) {
  std::size_t loaded = 0;
  for (const auto& entry : std::filesystem::directory_iterator{kExamples}) {
    if (entry.is_directory()) continue;
    const auto config = load_config(entry.path(), kPolicy);
    ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
    EXPECT_FALSE(config->guests.empty()) << entry.path();
    EXPECT_TRUE(config->warnings.empty()) << config->warnings.front().to_string();
    ++loaded;
  }
  EXPECT_EQ(loaded, 3U);
}

TEST(Examples, FullHasTheDefaultsItClaims) {
  const auto config = load_config(kExamples / "full.toml", kPolicy);
  ASSERT_TRUE(config.has_value());
  auto network = config->networks.at("default");
  ASSERT_TRUE(network.pool && network.dhcp.range);
  EXPECT_EQ(network.dhcp.relays.size(), 1U);
  EXPECT_EQ(network.dhcp.options.size(), 17U);
  EXPECT_EQ(network.dhcp.boot->files.size(), 7U);
  EXPECT_EQ(network.dhcp.exclude.size(), 2U);
  EXPECT_EQ(network.dhcp.reservations.size(), 2U);
  EXPECT_EQ(config->dhcp_groups.size(), 1U);
  EXPECT_EQ(config->guests.front().dhcp.mask, 24);
  EXPECT_TRUE(config->guests.back().shared);
  // What the comments say is no default is taken away; the rest must be.
  network.pool.reset();
  EXPECT_TRUE(network.limits.egress_bits && network.limits.ingress_packets);
  network.limits = {.new_connections = network.limits.new_connections, .connections = network.limits.connections};
  auto& dhcp = network.dhcp;
  dhcp.options.clear();
  dhcp.boot.reset();
  dhcp.range.reset();
  dhcp.exclude.clear();
  dhcp.reservations.clear();
  dhcp.relays.clear();
  network.declared_at = {};
  EXPECT_EQ(network, default_network());
  auto host = config->host;
  host.uplinks.clear();
  EXPECT_EQ(host, Host{});
}

TEST(Examples, TwoNetworksAreTwo) {
  const auto config = load_config(kExamples / "two-networks.toml", kPolicy);
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->networks.size(), 2U);
  EXPECT_EQ(config->networks.at("lab").mode, Mode::isolated);
}

TEST(Examples, PoliciesAreOneAndEachByItself) {
  const auto together = load_config(kExamples / "full.toml", kPolicy);
  ASSERT_TRUE(together.has_value());
  std::size_t rules = 0, expects = 0, files = 0;
  for (const auto& entry : std::filesystem::directory_iterator{kPolicy}) {
    std::ifstream stream{entry.path()};
    const PolicyText text{.file = entry.path().string(), .text = {std::istreambuf_iterator<char>{stream}, {}}};
    const auto alone = parse_config("", "", std::span{&text, 1});
    ASSERT_TRUE(alone.has_value()) << alone.error().front().to_string();
    EXPECT_FALSE(alone->policy.rules.empty() || alone->policy.expects.empty()) << entry.path();
    rules += alone->policy.rules.size();
    expects += alone->policy.expects.size();
    ++files;
  }
  EXPECT_EQ(files, 2U);
  EXPECT_EQ(together->policy.rules.size(), rules);
  EXPECT_EQ(together->policy.expects.size(), expects);
}

}  // namespace
}  // namespace vrouter::config
