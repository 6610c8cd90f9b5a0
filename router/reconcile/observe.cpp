// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <set>

#include "router/reconcile/desired.h"
#include "router/reconcile/keys.h"
#include "router/reconcile/observed.h"

namespace vrouter::router {
namespace {

// Whether it is another than was known.
bool read_sysctl(const Sysctls& sysctls, const std::string& key, Observed& observed) {
  const std::string* known = observed.sysctl(key);
  auto value = sysctls.read(key);
  const bool same = value ? known != nullptr && *known == *value : known == nullptr;
  if (same) return false;
  if (value) {
    observed.note_sysctl(key, std::move(*value));
  } else {
    observed.forget_sysctl(key);
  }
  return true;
}

}  // namespace

Result<Observed> observe(Kernel kernel) {
  Observed observed;
  const auto links = kernel.net.links();
  if (!links) return std::unexpected(links.error());
  const auto addresses = kernel.net.addresses();
  if (!addresses) return std::unexpected(addresses.error());
  const auto routes = kernel.net.routes();
  if (!routes) return std::unexpected(routes.error());
  const auto neighbours = kernel.net.neighbours();
  if (!neighbours) return std::unexpected(neighbours.error());
  for (const auto& link : *links) static_cast<void>(observed.on(LinkChanged{link}));
  for (const auto& address : *addresses) static_cast<void>(observed.on(AddressChanged{address}));
  for (const auto& route : *routes) static_cast<void>(observed.on(RouteChanged{route}));
  for (const auto& neighbour : *neighbours) static_cast<void>(observed.on(NeighbourChanged{neighbour}));
  observed.settle();
  static_cast<void>(observe_sysctls(kernel.sysctls, observed));
  return observed;
}

Affected observe_sysctls(const Sysctls& sysctls, Observed& observed) {
  Affected affected;
  const auto read = [&](const char* key) {
    const bool changed = read_sysctl(sysctls, key, observed);
    affected.host |= changed;
    return changed;
  };
  for (const char* key :
       {kIpForward, kAllAcceptRedirects, kDefaultForwarding, kAllForwarding6, kDefaultForwarding6, kConntrackMax}) {
    read(key);
  }
  for (const char* key : kBridgeNetfilterKeys) read(key);
  if (read(kAllArpIgnore)) {  // says whether TAPs need the gateway's address themselves
    for (const auto index : observed.adopted()) affected.links.push_back(observed.link(index)->name);
  }
  return affected;
}

bool observe_guest_sysctls(const Sysctls& sysctls, const DesiredGuest& guest, Observed& observed) {
  if (guest.addressing != config::Addressing::subnet) return false;
  if (observed.link(guest.tap) == nullptr) return false;
  return read_sysctl(sysctls, proxy_delay_key(guest.tap), observed);
}

std::vector<std::string> uplinks_of(const Observed& observed, InternetFamily family) {
  std::set<std::string> names;
  const auto& routes = observed.routes();
  // All default routes of the main table, whatever their metric, stand together in the order of the keys.
  Route any;
  if (family == InternetFamily::ipv6) any.destination = network_v6{};
  const auto first = Observed::key_of(any);
  for (auto it = routes.lower_bound(first);
       it != routes.end() && it->first.v6 == first.v6 && it->first.table == first.table && it->first.prefix_length == 0;
       ++it) {
    for (const Route& route : it->second) {
      const Link* link = observed.link(route.ifindex);
      if (route.type != RouteType::unicast || link == nullptr || link->loopback) continue;
      if (!observed.adopted().contains(link->index)) names.insert(link->name);
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace vrouter::router
