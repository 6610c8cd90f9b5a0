// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "router/reconcile/observed.h"
#include "router/reconcile/plan.h"

namespace vrouter::router {

struct Applied {
  std::size_t done = 0;              // operations that succeeded
  std::vector<Operation> undo;       // their inverses, newest first: apply() them to be where we were
  std::optional<KernelError> error;  // of the operation after those
};

// Applies in order and stops at the first error. What succeeded is noted in `observed` at once. Removing what is gone
// already counts as done.
[[nodiscard]] Applied apply(std::span<const Operation> operations, Kernel kernel, Observed& observed);

}  // namespace vrouter::router
