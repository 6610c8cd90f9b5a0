// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "router/reconcile/diff.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {
namespace {

std::string refusal(const config::Network& network, const Prefix& prefix, const std::string& found,
                    const std::string& remedy) {
  return fmt::format("network {} ({}) overlaps {} of this host; give the network another prefix, or {}", network.name,
                     prefix.to_string(), found, remedy);
}

bool contains(const Prefix& prefix, const address& host) {
  const auto& base = prefix.network();
  if (base.is_v4() != host.is_v4()) return false;
  return base.is_v4() ? config::contains(network_v4{base.to_v4(), prefix.prefix_length()}, host.to_v4())
                      : config::contains(network_v6{base.to_v6(), prefix.prefix_length()}, host.to_v6());
}

bool overlap(const Prefix& a, const Prefix& b) {
  return contains(a, b.network()) || contains(b, a.network());
}

// What we put there ourselves, or are about to.
bool is_gateway(const InterfaceAddress& address, const Link* link, const config::Network& network,
                const Originals& originals) {
  if (link == nullptr) return false;
  if (link->group == kGuestGroup && address.noprefixroute) return true;
  if (!link->loopback || address.prefix_length != (address.local.is_v4() ? 32 : 128)) return false;
  return address.local == network.gateway || (network.gateway6 && address.local == *network.gateway6) ||
         originals.contains(gateway_key(address.local));
}

bool in_the_way(const Route& route, const Prefix& prefix, std::uint8_t route_protocol) {
  if (route.table != kMainTable || route.protocol == route_protocol || route.destination.prefix_length() == 0) {
    return false;
  }
  // A route that only says "nothing here" for a wider range is an administrator's caution, not a neighbour of ours.
  const bool covers = route.destination.prefix_length() < prefix.prefix_length();
  if (covers && route.type != RouteType::unicast) return false;
  return overlap(route.destination, prefix);
}

std::optional<std::string> collides(const config::Network& network, const Prefix& prefix, const Observed& observed,
                                    std::uint8_t route_protocol, const Originals& originals) {
  for (const auto& [index, addresses] : observed.addresses()) {
    const Link* link = observed.link(index);
    for (const auto& address : addresses) {
      if (!contains(prefix, address.local) || is_gateway(address, link, network, originals)) continue;
      return refusal(network, prefix,
                     fmt::format("the address {}/{} on {}", address.local.to_string(), address.prefix_length,
                                 link == nullptr ? "an interface" : link->name),
                     "remove that address");
    }
  }
  for (const auto& [key, alike] : observed.routes()) {
    for (const Route& route : alike) {
      if (!in_the_way(route, prefix, route_protocol)) continue;
      const Link* link = observed.link(route.ifindex);
      std::string found = "the route " + route.destination.to_string();
      if (route.gateway) found += " via " + route.gateway->to_string();
      if (link != nullptr) found += " dev " + link->name;
      return refusal(network, prefix, found, "remove that route");
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> collides(const config::Network& network, const Observed& observed,
                                    std::uint8_t route_protocol, const Originals& originals) {
  // Where relays are, this host may be a station among others, and has routes there.
  if (!network.dhcp.relays.empty()) return std::nullopt;
  return collides(network, network.prefix, observed, route_protocol, originals);
}

std::optional<std::string> collides6(const config::Network& network, const Observed& observed,
                                     std::uint8_t route_protocol, const Originals& originals) {
  if (!network.prefix6) return std::nullopt;
  return collides(network, *network.prefix6, observed, route_protocol, originals);
}

}  // namespace vrouter::router
