// SPDX-License-Identifier: GPL-2.0-or-later
// One guest: adopt its TAP, keep it right, give it back.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "router/reconcile/diff.h"
#include "router/reconcile/guest_routes.h"
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
  conf[Conf::arp_accept] = std::ranges::any_of(guest.allowed, &address::is_v4) ? 1 : 0;
  conf[Conf::route_localnet] = guest.loopback_published ? 1 : 0;
  return conf;
}

// Of a guest with an IPv6 address; one without has IPv6 switched off, and the rest stays as it is. accept_ra and the
// address that the kernel would make are for hosts. Not the TAP's own `forwarding`, which forwards nothing: whoever
// writes it loses the default routes that all interfaces learned by advertisements (net/ipv6/addrconf.c,
// addrconf_fixup_forwarding).
constexpr std::array<std::pair<Conf6, std::int32_t>, 4> kWantedConf6{
    {{Conf6::addr_gen_mode, 1}, {Conf6::accept_ra, 0}, {Conf6::force_forwarding, 1}, {Conf6::disable_ipv6, 0}}};

bool is_link_local(const InterfaceAddress& address) {
  return address.local.is_v6() && address.local.to_v6().is_link_local();
}

// What guests may call their gateway. fe80::1 is the same on every TAP. The network's own gateway must be there besides
// on lo: the kernel answers for an IPv6 address only on the interface that holds it (net/ipv6/ndisc.c, ndisc_recv_ns).
std::vector<InterfaceAddress> gateways6(std::uint32_t ifindex, const std::optional<address_v6>& gateway6) {
  static const auto kLinkGateway = boost::asio::ip::make_address_v6("fe80::1");
  std::vector<InterfaceAddress> all{{ifindex, kLinkGateway, 64, kScopeLink, false, true}};
  if (gateway6) all.push_back({ifindex, *gateway6, 128, 0, true, true});
  return all;
}

// Of those on a guest's TAP. No other link-local address may stay there, since guests would take it for a router.
bool is_ours(const InterfaceAddress& address) {
  return address.noprefixroute || is_link_local(address);
}

std::optional<std::string> unfit_link(const Link& link, const DesiredHost& host, const Observed& observed,
                                      bool shared) {
  const bool kind = link.kind == "tun" || link.kind == "veth" || (shared && link.kind == "bridge");
  if (link.kind == "bridge" && !shared) {
    return fmt::format(
        "{} is a bridge, which several clients share; give their network a dhcp range and declare it with "
        "shared = true (--shared), or name the TAP device that the guest's VMM opens",
        link.name);
  }
  if (!kind || !link.ethernet) {
    return fmt::format("{} is no TAP{}; name the TAP device that the guest's VMM opens", link.name,
                       link.kind.empty() ? "" : " (it is a " + link.kind + " device)");
  }
  if (std::ranges::find(host.uplinks, link.name) != host.uplinks.end() ||
      std::ranges::find(host.uplinks6, link.name) != host.uplinks6.end()) {
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
    look_for_ipv6();
    change_switches(adopting && link_.up);
    if (adopting && !link_.up) raise();
    if (link_.up || adopting) {
      put_gateway();
      put_gateways6();
      remove_old_routes();
      for (const Route& wanted : routes_of(host_, guest_, link_, observed_, ipv6_)) {
        forget_elsewhere(wanted);
        put_route(wanted);
      }
      if (guest_.address) put_neighbour(*guest_.address, guest_.mac);
      if (ipv6_) put_neighbour(*guest_.address6, guest_.mac);
      for (const auto& [its, mac] : guest_.lessees) put_neighbour(its, mac);
    }
    write_down_original();
    return std::move(plan_);
  }

 private:
  void look_for_ipv6() {
    if (!guest_.address6) return;
    auto why = without_ipv6(observed_);
    if (!why && !link_.has_ipv6()) {
      why = fmt::format(
          "the MTU of {0} is {1}, and IPv6 needs 1280; `ip link set {0} mtu 1500`, or leave the guest's IPv6 address "
          "out",
          link_.name, link_.mtu);
    }
    ipv6_ = !why;
    if (why) plan_.problems.push_back(*std::move(why));
  }

  void change_file(Conf6 key, std::int32_t wanted) {
    const auto& now = link_.conf6[key];
    if (!now || *now == wanted) return;  // a kernel that doesn't know it
    original_.note(field_of(key), static_cast<std::uint32_t>(*now));
    // Giving this one back may take IPv6 off for a moment: a daemon that dies then must leave word of it.
    if (key == Conf6::addr_gen_mode) original_.note(field_of(Conf6::disable_ipv6), link_.ipv6_on() ? 0 : 1);
    write(conf6_key(link_.name, key), std::to_string(wanted), std::to_string(*now));
  }

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
    if (ipv6_) {
      for (const auto& [key, value] : kWantedConf6) change_file(key, value);
    } else {
      change_file(Conf6::disable_ipv6, 1);
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
      } else if (address.local.is_v4() && address.noprefixroute && link_.group == kGuestGroup) {
        plan_.operations.emplace_back(RemoveAddress{address, link_.name});
      }
    }
    if (needed && !there) plan_.operations.emplace_back(PutAddress{wanted, link_.name});
  }

  // Without IPv6 there are none at all.
  void put_gateways6() {
    if (!ipv6_) return;
    auto missing = gateways6(link_.index, guest_.gateway6);
    for (const auto& address : observed_.addresses_on(link_.index)) {
      if (!address.local.is_v6()) continue;
      const auto found = std::ranges::find_if(missing, [&](const InterfaceAddress& wanted) {
        return wanted.local == address.local && wanted.prefix_length == address.prefix_length;
      });
      if (found != missing.end()) {
        missing.erase(found);
      } else if (is_link_local(address) || (address.noprefixroute && link_.group == kGuestGroup)) {
        plan_.operations.emplace_back(RemoveAddress{address, link_.name});
      }
    }
    for (const auto& address : missing) plan_.operations.emplace_back(PutAddress{address, link_.name});
  }

  // Where it was before, its neighbour is forgotten: what is announced there next is news again.
  void forget_elsewhere(const Route& wanted) {
    const auto& destination = wanted.destination.network();
    if (std::ranges::find(guest_.allowed, destination) == guest_.allowed.end()) return;
    const Route* holder = holder_of(wanted, observed_);
    if (holder == nullptr || holder->ifindex == link_.index) return;
    const Neighbour* old = observed_.neighbour(holder->ifindex, destination);
    if (old != nullptr) plan_.operations.emplace_back(RemoveNeighbour{*old, observed_.link(holder->ifindex)->name});
  }

  void remove_old_routes() {
    std::set<Observed::RouteKey> wanted;
    for (const Route& route : routes_of(host_, guest_, link_, observed_, ipv6_)) wanted.insert(Observed::key_of(route));
    for (const Route& route : observed_.routes_on(link_.index)) {
      if (route.protocol != host_.route_protocol) continue;
      if (route.destination.network().is_v6() && !ipv6_) continue;  // gone with disable_ipv6
      if (wanted.contains(Observed::key_of(route))) continue;
      const Neighbour* neighbour = observed_.neighbour(link_.index, route.destination.network());
      if (neighbour != nullptr) plan_.operations.emplace_back(RemoveNeighbour{*neighbour, link_.name});
      plan_.operations.emplace_back(RemoveRoute{route, link_.name});
    }
  }

  void put_route(const Route& wanted) {
    const auto& alike = observed_.routes_like(wanted);
    if (std::ranges::find(alike, wanted) != alike.end()) return;
    if (auto why = foreign_route(wanted, observed_)) return plan_.problems.push_back(*std::move(why));
    std::optional<Route> before;
    if (!alike.empty()) before = alike.front();
    plan_.operations.emplace_back(PutRoute{wanted, link_.name, before});
  }

  void put_neighbour(const address& of_guest, const std::optional<MacAddress>& mac) {
    const Neighbour* known = observed_.neighbour(link_.index, of_guest);
    const bool usable = known != nullptr && known->state != NeighbourState::invalid && !known->mac.is_zero();
    Neighbour wanted{link_.index, of_guest, {}, NeighbourState::dynamic, true};
    if (mac) {
      if (usable && known->state == NeighbourState::permanent && known->mac == *mac) return;
      wanted.mac = *mac;
      wanted.state = NeighbourState::permanent;
      wanted.ext_learned = false;
    } else {
      // Nothing to hold on to before ARP, ND or DHCP has learned the MAC.
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
  bool ipv6_ = false;  // the guest has an IPv6 address, and it can be served
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

// `down`: how the link is left. Then IPv6 is off while its switches are written, since the kernel gives even a link
// that is down an address as soon as it may make one.
void restore_files(const Link& link, const LinkOriginal& original, bool down, const Observed& observed, Plan& plan) {
  const auto write = [&](Conf6 key, std::uint32_t value, std::int32_t before) {
    plan.operations.emplace_back(WriteSysctl{conf6_key(link.name, key), std::to_string(value), std::to_string(before)});
  };
  if (link.has_ipv6()) {
    const auto off = original.get(field_of(Conf6::disable_ipv6)).value_or(link.ipv6_on() ? 0 : 1);
    const auto mode = original.get(field_of(Conf6::addr_gen_mode));
    const auto& mode_now = link.conf6[Conf6::addr_gen_mode];
    const bool quiet = down && mode && mode_now && *mode_now != static_cast<std::int32_t>(*mode);
    if (link.ipv6_on() && (off != 0 || quiet)) write(Conf6::disable_ipv6, 1, 0);
    for (const Conf6 key : kAllConf6) {
      const auto value = original.get(field_of(key));
      const auto& now = link.conf6[key];
      if (key == Conf6::disable_ipv6 || !value || !now || *now == static_cast<std::int32_t>(*value)) continue;
      write(key, *value, *now);
    }
    if (off == 0 && (!link.ipv6_on() || quiet)) write(Conf6::disable_ipv6, 0, 1);
  }
  if (const auto value = original.get("proxy_delay")) {
    const std::string key = proxy_delay_key(link.name);
    const std::string* now = observed.sysctl(key);
    plan.operations.emplace_back(
        WriteSysctl{key, std::to_string(*value), now == nullptr ? std::nullopt : std::optional{*now}});
  }
}

}  // namespace

std::optional<std::string> unfit(const DesiredHost& host, const std::string& tap, const Observed& observed,
                                 bool shared) {
  const Link* link = observed.link(tap);
  return link == nullptr ? std::nullopt : unfit_link(*link, host, observed, shared);
}

Plan diff_guest(const DesiredHost& host, const DesiredGuest& guest, const Observed& observed,
                const Originals& originals) {
  const Link* link = observed.link(guest.tap);
  if (link == nullptr) return {};
  if (auto problem = unfit_link(*link, host, observed, guest.shared)) {
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
    if (link->group == kGuestGroup && is_ours(address)) {
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
  const bool down = !as_left.up || original.get("up") == 0U;
  restore_files(*link, original, down, observed, plan);
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
