// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/profiles.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <utility>

#include "config/address_sets.h"
#include "config/more_addresses.h"

namespace vrouter::firewall {
namespace {

using config::Guest;
using config::Mode;
using config::Network;
using config::Peer;

ProfileId built_in(const Network& network) {
  switch (network.mode) {
    case Mode::nat:
    case Mode::routed:
      return kOpenProfile;
    case Mode::isolated:
      return kIsolatedProfile;
  }
  std::abort();
}

// Without the built-in ones, and without the highest bit, which nothing needs.
ProfileId candidate(std::uint64_t hash) {
  constexpr std::uint32_t kSpan = 0x7fffff00;
  return static_cast<ProfileId>(hash % kSpan) + kIsolatedProfile + 1;
}

LimitKinds limited(const Guest& guest, const Network& network) {
  const auto limits = config::merged(guest.limits, network.limits);
  LimitKinds kinds;
  for (std::size_t i = 0; i < config::kLimitSpecs.size(); ++i)
    kinds[i] = (limits.*(config::kLimitSpecs[i].member)).has_value();
  if (limits.connections) kinds.set(kFirstCount + static_cast<std::size_t>(std::bit_width(*limits.connections)) - 1);
  return kinds;
}

std::string canonical(const Membership& m) {
  std::string text = m.network + '\n' + std::string{config::name(m.mode)} + '\n' + m.guest;
  for (const auto& group : m.groups) text += '\n' + group;
  if (!m.addresses.empty()) text += '\n';  // no group's name is empty
  for (const auto& peer : m.addresses) text += '\n' + peer;
  return text;
}

// The nets that the prefix has addresses of: those around it, one for each length at most, and those in it.
template <typename Nets, typename Prefix>
void add_overlapping(const Nets& nets, const Prefix& prefix, std::set<std::string>& into) {
  if (nets.empty()) return;
  for (unsigned short length = 0; length < prefix.prefix_length(); ++length) {
    const auto around = nets.find(Prefix{prefix.address(), length}.canonical());
    if (around != nets.end()) into.insert(around->second);
  }
  for (auto in = nets.lower_bound(prefix); in != nets.end() && config::overlap(prefix, in->first); ++in) {
    into.insert(in->second);
  }
}

}  // namespace

std::uint64_t stable_hash(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<std::uint8_t>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

bool means(const Peer& peer, const Membership& guest) {
  switch (peer.kind) {
    case Peer::Kind::any:
      return true;
    case Peer::Kind::world:
    case Peer::Kind::host:
    case Peer::Kind::set:
    case Peer::Kind::net:
    case Peer::Kind::domain:
      return false;
    case Peer::Kind::group:
      return std::ranges::find(guest.groups, peer.name) != guest.groups.end();
    case Peer::Kind::guest:
      return guest.guest == peer.name;
    case Peer::Kind::network:
      return guest.network == peer.name;
  }
  std::abort();
}

bool may_mean(const Peer& peer, const Network& network, const config::Policy& policy) {
  const auto in4 = [&](const network_v4& prefix) { return config::overlap(prefix, network.prefix); };
  const auto in6 = [&](const network_v6& prefix) {
    return network.prefix6 && config::overlap(prefix, *network.prefix6);
  };
  switch (peer.kind) {
    case Peer::Kind::any:
      return true;
    case Peer::Kind::network:
      return peer.name == network.name;
    case Peer::Kind::net:
      return (peer.net4 && in4(*peer.net4)) || (peer.net6 && in6(*peer.net6));
    case Peer::Kind::set: {
      const auto set = policy.sets.find(peer.name);
      return set != policy.sets.end() &&
             (std::ranges::any_of(set->second.v4, in4) || std::ranges::any_of(set->second.v6, in6));
    }
    case Peer::Kind::world:
    case Peer::Kind::host:
    case Peer::Kind::group:
    case Peer::Kind::guest:
    case Peer::Kind::domain:
      return false;
  }
  std::abort();
}

Profiles::Profiles(const config::Config& config) : no_policy_{config.policy.empty()}, resolvers_{config.dns} {
  // So that a network's first guest is elements only, like any other.
  for (const auto& [name, network] : config.networks) limited_ |= limited(Guest{}, network);
  std::set<std::string> seen;
  ByAddress by_address;
  const auto look_at = [&](const Peer& peer) {
    if (peer.kind == Peer::Kind::guest) named_.insert(peer.name);
    const bool is_by_address = peer.kind == Peer::Kind::set || peer.kind == Peer::Kind::net;
    const auto written = is_by_address ? peer.to_string() : std::string{};
    if (is_by_address && !seen.insert(written).second) return;
    for (const auto& [name, network] : config.networks) {
      if (may_mean(peer, network, config.policy)) concerned_[name].insert(written);
    }
    if (!is_by_address) return;
    if (peer.net4) by_address.nets4.emplace(*peer.net4, written);
    if (peer.net6) by_address.nets6.emplace(*peer.net6, written);
    const auto set = config.policy.sets.find(peer.name);
    if (peer.kind == Peer::Kind::net || set == config.policy.sets.end()) return;
    by_address.sets.emplace(written, std::pair{set->second.v4, set->second.v6});
  };
  for (const auto& rule : config.policy.rules) {
    std::ranges::for_each(rule.from, look_at);
    std::ranges::for_each(rule.to, look_at);
  }
  addresses_ = std::make_shared<const ByAddress>(std::move(by_address));
}

std::vector<std::string> Profiles::by_address(const Guest& guest, const Network& network) const {
  if (!guest.has_more_addresses()) return {};
  Written peers;
  const auto more = config::more_addresses(guest);
  for (const auto& prefix : more.v4) add_overlapping(addresses_->nets4, prefix, peers);
  for (const auto& prefix : more.v6) add_overlapping(addresses_->nets6, prefix, peers);
  for (const auto& [written, set] : addresses_->sets) {
    const auto& [v4, v6] = set;
    if (std::ranges::any_of(more.v4, [&](const auto& prefix) { return config::overlaps(v4, prefix); }) ||
        std::ranges::any_of(more.v6, [&](const auto& prefix) { return config::overlaps(v6, prefix); })) {
      peers.insert(written);
    }
  }
  if (const auto known = concerned_.find(network.name); known != concerned_.end()) {
    std::erase_if(peers, [&](const std::string& peer) { return known->second.contains(peer); });
  }
  return {peers.begin(), peers.end()};
}

// Empty: none of its own.
std::optional<Membership> Profiles::membership(const Guest& guest, const Network& network) const {
  // Without a policy nobody says what groups mean: a profile without chains, through which nothing passes. Files that
  // are lost must not open what they closed.
  if (no_policy_ && guest.groups.empty()) return std::nullopt;
  const bool named = named_.contains(guest.name);
  auto addresses = by_address(guest, network);
  if (guest.groups.empty() && !named && addresses.empty() && !concerned_.contains(network.name)) return std::nullopt;
  Membership m{network.name, network.mode, guest.groups, named ? guest.name : "", std::move(addresses)};
  std::ranges::sort(m.groups);
  return m;
}

bool Profiles::add(const Guest& guest, const Network& network) {
  const auto kinds = limited_ | limited(guest, network);
  const bool more = std::exchange(limited_, kinds) != kinds;
  const auto before = ids_.size();
  enter(guest, network);
  return more || ids_.size() != before;
}

ProfileId Profiles::enter(const Guest& guest, const Network& network) {
  limited_ |= limited(guest, network);
  more_addresses_ |= guest.has_more_addresses();
  auto m = membership(guest, network);
  if (!m) return built_in(network);
  if (const auto known = ids_.find(*m); known != ids_.end()) return known->second;
  // Two that hash alike are rare, and must not be one.
  auto id = candidate(stable_hash(canonical(*m)));
  while (!taken_.insert(id).second) ++id;
  ids_.emplace(std::move(*m), id);
  return id;
}

std::vector<std::uint32_t> Profiles::connection_limits() const {
  std::vector<std::uint32_t> limits;
  for (auto i = kFirstCount; i < limited_.size(); ++i) {
    if (limited_.test(i)) limits.push_back(1U << (i - kFirstCount));
  }
  return limits;
}

bool Profiles::reads_as(const Profiles& other) const {
  return no_policy_ == other.no_policy_ && named_ == other.named_ && concerned_ == other.concerned_ &&
         resolvers_ == other.resolvers_ &&
         (addresses_ == other.addresses_ ||
          (addresses_ != nullptr && other.addresses_ != nullptr && *addresses_ == *other.addresses_));
}

bool Profiles::within(const Profiles& other) const {
  const auto same_networks = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (no_policy_ != other.no_policy_ || named_ != other.named_ || resolvers_ != other.resolvers_ ||
      !std::ranges::equal(concerned_, other.concerned_, same_networks)) {
    return false;
  }
  if ((more_addresses_ || other.more_addresses_) &&
      (*addresses_ != *other.addresses_ || concerned_ != other.concerned_)) {
    return false;
  }
  return std::ranges::all_of(ids_, [&](const auto& entry) {
    const auto found = other.ids_.find(entry.first);
    return found != other.ids_.end() && found->second == entry.second;
  });
}

bool Profiles::lacks(const Guest& guest, const Network& network) const {
  const auto m = membership(guest, network);
  return (m && !ids_.contains(*m)) || (limited(guest, network) & ~limited_).any();
}

ProfileId Profiles::of(const Guest& guest, const Network& network) const {
  const auto m = membership(guest, network);
  if (!m) return built_in(network);
  const auto found = ids_.find(*m);
  return found == ids_.end() ? kIsolatedProfile : found->second;
}

}  // namespace vrouter::firewall
