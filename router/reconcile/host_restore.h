// SPDX-License-Identifier: GPL-2.0-or-later
// Inside the room: giving back what is the host's.
#pragma once

#include "router/reconcile/observed.h"
#include "router/reconcile/plan.h"

namespace vrouter::router {

// Those keys of `originals` that are sysctls. `force`: ip_forward has just been turned off, which took the switches of
// all interfaces along, whatever `observed` shows of them.
[[nodiscard]] Plan restore_sysctls(const Originals& originals, const Observed& observed, bool force = false);
// Those keys of `originals` that are gateway addresses.
[[nodiscard]] Plan restore_gateways(const Originals& originals, const Observed& observed);

}  // namespace vrouter::router
