// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/address_runs.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace vrouter::config {
namespace {

address_v4 at(std::uint32_t value) {
  return address_v4{value};
}

TEST(AddressRuns, JoinsNeighboursAndSplitsAgain) {
  AddressRuns runs;
  for (const auto value : {10U, 12U, 11U, 11U}) runs.insert(at(value));
  EXPECT_EQ(runs.runs(), 1U);
  EXPECT_EQ(runs.first_gap(at(10), at(20)), at(13));
  runs.erase(at(11));
  EXPECT_EQ(runs.runs(), 2U);
  EXPECT_EQ(runs.first_gap(at(10), at(20)), at(11));
  EXPECT_FALSE(runs.contains(at(11)));
  runs.erase(at(11));
  runs.erase(at(10));
  runs.erase(at(12));
  EXPECT_EQ(runs.runs(), 0U);
}

TEST(AddressRuns, FindsNoGapWhereThereIsNone) {
  AddressRuns runs;
  runs.insert(at(10));
  runs.insert(at(11));
  EXPECT_EQ(runs.first_gap(at(10), at(11)), std::nullopt);
  EXPECT_EQ(runs.first_gap(at(11), at(10)), std::nullopt);
  EXPECT_EQ(runs.first_gap(at(9), at(11)), at(9));
}

TEST(AddressRuns, HoldsBothEndsOfTheAddressSpace) {
  AddressRuns runs;
  runs.insert(at(0));
  runs.insert(at(0xffffffff));
  EXPECT_EQ(runs.runs(), 2U);
  EXPECT_EQ(runs.first_gap(at(0), at(5)), at(1));
  EXPECT_EQ(runs.first_gap(at(0xffffffff), at(0xffffffff)), std::nullopt);
  runs.insert(at(1));
  EXPECT_EQ(runs.runs(), 2U);
}

TEST(AddressRuns, AgreesWithAPlainSet) {
  std::mt19937 random{7};
  AddressRuns runs;
  std::set<std::uint32_t> plain;
  for (int step = 0; step < 20000; ++step) {
    const std::uint32_t value = random() % 64;
    if (random() % 2 == 0) {
      runs.insert(at(value));
      plain.insert(value);
    } else {
      runs.erase(at(value));
      plain.erase(value);
    }
    std::optional<address_v4> expected;
    for (std::uint32_t v = 8; v <= 55 && !expected; ++v) {
      if (!plain.contains(v)) expected = at(v);
    }
    ASSERT_EQ(runs.first_gap(at(8), at(55)), expected) << "step " << step;
    ASSERT_EQ(runs.contains(at(value)), plain.contains(value));
  }
}

}  // namespace
}  // namespace vrouter::config
