// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "router/cli/options.h"

namespace vrouter::router::cli {

// Judges the files as vrouterd would, without one. Problems go to stderr, one a line; the exit status.
[[nodiscard]] int check(const Request& request);

// {"field":["...", ...]} and a newline.
[[nodiscard]] std::string sentences_json(std::string_view field, const std::vector<std::string>& sentences);
// A failure that no daemon told: in the shape of those that one tells.
[[nodiscard]] std::string failure_json(std::string_view reason);

}  // namespace vrouter::router::cli
