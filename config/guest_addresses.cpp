// SPDX-License-Identifier: GPL-2.0-or-later
// What guests have besides their own address: in the world, routed to them, or shared with others.
#include <algorithm>

#include "config/guests.h"
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

std::optional<std::string> overlapped_network(const Config& config, const network_v4& prefix) {
  for (const auto& [name, network] : config.networks) {
    if (overlap(network.prefix, prefix)) return "network " + name + " (" + network.prefix.to_string() + ')';
  }
  return std::nullopt;
}
std::optional<std::string> overlapped_network(const Config& config, const network_v6& prefix) {
  for (const auto& [name, network] : config.networks) {
    if (network.prefix6 && overlap(*network.prefix6, prefix))
      return "network " + name + " (" + network.prefix6->to_string() + ')';
  }
  return std::nullopt;
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

void GuestTable::fit_snat(const Network& network, const Guest& guest, Refusals& refusals) {
  for (const auto& snat : guest.snat.all()) {
    const auto refuse = [&](std::string reason, std::string remedy) {
      refusals.push_back({.field = Field::snat,
                          .index = snat.is_v4() ? 0U : 1U,
                          .reason = std::move(reason),
                          .remedy = std::move(remedy)});
    };
    const auto text = snat.to_string();
    if (network.mode != Mode::nat) {
      refuse("network " + network.name + " is " + std::string{name(network.mode)} +
                 ", so nothing its guests send is translated to " + text,
             "leave snat out, or give the network mode = \"nat\"");
    } else if (!has_family(guest, snat)) {
      refuse(without_family(snat), kGiveIpv6);
    } else if (no_address_of_a_host(snat)) {
      refuse(text + " is no address that the world could answer", "name an address of the uplink's network");
    } else if (snat.is_v4() ? contains(network.prefix, snat.to_v4())
                            : network.prefix6 && contains(*network.prefix6, snat.to_v6())) {
      refuse(text + " is inside the guests' own network " + network.name, "name an address of the uplink's network");
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
    const auto taken = tap_by_floating_.find(floating);
    const auto shared = taps_by_allowed_.find(floating);
    const auto is_it = [&](const Publish& publish) { return publish.host == floating; };
    if (!has_family(guest, floating)) {
      refuse(without_family(floating), kGiveIpv6);
    } else if (no_address_of_a_host(floating)) {
      refuse(text + " is no address that the world could call", another);
    } else if (const auto* network = network_of(config, floating)) {
      refuse(text + " is inside network " + network->name, another, network->declared_at);
    } else if (taken != tap_by_floating_.end()) {
      refuse(text + " is the floating address of " + who(taken->second), another, place_of(taken->second));
    } else if (const auto* routed = behind(floating)) {
      refuse(text + " is in a prefix of " + who(*routed), another, place_of(*routed));
    } else if (shared != taps_by_allowed_.end()) {
      refuse(text + " is an allowed address of " + who(*shared->second.begin()), another,
             place_of(*shared->second.begin()));
    } else if (const auto* tap = ports_.holder_on(floating)) {
      refuse("ports of " + who(*tap) + " are published on " + text, another, place_of(*tap));
    } else if (std::ranges::any_of(guest.publish, is_it)) {
      refuse("ports of this guest are published on " + text + ", which leads to it as a whole",
             "leave those ports out: the policy says who may reach them");
    }
  }
}

void GuestTable::fit_prefixes(const Config& config, const Guest& guest, Refusals& refusals) const {
  std::size_t index = 0;
  const auto refuse = [&](std::string reason, std::string remedy, Place other = {}) {
    refusals.push_back({.field = Field::prefixes,
                        .index = index,
                        .reason = std::move(reason),
                        .remedy = std::move(remedy),
                        .other = std::move(other)});
  };
  const auto fit = [&](const auto& prefixes, const auto& taken, unsigned short least) {
    std::remove_cvref_t<decltype(taken)> own;
    for (const auto& prefix : prefixes) {
      const auto text = prefix.to_string();
      const std::string another = "give the guest another prefix";
      if (!has_family(guest, prefix.network())) {
        refuse(text + " is an IPv6 prefix, and the guest has no IPv6 address to route it by", kGiveIpv6);
      } else if (auto why = unusable(prefix, least)) {
        refuse(*std::move(why), another);
      } else if (auto network = overlapped_network(config, prefix)) {
        refuse(text + " overlaps " + *network, another);
      } else if (const auto other = overlapped(taken, prefix); other != taken.end()) {
        refuse(text + " overlaps " + other->first.to_string() + " of " + who(other->second), another,
               place_of(other->second));
      } else if (const auto twin = overlapped(own, prefix); twin != own.end()) {
        refuse(text + " overlaps " + twin->first.to_string() + " of the same guest", "leave one of them out");
      } else if (const auto floating = std::ranges::find_if(
                     tap_by_floating_,
                     [&](const auto& entry) {
                       if (entry.first.is_v4() != address{prefix.network()}.is_v4()) return false;
                       if constexpr (std::is_same_v<std::remove_cvref_t<decltype(prefix)>, network_v4>) {
                         return contains(prefix, entry.first.to_v4());
                       } else {
                         return contains(prefix, entry.first.to_v6());
                       }
                     });
                 floating != tap_by_floating_.end()) {
        refuse(text + " holds " + floating->first.to_string() + ", the floating address of " + who(floating->second),
               another, place_of(floating->second));
      }
      own.emplace(prefix, guest.tap);
      ++index;
    }
  };
  if (guest.prefixes4.size() + guest.prefixes6.size() > kMaxPrefixes) {
    return refuse("the guest has more than " + std::to_string(kMaxPrefixes) + " prefixes", "route it wider ones");
  }
  fit(guest.prefixes4, tap_by_prefix4_, kMinLength4);
  fit(guest.prefixes6, tap_by_prefix6_, kMinLength6);
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
    const auto floating = tap_by_floating_.find(allowed);
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
    } else if (holder != nullptr) {
      refuse(text + " is the address of " + who(holder->tap), another, holder->declared_at);
    } else if (floating != tap_by_floating_.end()) {
      refuse(text + " is the floating address of " + who(floating->second), another, place_of(floating->second));
    } else if (const auto* routed = behind(allowed)) {
      refuse(text + " is in a prefix of " + who(*routed), another, place_of(*routed));
    }
  }
}

void GuestTable::insert_more(const Guest& guest) {
  for (const auto& floating : guest.floating.all()) tap_by_floating_[floating] = guest.tap;
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
