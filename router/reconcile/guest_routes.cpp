// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: several guests may have one allowed address, of which one at a time uses it (VRRP). Its route leads to
// whoever was heard of with it last: an announcement makes a neighbour (arp_accept), and the kernel tells of it. What
// the frame said, nobody here reads. Until somebody is heard of it leads to one of those that may have it.
#include "router/reconcile/guest_routes.h"

#include <fmt/format.h>

#include <algorithm>

namespace vrouter::router {
namespace {

class GuestRoutes {
 public:
  GuestRoutes(const DesiredHost& host, const DesiredGuest& guest, const Link& link, const Observed& observed, bool ipv6)
      : host_{host}, guest_{guest}, link_{link}, observed_{observed}, ipv6_{ipv6} {}

  std::vector<Route> run() && {
    if (guest_.address) routes_.push_back(to_host(*guest_.address));
    if (ipv6_) routes_.push_back(to_host(*guest_.address6));
    for (const auto& [its, mac] : guest_.lessees) routes_.push_back(lessee_route(host_, guest_, link_, its));
    for (const auto& prefix : guest_.prefixes) {
      const bool v6 = prefix.network().is_v6();
      if (v6 ? ipv6_ : guest_.address.has_value()) routes_.push_back(to_prefix(prefix));
    }
    for (const auto& allowed : guest_.allowed) {
      if (allowed.is_v6() && !ipv6_) continue;
      const auto route = to_host(allowed);
      if (is_here(route)) routes_.push_back(route);
    }
    return std::move(routes_);
  }

 private:
  [[nodiscard]] Route to(const Prefix& destination) const {
    Route route;
    route.destination = destination;
    route.protocol = host_.route_protocol;
    route.ifindex = link_.index;
    if (destination.network().is_v4()) {
      route.source = guest_.gateway;
    } else {
      route.metric = kUserMetric6;
      if (guest_.gateway6) route.source = *guest_.gateway6;
    }
    return route;
  }
  [[nodiscard]] Route to_host(const address& its) const {
    auto route = to(Prefix{its, its.is_v4() ? 32U : 128U});
    if (its.is_v4()) route.scope = kScopeLink;
    return route;
  }
  [[nodiscard]] Route to_prefix(const Prefix& prefix) const {
    auto route = to(prefix);
    route.gateway = prefix.network().is_v4() ? address{*guest_.address} : address{*guest_.address6};
    return route;
  }

  // One that is to be reached stays where it is until it is heard of on another link later than there.
  [[nodiscard]] bool is_here(const Route& route) const {
    const Route* holder = holder_of(route, observed_);
    if (holder == nullptr || holder->ifindex == link_.index) return true;
    const auto& its = route.destination.network();
    const auto here = observed_.heard(link_.index, its), there = observed_.heard(holder->ifindex, its);
    return here && (!there || *here > *there);
  }

  const DesiredHost& host_;
  const DesiredGuest& guest_;
  const Link& link_;
  const Observed& observed_;
  bool ipv6_;
  std::vector<Route> routes_;
};

}  // namespace

Route lessee_route(const DesiredHost& host, const DesiredGuest& guest, const Link& link, const address_v4& its) {
  Route route;
  route.destination = Prefix{its, 32U};
  route.protocol = host.route_protocol;
  route.ifindex = link.index;
  route.source = guest.gateway;
  route.scope = kScopeLink;
  return route;
}

std::vector<Route> routes_of(const DesiredHost& host, const DesiredGuest& guest, const Link& link,
                             const Observed& observed, bool ipv6) {
  return GuestRoutes{host, guest, link, observed, ipv6}.run();
}

std::optional<std::string> foreign_route(const Route& wanted, const Observed& observed) {
  const auto& alike = observed.routes_like(wanted);
  const auto foreign =
      std::ranges::find_if(alike, [&](const Route& route) { return route.protocol != wanted.protocol; });
  if (foreign == alike.end()) return std::nullopt;
  const Link* device = observed.link(foreign->ifindex);
  const auto& destination = wanted.destination;
  return fmt::format(
      "somebody else has a route to {0} ({1}protocol {2}); remove it with "
      "`ip {3}route del {0}`, then vrouter makes its own",
      destination.is_host() ? destination.network().to_string() : destination.to_string(),
      device == nullptr ? "" : "dev " + device->name + ", ", foreign->protocol,
      destination.network().is_v6() ? "-6 " : "");
}

const Route* holder_of(const Route& route, const Observed& observed) {
  for (const Route& other : observed.routes_like(route)) {
    const Link* link = observed.link(other.ifindex);
    if (other.protocol == route.protocol && link != nullptr && link->up && link->group == kGuestGroup) return &other;
  }
  return nullptr;
}

}  // namespace vrouter::router
