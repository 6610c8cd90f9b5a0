// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/compile.h"

#include <netinet/in.h>

#include <algorithm>
#include <initializer_list>

#include "firewall/limits.h"
#include "firewall/policy_chains.h"
#include "firewall/skeleton.h"
#include "firewall/words.h"

namespace vrouter::firewall {
namespace {

using config::DnsServer;
using config::DnsTransport;
using config::Guest;
using config::Network;
using config::Publish;
using namespace words;

// The same for both families: which of the twin sets, and what an address is.
template <typename Address>
struct Twins;
template <>
struct Twins<address_v4> {
  static constexpr const char *kSpoof = "spoof4", *kPinned = "pinned4", *kId = "id4", *kDst = "dst4", *kPub = "pub4",
                              *kPubAny = "pub4any", *kHairpin = "hairpin4", *kFloat = "float4",
                              *kFloating = "floating4", *kSnat = "snat4", *kNetSnat = "net_snat4", *kMasq = "masq4",
                              *kRouted = "routed4", *kRoutedSnat = "routed_snat4", *kRoutedMasq = "routed_masq4";
  static bool same_family(const address& a) { return a.is_v4(); }
  static const auto& of(const config::Addresses& a) { return a.v4; }
  static address_v4 from(const address& a) { return a.to_v4(); }
};
template <>
struct Twins<address_v6> {
  static constexpr const char *kSpoof = "spoof6", *kPinned = "pinned6", *kId = "id6", *kDst = "dst6", *kPub = "pub6",
                              *kPubAny = "pub6any", *kHairpin = "hairpin6", *kFloat = "float6",
                              *kFloating = "floating6", *kSnat = "snat6", *kNetSnat = "net_snat6", *kMasq = "masq6",
                              *kRouted = "routed6", *kRoutedSnat = "routed_snat6", *kRoutedMasq = "routed_masq6";
  static bool same_family(const address& a) { return a.is_v6(); }
  static const auto& of(const config::Addresses& a) { return a.v6; }
  static address_v6 from(const address& a) { return a.to_v6(); }
};

// A range becomes one element per port: a look-up in a hash costs the same whatever its size, and no other guest's
// range has to be touched to change one.
template <typename Address>
void add_published(const Address& own, const Publish& publish, std::vector<Element>& out) {
  using T = Twins<Address>;
  if (publish.host && !T::same_family(*publish.host)) return;
  const auto protocol = bytes_of(static_cast<std::uint8_t>(publish.protocol));
  for (std::uint32_t offset = 0; offset <= std::uint32_t{publish.last} - publish.first; ++offset) {
    const auto host_port = network_order(static_cast<std::uint16_t>(publish.first + offset));
    const auto target =
        concat({bytes_of(own), network_order(static_cast<std::uint16_t>(publish.guest_first + offset))});
    if (publish.host) {
      out.push_back(inet(T::kPub, concat({bytes_of(T::from(*publish.host)), protocol, host_port}), target));
    } else {
      out.push_back(inet(T::kPubAny, concat({protocol, host_port}), target));
    }
  }
}

// What the guest may send from and may be sent.
template <typename Address>
void admit_address(const Guest& guest, const Address& its, ProfileId profile, std::vector<Element>& out) {
  using T = Twins<Address>;
  const auto tap = bytes_of(guest.tap), ip = bytes_of(its);
  if (guest.mac) {
    out.push_back(inet(T::kPinned, concat({tap, bytes_of(*guest.mac), ip})));
  } else {
    out.push_back(inet(T::kSpoof, concat({tap, ip})));
  }
  out.push_back(inet(T::kDst, concat({tap, ip}), host_order(profile)));
}

// What it is called outside.
template <typename Address>
void add_translations(const Guest& guest, const Address& own, const std::optional<Address>& gateway,
                      std::vector<Element>& out) {
  using T = Twins<Address>;
  const auto ip = bytes_of(own);
  const auto &floating = T::of(guest.floating), &snat = T::of(guest.snat);
  if (floating) {
    out.push_back(inet(T::kFloat, bytes_of(*floating), ip));
    out.push_back(inet(T::kFloating, bytes_of(*floating)));
  }
  if (const auto& outside = floating ? floating : snat) out.push_back(inet(T::kSnat, ip, bytes_of(*outside)));
  const auto& self = gateway ? gateway : floating;
  if ((!guest.publish.empty() || floating) && self) out.push_back(inet(T::kHairpin, concat({ip, ip}), bytes_of(*self)));
  for (const auto& publish : guest.publish) add_published(own, publish, out);
}

template <typename Address>
void add_address(const Guest& guest, const Address& own, const std::optional<Address>& gateway, ProfileId profile,
                 std::vector<Element>& out) {
  admit_address(guest, own, profile, out);
  out.push_back(inet(Twins<Address>::kId, bytes_of(own), host_order(profile)));
  add_translations(guest, own, gateway, out);
}

// Several guests may have one allowed address, so it is only ever part of a key with the TAP.
void add_allowed(const Guest& guest, ProfileId profile, std::vector<Element>& out) {
  for (const auto& allowed : guest.allowed_addresses) {
    if (allowed.is_v4()) {
      admit_address(guest, allowed.to_v4(), profile, out);
    } else {
      admit_address(guest, allowed.to_v6(), profile, out);
    }
  }
}

template <typename Prefix, typename Address>
void add_prefixes(const std::vector<Prefix>& prefixes, const std::optional<Address>& snat, bool behind_nat,
                  std::vector<Element>& out) {
  using T = Twins<Address>;
  for (const auto& prefix : prefixes) {
    out.push_back(interval(T::kRouted, prefix));
    if (!behind_nat) continue;
    out.push_back(snat ? interval(T::kRoutedSnat, prefix, bytes_of(*snat)) : interval(T::kRoutedMasq, prefix));
  }
}

void add_prefixes(const Guest& guest, const Network& network, std::vector<Element>& out) {
  const bool nat = network.mode == config::Mode::nat;
  add_prefixes(guest.prefixes4, guest.snat.v4 ? guest.snat.v4 : network.snat.v4, nat, out);
  add_prefixes(guest.prefixes6, guest.snat.v6 ? guest.snat.v6 : network.snat.v6, nat, out);
}

// What a socket of this host's sends from 127.0.0.1 can't be answered there.
void add_loopback(const Guest& guest, const address_v4& gateway, std::vector<Element>& out) {
  if (!guest.address || std::ranges::none_of(guest.publish, &Publish::on_loopback)) return;
  const auto pair = concat({bytes_of(address_v4::loopback()), bytes_of(*guest.address)});
  out.push_back(inet("hairpin4", pair, bytes_of(gateway)));
}

void add_arp(const Guest& guest, std::vector<Element>& out) {
  const auto tap = bytes_of(guest.tap);
  std::vector<Bytes> addresses;
  if (guest.address) addresses.push_back(bytes_of(*guest.address));
  for (const auto& allowed : guest.allowed_addresses) {
    if (allowed.is_v4()) addresses.push_back(bytes_of(allowed.to_v4()));
  }
  out.push_back(element(Family::arp, "taps", tap));
  if (guest.shared) out.push_back(element(Family::arp, "shared", tap));
  if (guest.mac) {
    const auto mac = bytes_of(*guest.mac);
    out.push_back(element(Family::arp, "macs", concat({tap, mac, mac})));
    for (const auto& its : addresses) out.push_back(element(Family::arp, "pinned4", concat({tap, mac, mac, its})));
  } else {
    out.push_back(element(Family::arp, "loose", tap));
    for (const auto& its : addresses) out.push_back(element(Family::arp, "spoof4", concat({tap, its})));
  }
}

// What a network is called in the world.
template <typename Prefix, typename Address>
void add_outside(const Prefix& prefix, const std::optional<Address>& snat, std::vector<Element>& out) {
  using T = Twins<Address>;
  out.push_back(snat ? interval(T::kNetSnat, prefix, bytes_of(*snat)) : interval(T::kMasq, prefix));
}

// Two bursts are ours: a TCP sender hands over a window's worth at once, and who opens a page opens dozens of
// connections. That of bytes only makes room for one packet of whatever size beside the kernel's own second.
Meter meter_for(std::string_view limit, std::uint64_t value) {
  constexpr std::uint64_t kLeastBurst = 32, kPacketsPerBurst = 10;
  constexpr std::uint32_t kLargestPacket = 65536, kSecondsOfBurst = 2;
  if (limit == "new_connections")
    return {Meter::Kind::packets, value, static_cast<std::uint32_t>(value * kSecondsOfBurst)};
  if (limit.ends_with(".bits")) return {Meter::Kind::bytes, value / 8, kLargestPacket};
  return {Meter::Kind::packets, value, static_cast<std::uint32_t>(std::max(value / kPacketsPerBurst, kLeastBurst))};
}

void add_limit_elements(const Guest& guest, const Network& network, std::vector<Element>& out) {
  const auto limits = config::merged(guest.limits, network.limits);
  for (const auto& spec : config::kLimitSpecs) {
    const auto& value = limits.*(spec.member);
    if (!value) continue;
    if (spec.power_of_two) {
      out.push_back(inet(connections_set(*value), bytes_of(guest.tap)));
      continue;
    }
    auto element = inet(std::string{limit_set(spec.name)}, bytes_of(guest.tap));
    element.data.meter = meter_for(spec.name, *value);
    out.push_back(std::move(element));
  }
}

void add_networks(const config::Config& config, std::vector<Element>& out) {
  for (const auto& [name, network] : config.networks) {
    out.push_back(inet("gateways4", bytes_of(network.gateway)));
    if (network.gateway6) out.push_back(inet("gateways6", bytes_of(*network.gateway6)));
    if (network.mode != config::Mode::nat) continue;
    add_outside(network.prefix, network.snat.v4, out);
    if (network.prefix6) add_outside(*network.prefix6, network.snat.v6, out);
  }
}

// Where answers of DHCP go that go to no TAP.
void add_relays(const config::Config& config, std::vector<Element>& out) {
  std::set<address_v4> relays;
  for (const auto& [name, network] : config.networks) {
    relays.insert(network.dhcp.relays.begin(), network.dhcp.relays.end());
    if (!network.dhcp.relays.empty()) out.push_back(interval("relayed4", network.prefix));
  }
  for (const auto& relay : relays) out.push_back(inet("relays4", bytes_of(relay)));
}

void add_constants(std::vector<Element>& out) {
  for (const auto number : std::initializer_list<std::uint16_t>{67, 547})
    out.push_back(inet("server_ports", network_order(number)));
  for (const auto type : std::initializer_list<std::uint8_t>{5, 9})
    out.push_back(inet("router_types4", bytes_of(type)));  // redirect, advertisement
  for (const auto type : std::initializer_list<std::uint8_t>{134, 137, 138})
    out.push_back(inet("router_types6", bytes_of(type)));  // RFC 4861, 2894
  // Echo, MLD reports and done, router and neighbour solicitation, neighbour advertisement, MLDv2 report.
  for (const auto type : std::initializer_list<std::uint8_t>{128, 129, 131, 132, 133, 135, 136, 143})
    out.push_back(inet("link_types6", bytes_of(type)));
  for (const auto type : std::initializer_list<std::uint8_t>{133, 135, 143})
    out.push_back(inet("unbound_types6", bytes_of(type)));
  constexpr std::uint16_t kDns = 53;
  for (const auto protocol : std::initializer_list<std::uint8_t>{IPPROTO_TCP, IPPROTO_UDP}) {
    out.push_back(inet("services", concat({bytes_of(protocol), network_order(kDns)})));
  }
}

}  // namespace

Ruleset compile(const config::Config& config, const Surroundings& surroundings, const Profiles& profiles,
                CompileCache* cache) {
  Ruleset ruleset{surroundings.own_table, {inet_table(), arp_table()}, {}};
  if (surroundings.users) add_output(*surroundings.users, ruleset.tables.front());
  add_limits(profiles, ruleset.tables.front());
  add_resolvers(profiles.resolvers(), ruleset);
  std::vector<Element> elements;
  if (surroundings.users) add_relays(config, elements);
  add_constants(elements);
  add_networks(config, elements);
  for (const auto& name : surroundings.guarded_interfaces) elements.push_back(inet("guarded4", bytes_of(name)));
  for (const auto& name : surroundings.guarded_interfaces6) elements.push_back(inet("guarded6", bytes_of(name)));
  elements.push_back(inet_verdict("prof_eg", host_order(kOpenProfile), accept()));
  elements.push_back(inet_verdict("prof_eg", host_order(kIsolatedProfile), go("isolated")));
  elements.push_back(inet_verdict("prof_in", host_order(kOpenProfile), go("uninvited")));
  elements.push_back(inet_verdict("prof_in", host_order(kIsolatedProfile), go("uninvited")));
  ruleset.insert(elements);
  add_policy(config, profiles, cache, ruleset);
  return ruleset;
}

std::vector<Element> compile_guest(const Guest& guest, const Network& network, const Profiles& profiles) {
  std::vector<Element> elements;
  const auto tap = bytes_of(guest.tap);
  elements.push_back(inet("taps", tap));
  elements.push_back(guest.mac ? inet("macs", concat({tap, bytes_of(*guest.mac)})) : inet("loose", tap));
  const auto profile = profiles.of(guest, network);
  if (guest.address) add_address(guest, *guest.address, std::optional{network.gateway}, profile, elements);
  if (guest.address6) add_address(guest, *guest.address6, network.gateway6, profile, elements);
  add_allowed(guest, profile, elements);
  add_prefixes(guest, network, elements);
  add_loopback(guest, network.gateway, elements);
  if (guest.has_more_addresses()) elements.push_back(inet("tap_id", tap, host_order(profile)));
  add_arp(guest, elements);
  add_limit_elements(guest, network, elements);
  add_resolver_elements(guest, network, profiles.resolvers(), false, elements);
  std::ranges::sort(elements);
  return elements;
}

std::vector<Element> compile_lessee(const Guest& lessee, const Network& network, const Profiles& profiles) {
  std::vector<Element> elements;
  if (!lessee.address || !lessee.mac) return elements;
  add_address(lessee, *lessee.address, std::optional{network.gateway}, profiles.of(lessee, network), elements);
  const auto mac = bytes_of(*lessee.mac);
  elements.push_back(
      element(Family::arp, "pinned4", concat({bytes_of(lessee.tap), mac, mac, bytes_of(*lessee.address)})));
  add_resolver_elements(lessee, network, profiles.resolvers(), true, elements);
  std::ranges::sort(elements);
  return elements;
}

std::vector<Element> upstream_elements(const std::vector<DnsServer>& servers) {
  using namespace boost::asio::ip;
  std::vector<Element> elements;
  const auto add = [&](const DnsServer& server, std::uint8_t protocol) {
    const auto key = [&](Bytes at) { return concat({std::move(at), {protocol}, network_order(server.port)}); };
    if (server.at.is_v4()) {
      elements.push_back(inet("upstreams4", key(bytes_of(server.at.to_v4()))));
    } else if (server.at.to_v6().is_v4_mapped()) {  // resolv.conf may have it so; its packets are IPv4
      elements.push_back(inet("upstreams4", key(bytes_of(make_address_v4(v4_mapped, server.at.to_v6())))));
    } else {
      elements.push_back(inet("upstreams6", key(bytes_of(server.at.to_v6()))));
    }
  };
  for (const auto& server : servers) {
    add(server, IPPROTO_TCP);
    if (server.transport == DnsTransport::udp) add(server, IPPROTO_UDP);
  }
  std::ranges::sort(elements);
  const auto repeated = std::ranges::unique(elements);
  elements.erase(repeated.begin(), repeated.end());
  return elements;
}

}  // namespace vrouter::firewall
