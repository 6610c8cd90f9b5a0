// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "router/cli/options.h"
#include "router/control/client.h"

namespace vrouter::router::cli {

struct Hooks {
  // What was undone without a daemon, a sentence each, or why it can't be. Not set: `teardown` needs the daemon.
  std::function<std::expected<std::vector<std::string>, std::string>(const std::filesystem::path& config,
                                                                     const std::filesystem::path& state_dir)>
      teardown_offline;
};

// Says what went wrong; the exit status.
[[nodiscard]] int fail(const Request& request, const control::ClientError& error);

// Does what is asked, on stdout and stderr; the exit status.
[[nodiscard]] int run(const Request& request, const Hooks& hooks);

}  // namespace vrouter::router::cli
