// SPDX-License-Identifier: GPL-2.0-or-later
// One guest: adopt its TAP, keep it right, give it back.
#include <fmt/format.h>

#include <algorithm>

#include "router/reconcile/diff.h"
#include "router/reconcile/keys.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {
namespace {

// send_redirects: the kernel also asks `all`, which is on by default; a guest that gets one for its own published
// port has no use for it and takes no harm. arp_ignore 0: the gateway's address is on lo, not on the TAP.
PerConf<std::int32_t> wanted_conf(const DesiredGuest& guest) {
  PerConf<std::int32_t> conf;
  conf[Conf::forwarding] = 1;
  conf[Conf::rp_filter] = 1;
  conf[Conf::send_redirects] = 0;
  conf[Conf::accept_redirects] = 0;
  conf[Conf::arp_announce] = 2;
  conf[Conf::arp_ignore] = 0;
  conf[Conf::proxy_arp] = guest.addressing == config::Addressing::subnet ? 1 : 0;
  return conf;
}

std::optional<std::string> unfit_link(const Link& link, const DesiredHost& host, const Observed& observed) {
  if ((link.kind != "tun" && link.kind != "veth") || !link.ethernet) {
    return fmt::format("{} is no TAP{}; name the TAP device that the guest's VMM opens", link.name,
                       link.kind.empty() ? "" : " (it is a " + link.kind + " device)");
  }
  if (std::ranges::find(host.uplinks, link.name) != host.uplinks.end()) {
    return fmt::format("{} is an uplink of this host; name the TAP device that the guest's VMM opens", link.name);
  }
  if (link.master != 0) {
    const Link* master = observed.link(link.master);
    return fmt::format(
        "{0} is a port of {1}, and a guest's TAP is routed, not bridged; take it out with "
        "`ip link set {0} nomaster`",
        link.name, master == nullptr ? "a bridge" : master->name);
  }
  return std::nullopt;
}

class GuestDiff {
 public:
  GuestDiff(const DesiredHost& host, const DesiredGuest& guest, const Link& link, const Observed& observed,
            const Originals& originals)
      : host_{host},
        guest_{guest},
        link_{link},
        observed_{observed},
        originals_{originals},
        original_{link_original(originals, link)} {}

  Plan run() && {
    const bool adopting = link_.group != kGuestGroup || observed_.newcomer(link_.index);
    if (adopting) {
      original_.note("group", link_.group == kGuestGroup ? 0 : link_.group);
      original_.note("up", link_.up ? 1 : 0);
      write_down_maker();
    }
    change_switches(adopting && link_.up);
    if (adopting && !link_.up) raise();
    if (link_.up || adopting) {
      put_gateway();
      remove_old_routes();
      put_route();
      put_neighbour();
    }
    write_down_original();
    return std::move(plan_);
  }

 private:
  // `with_group`: the TAP is up already, so the group may go along.
  void change_switches(bool with_group) {
    ChangeLink change{link_.index, link_.name, {}, {}};
    const auto wanted = wanted_conf(guest_);
    for (const Conf key : kAllConf) {
      if (link_.conf[key] == wanted[key]) continue;
      change.after.conf[key] = wanted[key];
      change.before.conf[key] = link_.conf[key];
      original_.note(std::string{name(key)}, static_cast<std::uint32_t>(link_.conf[key]));
    }
    if (with_group) {
      change.after.group = kGuestGroup;
      change.before.group = link_.group;
    }
    // First, so that a TAP brought up below never takes part in IPv6 (each that does makes every link slower).
    const bool no_ipv6 = !guest_.address6.has_value();
    if (link_.disable_ipv6 && *link_.disable_ipv6 != no_ipv6) {
      original_.note("disable_ipv6", *link_.disable_ipv6 ? 1 : 0);
      write(disable_ipv6_key(link_.name), no_ipv6 ? "1" : "0", *link_.disable_ipv6 ? "1" : "0");
    }
    const std::string* delay = observed_.sysctl(proxy_delay_key(link_.name));
    if (guest_.addressing == config::Addressing::subnet && delay != nullptr && *delay != "0") {
      original_.note("proxy_delay", static_cast<std::uint32_t>(std::strtoul(delay->c_str(), nullptr, 10)));
      write(proxy_delay_key(link_.name), "0", *delay);
    }
    if (!change.after.empty()) plan_.operations.emplace_back(std::move(change));
  }

  void raise() {
    ChangeLink change{link_.index, link_.name, {}, {}};
    change.after.group = kGuestGroup;
    change.after.up = true;
    change.before.group = link_.group;
    change.before.up = false;
    plan_.operations.emplace_back(std::move(change));
  }

  // With all.arp_ignore 1 or 2 the kernel answers for an address only on the interface that holds it (2: and only to
  // neighbours of its prefix), so lo's isn't enough.
  void put_gateway() {
    const std::string* arp_ignore = observed_.sysctl(kAllArpIgnore);
    const bool needed = arp_ignore != nullptr && (*arp_ignore == "1" || *arp_ignore == "2");
    const InterfaceAddress wanted{link_.index, guest_.gateway, guest_.prefix_length, 0, true};
    bool there = false;
    for (const auto& address : observed_.addresses_on(link_.index)) {
      if (needed && address == wanted) {
        there = true;
      } else if (address.noprefixroute && link_.group == kGuestGroup) {
        plan_.operations.emplace_back(RemoveAddress{address, link_.name});
      }
    }
    if (needed && !there) plan_.operations.emplace_back(PutAddress{wanted, link_.name});
  }

  [[nodiscard]] std::optional<Route> wanted_route() const {
    if (!guest_.address) return std::nullopt;
    Route route;
    route.destination = network_v4{*guest_.address, 32};
    route.protocol = host_.route_protocol;
    route.scope = kScopeLink;
    route.ifindex = link_.index;
    route.source = guest_.gateway;
    return route;
  }

  void remove_old_routes() {
    const auto wanted = wanted_route();
    for (const Route& route : observed_.routes_on(link_.index)) {
      if (route.protocol != host_.route_protocol) continue;
      if (wanted && Observed::key_of(route) == Observed::key_of(*wanted)) continue;  // replaced below
      const Neighbour* neighbour = observed_.neighbour(link_.index, route.destination.network());
      if (neighbour != nullptr) plan_.operations.emplace_back(RemoveNeighbour{*neighbour, link_.name});
      plan_.operations.emplace_back(RemoveRoute{route, link_.name});
    }
  }

  void put_route() {
    const auto wanted = wanted_route();
    if (!wanted) return;
    const auto& alike = observed_.routes_like(*wanted);
    if (std::ranges::find(alike, *wanted) != alike.end()) return;
    const auto foreign =
        std::ranges::find_if(alike, [&](const Route& route) { return route.protocol != host_.route_protocol; });
    if (foreign != alike.end()) {
      const Link* device = observed_.link(foreign->ifindex);
      plan_.problems.push_back(fmt::format(
          "somebody else has a route to {0} ({1}protocol {2}); remove it with "
          "`ip route del {0}`, then vrouter makes its own",
          guest_.address->to_string(), device == nullptr ? "" : "dev " + device->name + ", ", foreign->protocol));
      return;
    }
    std::optional<Route> before;
    if (!alike.empty()) before = alike.front();
    plan_.operations.emplace_back(PutRoute{*wanted, link_.name, before});
  }

  void put_neighbour() {
    if (!guest_.address) return;
    const Neighbour* known = observed_.neighbour(link_.index, *guest_.address);
    const bool usable = known != nullptr && known->state != NeighbourState::invalid && !known->mac.is_zero();
    Neighbour wanted{link_.index, *guest_.address, {}, NeighbourState::dynamic, true};
    if (guest_.mac) {
      if (usable && known->state == NeighbourState::permanent && known->mac == *guest_.mac) return;
      wanted.mac = *guest_.mac;
      wanted.state = NeighbourState::permanent;
      wanted.ext_learned = false;
    } else {
      // Nothing to hold on to before ARP or DHCP has learned the MAC.
      if (!usable || (known->state == NeighbourState::dynamic && known->ext_learned)) return;
      wanted.mac = known->mac;
    }
    std::optional<Neighbour> before;
    if (usable) before = *known;
    plan_.operations.emplace_back(PutNeighbour{wanted, link_.name, before});
  }

  void write(const std::string& key, const std::string& value, const std::string& before) {
    plan_.operations.emplace_back(WriteSysctl{key, value, before});
  }

  // A TAP that we made is known by its index from here on; one made since by others under its name is theirs.
  void write_down_maker() {
    const auto known = originals_.find(tap_key(link_.name));
    if (known == originals_.end()) return;
    if (known->second == kMade) {
      plan_.record.push_back({known->first, made(link_.index)});
    } else if (known->second != made(link_.index)) {
      plan_.forget.push_back(known->first);
    }
  }

  void write_down_original() {
    if (original_.fields.empty()) return;
    Original original{link_key(link_.name), original_.to_string()};
    const auto known = originals_.find(original.key);
    if (known == originals_.end() || known->second != original.value) plan_.record.push_back(std::move(original));
  }

  const DesiredHost& host_;
  const DesiredGuest& guest_;
  const Link& link_;
  const Observed& observed_;
  const Originals& originals_;
  LinkOriginal original_;
  Plan plan_;
};

// The link as it was. A link in our group without an original (its database is lost) goes back to group 0.
ChangeLink original_state(const Link& link, const LinkOriginal& original) {
  ChangeLink change{link.index, link.name, {}, {}};
  if (link.group == kGuestGroup) {
    change.after.group = original.get("group").value_or(0);
    change.before.group = link.group;
  }
  if (const auto up = original.get("up"); up && *up == 0 && link.up) {
    change.after.up = false;
    change.before.up = true;
  }
  for (const Conf key : kAllConf) {
    const auto value = original.get(name(key));
    if (!value || static_cast<std::int32_t>(*value) == link.conf[key]) continue;
    change.after.conf[key] = static_cast<std::int32_t>(*value);
    change.before.conf[key] = link.conf[key];
  }
  return change;
}

void restore_files(const Link& link, const LinkOriginal& original, const Observed& observed, Plan& plan) {
  if (const auto value = original.get("disable_ipv6");
      value && link.disable_ipv6.value_or(*value != 0) != (*value != 0)) {
    plan.operations.emplace_back(
        WriteSysctl{disable_ipv6_key(link.name), *value != 0 ? "1" : "0", *link.disable_ipv6 ? "1" : "0"});
  }
  if (const auto value = original.get("proxy_delay")) {
    const std::string key = proxy_delay_key(link.name);
    const std::string* now = observed.sysctl(key);
    plan.operations.emplace_back(
        WriteSysctl{key, std::to_string(*value), now == nullptr ? std::nullopt : std::optional{*now}});
  }
}

}  // namespace

std::optional<std::string> unfit(const DesiredHost& host, const std::string& tap, const Observed& observed) {
  const Link* link = observed.link(tap);
  return link == nullptr ? std::nullopt : unfit_link(*link, host, observed);
}

Plan diff_guest(const DesiredHost& host, const DesiredGuest& guest, const Observed& observed,
                const Originals& originals) {
  const Link* link = observed.link(guest.tap);
  if (link == nullptr) return {};
  if (auto problem = unfit_link(*link, host, observed)) {
    Plan plan;
    plan.problems.push_back(std::move(*problem));
    return plan;
  }
  return GuestDiff{host, guest, *link, observed, originals}.run();
}

Plan create_guest_tap(const DesiredGuest& guest, const Observed& observed) {
  Plan plan;
  if (!guest.create_tap || observed.link(guest.tap) != nullptr) return plan;
  plan.operations.emplace_back(CreateTap{guest.tap, guest.owner});
  plan.record.push_back({tap_key(guest.tap), std::string{kMade}});
  return plan;
}

Plan release_link(std::uint8_t route_protocol, const std::string& name, const Observed& observed,
                  const Originals& originals, Leave leave) {
  Plan plan;
  const auto maker = originals.find(tap_key(name));
  if (originals.contains(link_key(name))) plan.forget.push_back(link_key(name));
  if (maker != originals.end()) plan.forget.push_back(maker->first);
  const Link* link = observed.link(name);
  if (link == nullptr) return plan;
  const bool ours = maker != originals.end() && (maker->second == kMade || maker->second == made(link->index));
  if (ours && link->kind == "tun") {
    plan.operations.emplace_back(RemoveTap{name, link->index});  // takes routes and neighbours along
    return plan;
  }
  LinkOriginal original = link_original(originals, *link);
  if (original.fields.empty() && link->group == kGuestGroup) {
    // Renamed since it was adopted: what was before us stands under its old name.
    if (const auto old_key = link_key_of(originals, link->index)) {
      original = link_original(originals, *link, *old_key);
      plan.forget.push_back(*old_key);
    }
  }
  Link as_left = *link;
  // Only one that was adopted: a namesake that came later may be anything, the host's own uplink among them.
  const bool adopted = link->group == kGuestGroup || !original.fields.empty();
  for (const Route& route : observed.routes_on(link->index)) {
    if (route.protocol != route_protocol) continue;
    const Neighbour* neighbour = observed.neighbour(link->index, route.destination.network());
    if (neighbour != nullptr) plan.operations.emplace_back(RemoveNeighbour{*neighbour, name});
    plan.operations.emplace_back(RemoveRoute{route, name});
  }
  for (const auto& address : observed.addresses_on(link->index)) {
    if (address.noprefixroute && link->group == kGuestGroup) {
      plan.operations.emplace_back(RemoveAddress{address, name});
    }
  }
  // After its route, which the kernel would take along: undoing this must find a link that can carry one.
  if (leave == Leave::down && adopted && link->up) {
    ChangeLink down{link->index, name, {}, {}};
    down.after.up = false;
    down.before.up = true;
    plan.operations.emplace_back(std::move(down));
    as_left.up = false;
  }
  auto change = original_state(as_left, original);
  if (!change.after.empty()) plan.operations.emplace_back(std::move(change));
  restore_files(*link, original, observed, plan);
  return plan;
}

Plan remember_neighbour(const DesiredGuest& guest, const MacAddress& mac, const Observed& observed) {
  Plan plan;
  const Link* link = observed.link(guest.tap);
  if (link == nullptr || !link->up || link->group != kGuestGroup || !guest.address || guest.mac) return plan;
  const Neighbour* known = observed.neighbour(link->index, *guest.address);
  const bool usable = known != nullptr && known->state != NeighbourState::invalid && !known->mac.is_zero();
  if (usable && known->state == NeighbourState::dynamic && known->ext_learned && known->mac == mac) return plan;
  std::optional<Neighbour> before;
  if (usable) before = *known;
  plan.operations.emplace_back(
      PutNeighbour{Neighbour{link->index, *guest.address, mac, NeighbourState::dynamic, true}, guest.tap, before});
  return plan;
}

}  // namespace vrouter::router
