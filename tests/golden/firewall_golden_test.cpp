// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "firewall/render.h"
#include "tests/golden/firewall_cases.h"

namespace vrouter::firewall {
namespace {

class FirewallText : public ::testing::TestWithParam<std::string> {};

TEST_P(FirewallText, IsAsExpected) {
  const auto golden = testing::read_case(GetParam());
  const auto text = render_nft(golden.ruleset);
  if (std::getenv("VROUTER_UPDATE_GOLDEN") != nullptr) {
    std::ofstream{golden.directory / "expected.nft"} << text;
    GTEST_SKIP() << "expected.nft written anew";
  }
  EXPECT_EQ(text, golden.expected);
}

INSTANTIATE_TEST_SUITE_P(Golden, FirewallText, ::testing::ValuesIn(testing::golden_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace vrouter::firewall
