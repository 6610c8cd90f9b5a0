// SPDX-License-Identifier: GPL-2.0-or-later
// Oracle, evaluator and kernel say the same of random policies. Fixed numbers: this judges the change at hand;
// `./dev truth` draws others.
#include <gtest/gtest.h>

#include "tests/truth/table.h"

namespace vrouter::truth {
namespace {

constexpr std::uint32_t kFirst = 10'000, kPolicies = 100;
constexpr std::size_t kLines = 900;

TEST(TruthInTheKernel, IsThatOfOracleAndEvaluator) {
  Kernel kernel;
  for (std::uint32_t i = 0; i < kPolicies; ++i) {
    const auto table = table_of(kFirst + i, kLines);
    const auto found = kernel.differences(table);
    if (found.empty()) continue;
    ADD_FAILURE() << "seed " << table.number << ": " << found.size() << " flows differ\n"
                  << table.policy.to_string() << "\n"
                  << found.front();
    return;
  }
}

}  // namespace
}  // namespace vrouter::truth
