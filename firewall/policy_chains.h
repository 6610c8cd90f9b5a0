// SPDX-License-Identifier: GPL-2.0-or-later
// What a policy adds to the skeleton. Not for other rooms.
#pragma once

#include "config/model.h"
#include "firewall/compile.h"
#include "firewall/profiles.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

// Chains, sets and counters for every rule and profile, and their elements, in the first table of the ruleset. Nothing
// where there is no policy.
void add_policy(const config::Config& config, const Profiles& profiles, CompileCache* cache, Ruleset& ruleset);

}  // namespace vrouter::firewall
