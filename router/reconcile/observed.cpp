// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: the kernel tells most changes, but not all. When a link goes down it drops the link's IPv4 routes and
// neighbours, and when an address goes, the routes that have it as their source, without a word about the routes
// (net/ipv4/fib_trie.c, fib_table_flush; kernels from 6.7 tell the latter). So the replica does the same. IPv6 tells
// what goes, but a route that loses its source stays, without it and without a word (net/ipv6/route.c,
// fib6_remove_prefsrc).
#include "router/reconcile/observed.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "router/reconcile/keys.h"

namespace vrouter::router {
namespace {

bool same_route(const Route& a, const Route& b) {
  return a.type == b.type && a.protocol == b.protocol && a.ifindex == b.ifindex && a.gateway == b.gateway;
}

bool usable(const Neighbour& neighbour) {
  return neighbour.state != NeighbourState::invalid && !neighbour.mac.is_zero();
}

bool is_default(const Route& route) {
  return route.table == kMainTable && route.destination.prefix_length() == 0 && route.type == RouteType::unicast;
}

}  // namespace

Observed::RouteKey Observed::key_of(const Route& route) noexcept {
  const auto& network = route.destination.network();
  RouteKey key{network.is_v6(), route.table, {}, route.destination.prefix_length(), route.tos, route.metric};
  if (key.v6) {
    key.destination = network.to_v6().to_bytes();
  } else {
    std::ranges::copy(network.to_v4().to_bytes(), key.destination.begin());
  }
  return key;
}

const Link* Observed::link(std::uint32_t index) const {
  const auto found = links_.find(index);
  return found == links_.end() ? nullptr : &found->second;
}

const Link* Observed::link(const std::string& name) const {
  const auto found = index_by_name_.find(name);
  return found == index_by_name_.end() ? nullptr : link(found->second);
}

const std::vector<InterfaceAddress>& Observed::addresses_on(std::uint32_t ifindex) const {
  static const std::vector<InterfaceAddress> kNone;
  const auto found = addresses_.find(ifindex);
  return found == addresses_.end() ? kNone : found->second;
}

const std::vector<Route>& Observed::routes_like(const Route& route) const {
  static const std::vector<Route> kNone;
  const auto found = routes_.find(key_of(route));
  return found == routes_.end() ? kNone : found->second;
}

std::vector<Route> Observed::routes_on(std::uint32_t ifindex) const {
  std::vector<Route> result;
  const auto keys = routes_by_link_.find(ifindex);
  if (keys == routes_by_link_.end()) return result;
  for (const auto& key : keys->second) {
    std::ranges::copy_if(routes_.at(key), std::back_inserter(result),
                         [&](const Route& route) { return route.ifindex == ifindex; });
  }
  return result;
}

const Neighbour* Observed::neighbour(std::uint32_t ifindex, const address& address) const {
  const auto on_link = neighbours_.find(ifindex);
  if (on_link == neighbours_.end()) return nullptr;
  const auto found = on_link->second.find(address);
  return found == on_link->second.end() ? nullptr : &found->second;
}

std::optional<std::uint64_t> Observed::heard(std::uint32_t ifindex, const address& address) const {
  const auto on_link = neighbours_.find(ifindex);
  if (on_link == neighbours_.end()) return std::nullopt;
  const auto found = on_link->second.find(address);
  if (found == on_link->second.end() || !usable(found->second)) return std::nullopt;
  return found->second.since;
}

void Observed::settle() {
  newcomers_.clear();
  heard_ = 0;
  for (auto& [index, on_link] : neighbours_) {
    for (auto& [address, known] : on_link) known.since = 0;
  }
}

const std::string* Observed::sysctl(const std::string& key) const {
  const auto found = sysctls_.find(key);
  return found == sysctls_.end() ? nullptr : &found->second;
}

void Observed::note_sysctl(const std::string& key, std::string value) {
  if (const auto conf6 = conf6_in_key(key)) {
    if (const auto found = index_by_name_.find(conf6->first); found != index_by_name_.end()) {
      links_.at(found->second).conf6[conf6->second] =
          static_cast<std::int32_t>(std::strtol(value.c_str(), nullptr, 10));
    }
  } else if (const auto link_name = link_in_key(key, "net/ipv4/conf/", "/forwarding"); !link_name.empty()) {
    if (const auto found = index_by_name_.find(link_name); found != index_by_name_.end()) {
      links_.at(found->second).conf[Conf::forwarding] = value != "0" ? 1 : 0;
    }
  }
  sysctls_.insert_or_assign(key, std::move(value));
}

void Observed::forget_sysctl(const std::string& key) {
  sysctls_.erase(key);
}

void Observed::put_link(const Link& link) {
  const auto old = links_.find(link.index);
  if (old != links_.end() && old->second.name != link.name) index_by_name_.erase(old->second.name);
  links_.insert_or_assign(link.index, link);
  index_by_name_.insert_or_assign(link.name, link.index);
  if (link.group == kGuestGroup) {
    adopted_.insert(link.index);
  } else {
    adopted_.erase(link.index);
  }
}

void Observed::drop_routes_and_neighbours(std::uint32_t index) {
  for (const Route& route : routes_on(index)) drop_route(route);
  neighbours_.erase(index);
}

void Observed::drop_link(std::uint32_t index) {
  newcomers_.erase(index);
  drop_routes_and_neighbours(index);
  addresses_.erase(index);
  adopted_.erase(index);
  const auto found = links_.find(index);
  if (found == links_.end()) return;
  const auto by_name = index_by_name_.find(found->second.name);
  if (by_name != index_by_name_.end() && by_name->second == index) index_by_name_.erase(by_name);
  sysctls_.erase(proxy_delay_key(found->second.name));
  links_.erase(found);
}

std::vector<std::uint32_t> Observed::put_route(const Route& route, bool replaces) {
  std::vector<std::uint32_t> replaced;
  auto& alike = routes_[key_of(route)];
  if (replaces && !alike.empty()) {
    // The kernel replaces the first route with this key, with all its hops.
    const Route first = alike.front();
    const auto goes = [&](const Route& r) {
      return r.type == first.type && r.protocol == first.protocol && r.source == first.source;
    };
    for (const Route& r : alike) {
      if (!goes(r)) continue;
      routes_by_link_[r.ifindex].erase(key_of(route));
      if (r.ifindex != route.ifindex) replaced.push_back(r.ifindex);
    }
    std::erase_if(alike, goes);
    for (const Route& r : alike) routes_by_link_[r.ifindex].insert(key_of(route));
  }
  alike.push_back(route);
  routes_by_link_[route.ifindex].insert(key_of(route));
  return replaced;
}

bool Observed::drop_route(const Route& route) {
  const auto key = key_of(route);
  const auto found = routes_.find(key);
  if (found == routes_.end()) return false;
  auto& alike = found->second;
  const auto gone = std::ranges::find_if(alike, [&](const Route& r) { return same_route(r, route); });
  if (gone == alike.end()) return false;
  const auto ifindex = gone->ifindex;
  alike.erase(gone);
  if (std::ranges::none_of(alike, [&](const Route& r) { return r.ifindex == ifindex; })) {
    const auto on_link = routes_by_link_.find(ifindex);
    on_link->second.erase(key);
    if (on_link->second.empty()) routes_by_link_.erase(on_link);
  }
  if (alike.empty()) routes_.erase(found);
  return true;
}

Affected Observed::affected_by_link(std::uint32_t index) const {
  Affected affected;
  const Link* found = link(index);
  if (found == nullptr) return affected;
  if (adopted_.contains(index)) {
    affected.links.push_back(found->name);
  } else {
    affected.host = true;
  }
  return affected;
}

// Of IPv6 only the gateways on lo and what looks like ours are the host's part: other interfaces' come and go with
// every router's advertisement and every TAP that is not adopted yet.
Affected Observed::affected_by_address(const InterfaceAddress& changed) const {
  auto affected = affected_by_link(changed.ifindex);
  const Link* on = link(changed.ifindex);
  const bool ours = changed.noprefixroute && changed.nodad && changed.prefix_length == 128;  // a guest's in the world
  if (changed.local.is_v6() && on != nullptr && !on->loopback && !ours) affected.host = false;
  return affected;
}

Affected Observed::on_link(const LinkChanged& event) {
  Affected affected;
  const Link* old = link(event.link.index);
  if (old != nullptr && *old == event.link) return affected;
  const bool fell = old != nullptr && old->up && !event.link.up;
  const bool renamed = old != nullptr && old->name != event.link.name;
  if (renamed) affected.links.push_back(old->name);
  affected.links.push_back(event.link.name);
  // Uplinks are named by the operator, so one may appear late; TAPs of guests are no matter of the host's.
  affected.host = event.link.group != kGuestGroup && (old == nullptr || renamed || old->up != event.link.up ||
                                                      old->conf != event.link.conf || old->conf6 != event.link.conf6);
  if (fell || renamed) {
    affected.uplinks = std::ranges::any_of(routes_on(event.link.index), is_default);
  }
  // A namesake with another index is gone: names are unique at any moment.
  if (const Link* namesake = link(event.link.name); namesake != nullptr && namesake->index != event.link.index) {
    drop_link(namesake->index);
  }
  if (fell) drop_routes_and_neighbours(event.link.index);
  if (old == nullptr && event.link.group == kGuestGroup) newcomers_.insert(event.link.index);
  if (event.link.up) newcomers_.erase(event.link.index);
  put_link(event.link);
  return affected;
}

Affected Observed::on_link_gone(const LinkGone& event) {
  Affected affected;
  const Link* old = link(event.index);
  if (old == nullptr) return affected;
  affected.links.push_back(old->name);
  affected.uplinks = std::ranges::any_of(routes_on(event.index), is_default);
  drop_link(event.index);
  return affected;
}

Affected Observed::on_address(const InterfaceAddress& address, bool gone) {
  auto& on_link = addresses_[address.ifindex];
  const auto same = [&](const InterfaceAddress& a) {
    return a.local == address.local && a.prefix_length == address.prefix_length;
  };
  const auto found = std::ranges::find_if(on_link, same);
  if (!gone) {
    if (found != on_link.end() && *found == address) return {};
    if (found != on_link.end()) {
      *found = address;
    } else {
      on_link.push_back(address);
    }
    return affected_by_address(address);
  }
  if (found == on_link.end()) return {};
  on_link.erase(found);
  Affected affected = affected_by_address(address);
  if (address.local.is_v6() && address.local.to_v6().is_link_local()) return affected;  // no route's source
  const bool elsewhere = std::ranges::any_of(addresses_, [&](const auto& entry) {
    return std::ranges::any_of(entry.second, [&](const InterfaceAddress& a) { return a.local == address.local; });
  });
  if (elsewhere && address.local.is_v4()) return affected;
  // Kernels before 6.6 take the source off routes of the same interface only, but whatever other holds the address.
  std::vector<Route> lost;
  if (elsewhere) {
    lost = routes_on(address.ifindex);
  } else {
    for (const auto& [key, alike] : routes_) lost.insert(lost.end(), alike.begin(), alike.end());
  }
  std::erase_if(lost, [&](const Route& route) { return route.source != address.local; });
  for (Route& route : lost) {
    Affected more;
    if (address.local.is_v4()) {
      more = on_route(route, true, false);
    } else {
      drop_route(route);
      route.source.reset();
      more = on_route(route, false, false);
    }
    affected.links.insert(affected.links.end(), more.links.begin(), more.links.end());
    affected.host |= more.host;
    affected.uplinks |= more.uplinks;
  }
  return affected;
}

Affected Observed::on_route(const Route& route, bool gone, bool replaces) {
  Affected affected;
  if (gone) {
    if (!drop_route(route)) return {};
  } else {
    const auto& alike = routes_like(route);
    if (std::ranges::find(alike, route) != alike.end() && (!replaces || alike.size() == 1)) return {};
    for (const auto index : put_route(route, replaces)) {
      if (adopted_.contains(index)) affected.links.push_back(links_.at(index).name);
      affected.host |= index == 0;
    }
  }
  affected.uplinks = is_default(route);
  affected.host |= route.ifindex == 0;
  if (adopted_.contains(route.ifindex)) affected.links.push_back(links_.at(route.ifindex).name);
  return affected;
}

Affected Observed::on_neighbour(const Neighbour& neighbour, bool gone) {
  auto& on_link = neighbours_[neighbour.ifindex];
  if (gone) {
    if (on_link.erase(neighbour.address) == 0) return {};
  } else {
    const auto found = on_link.find(neighbour.address);
    if (found != on_link.end() && static_cast<const Neighbour&>(found->second) == neighbour) return {};
    const bool news = found == on_link.end() || !usable(found->second) || found->second.mac != neighbour.mac;
    const auto since = news ? ++heard_ : found->second.since;
    on_link.insert_or_assign(neighbour.address, Heard{neighbour, since});
  }
  if (!adopted_.contains(neighbour.ifindex)) return {};
  return affected_by_link(neighbour.ifindex);
}

Affected Observed::on_conf_of_all(std::string key, std::int32_t value) {
  auto text = std::to_string(value);
  const std::string* known = sysctl(key);
  if (known != nullptr && *known == text) return {};
  note_sysctl(key, std::move(text));
  Affected affected;
  affected.host = true;
  return affected;
}

Affected Observed::on_conf(const ConfChanged& event) {
  const auto found = links_.find(event.ifindex);
  if (event.ifindex != 0 && found == links_.end()) return {};
  if (const auto* key = std::get_if<Conf>(&event.key)) {
    if (event.ifindex == 0) {
      return on_conf_of_all(*key == Conf::forwarding ? kIpForward : "net/ipv4/conf/all/" + std::string{name(*key)},
                            event.value);
    }
    if (std::exchange(found->second.conf[*key], event.value) == event.value) return {};
    return affected_by_link(event.ifindex);
  }
  const auto key = std::get<Conf6>(event.key);
  if (event.ifindex == 0) return on_conf_of_all(conf6_key("all", key), event.value);
  if (std::exchange(found->second.conf6[key], event.value) == event.value) return {};
  // Nobody minds where IPv6 is off: turning `all` on tells ten thousand of these.
  return found->second.ipv6_on() ? affected_by_link(event.ifindex) : Affected{};
}

Affected Observed::on(const KernelEvent& event) {
  struct Visitor {
    Observed& self;
    Affected operator()(const LinkChanged& e) const { return self.on_link(e); }
    Affected operator()(const LinkGone& e) const { return self.on_link_gone(e); }
    Affected operator()(const AddressChanged& e) const { return self.on_address(e.address, false); }
    Affected operator()(const AddressGone& e) const { return self.on_address(e.address, true); }
    Affected operator()(const RouteChanged& e) const { return self.on_route(e.route, false, e.replaces); }
    Affected operator()(const RouteGone& e) const { return self.on_route(e.route, true, false); }
    Affected operator()(const NeighbourChanged& e) const { return self.on_neighbour(e.neighbour, false); }
    Affected operator()(const NeighbourGone& e) const { return self.on_neighbour(e.neighbour, true); }
    Affected operator()(const ConfChanged& e) const { return self.on_conf(e); }
    Affected operator()(const ConfTouched& e) const {
      const Link* link = self.link(e.ifindex);
      return link != nullptr && link->ipv6_on() ? self.affected_by_link(e.ifindex) : Affected{};
    }
    Affected operator()(const Overflow&) const {
      Affected affected;
      affected.overflow = true;
      return affected;
    }
  };
  return std::visit(Visitor{*this}, event);
}

}  // namespace vrouter::router
