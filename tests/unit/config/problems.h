// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace vrouter::config {

// Every problem of the text as the operator sees it, with the file called "f".
inline std::vector<std::string> problems_of(std::string_view toml) {
  std::vector<std::string> texts;
  const auto config = parse_config(toml, "f");
  if (config) return texts;
  for (const auto& problem : config.error()) texts.push_back(problem.to_string());
  return texts;
}

struct BadFile {
  std::string_view toml;
  std::vector<std::string> problems;
};

}  // namespace vrouter::config
