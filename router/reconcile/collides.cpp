// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "router/reconcile/diff.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {
namespace {

std::string refusal(const config::Network& network, const std::string& found, const std::string& remedy) {
  return fmt::format("network {} ({}) overlaps {} of this host; give the network another prefix, or {}", network.name,
                     network.prefix.to_string(), found, remedy);
}

// What we put there ourselves, or are about to.
bool is_gateway(const InterfaceAddress& address, const Link* link, const config::Network& network,
                const Originals& originals) {
  if (link == nullptr) return false;
  if (link->group == kGuestGroup && address.noprefixroute) return true;
  if (!link->loopback || address.prefix_length != 32) return false;
  return address.local == network.gateway || originals.contains(gateway_key(address.local.to_v4()));
}

bool in_the_way(const Route& route, const config::Network& network, std::uint8_t route_protocol) {
  if (route.table != kMainTable || route.protocol == route_protocol || route.destination.prefix_length() == 0) {
    return false;
  }
  // A route that only says "nothing here" for a wider range is an administrator's caution, not a neighbour of ours.
  const bool covers = route.destination.prefix_length() < network.prefix.prefix_length();
  if (covers && route.type != RouteType::unicast) return false;
  return config::overlap(route.destination, network.prefix);
}

}  // namespace

std::optional<std::string> collides(const config::Network& network, const Observed& observed,
                                    std::uint8_t route_protocol, const Originals& originals) {
  for (const auto& [index, addresses] : observed.addresses()) {
    const Link* link = observed.link(index);
    for (const auto& address : addresses) {
      if (!address.local.is_v4() || is_gateway(address, link, network, originals)) continue;
      if (!config::contains(network.prefix, address.local.to_v4())) continue;
      return refusal(network,
                     fmt::format("the address {}/{} on {}", address.local.to_string(), address.prefix_length,
                                 link == nullptr ? "an interface" : link->name),
                     "remove that address");
    }
  }
  for (const auto& [key, alike] : observed.routes()) {
    for (const Route& route : alike) {
      if (!in_the_way(route, network, route_protocol)) continue;
      const Link* link = observed.link(route.ifindex);
      std::string found = "the route " + route.destination.to_string();
      if (route.gateway) found += " via " + route.gateway->to_string();
      if (link != nullptr) found += " dev " + link->name;
      return refusal(network, found, "remove that route");
    }
  }
  return std::nullopt;
}

}  // namespace vrouter::router
