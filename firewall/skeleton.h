// SPDX-License-Identifier: GPL-2.0-or-later
// The tables that every host gets: sets, chains and rules, no elements. Not for other rooms.
#pragma once

#include <cstdint>

#include "firewall/compile.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

[[nodiscard]] Table inet_table();
[[nodiscard]] Table arp_table();
// What the service processes may send: two sets and the chains.
void add_output(const ServiceUsers& users, Table& inet);
// Where guests' limits are asked for: a set and a rule or two for each kind of limit that some guest has. Before the
// policy's rules.
void add_limits(const Profiles& profiles, Table& inet);

}  // namespace vrouter::firewall
