// SPDX-License-Identifier: GPL-2.0-or-later
// Theory. Each profile has a chain per side on which a rule speaks of its guests: in the forward hook what they may
// start (eg) and what may reach them (in), in the input hook what they may want of this host, in the output hook what
// this host may want of them. A chain asks for the peer's profile first (its mark) and then goes through the rules in
// their order, the first that matches ending it:
//   - neighbouring rules about peers and ports become one verdict map, keyed by mark, protocol and port, whatever
//     their number; rules that no packet could match both of may change places to become neighbours;
//   - what can't be a key (prefixes, wide ranges, other protocols) is a line.
// Every rule has chains of its own, one per side, which limit, log, count and judge: all profiles go there.
#include "firewall/policy_chains.h"

#include <netinet/in.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <variant>

#include "firewall/denials.h"
#include "firewall/policy_cache.h"
#include "firewall/policy_hooks.h"
#include "firewall/policy_items.h"
#include "firewall/policy_parts.h"
#include "firewall/rule_names.h"
#include "firewall/words.h"

namespace vrouter::firewall {
namespace {

using config::Action;
using config::PolicyRule;
using namespace words;

constexpr std::uint32_t kLogBytes = 128;  // headers, and no more of what guests say to each other
constexpr std::uint32_t kLogRate = 50;    // a second and rule
constexpr std::uint32_t kLogBurst = 100;

Verdict verdict_of(Action action) {
  switch (action) {
    case Action::allow:
      return accept();
    case Action::deny:
      return drop();
    case Action::reject:
      return go("deny");
  }
  std::abort();
}

Refused refused_at(Side side) {
  switch (side) {
    case Side::egress:
      return Refused::egress;
    case Side::ingress:
      return Refused::ingress;
    case Side::to_host:
      return Refused::sent;
    case Side::from_host:
      return Refused::from_host;
  }
  std::abort();
}

void append(std::vector<Rule> rules, Chain& chain) {
  std::ranges::move(rules, std::back_inserter(chain.rules));
}

// In the order of their keys, or nearly.
void hold(Element element, Piece& piece) {
  auto& held = piece.held.own();
  held.insert_or_assign(held.end(), std::move(element.key), std::move(element.data));
}

int strictness(Action action) {
  switch (action) {
    case Action::allow:
      return 0;
    case Action::reject:
      return 1;
    case Action::deny:
      return 2;
  }
  std::abort();
}

std::uint64_t seconds(config::RateLimit::Unit unit) {
  switch (unit) {
    case config::RateLimit::Unit::second:
      return 1;
    case config::RateLimit::Unit::minute:
      return 60;
    case config::RateLimit::Unit::hour:
      return 3600;
    case config::RateLimit::Unit::day:
      return 86400;
  }
  std::abort();
}

class PolicyCompiler {
 public:
  PolicyCompiler(const config::Config& config, const Profiles& profiles, CompileCache& cache, Ruleset& ruleset)
      : scope_{config, profiles},
        profiles_{profiles},
        policy_{config.policy},
        last_{cache.last()},
        still_{last_, scope_},
        ruleset_{ruleset},
        inet_{ruleset.tables.front()} {}

  void run() {
    add_peers(inet_);
    judge_beginnings(inet_);
    const auto is_host = [](const config::Peer& peer) { return peer.kind == config::Peer::Kind::host; };
    const auto to_host = [&](const PolicyRule& rule) { return std::ranges::any_of(rule.to, is_host); };
    const auto from_host = [&](const PolicyRule& rule) { return std::ranges::any_of(rule.from, is_host); };
    if (std::ranges::any_of(policy_.rules, to_host)) judge_input(inet_);
    if (std::ranges::any_of(policy_.rules, from_host)) judge_output(inet_);
    index_rules();
    for (const auto& [membership, id] : profiles_.all()) {
      for (const auto side : kSides) add_side(membership, id, side);
    }
    remember();
  }

 private:
  // The rules that may mean guests of a membership, by one of their ends.
  using Lists = std::unordered_map<std::string, std::vector<std::size_t>>;
  struct RuleIndex {
    // By index_key(), which is "" for those about anybody; those by address as they are written.
    Lists by_key;
    std::vector<std::pair<std::size_t, const config::Peer*>> by_address;
    Lists in_network;  // of by_address: those that may mean its guests

    void add(std::size_t rule, const config::Peer& peer) {
      using Kind = config::Peer::Kind;
      if (peer.kind == Kind::world || peer.kind == Kind::host || peer.kind == Kind::domain) return;
      if (peer.kind == Kind::set || peer.kind == Kind::net) {
        by_address.emplace_back(rule, &peer);
        by_key[peer.to_string()].push_back(rule);
      } else {
        by_key[index_key(peer)].push_back(rule);
      }
    }
  };

  void index_rules() {
    for (std::size_t i = 0; i < policy_.rules.size(); ++i) {
      for (const auto& peer : policy_.rules[i].from) by_sender_.add(i, peer);
      for (const auto& peer : policy_.rules[i].to) by_receiver_.add(i, peer);
    }
    for (auto* index : {&by_sender_, &by_receiver_}) {
      for (const auto& [name, network] : scope_.config.networks) {
        for (const auto& [rule, peer] : index->by_address) {
          if (may_mean(*peer, network, policy_)) index->in_network[name].push_back(rule);
        }
      }
    }
  }
  static std::vector<std::size_t> rules_that_may_mean(const Membership& guest, const RuleIndex& index) {
    std::vector<std::size_t> found;
    const auto add = [&](const Lists& lists, const std::string& key) {
      if (const auto rules = lists.find(key); rules != lists.end()) {
        found.insert(found.end(), rules->second.begin(), rules->second.end());
      }
    };
    for (const auto& key : index_keys(guest)) add(index.by_key, key);
    for (const auto& peer : guest.addresses) add(index.by_key, peer);
    add(index.in_network, guest.network);
    std::ranges::sort(found);
    const auto repeated = std::ranges::unique(found);
    found.erase(repeated.begin(), repeated.end());
    return found;
  }

  // The next compilation begins with what this one made.
  void remember() {
    last_.networks = scope_.config.networks;
    last_.groups = policy_.groups;
    last_.sets = policy_.sets;
    last_.rules = policy_.rules;
    last_.members = std::move(scope_.members);
    last_.sides = std::move(sides_);
  }

  void add_side(const Membership& membership, ProfileId id, Side side) {
    const bool sends = side == Side::egress || side == Side::to_host;
    CompiledSide compiled{membership, rules_that_may_mean(membership, sends ? by_sender_ : by_receiver_), {}};
    if (const auto* pieces = still_.find(id, side, membership, compiled.rules)) {
      compiled.pieces = *pieces;
    } else {
      made_ = {};
      named_ = {};
      compile_side(compiled, id, side);
      compiled.pieces = std::move(made_);
    }
    for (const auto& piece : compiled.pieces) put(*piece);
    sides_.emplace(std::pair{id, side}, std::move(compiled));
  }

  void put(const Piece& piece) {
    if (!put_.insert(piece.name).second) return;
    if (piece.set) inet_.sets.push_back(*piece.set);
    if (!piece.held.empty()) ruleset_.elements.insert_or_assign({Family::inet, piece.set->name}, piece.held);
    if (piece.chain) inet_.chains.push_back(*piece.chain);
    if (!piece.counter.empty()) inet_.counters.insert(piece.counter);
    ruleset_.insert(piece.elements);
  }

  // A piece that other sides may have made already. Each side names all that it leads to, in the order of its need.
  template <typename Make>
  std::string need(std::string name, Make make) {
    auto& piece = pieces_[name];
    if (!piece) {
      auto made = make(name);
      made.name = name;
      piece = std::make_shared<const Piece>(std::move(made));
    }
    if (named_.insert(piece.get()).second) made_.push_back(piece);
    return name;
  }
  const std::string& key_of_rule(const PolicyRule& rule) {
    auto& key = keys_[&rule];
    if (key.empty()) key = key_of(rule);
    return key;
  }

  void compile_side(const CompiledSide& compiled, ProfileId id, Side side) {
    const auto& membership = compiled.membership;
    std::vector<Part> parts;
    for (const auto i : compiled.rules) {
      auto more = take_apart(policy_.rules[i], membership, side, scope_);
      std::ranges::move(more, std::back_inserter(parts));
    }
    const bool forwarded = side == Side::egress || side == Side::ingress;
    if (parts.empty() && !forwarded) return;
    Chain chain{profile_name(membership, id) + '_' + std::string{suffix(side)}, std::nullopt, {}};
    if (std::ranges::any_of(parts, [](const Part& part) { return !part.peer.marks.empty(); })) {
      chain.rules.push_back(
          rule("who is the peer?", {jump(side == Side::ingress ? "peer_is_source" : "peer_is_destination")}));
    }
    for (const auto& item : arrange(parts)) add_item(item, side, chain);
    if (side == Side::ingress) {
      chain.rules.push_back(
          rule("by another address than its own", {AnyBit{Field::ct_status, kDnat}, jump("published")}));
    }
    if (forwarded) add_default(membership, side, chain);
    const auto map = side == Side::egress    ? "prof_eg"
                     : side == Side::ingress ? "prof_in"
                     : side == Side::to_host ? "prof_host"
                                             : "prof_hosted";
    need(chain.name, [&](const std::string& name) {
      return Piece{.name = {},
                   .chain = std::move(chain),
                   .elements = {inet_verdict(map, host_order(id), forwarded ? go(name) : jump(name))}};
    });
  }

  void add_item(const Item& item, Side side, Chain& chain) {
    if (item.shape == Shape::line) {
      for (const auto& part : item.parts) add_line(part, side, chain);
      return;
    }
    std::map<Bytes, Verdict> verdicts;
    for (const auto& part : item.parts) {
      const auto verdict = go(judge(*part.rule, side));
      for (auto& key : keys_of(part, item.shape)) verdicts.try_emplace(std::move(key), verdict);
    }
    if (verdicts.size() == 1 && item.parts.size() == 1) return add_line(item.parts.front(), side, chain);
    // The kernel changes no map's key: a map of another shape has another name.
    const auto name = chain.name + '_' + letter_of(item.shape) + std::to_string(chain.rules.size());
    need(name, [&](const std::string&) {
      Piece made{.name = {}, .set = verdict_map(name, key_types(item.shape))};
      for (auto& [key, verdict] : verdicts) hold(inet_verdict(name, key, verdict), made);
      return made;
    });
    const auto& first = *item.parts.front().rule;
    const bool several = std::ranges::any_of(item.parts, [&](const Part& part) { return part.rule != &first; });
    chain.rules.push_back(rule(several ? "rules by " + words_of(item.shape) : comment_of(first),
                               {VerdictMap{key_fields(item.shape), name}}));
  }

  static char letter_of(Shape shape) { return shape == Shape::peers ? 'm' : shape == Shape::ports ? 'p' : 'x'; }
  static std::string words_of(Shape shape) {
    return shape == Shape::peers ? "peer" : shape == Shape::ports ? "port" : "peer and port";
  }

  void add_line(const Part& part, Side side, Chain& chain) {
    std::vector<Statement> line;
    if (part.own) line.push_back(*part.own);
    if (part.peer.address) line.push_back(*part.peer.address);
    if (part.peer.marks.size() == 1) {
      line.emplace_back(is(Field::mark, host_order(*part.peer.marks.begin())));
    } else if (!part.peer.marks.empty()) {
      line.emplace_back(in({Field::mark}, peers_set(part, side)));
    }
    if (part.service.ports.size() == 1) {
      const auto& [number, port_number] = *part.service.ports.begin();
      line.emplace_back(protocol(number));
      line.emplace_back(port(Field::th_dport, port_number));
    } else if (!part.service.ports.empty()) {
      line.emplace_back(in({Field::l4proto, Field::th_dport}, ports_set(part)));
    }
    line.insert(line.end(), part.service.match.begin(), part.service.match.end());
    line.emplace_back(go(judge(*part.rule, side)));
    chain.rules.push_back(rule(comment_of(*part.rule), std::move(line)));
    use_address_set(part.own);
    use_address_set(part.peer.address);
  }

  // Shared by all profiles: what it holds depends on the rule alone.
  std::string peers_set(const Part& part, Side side) {
    return need(key_of_rule(*part.rule) + (side == Side::ingress ? "_from" : "_to"), [&](const std::string& name) {
      Piece made{.name = {}, .set = set(name, {Type::mark})};
      for (const auto mark : part.peer.marks) hold(inet(name, host_order(mark)), made);
      return made;
    });
  }
  std::string ports_set(const Part& part) {
    return need(key_of_rule(*part.rule) + "_ports", [&](const std::string& name) {
      Piece made{.name = {}, .set = set(name, {Type::inet_proto, Type::inet_service})};
      for (const auto& [protocol, port] : part.service.ports) {
        hold(inet(name, concat({bytes_of(protocol), network_order(port)})), made);
      }
      return made;
    });
  }
  void use_address_set(const std::optional<Statement>& condition) {
    const auto* lookup = condition ? std::get_if<Lookup>(&*condition) : nullptr;
    if (lookup == nullptr) return;
    const bool v6 = lookup->key.back() == Field::ip6_saddr || lookup->key.back() == Field::ip6_daddr;
    if (lookup->key.size() > 1) {
      need(lookup->set, [&](const std::string& name) { return Piece{.name = {}, .set = domain_set(name, v6)}; });
      return;
    }
    need(lookup->set, [&](const std::string& made_as) {
      Piece made{.name = {}, .set = interval_set(made_as, v6 ? Type::ipv6_addr : Type::ipv4_addr)};
      for (const auto& [name, addresses] : policy_.sets) {
        if (address_set_name(name, v6) != made_as) continue;
        for (const auto& prefix : addresses.v4) {
          if (!v6) hold(interval(made_as, prefix), made);
        }
        for (const auto& prefix : addresses.v6) {
          if (v6) hold(interval(made_as, prefix), made);
        }
      }
      return made;
    });
  }

  // The chain that does what the rule says.
  std::string judge(const PolicyRule& policy_rule, Side side) {
    const auto name = key_of_rule(policy_rule) + '_' + std::string{suffix(side)};
    const auto comment = comment_of(policy_rule);
    const auto over = said("over its limit: " + comment);
    if (policy_rule.limit) {
      need(name + "_over", [&](const std::string& made) {
        auto refused = refusal(made, refused_at(side), "limit", comment, drop());
        refused.rules.own().back().comment = over;
        return Piece{.name = {}, .chain = std::move(refused)};
      });
    }
    return need(name, [&](const std::string&) {
      Chain chain{name, std::nullopt, {}};
      const std::string action{config::name(policy_rule.action)};
      if (const auto& limit = policy_rule.limit) {
        chain.rules.push_back(
            rule(over, {Limit{limit->count, seconds(limit->unit), limit->burst, true}, go(name + "_over")}));
      }
      if (policy_rule.action != Action::allow) {
        append(seen(refused_at(side), action, comment), chain);
      } else if (policy_rule.log) {
        chain.rules.push_back(rule(
            comment, {Limit{kLogRate, 1, kLogBurst, false}, Log{log_prefix(action, comment), kLogGroup, kLogBytes}}));
      }
      chain.rules.push_back(rule(comment, {Count{name}, verdict_of(policy_rule.action)}));
      return Piece{.name = {}, .chain = std::move(chain), .counter = name};
    });
  }

  // Ends the chain.
  void add_default(const Membership& membership, Side side, Chain& chain) {
    const bool egress = side == Side::egress;
    const auto refuse = [&](Action action, const std::string& comment, std::vector<Statement> end) {
      append(seen(refused_at(side), config::name(action), comment), chain);
      chain.rules.push_back(rule(comment, std::move(end)));
    };
    if (membership.groups.empty()) {
      const auto comment = "default of network " + membership.network;
      if (!egress || membership.mode == config::Mode::isolated) return refuse(Action::reject, comment, {go("deny")});
      chain.rules.push_back(rule(comment, {accept()}));
      return;
    }
    const auto* strictest = strictest_of(membership, egress);
    // The loader lets no guest into a group that isn't declared; should one be, nothing passes.
    if (strictest == nullptr) return refuse(Action::deny, "a group that is not declared", {drop()});
    const auto action = egress ? strictest->egress : strictest->ingress;
    const auto comment = default_comment(*strictest, egress);
    if (action == Action::allow) {
      chain.rules.push_back(rule(comment, {accept()}));
      return;
    }
    const auto counter = default_counter(*strictest, egress);
    need(counter, [&](const std::string&) { return Piece{.name = {}, .counter = counter}; });
    refuse(action, comment, {Count{counter}, verdict_of(action)});
  }

  [[nodiscard]] const config::Group* strictest_of(const Membership& membership, bool egress) const {
    const config::Group* strictest = nullptr;
    const auto of = [egress](const config::Group& group) { return egress ? group.egress : group.ingress; };
    for (const auto& name : membership.groups) {
      const auto group = policy_.groups.find(name);
      if (group == policy_.groups.end()) continue;
      if (strictest == nullptr || strictness(of(group->second)) > strictness(of(*strictest))) {
        strictest = &group->second;
      }
    }
    return strictest;
  }

  static constexpr std::uint32_t kDnat = 0x20;  // IPS_DST_NAT, linux/netfilter/nf_conntrack_common.h

  PolicyScope scope_;
  const Profiles& profiles_;
  const config::Policy& policy_;
  CompileCache::Last& last_;
  StillCompiled still_;
  Ruleset& ruleset_;
  Table& inet_;
  RuleIndex by_sender_, by_receiver_;
  std::map<const PolicyRule*, std::string> keys_;
  std::map<std::string, std::shared_ptr<const Piece>> pieces_;  // made in this compilation
  Pieces made_;                                                 // of the side that is being compiled
  std::set<const Piece*> named_;                                // that are in made_
  std::unordered_set<std::string_view> put_;
  CompiledSides sides_;
};

}  // namespace

void add_policy(const config::Config& config, const Profiles& profiles, CompileCache* cache, Ruleset& ruleset) {
  if (config.policy.empty()) return;
  CompileCache of_this_call;
  PolicyCompiler{config, profiles, cache == nullptr ? of_this_call : *cache, ruleset}.run();
}

}  // namespace vrouter::firewall
