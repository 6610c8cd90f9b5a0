// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/peer_cover.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "config/address_sets.h"

namespace vrouter::config {
namespace {

using Kind = Peer::Kind;
using Family = PeerCover::Family;

bool is_addresses(const Peer& peer) {
  return peer.kind == Kind::set || peer.kind == Kind::net;
}

const auto& of(const MoreAddresses& more, const network_v4* /*family*/) {
  return more.v4;
}
const auto& of(const MoreAddresses& more, const network_v6* /*family*/) {
  return more.v6;
}

// What a peer, a network or a guest has of one family, chosen by the type of prefix. The own prefix alone of a network.
std::vector<network_v4> prefixes(const PeerCover& cover, const Peer& peer, const network_v4* /*family*/) {
  return cover.prefixes4(peer);
}
std::vector<network_v6> prefixes(const PeerCover& cover, const Peer& peer, const network_v6* /*family*/) {
  return cover.prefixes6(peer);
}
std::vector<network_v4> prefixes(const Network& network, const network_v4* /*family*/) {
  return {network.prefix};
}
std::vector<network_v6> prefixes(const Network& network, const network_v6* /*family*/) {
  return network.prefix6 ? std::vector{*network.prefix6} : std::vector<network_v6>{};
}
std::vector<network_v4> prefixes(const Guest& guest, const network_v4* /*family*/) {
  auto all = more_addresses(guest).v4;
  if (guest.address) all.emplace_back(*guest.address, 32);
  return normalised(std::move(all));
}
std::vector<network_v6> prefixes(const Guest& guest, const network_v6* /*family*/) {
  auto all = more_addresses(guest).v6;
  if (guest.address6) all.emplace_back(*guest.address6, 128);
  return normalised(std::move(all));
}

template <typename Prefix>
bool meet(const std::vector<Prefix>& inner, const std::vector<Prefix>& outer) {
  return std::ranges::any_of(inner, [&](const Prefix& prefix) { return overlaps(outer, prefix); });
}

// What is below a name that is below `outer` is below it too.
bool domain_covers(std::string_view outer, std::string_view inner) {
  if (!inner.starts_with("*.")) return domain_means(outer, inner);
  return outer.starts_with("*.") && domain_means(outer, inner.substr(2));
}

}  // namespace

// Of thousands of guests rules name a few, if any.
PeerCover::PeerCover(const Config& config) : config_{&config} {
  std::set<std::string_view> named;
  for (const auto& rule : config.policy.rules) {
    for (const auto* peers : {&rule.from, &rule.to}) {
      for (const auto& peer : *peers) {
        if (peer.kind == Kind::guest) named.insert(peer.name);
      }
    }
  }
  for (const auto& guest : config.guests) {
    if (named.contains(guest.name)) guests_.emplace(guest.name, &guest);
    if (guest.has_more_addresses()) more_[guest.network].add(guest);
  }
  for (auto& [network, more] : more_) more.normalise();
}

const Guest* PeerCover::guest(std::string_view name) const {
  const auto found = guests_.find(name);
  return found == guests_.end() ? nullptr : found->second;
}

std::vector<network_v4> PeerCover::prefixes4(const Peer& peer) const {
  if (peer.kind == Kind::set) return config_->policy.sets.at(peer.name).v4;
  return peer.net4 ? std::vector{*peer.net4} : std::vector<network_v4>{};
}

std::vector<network_v6> PeerCover::prefixes6(const Peer& peer) const {
  if (peer.kind == Kind::set) return config_->policy.sets.at(peer.name).v6;
  return peer.net6 ? std::vector{*peer.net6} : std::vector<network_v6>{};
}

bool PeerCover::has(const Peer& peer, Family family) const {
  if (peer.kind == Kind::network) return family == Family::v4 || config_->networks.at(peer.name).prefix6;
  if (!is_addresses(peer)) return true;
  return family == Family::v4 ? !prefixes4(peer).empty() : !prefixes6(peer).empty();
}

template <typename Prefix>
bool PeerCover::addresses_cover(const std::vector<Prefix>& outer, const Peer& inner) const {
  constexpr const Prefix* kFamily = nullptr;
  if (inner.kind == Kind::host) return false;  // is meant only where it is named
  if (outer.size() == 1 && outer.front().prefix_length() == 0) return true;
  if (is_addresses(inner)) return includes(outer, prefixes(*this, inner, kFamily));
  if (inner.kind == Kind::network) {
    const auto more = more_.find(inner.name);
    return includes(outer, prefixes(config_->networks.at(inner.name), kFamily)) &&
           (more == more_.end() || includes(outer, of(more->second, kFamily)));
  }
  if (inner.kind != Kind::guest) return false;
  const auto* declared = guest(inner.name);
  return declared != nullptr && includes(outer, prefixes(*declared, kFamily));
}

// An address inside a network's prefix is a guest's of that network or nobody's, unless one of another network is
// allowed it: the gateway is the host.
bool PeerCover::network_covers(const Network& outer, const Peer& inner, Family family) const {
  if (is_addresses(inner)) {
    const bool inside = family == Family::v4 ? includes({outer.prefix}, prefixes4(inner))
                                             : outer.prefix6 && includes({*outer.prefix6}, prefixes6(inner));
    return inside && !met_elsewhere(inner, family, outer.name);
  }
  if (inner.kind != Kind::guest && inner.kind != Kind::group) return false;
  if (config_->networks.size() == 1) return true;
  if (inner.kind == Kind::group) return false;
  const auto* declared = guest(inner.name);
  return declared != nullptr && declared->network == outer.name;
}

bool PeerCover::met_elsewhere(const Peer& inner, Family family, std::string_view network) const {
  return std::ranges::any_of(more_, [&](const auto& entry) {
    const auto& [its, more] = entry;
    return its != network && (family == Family::v4 ? meet(prefixes4(inner), more.v4) : meet(prefixes6(inner), more.v6));
  });
}

bool PeerCover::no_guests(const Peer& inner, Family family) const {
  if (met_elsewhere(inner, family, {})) return false;
  const auto v4 = prefixes4(inner);
  const auto v6 = prefixes6(inner);
  return std::ranges::none_of(config_->networks, [&](const auto& entry) {
    const auto& network = entry.second;
    return family == Family::v4 ? overlaps(v4, network.prefix) : network.prefix6 && overlaps(v6, *network.prefix6);
  });
}

bool PeerCover::covers(const Peer& outer, const Peer& inner, Family family) const {
  if (outer == inner) return true;
  switch (outer.kind) {
    case Kind::any:
      return inner.kind != Kind::host;
    case Kind::world:
      if (inner.kind == Kind::domain) return true;  // no guest's address and none of this host's is let in by a name
      return is_addresses(inner) && no_guests(inner, family);
    case Kind::domain:
      return inner.kind == Kind::domain && domain_covers(outer.name, inner.name);
    case Kind::host:
    case Kind::guest:
      return false;
    case Kind::group: {
      const auto* declared = inner.kind == Kind::guest ? guest(inner.name) : nullptr;
      return declared != nullptr && std::ranges::find(declared->groups, outer.name) != declared->groups.end();
    }
    case Kind::network:
      return network_covers(config_->networks.at(outer.name), inner, family);
    case Kind::set:
    case Kind::net:
      return family == Family::v4 ? addresses_cover(prefixes4(outer), inner) : addresses_cover(prefixes6(outer), inner);
  }
  std::abort();
}

}  // namespace vrouter::config
