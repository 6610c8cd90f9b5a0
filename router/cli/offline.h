// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

namespace vrouter::router::cli {

// What `vrouter teardown` does when no daemon runs: `vrouterd --teardown`, the program beside this one. It links what
// speaks to the kernel and to the database, which every call of this one would pay for.
// The value is what was undone, a sentence each; the error says why nothing was, or what is left.
[[nodiscard]] std::expected<std::vector<std::string>, std::string> teardown_offline(
    const std::filesystem::path& config, const std::filesystem::path& state_dir);

}  // namespace vrouter::router::cli
