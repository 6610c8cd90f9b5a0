// SPDX-License-Identifier: GPL-2.0-or-later
// What a child says that a client did, held against what it was told of that client. Pure.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>

#include "dhcp/tables.h"
#include "router/processes/dhcp_verbs.h"

namespace vrouter::router {

// Whether the child had read all it was told when it made a claim. One that hadn't may be wrong and honest: a guest's
// lease crosses on the line with the order that removes the guest.
enum class Knowledge { all, maybe_less };

// Both processes read one clock; this is for what a virtual machine's clock may do between two processors.
inline constexpr std::chrono::seconds kClockSlack{1};

// The event; nothing for a claim that the table has overtaken or that is over already; an error for what no honest
// child says. `binding`: what it was told of the claim's interface, if anything.
[[nodiscard]] std::expected<std::optional<dhcp::LeaseEvent>, std::string> check_lease(const dhcp_verbs::Lease& claim,
                                                                                      const dhcp::Binding* binding,
                                                                                      Knowledge knowledge,
                                                                                      BootTime now);

// What no honest child says of any lease of a range, whatever the tables are; nothing: it may be. Who may have what is
// judged by whoever holds them.
[[nodiscard]] std::optional<std::string> nonsense_in(const dhcp::Lease& lease);

}  // namespace vrouter::router
