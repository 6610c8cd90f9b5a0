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
const std::filesystem::path kNoPolicy = kExamples / "no-such-policy.d";

TEST(Examples, LoadWithoutAProblem) {
  std::size_t loaded = 0;
  for (const auto& entry : std::filesystem::directory_iterator{kExamples}) {
    const auto config = load_config(entry.path(), kNoPolicy);
    ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
    EXPECT_FALSE(config->guests.empty()) << entry.path();
    ++loaded;
  }
  EXPECT_EQ(loaded, 3U);
}

TEST(Examples, FullHasTheDefaultsItClaims) {
  const auto config = load_config(kExamples / "full.toml", kNoPolicy);
  ASSERT_TRUE(config.has_value());
  auto network = config->networks.at("default");
  ASSERT_TRUE(network.pool && network.dhcp.range);
  EXPECT_EQ(network.dhcp.relays.size(), 1U);
  EXPECT_EQ(network.dhcp.options.size(), 3U);
  // What the comments say is no default is taken away; the rest must be.
  network.pool.reset();
  network.dhcp = {.lease_time = network.dhcp.lease_time, .options = {}, .range = {}, .relays = {}};
  network.declared_at = {};
  EXPECT_EQ(network, default_network());
  auto host = config->host;
  host.uplinks.clear();
  EXPECT_EQ(host, Host{});
}

TEST(Examples, TwoNetworksAreTwo) {
  const auto config = load_config(kExamples / "two-networks.toml", kNoPolicy);
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->networks.size(), 2U);
  EXPECT_EQ(config->networks.at("lab").mode, Mode::isolated);
}

}  // namespace
}  // namespace vrouter::config
