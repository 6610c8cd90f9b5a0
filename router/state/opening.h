// SPDX-License-Identifier: GPL-2.0-or-later
// What becomes of opening one of the databases, and of writing to it.
#pragma once

#include <expected>
#include <string>

namespace vrouter::router::state {

enum class OpenFailure {
  busy,       // another process has the directory: don't start
  damaged,    // not a database, or torn
  newer,      // of a vrouter with another schema: not ours to judge
  unwritable  // read-only or full file system, missing rights
};

struct OpenError {
  OpenFailure kind = OpenFailure::damaged;
  std::string message;  // names the file and the remedy
};

using Committed = std::expected<void, std::string>;  // the error names the file and the remedy

}  // namespace vrouter::router::state
