// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/policy_parts.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/netfilter.h>

#include <algorithm>

#include "firewall/domains.h"
#include "firewall/words.h"

namespace vrouter::firewall {
namespace {

using config::Peer;
using config::PolicyRule;
using config::Service;
using namespace words;

// A range of up to so many ports is as many elements of a hash; beyond it a comparison costs less than the memory.
constexpr std::size_t kMaxExpanded = 1024;

bool of_guests(Side side) {
  return side == Side::egress || side == Side::ingress;
}
bool guest_sends(Side side) {
  return side == Side::egress || side == Side::to_host;
}

// `source`: the packet's source is compared, else its destination.
std::vector<Statement> address_conditions(const Peer& peer, bool source, const config::Policy& policy) {
  const auto field4 = source ? Field::ip_saddr : Field::ip_daddr;
  const auto field6 = source ? Field::ip6_saddr : Field::ip6_daddr;
  std::vector<Statement> found;
  if (peer.kind == Peer::Kind::domain && !source) {
    found.emplace_back(in({Field::iifname, field4}, domain_set_name(peer.name, false)));
    found.emplace_back(in({Field::iifname, field6}, domain_set_name(peer.name, true)));
  }
  if (peer.kind == Peer::Kind::set) {
    const auto set = policy.sets.find(peer.name);
    if (set == policy.sets.end()) return found;
    if (!set->second.v4.empty()) found.emplace_back(in({field4}, address_set_name(peer.name, false)));
    if (!set->second.v6.empty()) found.emplace_back(in({field6}, address_set_name(peer.name, true)));
  }
  const auto compare = [&](Field field, std::uint8_t family, const auto& prefix, std::uint8_t whole) {
    const auto length = static_cast<std::uint8_t>(prefix.prefix_length());
    if (length == 0) return is(Field::nfproto, {family});
    return within(field, bytes_of(prefix.network()), length == whole ? 0 : length);
  };
  if (peer.net4) found.emplace_back(compare(field4, NFPROTO_IPV4, *peer.net4, 32));
  if (peer.net6) found.emplace_back(compare(field6, NFPROTO_IPV6, *peer.net6, 128));
  return found;
}

// The conditions under which the guest itself is meant: empty optional for "always", none: never.
std::vector<std::optional<Statement>> own_conditions(const std::vector<Peer>& peers, const Membership& guest, Side side,
                                                     const PolicyScope& scope) {
  if (std::ranges::any_of(peers, [&](const Peer& peer) { return means(peer, guest); })) return {std::nullopt};
  std::vector<std::optional<Statement>> found;
  const auto network = scope.config.networks.find(guest.network);
  if (network == scope.config.networks.end()) return found;
  for (const auto& peer : peers) {
    const bool by_address = peer.kind == Peer::Kind::set || peer.kind == Peer::Kind::net;
    if (!by_address || (!may_mean(peer, network->second, scope.config.policy) &&
                        !std::ranges::binary_search(guest.addresses, peer.to_string()))) {
      continue;
    }
    for (auto& condition : address_conditions(peer, guest_sends(side), scope.config.policy)) {
      found.emplace_back(std::move(condition));
    }
  }
  return found;
}

std::vector<PeerPart> peer_parts(const std::vector<Peer>& peers, Side side, const PolicyScope& scope) {
  const auto is_host = [](const Peer& peer) { return peer.kind == Peer::Kind::host; };
  if (!of_guests(side)) {
    return std::ranges::any_of(peers, is_host) ? std::vector{PeerPart{true, {}, {}}} : std::vector<PeerPart>{};
  }
  if (std::ranges::any_of(peers, [](const Peer& peer) { return peer.kind == Peer::Kind::any; })) {
    return {PeerPart{true, {}, {}}};
  }
  std::vector<PeerPart> parts;
  PeerPart marks;
  for (const auto& peer : peers) {
    if (peer.kind == Peer::Kind::world) marks.marks.insert(kNoGuest);
    if (const auto members = scope.members.find(index_key(peer)); members != scope.members.end()) {
      marks.marks.insert(members->second.begin(), members->second.end());
    }
    for (auto& condition : address_conditions(peer, side == Side::ingress, scope.config.policy)) {
      parts.push_back({false, {}, std::move(condition)});
    }
  }
  if (!marks.marks.empty()) parts.insert(parts.begin(), std::move(marks));
  return parts;
}

std::vector<ServicePart> service_parts(const std::vector<Service>& services) {
  if (services.empty()) return {ServicePart{true, {}, {}, {}}};
  std::vector<ServicePart> parts;
  ServicePart ports;
  for (const auto& service : services) {
    if (service.ports) {
      const std::size_t count = std::size_t{service.ports->last} - service.ports->first + 1;
      if (ports.ports.size() + count <= kMaxExpanded) {
        for (std::uint32_t p = service.ports->first; p <= service.ports->last; ++p) {
          ports.ports.emplace(service.protocol, static_cast<std::uint16_t>(p));
        }
        ports.meant.push_back(service);
      } else {
        const Between range{Field::th_dport, network_order(service.ports->first), network_order(service.ports->last)};
        parts.push_back({false, {}, {protocol(service.protocol), range}, {service}});
      }
    } else if (service.icmp_type) {
      const auto field = service.protocol == IPPROTO_ICMPV6 ? Field::icmpv6_type : Field::icmp_type;
      parts.push_back({false, {}, {is(field, bytes_of(*service.icmp_type))}, {service}});
    } else {
      parts.push_back({false, {}, {protocol(service.protocol)}, {service}});
    }
  }
  if (!ports.ports.empty()) parts.insert(parts.begin(), std::move(ports));
  return parts;
}

// What the condition is about; 0: not an address.
std::uint8_t family_of(const Statement& condition) {
  const auto of = [](Field field) -> std::uint8_t {
    if (field == Field::ip_saddr || field == Field::ip_daddr) return NFPROTO_IPV4;
    return field == Field::ip6_saddr || field == Field::ip6_daddr ? std::uint8_t{NFPROTO_IPV6} : std::uint8_t{0};
  };
  if (const auto* lookup = std::get_if<Lookup>(&condition)) return of(lookup->key.back());
  const auto* compare = std::get_if<Compare>(&condition);
  if (compare == nullptr) return 0;
  return compare->field == Field::nfproto ? compare->value.front() : of(compare->field);
}

// No packet has addresses of both families.
bool can_be_one_packet(const std::optional<Statement>& own, const PeerPart& peer) {
  return !own || !peer.address || family_of(*own) == family_of(*peer.address);
}

bool disjoint(const Service& a, const Service& b) {
  if (a.protocol != b.protocol) return true;
  if (a.ports && b.ports) return a.ports->last < b.ports->first || b.ports->last < a.ports->first;
  return a.icmp_type && b.icmp_type && *a.icmp_type != *b.icmp_type;
}

bool disjoint(const PeerPart& a, const PeerPart& b) {
  if (a.marks.empty() || b.marks.empty()) return false;
  return std::ranges::none_of(a.marks, [&](ProfileId id) { return b.marks.contains(id); });
}

}  // namespace

std::string index_key(const Peer& peer) {
  switch (peer.kind) {
    case Peer::Kind::group:
    case Peer::Kind::guest:
    case Peer::Kind::network:
      return peer.to_string();
    case Peer::Kind::any:
    case Peer::Kind::world:
    case Peer::Kind::host:
    case Peer::Kind::set:
    case Peer::Kind::net:
    case Peer::Kind::domain:
      return {};
  }
  std::abort();
}

std::vector<std::string> index_keys(const Membership& guest) {
  std::vector<std::string> keys{{}, Peer{Peer::Kind::network, guest.network, {}, {}}.to_string()};
  for (const auto& group : guest.groups) keys.push_back(Peer{Peer::Kind::group, group, {}, {}}.to_string());
  if (!guest.guest.empty()) keys.push_back(Peer{Peer::Kind::guest, guest.guest, {}, {}}.to_string());
  return keys;
}

PolicyScope::PolicyScope(const config::Config& config, const Profiles& profiles) : config{config} {
  for (const auto& [membership, id] : profiles.all()) {
    for (auto& key : index_keys(membership)) {
      if (!key.empty()) members[std::move(key)].insert(id);
    }
  }
}

std::string_view suffix(Side side) noexcept {
  switch (side) {
    case Side::egress:
      return "eg";
    case Side::ingress:
      return "in";
    case Side::to_host:
      return "host";
    case Side::from_host:
      return "hosted";
  }
  std::abort();
}

std::vector<Part> take_apart(const PolicyRule& rule, const Membership& guest, Side side, const PolicyScope& scope) {
  const auto& own = guest_sends(side) ? rule.from : rule.to;
  const auto& others = guest_sends(side) ? rule.to : rule.from;
  std::vector<Part> parts;
  const auto conditions = own_conditions(own, guest, side, scope);
  if (conditions.empty()) return parts;
  const auto peers = peer_parts(others, side, scope);
  const auto services = service_parts(rule.services);
  for (const auto& condition : conditions) {
    for (const auto& peer : peers) {
      if (!can_be_one_packet(condition, peer)) continue;
      for (const auto& service : services) parts.push_back({&rule, condition, peer, service});
    }
  }
  return parts;
}

bool disjoint(const Part& a, const Part& b) {
  if (disjoint(a.peer, b.peer)) return true;
  if (a.service.meant.empty() || b.service.meant.empty()) return false;
  return std::ranges::all_of(a.service.meant, [&](const Service& mine) {
    return std::ranges::all_of(b.service.meant, [&](const Service& theirs) { return disjoint(mine, theirs); });
  });
}

std::string address_set_name(const std::string& set, bool v6) {
  return "s_" + set + (v6 ? "_6" : "_4");
}

}  // namespace vrouter::firewall
