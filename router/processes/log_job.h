// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "base/unique_fd.h"

namespace vrouter::router {

// The log process's work, once it is caged; returns its exit status.
[[nodiscard]] int run_log(UniqueFd channel);

}  // namespace vrouter::router
