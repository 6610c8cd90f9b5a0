// SPDX-License-Identifier: GPL-2.0-or-later
// Policies by chance, as an operator could write them: a number gives the same text each time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/load.h"

namespace vrouter::truth {

// So many numbers after one another have the same guests on the same TAPs with the same addresses: one host in the
// kernel does for all of them. Their groups, ports and policies differ.
inline constexpr std::uint32_t kPoliciesPerHost = 25;

struct RandomPolicy {
  std::string vrouter_toml;
  std::vector<config::PolicyText> files;
  config::Config config;     // what the loader made of it
  unsigned refused = 0;      // drafts before this one that the loader wouldn't take
  std::string refused_with;  // what it said of the last of those

  [[nodiscard]] std::string to_string() const;  // all files with their names
};

[[nodiscard]] RandomPolicy random_policy(std::uint32_t number);

}  // namespace vrouter::truth
