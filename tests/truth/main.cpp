// SPDX-License-Identifier: GPL-2.0-or-later
// vrouter-truth [COUNT] [SEED]: the truth tables of COUNT random policies, the first drawn from SEED and each next from
// the number after it, by oracle, evaluator and kernel. Exit status 0: all three said the same of every flow. Needs
// root.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <chrono>
#include <cstring>
#include <iostream>
#include <optional>
#include <random>

#include "tests/truth/table.h"

namespace vrouter::truth {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLines = 900;
constexpr std::uint32_t kProgressEvery = 50;
constexpr std::size_t kShown = 5;

void tell(const Table& table, const Differences& differences) {
  std::cout << fmt::format("\nseed {}: {} of {} flows differ\n\n{}\n", table.number, differences.size(),
                           table.lines.size(), table.policy.to_string());
  for (std::size_t i = 0; i < std::min(kShown, differences.size()); ++i) std::cout << differences[i];
  if (differences.size() > kShown) std::cout << fmt::format("and {} more\n", differences.size() - kShown);
  std::cout << fmt::format("\nto do it again: sudo ./dev truth 1 {}\n", table.number) << std::flush;
}

// True: all said the same.
bool run(std::uint32_t count, std::uint32_t seed) {
  std::cout << fmt::format("{} policies from seed {}, {} flows each\n", count, seed, kLines) << std::flush;
  const auto began = Clock::now();
  Kernel kernel;
  std::uint32_t wrong = 0, refused = 0;
  std::size_t rules = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto table = table_of(seed + i, kLines);
    const auto differences = kernel.differences(table);
    rules += table.policy.config.policy.rules.size();
    refused += table.policy.refused;
    if (!differences.empty()) tell(table, differences);
    wrong += differences.empty() ? 0 : 1;
    // What the host in the kernel couldn't do is no truth either.
    if (::testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed()) return false;
    if ((i + 1) % kProgressEvery == 0 || i + 1 == count) {
      const std::chrono::duration<double> taken = Clock::now() - began;
      std::cout << fmt::format("[{:7.1f} s] {} policies, {} rules, {} flows, {} drafts refused: {} policies wrong\n",
                               taken.count(), i + 1, rules, (i + 1) * kLines, refused, wrong)
                << std::flush;
    }
  }
  return wrong == 0;
}

std::optional<std::uint32_t> number(const char* text) {
  std::uint32_t value = 0;
  const auto* const end = text + std::strlen(text);
  const auto [stopped, error] = std::from_chars(text, end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

}  // namespace
}  // namespace vrouter::truth

int main(int argc, char** argv) {
  constexpr std::uint32_t kCount = 500;
  const auto count = argc > 1 ? vrouter::truth::number(argv[1]) : kCount;
  const auto seed = argc > 2 ? vrouter::truth::number(argv[2]) : std::random_device{}();
  if (!count || !seed || argc > 3) {
    std::cerr << "usage: vrouter-truth [COUNT] [SEED]\n";
    return 2;
  }
  return vrouter::truth::run(*count, *seed) ? 0 : 1;
}
