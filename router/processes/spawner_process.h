// SPDX-License-Identifier: GPL-2.0-or-later
// The spawner's own side: what runs in `vrouterd: spawn`.
#pragma once

#include "router/processes/spawner.h"

namespace vrouter::router {

struct SpawnerLines {
  UniqueFd requests;  // answers go back on it
  UniqueFd news;
};

// After fork(2). Ends when its lines close, with its children.
[[noreturn]] void run_spawner(const SpawnerOptions& options, SpawnerLines lines, pid_t daemon) noexcept;

// What top and ps show: "vrouterd: dhcp". At most 15 bytes.
void set_process_title(std::string_view title) noexcept;

}  // namespace vrouter::router
