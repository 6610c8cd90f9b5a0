// SPDX-License-Identifier: GPL-2.0-or-later
// The tables that every host gets: sets, chains and rules, no elements. Not for other rooms.
#pragma once

#include <cstdint>

#include "firewall/compile.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

// A profile is what a guest may send and receive, as a packet mark; a guest's elements carry its number.
// The mark is set in `forward` only, where routing is done, so that it steers no `ip rule`.
enum class Profile : std::uint32_t { open = 1, isolated = 2 };

[[nodiscard]] Table inet_table();
[[nodiscard]] Table arp_table();
// What the service processes may send: two sets and the chains.
void add_output(const ServiceUsers& users, Table& inet);

}  // namespace vrouter::firewall
