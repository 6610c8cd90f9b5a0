// SPDX-License-Identifier: GPL-2.0-or-later
// What guests have besides their own address: in the world, routed to them, or shared with others.
#include <algorithm>

#include "config/guests.h"
#include "config/shared_guests.h"
#include "config/specs.h"

namespace vrouter::config {
namespace {

using Field = Refusal::Field;

// Each is a route or an element of a tree, and each is compared with those of all others.
constexpr std::size_t kMaxPrefixes = 64, kMaxAllowed = 64;
constexpr unsigned short kMinLength4 = 8, kMinLength6 = 16;  // a shorter one covers addresses of every kind

// The network that it belongs to; null: none.
const Network* network_of(const Config& config, const address& a) {
  const auto found = std::ranges::find_if(config.networks, [&a](const auto& entry) {
    const auto& network = entry.second;
    return a.is_v4() ? contains(network.prefix, a.to_v4()) : network.prefix6 && contains(*network.prefix6, a.to_v6());
  });
  return found == config.networks.end() ? nullptr : &found->second;
}

bool is_link_local(const address& a) {
  return a.is_v4() ? contains(network_v4{address_v4{0xa9fe0000}, 16}, a.to_v4()) : a.to_v6().is_link_local();
}

bool has_family(const Guest& guest, const address& like) {
  // An IPv4 address is found for whoever has none.
  return like.is_v4() || guest.address6.has_value();
}

std::string without_family(const address& a) {
  return a.to_string() + " is an IPv6 address, and the guest has none of its own";
}
constexpr auto kGiveIpv6 = "give the guest an IPv6 address, or leave this one out";

template <typename Prefix>
std::optional<std::string> unusable(const Prefix& prefix, unsigned short least) {
  const auto first = address{prefix.network()};
  if (prefix.prefix_length() < least) return prefix.to_string() + " is too large";
  if (no_address_of_a_host(first)) return prefix.to_string() + " is no range that can be routed to a guest";
  return std::nullopt;
}

const Network* overlapped_network(const Config& config, const network_v4& prefix) {
  for (const auto& [name, network] : config.networks) {
    if (overlap(network.prefix, prefix)) return &network;
  }
  return nullptr;
}
const Network* overlapped_network(const Config& config, const network_v6& prefix) {
  for (const auto& [name, network] : config.networks) {
    if (network.prefix6 && overlap(*network.prefix6, prefix)) return &network;
  }
  return nullptr;
}

// "network open, 10.0.6.0/24 (vrouter.toml:12:11)"
std::string named(const Network& network, bool v6) {
  auto text = "network " + network.name + ", " + (v6 ? network.prefix6->to_string() : network.prefix.to_string());
  if (!network.declared_at.file.empty()) text += " (" + network.declared_at.to_string() + ')';
  return text;
}

bool holds(const network_v4& prefix, const address& its) {
  return its.is_v4() && contains(prefix, its.to_v4());
}
bool holds(const network_v6& prefix, const address& its) {
  return its.is_v6() && contains(prefix, its.to_v6());
}

// What the guest itself says of an address elsewhere, so that it can't be one in the world.
std::optional<std::string> used_inside(const Guest& guest, const address& its) {
  const auto has = [&its](const auto& prefix) { return holds(prefix, its); };
  if (std::ranges::any_of(guest.prefixes4, has) || std::ranges::any_of(guest.prefixes6, has))
    return "is in a prefix of the same guest";
  if (std::ranges::find(guest.allowed_addresses, its) != guest.allowed_addresses.end())
    return "is an allowed address of the same guest";
  return std::nullopt;
}

// The first address of a map that is inside; those of a prefix are next to each other.
template <typename Map, typename Prefix>
typename Map::const_iterator first_in(const Map& by_address, const Prefix& prefix) {
  const auto at = by_address.lower_bound(address{prefix.network()});
  return at != by_address.end() && holds(prefix, at->first) ? at : by_address.end();
}

// Prefixes of guests are apart, so one that overlaps this starts inside it or is the last that starts before.
template <typename Map, typename Prefix>
typename Map::const_iterator overlapped(const Map& taken, const Prefix& prefix) {
  auto at = taken.lower_bound(prefix);
  if (at != taken.end() && overlap(at->first, prefix)) return at;
  if (at == taken.begin()) return taken.end();
  --at;
  return overlap(at->first, prefix) ? at : taken.end();
}

}  // namespace

bool no_address_of_a_host(const address& a) {
  if (a.is_unspecified() || a.is_multicast() || a.is_loopback() || is_link_local(a)) return true;
  if (a.is_v6()) return false;
  const auto first = a.to_v4().to_bytes()[0];
  return first == 0 || first == 127 || first >= 224;
}

const std::string* GuestTable::behind(const address& its) const {
  const auto in = [](const auto& taken, const auto& host) -> const std::string* {
    const auto found = overlapped(taken, host);
    return found == taken.end() ? nullptr : &found->second;
  };
  return its.is_v4() ? in(tap_by_prefix4_, network_v4{its.to_v4(), 32})
                     : in(tap_by_prefix6_, network_v6{its.to_v6(), 128});
}

std::optional<GuestTable::Claimed> GuestTable::claimed(const Config& config, const address& its,
                                                       std::optional<Claim> shared) const {
  const auto of_guest = [&](const std::string& what, const std::string& tap) {
    return Claimed{its, what + who(tap), place_of(tap)};
  };
  if (const auto found = tap_by_floating_.find(its); found != tap_by_floating_.end())
    return of_guest("the floating address of ", found->second);
  if (const auto* tap = behind(its)) return of_guest("in a prefix of ", *tap);
  if (const auto found = taps_by_allowed_.find(its); found != taps_by_allowed_.end() && shared != Claim::allowed)
    return of_guest("an allowed address of ", *found->second.begin());
  if (shared == Claim::snat) return std::nullopt;
  if (const auto found = taps_by_snat_.find(its); found != taps_by_snat_.end())
    return of_guest("the snat address of ", *found->second.begin());
  for (const auto& [name, network] : config.networks) {
    const auto all = network.snat.all();
    if (std::ranges::find(all, its) == all.end()) continue;
    return Claimed{its, "the snat address of " + named(network, false), network.declared_at};
  }
  return std::nullopt;
}

template <typename Prefix>
std::optional<GuestTable::Claimed> GuestTable::claimed_in(const Config& config, const Prefix& prefix) const {
  if (const auto found = first_in(tap_by_floating_, prefix); found != tap_by_floating_.end())
    return Claimed{found->first, "the floating address of " + who(found->second), place_of(found->second)};
  if (const auto found = first_in(taps_by_allowed_, prefix); found != taps_by_allowed_.end()) {
    const auto& tap = *found->second.begin();
    return Claimed{found->first, "an allowed address of " + who(tap), place_of(tap)};
  }
  if (const auto found = first_in(taps_by_snat_, prefix); found != taps_by_snat_.end()) {
    const auto& tap = *found->second.begin();
    return Claimed{found->first, "the snat address of " + who(tap), place_of(tap)};
  }
  for (const auto& [name, network] : config.networks) {
    for (const auto& snat : network.snat.all()) {
      if (holds(prefix, snat))
        return Claimed{snat, "the snat address of " + named(network, false), network.declared_at};
    }
  }
  return std::nullopt;
}

void GuestTable::fit_snat(const Config& config, const Network& network, const Guest& guest, Refusals& refusals) const {
  for (const auto& snat : guest.snat.all()) {
    const auto refuse = [&](std::string reason, std::string remedy, Place other = {}) {
      refusals.push_back({.field = Field::snat,
                          .index = snat.is_v4() ? 0U : 1U,
                          .reason = std::move(reason),
                          .remedy = std::move(remedy),
                          .other = std::move(other)});
    };
    const auto text = snat.to_string();
    const std::string another = "name an address of the uplink's network";
    const auto* around = network_of(config, snat);
    if (network.mode != Mode::nat) {
      refuse("network " + network.name + " is " + std::string{name(network.mode)} +
                 ", so nothing its guests send is translated to " + text,
             "leave snat out, or give the network mode = \"nat\"");
    } else if (!has_family(guest, snat)) {
      refuse(without_family(snat), kGiveIpv6);
    } else if (no_address_of_a_host(snat)) {
      refuse(text + " is no address that the world could answer", another);
    } else if (around != nullptr && around->name == network.name) {
      refuse(text + " is inside the guests' own network " + network.name, another);
    } else if (around != nullptr) {
      refuse(text + " is inside " + named(*around, snat.is_v6()), another, around->declared_at);
    } else if (auto taken = claimed(config, snat, Claim::snat)) {
      refuse(text + " is " + taken->what, another, std::move(taken->by));
    } else if (const auto own = used_inside(guest, snat)) {
      refuse(text + ' ' + *own, another);
    }
  }
}

void GuestTable::fit_floating(const Config& config, const Guest& guest, Refusals& refusals) const {
  for (const auto& floating : guest.floating.all()) {
    const auto refuse = [&](std::string reason, std::string remedy, Place other = {}) {
      refusals.push_back({.field = Field::floating,
                          .index = floating.is_v4() ? 0U : 1U,
                          .reason = std::move(reason),
                          .remedy = std::move(remedy),
                          .other = std::move(other)});
    };
    const auto text = floating.to_string();
    const std::string another = "take another address of the uplink's network";
    const auto is_it = [&](const Publish& publish) { return publish.host == floating; };
    if (!has_family(guest, floating)) {
      refuse(without_family(floating), kGiveIpv6);
    } else if (no_address_of_a_host(floating)) {
      refuse(text + " is no address that the world could call", another);
    } else if (const auto* network = network_of(config, floating)) {
      refuse(text + " is inside " + named(*network, floating.is_v6()), another, network->declared_at);
    } else if (auto taken = claimed(config, floating)) {
      refuse(text + " is " + taken->what, another, std::move(taken->by));
    } else if (const auto own = used_inside(guest, floating)) {
      refuse(text + ' ' + *own, another);
    } else if (const auto* tap = ports_.holder_on(floating)) {
      refuse("ports of " + who(*tap) + " are published on " + text, another, place_of(*tap));
    } else if (std::ranges::any_of(guest.publish, is_it)) {
      refuse("ports of this guest are published on " + text + ", which leads to it as a whole",
             "leave those ports out: the policy says who may reach them");
    }
  }
}

template <typename Prefix, typename Map>
std::optional<Refusal> GuestTable::unfit_prefix(const Config& config, const Guest& guest, const Prefix& prefix,
                                                const Map& taken, const Map& own) const {
  const auto text = prefix.to_string();
  const bool v6 = address{prefix.network()}.is_v6();
  const auto refuse = [&](std::string reason, std::string remedy, Place other = {}) {
    return Refusal{
        .field = Field::prefixes, .reason = std::move(reason), .remedy = std::move(remedy), .other = std::move(other)};
  };
  const std::string another = "give the guest another prefix";
  if (!has_family(guest, prefix.network()))
    return refuse(text + " is an IPv6 prefix, and the guest has no IPv6 address to route it by", kGiveIpv6);
  if (auto why = unusable(prefix, v6 ? kMinLength6 : kMinLength4)) return refuse(*std::move(why), another);
  if (const auto* network = overlapped_network(config, prefix))
    return refuse(text + " overlaps " + named(*network, v6), another, network->declared_at);
  if (const auto other = overlapped(taken, prefix); other != taken.end())
    return refuse(text + " overlaps " + other->first.to_string() + " of " + who(other->second), another,
                  place_of(other->second));
  if (const auto twin = overlapped(own, prefix); twin != own.end())
    return refuse(text + " overlaps " + twin->first.to_string() + " of the same guest", "leave one of them out");
  if (auto claim = claimed_in(config, prefix))
    return refuse(text + " holds " + claim->its.to_string() + ", " + claim->what, another, std::move(claim->by));
  return std::nullopt;
}

void GuestTable::fit_prefixes(const Config& config, const Guest& guest, Refusals& refusals) const {
  if (guest.prefixes4.size() + guest.prefixes6.size() > kMaxPrefixes) {
    refusals.push_back({.field = Field::prefixes,
                        .reason = "the guest has more than " + std::to_string(kMaxPrefixes) + " prefixes",
                        .remedy = "route it wider ones"});
    return;
  }
  std::size_t index = 0;
  const auto fit = [&](const auto& prefixes, const auto& taken) {
    std::remove_cvref_t<decltype(taken)> own;
    for (const auto& prefix : prefixes) {
      if (auto refusal = unfit_prefix(config, guest, prefix, taken, own)) {
        refusal->index = index;
        refusals.push_back(*std::move(refusal));
      }
      own.emplace(prefix, guest.tap);
      ++index;
    }
  };
  fit(guest.prefixes4, tap_by_prefix4_);
  fit(guest.prefixes6, tap_by_prefix6_);
}

void GuestTable::fit_allowed(const Config& config, const Guest& guest, Refusals& refusals) const {
  std::size_t index = 0;
  const auto refuse = [&](std::string reason, std::string remedy, Place other = {}) {
    refusals.push_back({.field = Field::allowed,
                        .index = index,
                        .reason = std::move(reason),
                        .remedy = std::move(remedy),
                        .other = std::move(other)});
  };
  if (guest.allowed_addresses.size() > kMaxAllowed) {
    return refuse("the guest has more than " + std::to_string(kMaxAllowed) + " allowed addresses",
                  "route it a prefix (`prefixes`)");
  }
  const std::string another = "allow another address";
  std::set<address> own;
  if (guest.address) own.insert(*guest.address);
  if (guest.address6) own.insert(*guest.address6);
  for (; index < guest.allowed_addresses.size(); ++index) {
    const auto& allowed = guest.allowed_addresses[index];
    const auto text = allowed.to_string();
    const auto* network = network_of(config, allowed);
    const auto* holder = find(text);
    if (!has_family(guest, allowed)) {
      refuse(without_family(allowed), kGiveIpv6);
    } else if (no_address_of_a_host(allowed)) {
      refuse(text + " is no address that a guest can have", another);
    } else if (!own.insert(allowed).second) {
      refuse("the guest has " + text + " already", "leave it out");
    } else if (network != nullptr && (allowed == address{network->gateway} ||
                                      (network->gateway6 && allowed == address{*network->gateway6}))) {
      refuse(text + " is the gateway of network " + network->name + ", the host's own address", another,
             network->declared_at);
    } else if (network != nullptr && allowed.is_v4() &&
               (allowed.to_v4() == network->prefix.network() || allowed.to_v4() == network->prefix.broadcast())) {
      refuse(text + " is no host's address in network " + network->name, another, network->declared_at);
    } else if (auto leased =
                   network != nullptr && allowed.is_v4() ? unfit_leased(*network, allowed.to_v4()) : std::nullopt) {
      refuse(std::move(leased->reason), another, std::move(leased->other));
    } else if (holder != nullptr) {
      refuse(text + " is the address of " + who(holder->tap), another, holder->declared_at);
    } else if (auto taken = claimed(config, allowed, Claim::allowed)) {
      refuse(text + " is " + taken->what, another, std::move(taken->by));
    }
  }
}

void GuestTable::insert_more(const Guest& guest) {
  for (const auto& floating : guest.floating.all()) tap_by_floating_[floating] = guest.tap;
  for (const auto& snat : guest.snat.all()) taps_by_snat_[snat].insert(guest.tap);
  for (const auto& prefix : guest.prefixes4) tap_by_prefix4_[prefix] = guest.tap;
  for (const auto& prefix : guest.prefixes6) tap_by_prefix6_[prefix] = guest.tap;
  for (const auto& allowed : guest.allowed_addresses) {
    auto& taps = taps_by_allowed_[allowed];
    if (taps.empty() && allowed.is_v4()) used_.insert(allowed.to_v4());
    taps.insert(guest.tap);
  }
}

void GuestTable::erase_more(const Guest& guest) {
  for (const auto& floating : guest.floating.all()) tap_by_floating_.erase(floating);
  for (const auto& snat : guest.snat.all()) {
    const auto shared = taps_by_snat_.find(snat);
    if (shared != taps_by_snat_.end() && shared->second.erase(guest.tap) != 0 && shared->second.empty())
      taps_by_snat_.erase(shared);
  }
  for (const auto& prefix : guest.prefixes4) tap_by_prefix4_.erase(prefix);
  for (const auto& prefix : guest.prefixes6) tap_by_prefix6_.erase(prefix);
  for (const auto& allowed : guest.allowed_addresses) {
    const auto shared = taps_by_allowed_.find(allowed);
    if (shared == taps_by_allowed_.end()) continue;
    shared->second.erase(guest.tap);
    if (!shared->second.empty()) continue;
    if (allowed.is_v4()) used_.erase(allowed.to_v4());
    taps_by_allowed_.erase(shared);
  }
}

std::set<std::string> GuestTable::allowed(const address& its) const {
  const auto found = taps_by_allowed_.find(its);
  return found == taps_by_allowed_.end() ? std::set<std::string>{} : found->second;
}

}  // namespace vrouter::config
