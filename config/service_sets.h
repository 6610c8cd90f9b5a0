// SPDX-License-Identifier: GPL-2.0-or-later
// Services as sets of packets. No services at all mean every packet, as in a rule.
#pragma once

#include <vector>

#include "config/policy.h"

namespace vrouter::config {

// The same packets in the fewest services, sorted; no packet is in two of them.
[[nodiscard]] std::vector<Service> normalised(std::vector<Service> services);

// Whether every packet of `inner` is in `outer`; both are normalised.
[[nodiscard]] bool includes(const std::vector<Service>& outer, const std::vector<Service>& inner);

}  // namespace vrouter::config
