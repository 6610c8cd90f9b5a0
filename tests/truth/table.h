// SPDX-License-Identifier: GPL-2.0-or-later
// The truth table of a random policy: flows by chance, each with what the oracle, the evaluator and the kernel say.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "firewall/evaluate.h"
#include "firewall/journey.h"
#include "tests/truth/oracle.h"
#include "tests/truth/random_policy.h"
#include "tests/unit/firewall/kernel_host.h"

namespace vrouter::truth {

struct Line {
  firewall::Packet packet;
  Decision decision;
};

struct Table {
  std::uint32_t number = 0;
  RandomPolicy policy;
  firewall::Topology topology;
  firewall::Ruleset ruleset;  // without limits
  std::vector<Line> lines;
};

[[nodiscard]] Table table_of(std::uint32_t number, std::size_t lines);

// A line that not all say the same of, in words: the flow, and what each says of it.
using Differences = std::vector<std::string>;

// Between oracle and evaluator.
[[nodiscard]] Differences differences(const Table& table);

// Whether somebody who sees this saw what was decided.
[[nodiscard]] bool agree(const Decision& decision, const firewall::testing::Fate& fate, const firewall::Packet& sent);

// The kernel with one host after another, as the numbers of tables ask for it. Needs root.
class Kernel {
 public:
  // Among all three.
  [[nodiscard]] Differences differences(const Table& table);

 private:
  std::uint32_t shape_ = 0;
  std::unique_ptr<firewall::testing::KernelHost> host_;
};

}  // namespace vrouter::truth
