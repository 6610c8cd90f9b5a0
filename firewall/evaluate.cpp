// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/evaluate.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/netfilter/nf_conntrack_common.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstdlib>
#include <cstring>
#include <map>
#include <unordered_map>
#include <utility>

#include "firewall/element_index.h"
#include "firewall/packet_fields.h"

namespace vrouter::firewall {
namespace {

constexpr std::int32_t kConntrackPriority = -200;  // NF_IP_PRI_CONNTRACK
// No ruleset that the kernel takes goes so far from chain to chain; it bounds one that it wouldn't take.
constexpr std::size_t kMostChains = 256;
constexpr std::size_t kUsualWay = 4, kUsualKey = 40;  // rules; bytes

// The elements of the set or map that a statement names.
struct Data {
  const ElementMap* elements = nullptr;  // none: the set is empty
  bool interval = false;
  const ElementIndex* index = nullptr;  // of the same elements; none: they are looked up where they are
  bool admitted = false;                // of a domain
};

// A chain whose statements have their data at hand.
struct Program {
  const Chain* chain = nullptr;
  Base base{};                          // of a base chain
  std::vector<std::vector<Data>> data;  // by rule and statement
};

struct TableIndex {
  Family family{};
  std::unordered_map<std::string_view, Program> programs;
  std::array<std::vector<const Program*>, 5> bases;  // by hook, in order of priority
  std::vector<std::unique_ptr<const ElementIndex>> elements;
};

template <typename T>
const std::string* set_of(const T& statement) {
  if constexpr (requires { statement.set; }) {
    return &statement.set;
  } else if constexpr (requires { statement.map; }) {
    return &statement.map;
  } else {
    return nullptr;
  }
}

// What is known of each set before the first rule is read.
std::map<std::string_view, Data> sets_of(const Ruleset& ruleset, const Table& table) {
  std::map<std::string_view, Data> sets;
  for (const auto& set : table.sets) {
    const auto elements = ruleset.elements.find(SetRef{table.family, set.name});
    if (elements != ruleset.elements.end()) sets[set.name] = {&elements->second, set.interval, nullptr, set.admitted};
    if (set.admitted) sets[set.name].admitted = true;
  }
  return sets;
}

Data data_of(const std::map<std::string_view, Data>& sets, const Statement& statement) {
  const auto* set = std::visit([](const auto& s) { return set_of(s); }, statement);
  if (set == nullptr) return {};
  const auto found = sets.find(*set);
  return found == sets.end() ? Data{} : found->second;
}

TableIndex index_of(const Ruleset& ruleset, const Table& table, bool hashed) {
  TableIndex index{table.family, {}, {}, {}};
  auto sets = sets_of(ruleset, table);
  for (auto& [name, data] : sets) {
    if (!hashed || data.interval || data.elements == nullptr) continue;
    data.index = index.elements.emplace_back(std::make_unique<const ElementIndex>(*data.elements)).get();
  }
  for (const auto& chain : table.chains) {
    Program program{&chain, chain.base.value_or(Base{}), {}};
    for (const auto& rule : chain.rules) {
      auto& data = program.data.emplace_back();
      for (const auto& statement : rule.statements) data.push_back(data_of(sets, statement));
    }
    const auto& kept = index.programs.insert_or_assign(chain.name, std::move(program)).first->second;
    if (!chain.base) continue;
    auto& bases = index.bases.at(static_cast<std::size_t>(kept.base.hook));
    const auto priority = [](const Program* p) { return p->base.priority; };
    bases.insert(std::ranges::upper_bound(bases, kept.base.priority, {}, priority), &kept);
  }
  return index;
}

const Datum* find_in(const Data& data, ElementKey& probe) {
  if (data.elements == nullptr) return nullptr;
  if (data.index != nullptr) return data.index->find(probe.first);
  if (!data.interval) {
    const auto found = data.elements->find(probe);
    return found == data.elements->end() ? nullptr : &found->second;
  }
  // The last that starts at or before the key; intervals don't overlap.
  probe.last.assign(probe.first.size(), 0xff);
  auto after = data.elements->upper_bound(probe);
  probe.last.clear();
  if (after == data.elements->begin()) return nullptr;
  const auto& [key, datum] = *--after;
  return probe.first <= (key.last.empty() ? key.first : key.last) ? &datum : nullptr;
}

bool equal_bits(const Bytes& a, const Bytes& b, std::size_t count) {
  for (std::size_t bit = 0; bit < count; bit += 8) {
    const auto mask = count - bit >= 8 ? 0xffU : 0xff00U >> (count - bit) & 0xffU;
    if (((a[bit / 8] ^ b[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

std::uint32_t host_order(const Bytes& bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

bool is_nat(const Program& base) {
  return base.base.type == ChainType::nat;
}

// Which end of a connection NAT writes in a hook: HOOK2MANIP in the kernel's nf_nat.
std::uint32_t nat_done(Hook hook) {
  return hook == Hook::postrouting || hook == Hook::input ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE;
}

// Packets that come in or are sent here meet conntrack between the base chains of their first hook.
bool is_tracked(Family family, const Base& base) {
  const bool first = base.hook == Hook::prerouting || base.hook == Hook::output;
  return family == Family::inet && (!first || base.priority > kConntrackPriority);
}

// One packet in one base chain.
class Walk {
 public:
  Walk(const TableIndex& table, const Program& base, Packet& packet)
      : table_{table},
        packet_{packet},
        at_{&base, 0, 0},
        moment_{table.family, base.base.hook, is_tracked(table.family, base.base)} {
    step_.family = table.family;
    step_.way.reserve(kUsualWay);
    probe_.first.reserve(kUsualKey);
    step_.base = base.chain;
  }

  Step run() && {
    while (!settled_) {
      if (at_.next < at_.program->chain->rules.size()) {
        run_rule(at_.next++);
      } else if (!leave()) {
        break;  // the policy: accept
      }
    }
    return std::move(step_);
  }

 private:
  enum class Flow : std::uint8_t {
    on,      // to the next statement
    broken,  // to the next rule
    over     // with a verdict
  };
  struct Place {
    const Program* program = nullptr;
    std::size_t next = 0;  // rule
    std::size_t way = 0;   // how long the way was on entering
  };

  void run_rule(std::size_t index) {
    const auto& rule = at_.program->chain->rules[index];
    const auto& data = at_.program->data[index];
    const RulePlace place{at_.program->chain, index};
    for (std::size_t i = 0; i < rule.statements.size(); ++i) {
      const auto flow = std::visit([&](const auto& s) { return run(s, data[i]); }, rule.statements[i]);
      if (flow == Flow::on) continue;
      if (flow == Flow::over) move(place);
      if (flow == Flow::broken && data[i].admitted) note_unless_told(place, i);
      return;
    }
  }

  // Of a rule that ended at the set of a domain: whether it would have gone on to its verdict from there.
  void note_unless_told(const RulePlace& place, std::size_t at) {
    const auto& rule = place.rule();
    const auto& data = at_.program->data[place.index];
    const auto* asked = std::get_if<Lookup>(&rule.statements[at]);
    const auto has = [&](Field field) { return load(field, packet_, moment_, probe_.first); };
    probe_.first.clear();
    if (asked == nullptr || !std::ranges::all_of(asked->key, has)) return;  // of the other family
    for (auto next = at + 1; next + 1 < rule.statements.size(); ++next) {
      if (std::visit([&](const auto& s) { return run(s, data[next]); }, rule.statements[next]) != Flow::on) return;
    }
    step_.unless_told.push_back(place);
  }

  // Carries out the verdict on which the rule ended.
  void move(const RulePlace& place) {
    if (settled_) {
      step_.way.push_back(place);
    } else if (target_ == nullptr) {
      if (!leave()) settled_ = true;  // return from the base chain: its policy
    } else if (const auto found = table_.programs.find(*target_);
               found != table_.programs.end() && ++chains_ < kMostChains) {
      if (!goto_) callers_.push_back(at_);
      step_.way.push_back(place);
      at_ = {&found->second, 0, step_.way.size()};
    } else {
      step_.way.push_back(place);
      settle(Ruling::drop);
    }
  }

  // To where the innermost jump came from. A goto leaves nothing to come back to.
  bool leave() {
    if (callers_.empty()) {
      step_.way.clear();
      return false;
    }
    at_ = callers_.back();
    callers_.pop_back();
    step_.way.resize(at_.way);
    return true;
  }

  Flow settle(Ruling ruling) {
    settled_ = true;
    step_.ruling = ruling;
    return Flow::over;
  }
  static Flow held(bool holds) { return holds ? Flow::on : Flow::broken; }

  // The field's own bytes in probe_.first.
  bool look_at(Field field) {
    probe_.first.clear();
    return load(field, packet_, moment_, probe_.first);
  }
  // What the set holds for the key; a concatenation's fields are padded to registers.
  const Datum* find(const Key& key, const Data& data) {
    probe_.first.clear();
    for (const auto field : key) {
      if (!load(field, packet_, moment_, probe_.first)) return nullptr;
      if (key.size() > 1) probe_.first.resize((probe_.first.size() + 3) / 4 * 4, 0);
    }
    return find_in(data, probe_);
  }

  Flow run(const Compare& s, const Data&) {
    if (!look_at(s.field)) return Flow::broken;
    const auto bits = s.prefix_length == 0 ? s.value.size() * 8 : s.prefix_length;
    return held(equal_bits(probe_.first, s.value, bits) != s.negated);
  }
  Flow run(const Between& s, const Data&) {
    return held(look_at(s.field) && s.first <= probe_.first && probe_.first <= s.last);
  }
  Flow run(const AnyBit& s, const Data&) { return held(look_at(s.field) && (host_order(probe_.first) & s.bits) != 0); }
  Flow run(const Lookup& s, const Data& data) {
    const auto* found = find(s.key, data);
    return held(found != nullptr && !found->meter);  // a meter is never exceeded
  }
  Flow run(const VerdictMap& s, const Data& data) {
    const auto* found = find(s.key, data);
    return found != nullptr && found->verdict ? run(*found->verdict, data) : Flow::broken;
  }
  Flow run(const SetMark& s, const Data&) {
    packet_.mark = s.value;
    return Flow::on;
  }
  Flow run(const MarkFromMap& s, const Data& data) {
    const auto* found = find(s.key, data);
    if (found == nullptr) return Flow::broken;
    packet_.mark = host_order(found->value);
    return Flow::on;
  }
  Flow run(const Nat& s, const Data& data) {
    const auto* found = find(s.key, data);
    if (found == nullptr) return Flow::broken;
    if (s.ipv6 != packet_.source.is_v6()) return Flow::on;  // nft_nat_inet_eval: not its family, not its business
    translate(s, found->value);
    return settle(Ruling::accept);
  }
  Flow run(const Masquerade&, const Data&) {
    const auto unknown = packet_.source.is_v4() ? address{address_v4{}} : address{address_v6{}};
    set_source(packet_.masquerade.value_or(unknown));
    return settle(Ruling::accept);
  }
  Flow run(const Notrack&, const Data&) {
    packet_.ct_state = kCtUntracked;
    return Flow::on;
  }
  Flow run(const Reject& s, const Data&) {
    step_.answer = s.kind;
    return settle(Ruling::reject);
  }
  Flow run(const TcpSyn&, const Data&) {
    constexpr std::uint8_t kSyn = 0x02, kRst = 0x04;
    return held(packet_.protocol == IPPROTO_TCP && (packet_.tcp_flags & (kSyn | kRst)) == kSyn);
  }
  Flow run(const ClampMss&, const Data&) { return held(packet_.protocol == IPPROTO_TCP); }
  Flow run(const Limit& s, const Data&) { return held(!s.over); }  // never exceeded
  // The set is never full and no limit exceeded; a field that the packet hasn't ends the rule all the same.
  Flow run(const Update& s, const Data& data) {
    probe_.first.clear();
    const bool whole = std::ranges::all_of(s.key, [&](Field f) { return load(f, packet_, moment_, probe_.first); });
    if (std::holds_alternative<CountOver>(s.with)) return held(false);  // nobody is at the bound
    const auto* limit = std::get_if<Limit>(&s.with);
    return whole && limit != nullptr ? run(*limit, data) : held(whole);
  }
  Flow run(const Log&, const Data&) { return Flow::on; }
  Flow run(const Count&, const Data&) { return Flow::on; }
  Flow run(const Verdict& s, const Data&) {
    switch (s.kind) {
      case Verdict::Kind::accept:
        return settle(Ruling::accept);
      case Verdict::Kind::drop:
        return settle(Ruling::drop);
      case Verdict::Kind::jump:
      case Verdict::Kind::goto_chain:
        target_ = &s.chain;
        goto_ = s.kind == Verdict::Kind::goto_chain;
        return Flow::over;
      case Verdict::Kind::return_:
        target_ = nullptr;
        return Flow::over;
    }
    std::abort();
  }

  // The map's data: an address, and behind it a port where it has one.
  void translate(const Nat& s, const Bytes& value) {
    const std::size_t size = s.ipv6 ? 16 : 4;
    if (value.size() < size) return;
    address to;
    if (s.ipv6) {
      address_v6::bytes_type bytes;
      std::copy_n(value.begin(), size, bytes.begin());
      to = address_v6{bytes};
    } else {
      address_v4::bytes_type bytes;
      std::copy_n(value.begin(), size, bytes.begin());
      to = address_v4{bytes};
    }
    if (s.kind == Nat::Kind::snat) return set_source(to);
    auto port = packet_.destination_port;
    if (value.size() >= size + 2) port = static_cast<std::uint16_t>(value[size] << 8 | value[size + 1]);
    if (to != packet_.destination || port != packet_.destination_port) packet_.ct_status |= IPS_DST_NAT;
    if (!packet_.original_destination) packet_.original_destination = packet_.destination;
    packet_.destination = to;
    packet_.destination_port = port;
    packet_.ct_status |= IPS_DST_NAT_DONE;
  }
  void set_source(const address& to) {
    if (to != packet_.source) packet_.ct_status |= IPS_SRC_NAT;
    packet_.source = to;
    packet_.ct_status |= IPS_SRC_NAT_DONE;
  }

  const TableIndex& table_;
  Packet& packet_;
  Place at_;
  Moment moment_;
  Step step_;
  std::vector<Place> callers_;
  ElementKey probe_;
  const std::string* target_ = nullptr;  // of the last jump or goto; none: it was a return
  bool goto_ = false, settled_ = false;
  std::size_t chains_ = 0;
};

// May this base chain see the packet at all?
bool asks(const Program& base, Hook hook, const Packet& packet) {
  return !is_nat(base) || ((packet.ct_state & kCtNew) != 0 && (packet.ct_status & nat_done(hook)) == 0);
}

}  // namespace

struct Evaluator::Index {
  std::vector<TableIndex> tables;
};

Evaluator::Evaluator(const Ruleset& ruleset, Packets packets) {
  Index index;
  for (const auto& table : ruleset.tables) {
    index.tables.push_back(index_of(ruleset, table, packets == Packets::many));
  }
  index_ = std::make_unique<const Index>(std::move(index));
}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

Outcome Evaluator::run_hook(Family family, Hook hook, Packet& packet) const {
  Outcome outcome;
  bool nat = false;
  for (const auto& table : index_->tables) {
    if (table.family != family) continue;
    for (const auto* base : table.bases.at(static_cast<std::size_t>(hook))) {
      if (!asks(*base, hook, packet)) continue;
      nat = nat || is_nat(*base);
      const auto& step = outcome.steps.emplace_back(Walk{table, *base, packet}.run());
      outcome.ruling = step.ruling;
      if (step.ruling != Ruling::accept) return outcome;
    }
  }
  if (nat) packet.ct_status |= nat_done(hook);  // what no chain translates keeps its address for good
  return outcome;
}

std::uint32_t first_ct_state(const Packet& packet) noexcept {
  constexpr std::uint8_t kFlags = 0x17, kSyn = 0x02, kAck = 0x10;  // FIN, SYN, RST and ACK count
  const auto type = packet.icmp_type;
  const auto of = [type](std::initializer_list<std::uint8_t> types) {
    return std::ranges::find(types, type) != types.end();
  };
  switch (packet.protocol) {
    case IPPROTO_ICMP:  // echo, timestamp, information and mask requests: net/netfilter/nf_conntrack_proto_icmp.c
      return packet.source.is_v4() && of({8, 13, 15, 17}) ? kCtNew : kCtInvalid;
    case IPPROTO_ICMPV6:  // nf_conntrack_proto_icmpv6.c: what is of one link has no connection
      if (!packet.source.is_v6()) return kCtInvalid;
      if (of({130, 131, 132, 133, 134, 135, 136, 143})) return kCtUntracked;
      return of({128, 139}) ? kCtNew : kCtInvalid;
    case IPPROTO_TCP:  // nf_conntrack_proto_tcp.c: an ACK alone is a connection picked up in its middle
      return (packet.tcp_flags & kFlags) == kSyn || (packet.tcp_flags & kFlags) == kAck ? kCtNew : kCtInvalid;
    default:
      return kCtNew;
  }
}

std::string_view name(Ruling ruling) noexcept {
  switch (ruling) {
    case Ruling::accept:
      return "accept";
    case Ruling::drop:
      return "drop";
    case Ruling::reject:
      return "reject";
  }
  std::abort();
}

std::string_view Step::comment() const {
  return way.empty() ? std::string_view{} : std::string_view{way.back().rule().comment};
}

}  // namespace vrouter::firewall
