// SPDX-License-Identifier: GPL-2.0-or-later
// One client that has its address by lease behind a shared link. diff_guest() wants the same of all of them.
#include <algorithm>
#include <utility>

#include "router/reconcile/diff.h"
#include "router/reconcile/guest_routes.h"

namespace vrouter::router {
namespace {

const Link* adopted(const DesiredGuest& guest, const Observed& observed) {
  const Link* link = observed.link(guest.tap);
  return link != nullptr && link->up && link->group == kGuestGroup ? link : nullptr;
}

}  // namespace

Plan admit_lessee(const DesiredHost& host, const DesiredGuest& guest, const address_v4& address, const MacAddress& mac,
                  const Observed& observed) {
  Plan plan;
  const Link* link = adopted(guest, observed);
  if (link == nullptr) return plan;
  const auto wanted = lessee_route(host, guest, *link, address);
  // Of our number it is the route of this client where it was before, on another shared link.
  const auto& alike = observed.routes_like(wanted);
  if (std::ranges::find(alike, wanted) == alike.end()) {
    if (auto why = foreign_route(wanted, observed)) {
      plan.problems.push_back(*std::move(why));
    } else {
      const auto before = alike.empty() ? std::nullopt : std::optional{alike.front()};
      plan.operations.emplace_back(PutRoute{wanted, link->name, before});
    }
  }
  const Neighbour* known = observed.neighbour(link->index, address);
  const bool usable = known != nullptr && known->state != NeighbourState::invalid && !known->mac.is_zero();
  if (usable && known->state == NeighbourState::permanent && known->mac == mac) return plan;
  const Neighbour neighbour{link->index, address, mac, NeighbourState::permanent, false};
  plan.operations.emplace_back(PutNeighbour{neighbour, link->name, usable ? std::optional{*known} : std::nullopt});
  return plan;
}

Plan dismiss_lessee(const DesiredHost& host, const DesiredGuest& guest, const address_v4& address,
                    const Observed& observed) {
  Plan plan;
  const Link* link = observed.link(guest.tap);
  if (link == nullptr) return plan;
  if (const Neighbour* known = observed.neighbour(link->index, address); known != nullptr)
    plan.operations.emplace_back(RemoveNeighbour{*known, link->name});
  for (const Route& route : observed.routes_like(lessee_route(host, guest, *link, address))) {
    if (route.protocol == host.route_protocol && route.ifindex == link->index)
      plan.operations.emplace_back(RemoveRoute{route, link->name});
  }
  return plan;
}

}  // namespace vrouter::router
