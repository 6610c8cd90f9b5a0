// SPDX-License-Identifier: GPL-2.0-or-later
// The tables that every host gets: sets, chains and rules, no elements. Not for other rooms.
#pragma once

#include <cstdint>
#include <vector>

#include "firewall/compile.h"
#include "firewall/resolvers.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

[[nodiscard]] Table inet_table();
[[nodiscard]] Table arp_table();
// What the service processes may send: two sets and the chains.
void add_output(const ServiceUsers& users, Table& inet);
// Where guests' limits are asked for: a set and a rule or two for each kind of limit that some guest has. Before the
// policy's rules.
void add_limits(const Profiles& profiles, Table& inet);
// Where guests' questions to other resolvers are redirected or refused, with all elements that are no guest's; nothing
// where no group does. Behind the limits and before the policy's rules.
void add_resolvers(const ResolverGroups& groups, Ruleset& ruleset);
// Those of one guest, or of a client that has its address by lease.
void add_resolver_elements(const config::Guest& guest, const config::Network& network, const ResolverGroups& groups,
                           bool leased, std::vector<Element>& out);

}  // namespace vrouter::firewall
