// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vrouter::config {

// Where in a file something was said. Lines and columns count from 1; 0 means the file as a whole.
struct Place {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  [[nodiscard]] std::string to_string() const;  // "vrouter.toml:3:10"
  bool operator==(const Place&) const = default;
};

// What is wrong there, and what to write instead, in one sentence.
struct Problem {
  Place where;
  std::string message;

  [[nodiscard]] std::string to_string() const;  // "vrouter.toml:3:10: 10.0.0.0/33 is no prefix; write ..."
  bool operator==(const Problem&) const = default;
};

using Problems = std::vector<Problem>;

}  // namespace vrouter::config
