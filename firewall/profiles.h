// SPDX-License-Identifier: GPL-2.0-or-later
// What the rules depend on of the guests. Most of it is what guests are to the policy. Guests that no rule tells apart
// share a profile: a number, which their elements carry and which a packet carries as its mark while it is judged.
// Chains belong to profiles, never to guests.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/model.h"
#include "firewall/resolvers.h"

namespace vrouter::firewall {

using ProfileId = std::uint32_t;

inline constexpr ProfileId kNoGuest = 0;  // the mark of what is no guest
// The profiles that need no chains of their own: guests in no group, that no rule names.
inline constexpr ProfileId kOpenProfile = 1;      // egress open, ingress rejected
inline constexpr ProfileId kIsolatedProfile = 2;  // both rejected

// All that rules can tell guests apart by.
struct Membership {
  std::string network;
  config::Mode mode = config::Mode::nat;
  std::vector<std::string> groups;  // sorted
  std::string guest = {};           // where a rule names this very guest; else empty
  // Peers as they are written, sorted: by address, and it has some of those in its prefixes or may have them besides
  // its own. Without those that mean addresses of its network anyhow.
  std::vector<std::string> addresses = {};

  auto operator<=>(const Membership&) const = default;
};

// The kinds of limits by index of config::kLimitSpecs, and from kFirstCount on the numbers of connections, by exponent.
inline constexpr std::size_t kFirstCount = 8;
using LimitKinds = std::bitset<32>;
static_assert(config::kLimitSpecs.size() <= kFirstCount);

class Profiles {
 public:
  Profiles() = default;  // of the empty policy
  // Those of a configuration's policy, for guests that are to be added.
  explicit Profiles(const config::Config& config);

  // Enters the guest's profile and the kinds of its limits; true: there were none like it, so the rules must be
  // compiled anew.
  bool add(const config::Guest& guest, const config::Network& network);
  // The same, and what of() then returns.
  ProfileId enter(const config::Guest& guest, const config::Network& network);
  // Of a guest that was added, or that needs none of its own; kIsolatedProfile where it needs one and has none.
  [[nodiscard]] ProfileId of(const config::Guest& guest, const config::Network& network) const;
  // Whether add() would return true.
  [[nodiscard]] bool lacks(const config::Guest& guest, const config::Network& network) const;

  // Whether a guest that was added has that limit (config::kLimitSpecs by index), or a network's guests may.
  [[nodiscard]] bool limits(std::size_t kind) const { return limited_.test(kind); }
  // The limits of connections that those guests have, each a power of two.
  [[nodiscard]] std::vector<std::uint32_t> connection_limits() const;
  // Whether both tell guests apart by the same, whoever is added.
  [[nodiscard]] bool reads_as(const Profiles& other) const;
  // Whether every guest of these has the profile that it has in `other`, which may have more of them.
  [[nodiscard]] bool within(const Profiles& other) const;

  // Which groups' guests may ask no other resolver.
  [[nodiscard]] const ResolverGroups& resolvers() const noexcept { return resolvers_; }

  // Those with chains of their own.
  [[nodiscard]] const std::map<Membership, ProfileId>& all() const noexcept { return ids_; }

 private:
  // Peers that rules name, as they are written.
  using Written = std::set<std::string>;
  struct ByAddress {
    std::map<network_v4, std::string, config::NetworkLess> nets4;
    std::map<network_v6, std::string, config::NetworkLess> nets6;
    std::map<std::string, std::pair<std::vector<network_v4>, std::vector<network_v6>>> sets;
    bool operator==(const ByAddress&) const = default;
  };

  [[nodiscard]] std::optional<Membership> membership(const config::Guest& guest, const config::Network& network) const;
  [[nodiscard]] std::vector<std::string> by_address(const config::Guest& guest, const config::Network& network) const;

  bool no_policy_ = true;
  bool more_addresses_ = false;  // a guest was added that has any
  std::set<std::string> named_;  // guests that rules name
  // Networks whose guests rules mean, be they in no group, and by which addresses.
  std::map<std::string, Written> concerned_;
  std::shared_ptr<const ByAddress> addresses_ = std::make_shared<ByAddress>();
  std::map<Membership, ProfileId> ids_;
  std::set<ProfileId> taken_;
  LimitKinds limited_;
  ResolverGroups resolvers_;
};

// Whether the peer means guests of this membership, whatever their addresses.
[[nodiscard]] bool means(const config::Peer& peer, const Membership& guest);
// Whether it may mean a guest of the network that is in no group: by its kind, or by addresses of the network's.
[[nodiscard]] bool may_mean(const config::Peer& peer, const config::Network& network, const config::Policy& policy);

// 64 bits by which a text is known from one start to the next (FNV-1a).
[[nodiscard]] std::uint64_t stable_hash(std::string_view text) noexcept;

}  // namespace vrouter::firewall
