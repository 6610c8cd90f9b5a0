// SPDX-License-Identifier: GPL-2.0-or-later
// Which connections under way the rules would refuse, were they to begin now.
#pragma once

#include <functional>
#include <memory>

#include "firewall/journey.h"
#include "firewall/ruleset.h"
#include "router/kernel/conntrack.h"

namespace vrouter::router {

// True of a connection in which a guest takes part and whose first packet the rules would drop or reject. What is of no
// guest is never denied. The index of the rules is made when it is first asked, on whatever thread that is; one thread
// at a time. A copy asks the same.
[[nodiscard]] std::function<bool(const Connection&)> denied_by(std::shared_ptr<const firewall::Ruleset> rules,
                                                               firewall::Topology topology);

}  // namespace vrouter::router
