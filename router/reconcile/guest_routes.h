// SPDX-License-Identifier: GPL-2.0-or-later
// Inside the room: where packets for one guest go.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "router/reconcile/desired.h"
#include "router/reconcile/observed.h"

namespace vrouter::router {

// To its own addresses, to its prefixes by way of those, and to the allowed addresses that it has now. `ipv6`: its
// IPv6 address can be served.
[[nodiscard]] std::vector<Route> routes_of(const DesiredHost& host, const DesiredGuest& guest, const Link& link,
                                           const Observed& observed, bool ipv6);

// To one that has its address by lease, behind a shared link.
[[nodiscard]] Route lessee_route(const DesiredHost& host, const DesiredGuest& guest, const Link& link,
                                 const address_v4& its);

// Why ours can't be put: somebody else has one to the same place. A sentence with the remedy.
[[nodiscard]] std::optional<std::string> foreign_route(const Route& wanted, const Observed& observed);

// The route to the same place, with the same protocol number, that leads to a guest; none: there is none.
[[nodiscard]] const Route* holder_of(const Route& route, const Observed& observed);

}  // namespace vrouter::router
