// SPDX-License-Identifier: GPL-2.0-or-later
// What a rule names must exist, some packet must be able to match it, and a guest must take part.
#include <algorithm>
#include <set>
#include <span>

#include "config/address_sets.h"
#include "config/load_policy.h"
#include "config/more_addresses.h"
#include "config/protocols.h"
#include "config/service_sets.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

constexpr std::size_t kMaxListed = 8;  // names in one message
// Of all rules together: each is two sets in the kernel, which takes longer for each than for the one before.
constexpr std::size_t kMaxDomains = 256;

using Families = unsigned;
constexpr Families kV4 = 1, kV6 = 2, kBoth = kV4 | kV6;

// The names there are, the likeliest first where one was meant.
std::string listed(std::string_view meant, const std::vector<std::string_view>& names) {
  auto order = names;
  if (const auto near = nearest(meant, names)) {
    const auto found = std::ranges::find(order, *near);
    std::rotate(order.begin(), found, found + 1);
  }
  std::string text;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == kMaxListed) return text + ", ...";
    text.append(i == 0 ? "" : ", ").append(order[i]);
  }
  return text;
}

template <typename Value>
std::vector<std::string_view> keys(const std::map<std::string, Value>& map) {
  std::vector<std::string_view> result;
  for (const auto& [key, value] : map) result.push_back(key);
  return result;
}

class Resolver {
 public:
  Resolver(WrittenPolicy& written, bool networks_known, const Config& config)
      : written_{written}, networks_known_{networks_known}, config_{config} {
    // Of thousands of guests rules name a few, if any.
    std::set<std::string_view> named;
    const auto add = [&](const auto& said) {
      for (const auto* peers : {&said.from, &said.to}) {
        for (const auto& [peer, at] : *peers) {
          if (peer.kind == Peer::Kind::guest) named.insert(peer.name);
        }
      }
    };
    std::ranges::for_each(written.rules, add);
    std::ranges::for_each(written.expects, add);
    for (const auto& guest : config.guests) {
      if (named.contains(guest.name)) guests_.insert(guest.name);
      if (guest.has_more_addresses()) more_.add(guest);
    }
    for (const auto& [name, network] : config.networks) {
      for (const auto& reserved : network.dhcp.reservations) {
        if (named.contains(reserved.name)) guests_.insert(reserved.name);
      }
    }
    more_.normalise();
  }

  // False: it was reported why this can't be.
  bool check(Written<PolicyRule>& rule) const { return check(rule, "rule", rule.said.declared_at); }
  bool check(Written<Expect>& expect) const { return check(expect, "expectation", expect.said.declared_at); }

 private:
  template <typename Said>
  bool check(Written<Said>& written, std::string_view what, const Place& place) const {
    auto& file = written_.files[written.file];
    bool found = true;
    for (const auto& peer : written.from) found = exists(file, peer) && found;
    for (const auto& peer : written.to) found = exists(file, peer) && found;
    if (!found || !written.good || !fit_domains(file, written)) return false;
    const Position at{.line = place.line, .column = place.column};
    if (!has_guest(file, written.from, written.to, what, at)) return false;
    const auto common = families(written.from) & families(written.to);
    if (!agree(file.problems, written.from, written.to, common)) return false;
    return fit_services(file.problems, written.services, common);
  }

  bool exists(WrittenFile& file, const WrittenPeer& written) const {
    const auto& [peer, at] = written;
    switch (peer.kind) {
      case Peer::Kind::group:
        if (!written_.names_known || written_.groups.contains(peer.name)) return true;
        return undeclared(file.problems, written, "group", keys(written_.groups), "[groups." + peer.name + "]");
      case Peer::Kind::set:
        if (!written_.names_known || written_.sets.contains(peer.name)) return true;
        return undeclared(file.problems, written, "set", keys(written_.sets), peer.name + " = [...] in [sets]");
      case Peer::Kind::network:
        if (!networks_known_ || config_.networks.contains(peer.name)) return true;
        return undeclared(file.problems, written, "network", keys(config_.networks),
                          "[networks." + peer.name + "] in vrouter.toml");
      case Peer::Kind::guest:
        if (networks_known_ && !guests_.contains(peer.name)) {
          file.warnings.add(at, "no file declares a guest " + config::quoted(peer.name) +
                                    "; this holds once `vrouter add-guest` gives one that name");
        }
        return true;
      case Peer::Kind::any:
      case Peer::Kind::world:
      case Peer::Kind::host:
      case Peer::Kind::net:
        return true;
      case Peer::Kind::domain:
        return is_anothers(file.problems, written);
    }
    std::abort();
  }

  // Names of guests are told here, and lead to guests: no answer of theirs opens anything.
  bool is_anothers(Diagnosis& problems, const WrittenPeer& written) const {
    if (!networks_known_) return true;
    const auto& name = written.peer.name;
    for (const auto& [network, said] : config_.networks) {
      if (name != said.domain && !name.ends_with('.' + said.domain)) continue;
      problems.add(written.at, "names in " + said.domain + " are guests' own (network " + network +
                                   "); name them by guest:NAME, group:NAME or network:" + network);
      return false;
    }
    return true;
  }

  static const WrittenPeer* domain_in(const std::vector<WrittenPeer>& peers) {
    const auto found =
        std::ranges::find_if(peers, [](const auto& written) { return written.peer.kind == Peer::Kind::domain; });
    return found == peers.end() ? nullptr : &*found;
  }

  // What a domain's addresses are is known once a guest was told them, and only of what guests then begin.
  static bool fit_domains(WrittenFile& file, const Written<PolicyRule>& rule) {
    if (const auto* domain = domain_in(rule.from)) {
      file.problems.add(domain->at, domain->peer.to_string() +
                                        " can't be in from: a packet doesn't say which name its sender has; write "
                                        "net:ADDRESS or a set of its addresses");
      return false;
    }
    const auto* domain = domain_in(rule.to);
    if (domain == nullptr || rule.said.action == Action::allow) return true;
    const std::string action{config::name(rule.said.action)};
    file.problems.add(domain->at, domain->peer.to_string() +
                                      " can only be allowed: whoever doesn't ask for its name "
                                      "still gets to its addresses, so to " +
                                      action + " it stops nobody; " + action +
                                      " a net or the world, after rules that allow");
    return false;
  }
  static bool fit_domains(WrittenFile& file, const Written<Expect>& expect) {
    const auto* domain = domain_in(expect.from);
    if (domain == nullptr) domain = domain_in(expect.to);
    if (domain == nullptr) return true;
    file.problems.add(domain->at, domain->peer.to_string() +
                                      " can't be proved: its addresses are known once a guest asks for them; expect "
                                      "what holds of the world, or of a net");
    return false;
  }

  static bool undeclared(Diagnosis& problems, const WrittenPeer& written, std::string_view kind,
                         const std::vector<std::string_view>& names, const std::string& declaration) {
    auto message = "there is no " + std::string{kind} + ' ' + config::quoted(written.peer.name) + "; ";
    if (!names.empty()) message += "name one of: " + listed(written.peer.name, names) + "; or ";
    problems.add(written.at, message + "declare " + declaration);
    return false;
  }

  [[nodiscard]] const AddressSet* set_of(const Peer& peer) const {
    const auto found = written_.sets.find(peer.name);
    return found == written_.sets.end() ? nullptr : &found->second;
  }

  // An empty set is one that is to be filled later: nothing is said of its addresses.
  [[nodiscard]] Families families(const Peer& peer) const {
    if (peer.kind == Peer::Kind::net) return peer.net4 ? kV4 : kV6;
    if (peer.kind == Peer::Kind::network && networks_known_) {
      const auto found = config_.networks.find(peer.name);
      return found != config_.networks.end() && !found->second.prefix6 ? kV4 : kBoth;
    }
    if (peer.kind != Peer::Kind::set) return kBoth;
    const auto* set = set_of(peer);
    if (set == nullptr || (set->v4.empty() && set->v6.empty())) return kBoth;
    return (set->v4.empty() ? 0 : kV4) | (set->v6.empty() ? 0 : kV6);
  }

  [[nodiscard]] Families families(const std::vector<WrittenPeer>& peers) const {
    Families all = 0;
    for (const auto& [peer, at] : peers) all |= families(peer);
    return all;
  }

  [[nodiscard]] bool can_be_guest(const Peer& peer) const {
    switch (peer.kind) {
      case Peer::Kind::any:
      case Peer::Kind::group:
      case Peer::Kind::guest:
      case Peer::Kind::network:
        return true;
      case Peer::Kind::world:
      case Peer::Kind::host:
      case Peer::Kind::domain:
        return false;
      case Peer::Kind::set: {
        const auto* set = set_of(peer);
        return set == nullptr || (set->v4.empty() && set->v6.empty()) || guests_may_have(set->v4, set->v6);
      }
      case Peer::Kind::net:
        return guests_may_have(peer.net4 ? std::vector{*peer.net4} : std::vector<network_v4>{},
                               peer.net6 ? std::vector{*peer.net6} : std::vector<network_v6>{});
    }
    std::abort();
  }

  [[nodiscard]] bool guests_may_have(const std::vector<network_v4>& v4, const std::vector<network_v6>& v6) const {
    if (!networks_known_) return true;
    if (std::ranges::any_of(v4, [&](const auto& prefix) { return overlaps(more_.v4, prefix); })) return true;
    if (std::ranges::any_of(v6, [&](const auto& prefix) { return overlaps(more_.v6, prefix); })) return true;
    return std::ranges::any_of(config_.networks, [&](const auto& entry) {
      const auto& network = entry.second;
      return overlaps(v4, network.prefix) || (network.prefix6 && overlaps(v6, *network.prefix6));
    });
  }

  // Who is added by command isn't known here, and may have a prefix anywhere.
  bool has_guest(WrittenFile& file, const std::vector<WrittenPeer>& from, const std::vector<WrittenPeer>& to,
                 std::string_view what, Position at) const {
    const auto holds = [&](const WrittenPeer& written) { return can_be_guest(written.peer); };
    if (std::ranges::any_of(from, holds) || std::ranges::any_of(to, holds)) return true;
    const auto by_address = [](const WrittenPeer& written) {
      return written.peer.kind == Peer::Kind::set || written.peer.kind == Peer::Kind::net;
    };
    const auto who = "no guest takes part in this " + std::string{what} + " (" + from.front().peer.to_string() +
                     " to " + to.front().peer.to_string() + ")";
    const std::string ours = "vrouter judges only guests' traffic";
    if (std::ranges::any_of(from, by_address) || std::ranges::any_of(to, by_address)) {
      file.warnings.add(
          at, who + ", and " + ours + "; this holds once `vrouter add-guest` gives one such an address or prefix");
      return true;
    }
    file.problems.add(at, who + ", and " + ours + "; name a guest, a group or a network on one side");
    return false;
  }

  bool agree(Diagnosis& problems, const std::vector<WrittenPeer>& from, const std::vector<WrittenPeer>& to,
             Families common) const {
    if (common == 0) {
      const bool from4 = families(from) == kV4;
      problems.add(to.front().at, std::string{"from has only "} + (from4 ? "IPv4" : "IPv6") +
                                      " addresses and to only " + (from4 ? "IPv6" : "IPv4") +
                                      " ones; write both in one family");
      return false;
    }
    bool good = true;
    for (const auto& [peer, at] : from) good = meets(problems, peer, at, "to", common) && good;
    for (const auto& [peer, at] : to) good = meets(problems, peer, at, "from", common) && good;
    return good;
  }

  bool meets(Diagnosis& problems, const Peer& peer, Position at, std::string_view other, Families common) const {
    if ((families(peer) & common) != 0) return true;
    const bool v4 = common == kV4;
    problems.add(at, peer.to_string() + " has only " + (v4 ? "IPv6" : "IPv4") + " addresses, and " +
                         std::string{other} + " only " + (v4 ? "IPv4" : "IPv6") +
                         " ones; take it out, or write a rule of its own");
    return false;
  }

  // ICMP is of one family; of "ping" there remains what the addresses allow.
  static bool fit_services(Diagnosis& problems, std::vector<WrittenServices>& words, Families common) {
    bool good = true;
    for (auto& [services, at] : words) {
      if (services.empty()) continue;
      const auto first = services.front();
      std::erase_if(services, [&](const Service& service) {
        const auto needs = service.protocol == kIcmp ? kV4 : service.protocol == kIcmpV6 ? kV6 : kBoth;
        return (needs & common) == 0;
      });
      if (!services.empty()) continue;
      const bool v4 = first.protocol == kIcmp;
      problems.add(at, std::string{v4 ? "icmp" : "icmpv6"} + " is of " + (v4 ? "IPv4" : "IPv6") +
                           ", and the addresses here are " + (v4 ? "IPv6" : "IPv4") + " ones; write " +
                           (v4 ? "icmpv6" : "icmp"));
      good = false;
    }
    return good;
  }

  WrittenPolicy& written_;
  bool networks_known_;
  const Config& config_;
  std::set<std::string_view> guests_;  // declared, and named by a rule or an expectation
  MoreAddresses more_;                 // of all declared guests, normalised
};

// At most 256, so comparing all with all is no matter.
std::vector<Peer> each_once(std::vector<WrittenPeer> written) {
  std::vector<Peer> peers;
  for (auto& [peer, at] : written) {
    if (std::ranges::find(peers, peer) == peers.end()) peers.push_back(std::move(peer));
  }
  return peers;
}

PolicyRule finished(Written<PolicyRule>& written) {
  auto rule = std::move(written.said);
  rule.from = each_once(std::move(written.from));
  rule.to = each_once(std::move(written.to));
  for (const auto& [services, at] : written.services) {
    rule.services.insert(rule.services.end(), services.begin(), services.end());
  }
  rule.services = normalised(std::move(rule.services));
  return rule;
}

// False: there are more of them than there may be, as is said of the first that is too many.
bool count_domains(WrittenPolicy& written) {
  std::set<std::string_view> domains;
  for (const auto& rule : written.rules) {
    for (const auto& [peer, at] : rule.to) {
      if (peer.kind != Peer::Kind::domain || !domains.insert(peer.name).second) continue;
      if (domains.size() <= kMaxDomains) continue;
      written.files[rule.file].problems.add(at, "there are more than " + std::to_string(kMaxDomains) +
                                                    " domains in all rules together; say more with one, such as "
                                                    "domain:*.example.org");
      return false;
    }
  }
  return true;
}

void warn_of_shadowed(WrittenPolicy& written, const Config& config) {
  const auto& rules = config.policy.rules;
  for (const auto& [index, by] : shadowed_rules(config)) {
    const auto& rule = rules[index];
    const auto& earlier = rules[by];
    written.files[written.rules[index].file].warnings.add(
        {rule.declared_at.line, rule.declared_at.column},
        config::quoted(rule.name) + " can never match, since " + config::quoted(earlier.name) + " (" +
            earlier.declared_at.to_string() +
            ") comes first and covers all of it; put it before that one, or take it out");
  }
}

}  // namespace

void resolve_policy(WrittenPolicy& written, bool networks_known, Config& config) {
  const Resolver resolver{written, networks_known, config};
  bool good = std::ranges::all_of(written.files, [](const WrittenFile& f) { return f.problems.count() == 0; });
  for (auto& rule : written.rules) good = resolver.check(rule) && good;
  for (auto& expect : written.expects) good = resolver.check(expect) && good;
  good = count_domains(written) && good;
  if (!good || !networks_known) return;
  auto& policy = config.policy;
  policy.groups = written.groups;
  policy.sets = written.sets;
  for (auto& rule : written.rules) policy.rules.push_back(finished(rule));
  for (auto& expect : written.expects) policy.expects.push_back(std::move(expect.said));
  warn_of_shadowed(written, config);
}

}  // namespace vrouter::config
