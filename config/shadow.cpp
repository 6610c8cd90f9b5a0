// SPDX-License-Identifier: GPL-2.0-or-later
// Every rule is compared only with the earlier ones that name, on one side, a peer which covers its first peer there.
// So rules about different groups, guests or prefixes never meet, however many there are.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "config/load_policy.h"
#include "config/peer_cover.h"
#include "config/protocols.h"
#include "config/service_sets.h"

namespace vrouter::config {
namespace {

using Family = PeerCover::Family;
using Families = unsigned;  // bits
constexpr std::array kFamilies{Family::v4, Family::v6};

constexpr Families bit(Family family) {
  return family == Family::v4 ? 1 : 2;
}

using PeerId = std::size_t;

// All peers that rules name, each once.
class Peers {
 public:
  explicit Peers(const Config& config) : cover_{config} {}

  PeerId id(const Peer& peer) {
    const auto [entry, added] = ids_.try_emplace(peer.to_string(), peers_.size());
    if (!added) return entry->second;
    peers_.push_back(peer);
    coverers_.emplace_back();
    if (peer.net4) {
      nets4_.emplace(*peer.net4, entry->second);
    } else if (peer.net6) {
      nets6_.emplace(*peer.net6, entry->second);
    } else if (peer.kind == Peer::Kind::group) {
      groups_.push_back(entry->second);
    } else if (peer.kind != Peer::Kind::guest && peer.kind != Peer::Kind::host) {
      wide_.push_back(entry->second);  // a guest and the host cover none but themselves
    }
    return entry->second;
  }

  [[nodiscard]] Families families(PeerId id) const {
    Families result = 0;
    for (const auto family : kFamilies) result |= cover_.has(peers_[id], family) ? bit(family) : 0;
    return result;
  }

  struct Coverer {
    PeerId id = 0;
    Families in = 0;
  };

  // Sorted by id. To be asked only when all peers have their ids.
  const std::vector<Coverer>& coverers(PeerId inner) {
    auto& known = coverers_[inner];
    if (known) return *known;
    auto& result = known.emplace();
    auto candidates = wide_;
    candidates.push_back(inner);
    // A group covers itself and guests in it, and there may be thousands of groups.
    if (peers_[inner].kind == Peer::Kind::guest) candidates.insert(candidates.end(), groups_.begin(), groups_.end());
    add_nets(inner, candidates);
    std::ranges::sort(candidates);
    candidates.erase(std::ranges::unique(candidates).begin(), candidates.end());
    for (const auto outer : candidates) {
      Families in = 0;
      for (const auto family : kFamilies) in |= cover_.covers(peers_[outer], peers_[inner], family) ? bit(family) : 0;
      if (in != 0) result.push_back({.id = outer, .in = in});
    }
    return result;
  }

  // Whether one of `outer` covers the peer in all of `families`.
  bool covered(PeerId inner, const std::vector<PeerId>& outer, Families families) {
    const auto& known = coverers(inner);
    return std::ranges::any_of(outer, [&](PeerId id) {
      const auto found = std::ranges::lower_bound(known, id, {}, &Coverer::id);
      return found != known.end() && found->id == id && (found->in & families) == families;
    });
  }

 private:
  template <typename Prefix>
  using Nets = std::map<Prefix, PeerId, NetworkLess>;

  // The nets that a prefix lies in: one for each length at most.
  template <typename Prefix>
  static void add_around(const Nets<Prefix>& nets, const Prefix& prefix, std::vector<PeerId>& into) {
    for (unsigned length = 0; length <= prefix.prefix_length() && !nets.empty(); ++length) {
      const auto found = nets.find(Prefix{prefix.address(), static_cast<unsigned short>(length)}.canonical());
      if (found != nets.end()) into.push_back(found->second);
    }
  }

  // A net around a set is around its first prefix of that family. What is named otherwise may lie in any net.
  void add_nets(PeerId inner, std::vector<PeerId>& into) const {
    const auto& peer = peers_[inner];
    if (peer.kind == Peer::Kind::set || peer.kind == Peer::Kind::net) {
      if (const auto v4 = cover_.prefixes4(peer); !v4.empty()) add_around(nets4_, v4.front(), into);
      if (const auto v6 = cover_.prefixes6(peer); !v6.empty()) add_around(nets6_, v6.front(), into);
      return;
    }
    for (const auto& [net, id] : nets4_) into.push_back(id);
    for (const auto& [net, id] : nets6_) into.push_back(id);
  }

  PeerCover cover_;
  std::map<std::string, PeerId> ids_;
  std::vector<Peer> peers_;
  std::vector<PeerId> wide_, groups_;
  Nets<network_v4> nets4_;
  Nets<network_v6> nets6_;
  std::vector<std::optional<std::vector<Coverer>>> coverers_;
};

struct Ends {
  std::vector<PeerId> from, to;
};

Families families(std::span<const Service> services) {
  Families result = services.empty() ? bit(Family::v4) | bit(Family::v6) : 0;
  for (const auto& service : services) {
    if (service.protocol != kIcmpV6) result |= bit(Family::v4);
    if (service.protocol != kIcmp) result |= bit(Family::v6);
  }
  return result;
}

class Search {
 public:
  explicit Search(const Config& config) : rules_{config.policy.rules}, peers_{config} {
    for (const auto& rule : rules_) {
      auto& ends = ends_.emplace_back();
      for (const auto& peer : rule.from) ends.from.push_back(peers_.id(peer));
      for (const auto& peer : rule.to) ends.to.push_back(peers_.id(peer));
    }
  }

  std::vector<Shadowed> run() {
    std::vector<Shadowed> result;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (const auto by = first_covering(i)) {
        result.push_back({.rule = i, .by = *by});
      } else {
        // One that never matches covers nothing that the rule before it doesn't.
        for (const auto id : ends_[i].from) earlier_from_[id].push_back(i);
        for (const auto id : ends_[i].to) earlier_to_[id].push_back(i);
      }
    }
    return result;
  }

 private:
  using Earlier = std::map<PeerId, std::vector<std::size_t>>;

  Families families_of(std::size_t rule) const {
    Families from = 0, to = 0;
    for (const auto id : ends_[rule].from) from |= peers_.families(id);
    for (const auto id : ends_[rule].to) to |= peers_.families(id);
    return from & to & families(rules_[rule].services);
  }

  // The earlier rules that name a peer covering this one.
  std::vector<const std::vector<std::size_t>*> naming(const Earlier& earlier, PeerId peer, Families families) {
    std::vector<const std::vector<std::size_t>*> lists;
    for (const auto& [id, in] : peers_.coverers(peer)) {
      const auto found = earlier.find(id);
      if ((in & families) == families && found != earlier.end()) lists.push_back(&found->second);
    }
    return lists;
  }

  std::optional<std::size_t> first_covering(std::size_t rule) {
    const auto families = families_of(rule);
    if (families == 0) return std::nullopt;  // an empty set: no earlier rule is the reason
    const auto size = [](const auto& lists) {
      std::size_t sum = 0;
      for (const auto* list : lists) sum += list->size();
      return sum;
    };
    auto lists = naming(earlier_from_, ends_[rule].from.front(), families);
    if (auto other = naming(earlier_to_, ends_[rule].to.front(), families); size(other) < size(lists)) lists = other;
    std::optional<std::size_t> first;
    for (const auto* list : lists) {
      for (const auto earlier : *list) {
        if (first && earlier >= *first) break;
        if (!covers(earlier, rule, families)) continue;
        first = earlier;
        break;
      }
    }
    return first;
  }

  bool covers(std::size_t outer, std::size_t inner, Families families) {
    const auto all_in = [&](const std::vector<PeerId>& inners, const std::vector<PeerId>& outers) {
      return std::ranges::all_of(inners, [&](PeerId id) { return peers_.covered(id, outers, families); });
    };
    return includes(rules_[outer].services, rules_[inner].services) && all_in(ends_[inner].from, ends_[outer].from) &&
           all_in(ends_[inner].to, ends_[outer].to);
  }

  const std::vector<PolicyRule>& rules_;
  Peers peers_;
  std::vector<Ends> ends_;
  Earlier earlier_from_, earlier_to_;
};

}  // namespace

std::vector<Shadowed> shadowed_rules(const Config& config) {
  return Search{config}.run();
}

}  // namespace vrouter::config
