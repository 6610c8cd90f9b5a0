// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/prove.h"

#include <netinet/in.h>

#include <algorithm>
#include <list>
#include <set>

#include "config/more_addresses.h"
#include "firewall/compile.h"
#include "firewall/explain.h"

namespace vrouter::firewall {
namespace {

using config::Expect;
using config::Guest;
using config::Network;
using config::Peer;

constexpr std::size_t kOfEachProfile = 2;
constexpr std::size_t kPrefixesTried = 16;  // of a set

// Somebody out there who stands in no rule by address: of the prefixes for documentation, and two of the world's.
constexpr const char* kStrangers[] = {"203.0.113.77",     "198.51.100.77", "192.0.2.77",           "8.8.4.4",
                                      "2001:db8:f00::77", "3fff:f00::77",  "2606:4700:4700::1001", "2620:fe::9"};

bool by_address(const Peer& peer) {
  return peer.kind == Peer::Kind::set || peer.kind == Peer::Kind::net;
}

bool within(const address& a, const Peer& peer, const config::Policy& policy) {
  const auto holds4 = [&](const network_v4& prefix) { return a.is_v4() && config::contains(prefix, a.to_v4()); };
  const auto holds6 = [&](const network_v6& prefix) { return a.is_v6() && config::contains(prefix, a.to_v6()); };
  if (peer.kind == Peer::Kind::net) return (peer.net4 && holds4(*peer.net4)) || (peer.net6 && holds6(*peer.net6));
  const auto set = policy.sets.find(peer.name);
  if (peer.kind != Peer::Kind::set || set == policy.sets.end()) return false;
  return std::ranges::any_of(set->second.v4, holds4) || std::ranges::any_of(set->second.v6, holds6);
}

bool is_a_guests(const address& a, const config::Config& config) {
  return std::ranges::any_of(config.networks, [&](const auto& entry) {
    const auto& network = entry.second;
    return a.is_v4() ? config::contains(network.prefix, a.to_v4())
                     : network.prefix6 && config::contains(*network.prefix6, a.to_v6());
  });
}

template <typename Prefix>
address last_of(const Prefix& prefix) {
  auto bytes = prefix.network().to_bytes();
  for (std::size_t bit = prefix.prefix_length(); bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] |= static_cast<unsigned char>(0x80U >> bit % 8);
  }
  return decltype(prefix.network()){bytes};
}

class Prover {
 public:
  Prover(const config::Config& config, const std::vector<const Guest*>& guests, CompileCache* cache)
      : config_{config}, meant_{config.policy.expects}, profiles_{config} {
    choose(guests);
    make_up();
    for (const auto* guest : people_) profiles_.add(*guest, network_of(*guest));
    ruleset_ = compile(config_, {}, profiles_, cache);
    for (const auto& [name, network] : config_.networks) topology_.add(network);
    for (const auto* guest : people_) {
      ruleset_.insert(compile_guest(*guest, network_of(*guest), profiles_));
      topology_.add(*guest);
    }
    topology_.uplink = "uplink";
    for (const bool v6 : {false, true}) strangers_.push_back(stranger(config_, topology_, v6));
  }

  config::Problems run(config::Problems& untried) const {
    config::Problems failed;
    const Evaluator evaluator{ruleset_};
    for (const auto& expect : config_.policy.expects) {
      std::size_t tried = 0;
      const auto problem = try_all(evaluator, expect, tried);
      if (problem) failed.push_back({expect.declared_at, *problem});
      if (tried == 0) {
        untried.push_back({expect.declared_at,
                           "nobody is there yet of whom this could be proved; it is tried again "
                           "once there is"});
      }
    }
    return failed;
  }

 private:
  [[nodiscard]] const Network& network_of(const Guest& guest) const { return config_.networks.at(guest.network); }

  struct Someone {
    address at;
    std::string who;
  };

  // Whom the expectations are about. What becomes of a packet depends on the rules of its two ends alone: of guests
  // that no expectation means nothing needs to be compiled.
  struct Meant {
    std::set<std::string> guests, groups, networks;
    bool all = false;

    explicit Meant(const std::vector<Expect>& expects) {
      for (const auto& expect : expects) {
        add(expect.from);
        add(expect.to);
      }
    }
    void add(const Peer& peer) {
      if (peer.kind == Peer::Kind::guest) guests.insert(peer.name);
      if (peer.kind == Peer::Kind::group) groups.insert(peer.name);
      if (peer.kind == Peer::Kind::network) networks.insert(peer.name);
      all |= peer.kind == Peer::Kind::any || peer.kind == Peer::Kind::set || peer.kind == Peer::Kind::net;
    }
    [[nodiscard]] bool holds(const Guest& guest) const {
      return all || guests.contains(guest.name) || networks.contains(guest.network) ||
             std::ranges::any_of(guest.groups, [&](const std::string& group) { return groups.contains(group); });
    }
    // Of a group that is empty yet.
    [[nodiscard]] bool holds(const std::string& group) const {
      return all || !networks.empty() || groups.contains(group);
    }
  };

  // A few of each profile, and all whom an expectation names, be it by an address.
  void choose(const std::vector<const Guest*>& guests) {
    Profiles all{config_};
    std::map<ProfileId, std::size_t> chosen;
    std::vector<Someone> tried;
    for (const auto& expect : config_.policy.expects) {
      add_prefixes(expect.from, tried);
      add_prefixes(expect.to, tried);
    }
    std::set<address> addresses;
    for (const auto& one : tried) addresses.insert(one.at);
    for (const auto* guest : guests) {
      if (!meant_.holds(*guest)) continue;
      if (chosen[all.enter(*guest, network_of(*guest))]++ < kOfEachProfile || meant_.guests.contains(guest->name) ||
          has_one_of(*guest, addresses)) {
        people_.push_back(guest);
      }
    }
  }

  static bool has_one_of(const Guest& guest, const std::set<address>& addresses) {
    const auto within = [&](const auto& prefix) {
      const auto found = addresses.lower_bound(prefix.network());
      return found != addresses.end() && *found <= last_of(prefix);
    };
    const auto more = config::more_addresses(guest);
    return (guest.address && addresses.contains(*guest.address)) ||
           (guest.address6 && addresses.contains(*guest.address6)) || std::ranges::any_of(more.v4, within) ||
           std::ranges::any_of(more.v6, within);
  }

  // For groups in which nobody is yet.
  void make_up() {
    for (const auto& [name, group] : config_.policy.groups) {
      if (!meant_.holds(name)) continue;
      const auto member = [&](const Guest* guest) {
        return std::ranges::find(guest->groups, name) != guest->groups.end();
      };
      if (std::ranges::any_of(people_, member) || config_.networks.empty()) continue;
      const auto default_network = config_.networks.find("default");
      const auto& network =
          default_network == config_.networks.end() ? config_.networks.begin()->second : default_network->second;
      const auto free = free_address(network);
      if (!free) continue;
      Guest guest;
      guest.name = "a guest of group " + name;
      guest.tap = "expect" + std::to_string(made_up_.size());
      guest.network = network.name;
      guest.address = free;
      guest.groups = {name};
      people_.push_back(&made_up_.emplace_back(std::move(guest)));
    }
  }

  [[nodiscard]] std::optional<address_v4> free_address(const Network& network) const {
    const auto first = network.prefix.network().to_uint();
    const auto last = network.prefix.broadcast().to_uint();
    for (auto number = last; number-- > first + 1;) {
      const address_v4 candidate{number};
      const auto has_it = [&](const Guest* guest) { return guest->address == candidate; };
      if (candidate != network.gateway && std::ranges::none_of(people_, has_it)) return candidate;
    }
    return std::nullopt;
  }

  // With one address of each prefix, and those allowed ones that it has now.
  void add(const Guest& guest, std::vector<Someone>& found) const {
    const auto add_one = [&](const address& its) {
      const auto* behind = topology_.behind(its);
      if (behind == nullptr || behind->tap != guest.tap) return;
      found.push_back({its, guest.name + " (" + its.to_string() + ")"});
    };
    if (guest.address) add_one(*guest.address);
    if (guest.address6) add_one(*guest.address6);
    const auto more = config::more_addresses(guest);
    for (const auto& prefix : more.v4) add_one(prefix.network());
    for (const auto& prefix : more.v6) add_one(prefix.network());
  }

  void add_strangers(std::vector<Someone>& found) const {
    for (const auto& a : strangers_) {
      if (a) found.push_back({*a, "the world (" + a->to_string() + ")"});
    }
  }

  void add_prefixes(const Peer& peer, std::vector<Someone>& found) const {
    const auto ends = [&](const auto& prefix) {
      const address first{prefix.network()};
      found.push_back({first, first.to_string()});
      if (const auto last = last_of(prefix); last != first) found.push_back({last, last.to_string()});
    };
    if (peer.net4) ends(*peer.net4);
    if (peer.net6) ends(*peer.net6);
    const auto set = config_.policy.sets.find(peer.name);
    if (peer.kind != Peer::Kind::set || set == config_.policy.sets.end()) return;
    for (std::size_t i = 0; i < std::min(kPrefixesTried, set->second.v4.size()); ++i) ends(set->second.v4[i]);
    for (std::size_t i = 0; i < std::min(kPrefixesTried, set->second.v6.size()); ++i) ends(set->second.v6[i]);
  }

  // Who stands for the peer. This host is who `other` calls its gateway.
  [[nodiscard]] std::vector<Someone> of(const Peer& peer) const {
    std::vector<Someone> found;
    switch (peer.kind) {
      case Peer::Kind::set:
      case Peer::Kind::net:
        add_prefixes(peer, found);
        return found;
      case Peer::Kind::host:
        for (const auto& [name, network] : config_.networks) {
          found.push_back({network.gateway, "this host (" + network.gateway.to_string() + ")"});
          if (network.gateway6) {
            found.push_back({*network.gateway6, "this host (" + network.gateway6->to_string() + ")"});
          }
        }
        return found;
      case Peer::Kind::world:
        add_strangers(found);
        return found;
      case Peer::Kind::domain:  // the loader takes no such expectation
        return found;
      case Peer::Kind::any:
      case Peer::Kind::group:
      case Peer::Kind::guest:
      case Peer::Kind::network:
        break;
    }
    for (const auto* guest : people_) {
      const Membership member{guest->network, network_of(*guest).mode, guest->groups, guest->name};
      if (means(peer, member)) add(*guest, found);
    }
    if (peer.kind == Peer::Kind::any) add_strangers(found);
    return found;
  }

  [[nodiscard]] const Network* network_behind(const address& its) const {
    const auto* behind = topology_.behind(its);
    const auto has_it = [&](const Guest* guest) { return behind != nullptr && guest->tap == behind->tap; };
    const auto guest = std::ranges::find_if(people_, has_it);
    return guest == people_.end() ? nullptr : &network_of(**guest);
  }

  // A guest asks for the gateway of its own network.
  [[nodiscard]] bool speaks_to(const Someone& one, const Someone& other, const Expect& expect) const {
    if (one.at == other.at || one.at.is_v4() != other.at.is_v4()) return false;
    const auto same_network = [&](const Peer& peer, const address& guest, const address& gateway) {
      if (const auto* its = network_behind(guest); its != nullptr && by_address(peer)) {
        return gateway == address{its->gateway} || (its->gateway6 && gateway == address{*its->gateway6});
      }
      return std::ranges::any_of(config_.networks, [&](const auto& entry) {
        const auto& network = entry.second;
        return gateway.is_v4() ? gateway == address{network.gateway} && config::contains(network.prefix, guest.to_v4())
                               : network.prefix6 && network.gateway6 && gateway == address{*network.gateway6} &&
                                     config::contains(*network.prefix6, guest.to_v6());
      });
    };
    if (expect.to.kind == Peer::Kind::host) return same_network(expect.from, one.at, other.at);
    if (expect.from.kind == Peer::Kind::host) return same_network(expect.to, other.at, one.at);
    return true;
  }

  // A command may give a guest the address yet; until then it is no matter of ours.
  [[nodiscard]] bool are_strangers(const address& from, const address& to) const {
    const auto is_one = [&](const address& a) { return topology_.behind(a) == nullptr && !is_a_guests(a, config_); };
    return is_one(from) && is_one(to);
  }

  [[nodiscard]] static bool fits(const config::Service& packet, const address& a) {
    if (packet.protocol == IPPROTO_ICMP) return a.is_v4();
    if (packet.protocol == IPPROTO_ICMPV6) return a.is_v6();
    return true;
  }

  // The rule that let it pass, on the receiver's side or else on the sender's.
  [[nodiscard]] static std::string permission(const Journey& journey) {
    if (!journey.passes()) return {};
    for (const auto* step : {journey.ingress(), journey.egress()}) {
      if (step != nullptr && !step->comment().empty()) return " by \"" + std::string{step->comment()} + '"';
    }
    return {};
  }

  // The published port, as it is written, through which the same service of the guest is reached all the same.
  [[nodiscard]] std::optional<std::string> published_way(const Evaluator& evaluator, const address& from,
                                                         const Someone& to, std::uint8_t protocol,
                                                         std::uint16_t port) const {
    const auto of_guest = std::ranges::find_if(people_, [&](const Guest* guest) {
      return (guest->address && address{*guest->address} == to.at) ||
             (guest->address6 && address{*guest->address6} == to.at);
    });
    if (of_guest == people_.end() || !config::has_ports(protocol)) return std::nullopt;
    const auto& network = network_of(**of_guest);
    for (const auto& publish : (*of_guest)->publish) {
      const int offset = port - publish.guest_first;
      if (static_cast<std::uint8_t>(publish.protocol) != protocol || offset < 0 ||
          offset > publish.last - publish.first) {
        continue;
      }
      auto topology = topology_;
      address host{network.gateway};
      if (to.at.is_v6() && network.gateway6) host = *network.gateway6;
      if (publish.host) host = *publish.host;
      if (host.is_v4() != to.at.is_v4()) continue;
      topology.host.own().emplace(host, topology.uplink);
      const auto journey =
          travel(evaluator, topology,
                 first_packet(topology, from, host, protocol, static_cast<std::uint16_t>(publish.first + offset)));
      if (journey.passes() && journey.arrived.destination == to.at) return publish.to_string();
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::string> try_all(const Evaluator& evaluator, const Expect& expect,
                                                   std::size_t& tried) const {
    for (const auto& from : of(expect.from)) {
      for (const auto& to : of(expect.to)) {
        if (!speaks_to(from, to, expect) || !fits(expect.packet, from.at) || are_strangers(from.at, to.at)) continue;
        ++tried;
        const auto& packet = expect.packet;
        const std::uint16_t port =
            packet.ports ? packet.ports->first : std::uint16_t{packet.icmp_type.value_or(std::uint8_t{0})};
        const auto journey =
            travel(evaluator, topology_, first_packet(topology_, from.at, to.at, expect.packet.protocol, port));
        const auto published = published_way(evaluator, from.at, to, packet.protocol, port);
        const auto said = "expected " + std::string{config::name(expect.verdict)} + ", but " +
                          expect.packet.to_string() + " from " + from.who + " to " + to.who + " is ";
        if (expect.verdict == config::Action::allow && published) continue;
        if (!as_expected(journey, expect.verdict)) return said + sentence(journey) + permission(journey);
        if (published) return said + "allowed by its published port " + *published;
      }
    }
    return std::nullopt;
  }

  static bool as_expected(const Journey& journey, config::Action verdict) {
    switch (verdict) {
      case config::Action::allow:
        return journey.passes();
      case config::Action::deny:
        return journey.lost.empty() && journey.ruling == Ruling::drop;
      case config::Action::reject:
        return journey.lost.empty() && journey.ruling == Ruling::reject;
    }
    std::abort();
  }

  const config::Config& config_;
  Meant meant_;
  Profiles profiles_;
  std::list<Guest> made_up_;
  std::vector<const Guest*> people_;
  Ruleset ruleset_;
  Topology topology_;
  std::vector<std::optional<address>> strangers_;
};

}  // namespace

std::optional<address> stranger(const config::Config& config, const Topology& topology, bool v6) {
  for (const auto* text : kStrangers) {
    const auto a = boost::asio::ip::make_address(text);
    if (a.is_v6() != v6 || is_a_guests(a, config) || topology.behind(a) != nullptr) continue;
    const auto names_it = [&](const Peer& peer) { return within(a, peer, config.policy); };
    const bool known = std::ranges::any_of(config.policy.rules, [&](const config::PolicyRule& rule) {
      return std::ranges::any_of(rule.from, names_it) || std::ranges::any_of(rule.to, names_it);
    });
    if (!known) return a;
  }
  return std::nullopt;
}

config::Problems prove(const config::Config& config, const std::vector<const Guest*>& guests, config::Problems& untried,
                       CompileCache* cache) {
  if (config.policy.expects.empty()) return {};
  return Prover{config, guests, cache}.run(untried);
}

}  // namespace vrouter::firewall
