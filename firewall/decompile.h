// SPDX-License-Identifier: GPL-2.0-or-later
// Guests read back from the elements that compile_guest() made of them, for the day on which nothing else tells of
// them any more. What never was in the rules is lost: names, networks, groups.
#pragma once

#include <map>
#include <vector>

#include "config/model.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

// Whether the set's elements come from guests alone.
[[nodiscard]] bool holds_guests(const SetRef& set);

// With TAP, addresses, pinned MAC and published ports; what is not as compile_guest() makes it is passed over.
[[nodiscard]] std::vector<config::Guest> decompile_guests(const std::map<SetRef, ElementMap>& elements);

}  // namespace vrouter::firewall
