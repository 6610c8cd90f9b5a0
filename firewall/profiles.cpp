// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/profiles.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <utility>

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
  return text;
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
      return false;
  }
  std::abort();
}

Profiles::Profiles(const config::Config& config) : no_policy_{config.policy.empty()} {
  // So that a network's first guest is elements only, like any other.
  for (const auto& [name, network] : config.networks) limited_ |= limited(Guest{}, network);
  const auto look_at = [&](const Peer& peer) {
    if (peer.kind == Peer::Kind::guest) named_.insert(peer.name);
    for (const auto& [name, network] : config.networks) {
      if (may_mean(peer, network, config.policy)) concerned_.insert(name);
    }
  };
  for (const auto& rule : config.policy.rules) {
    std::ranges::for_each(rule.from, look_at);
    std::ranges::for_each(rule.to, look_at);
  }
}

// Empty: none of its own.
std::optional<Membership> Profiles::membership(const Guest& guest, const Network& network) const {
  // Without a policy nobody says what groups mean: a profile without chains, through which nothing passes. Files that
  // are lost must not open what they closed.
  if (no_policy_ && guest.groups.empty()) return std::nullopt;
  const bool named = named_.contains(guest.name);
  if (guest.groups.empty() && !named && !concerned_.contains(network.name)) return std::nullopt;
  Membership m{network.name, network.mode, guest.groups, named ? guest.name : ""};
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

bool Profiles::within(const Profiles& other) const {
  if (no_policy_ != other.no_policy_ || named_ != other.named_ || concerned_ != other.concerned_) return false;
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
