// SPDX-License-Identifier: GPL-2.0-or-later
// A policy's rule as one profile sees it, taken apart into pieces that a single look-up or line can say.
// Not for other rooms.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/model.h"
#include "firewall/profiles.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

// On which side of a packet's way a profile's guests stand.
enum class Side { egress, ingress, to_host, from_host };
inline constexpr Side kSides[] = {Side::egress, Side::ingress, Side::to_host, Side::from_host};
[[nodiscard]] std::string_view suffix(Side side) noexcept;  // of the names of its chains: "eg"

// The peer: anybody, or who has one of these marks, or one address condition.
struct PeerPart {
  bool any = false;
  std::set<ProfileId> marks;         // kNoGuest: the world
  std::optional<Statement> address;  // of the packet's other end
  bool operator==(const PeerPart&) const = default;
};

using PortKey = std::pair<std::uint8_t, std::uint16_t>;  // protocol, destination port

// The traffic: all of it, or one of these ports, or what one list of statements matches.
struct ServicePart {
  bool all = false;
  std::set<PortKey> ports;
  std::vector<Statement> match;
  std::vector<config::Service> meant;  // for disjoint(); empty: all
};

struct Part {
  const config::PolicyRule* rule = nullptr;
  std::optional<Statement> own;  // a condition on the guest's own address
  PeerPart peer;
  ServicePart service;
};

// What compiling needs to know besides the rule.
struct PolicyScope {
  const config::Config& config;
  std::map<std::string, std::set<ProfileId>> members;  // by peer, as it is written: "group:web"

  PolicyScope(const config::Config& config, const Profiles& profiles);
};

// How a rule's peer is found again by those it may mean: as it is written where it names some guests, and empty where
// it may mean any.
[[nodiscard]] std::string index_key(const config::Peer& peer);
// The keys of all peers that may mean these guests.
[[nodiscard]] std::vector<std::string> index_keys(const Membership& guest);

// The rule's parts for guests of `guest` on that side, which may be put in any order among themselves; none: the rule
// doesn't speak there.
[[nodiscard]] std::vector<Part> take_apart(const config::PolicyRule& rule, const Membership& guest, Side side,
                                           const PolicyScope& scope);

// No packet matches both.
[[nodiscard]] bool disjoint(const Part& a, const Part& b);

// The name of an address set's nft set.
[[nodiscard]] std::string address_set_name(const std::string& set, bool v6);

}  // namespace vrouter::firewall
