// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>

#include "base/kernel_error.h"
#include "router/processes/cage.h"

namespace vrouter::router {

// Loads the seccomp(2) filter of a caged process; it can be replaced by stricter ones only. EINVAL: the kernel was
// built without it.
[[nodiscard]] std::expected<void, KernelError> load_filter(const Allowed& allowed);

}  // namespace vrouter::router
