// SPDX-License-Identifier: GPL-2.0-or-later
// Every golden text loads with nft, and then is what we would have sent ourselves.
#include "firewall/nft/port.h"
#include "tests/golden/firewall_cases.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall {
namespace {

class FirewallLoad : public testing::InNamespace, public ::testing::WithParamInterface<std::string> {};

TEST_P(FirewallLoad, NftLoadsItAndNothingIsLeftToChange) {
  const auto golden = testing::read_case(GetParam());
  const auto file = (golden.directory / "expected.nft").string();
  testing::run("nft -c -f " + file);
  testing::run("nft -f " + file);
  const auto port = open_nft();
  ASSERT_TRUE(port.has_value()) << port.error().to_string();
  const auto observed = (*port)->observe();
  ASSERT_TRUE(observed.has_value()) << observed.error().to_string();
  EXPECT_EQ(observed->elements, golden.ruleset.elements);
  EXPECT_TRUE(diff(golden.ruleset, *observed).empty());
}

INSTANTIATE_TEST_SUITE_P(Golden, FirewallLoad, ::testing::ValuesIn(testing::golden_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace vrouter::firewall
