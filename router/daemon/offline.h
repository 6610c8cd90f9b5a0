// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

namespace vrouter::router {

// What `vrouterd --teardown` does, for `vrouter teardown` when no daemon runs: gives the host back as it was found and marks the database stopped.
// The value is what was undone, a sentence each; the error says why nothing was, or what is left. `config` is read only
// for host.route_protocol.
[[nodiscard]] std::expected<std::vector<std::string>, std::string> teardown_offline(
    const std::filesystem::path& config, const std::filesystem::path& state_dir);

}  // namespace vrouter::router
