// SPDX-License-Identifier: GPL-2.0-or-later
// A ruleset as plain data: what compile() makes, render_nft() prints, diff() compares and NftPort sends.
//
// Theory: a guest is *elements in sets and maps* and nothing else. Tables, sets, chains and rules come from the
// configuration alone, so that adding a guest is one batch whose cost doesn't depend on how many there are.
// The language of rules is closed: just what compile() says, each word with one bytecode (bytecode.h) and one text.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/boxed.h"
#include "base/copy_on_write.h"
#include "base/guest_group.h"

namespace vrouter::firewall {

inline constexpr std::string_view kTableName = "vrouter";
inline constexpr std::string_view kTableComment = "managed by vrouter - do not edit";

// Bytes as the kernel compares them: addresses and ports in network order, marks in host order, interface names
// padded to 16 bytes, each field of a concatenation padded to 4.
using Bytes = std::vector<std::uint8_t>;

enum class Family : std::uint8_t { inet = 1, arp = 3 };  // NFPROTO_*, linux/netfilter.h

// The types of set fields by their number in nft's userspace (nftables, include/datatype.h).
enum class Type : std::uint8_t {
  ipv4_addr = 7,
  ipv6_addr = 8,
  ether_addr = 9,
  inet_proto = 12,
  inet_service = 13,
  icmp_type = 14,
  mark = 19,
  icmpv6_type = 29,
  ifname = 41
};

// What of a packet a rule looks at.
enum class Field : std::uint8_t {
  iifname,
  oifname,
  iifgroup,
  oifgroup,
  mark,
  nfproto,
  l4proto,
  ether_saddr,
  ip_saddr,
  ip_daddr,
  ip6_saddr,
  ip6_daddr,
  udp_sport,
  udp_dport,
  th_sport,
  th_dport,
  icmp_type,
  icmpv6_type,
  arp_operation,
  arp_saddr_ether,
  arp_saddr_ip,
  ct_state,
  ct_status,
  ct_original_ip_daddr,  // where the connection's first packet went, before any translation
  ct_original_ip6_daddr,
  fib_daddr_type,
  fib_saddr_iif,  // is its source reached by the interface that it came from?
  skuid
};
using Key = std::vector<Field>;  // more than one: a concatenation

struct Verdict {
  enum class Kind : std::uint8_t { accept, drop, jump, goto_chain, return_ };
  Kind kind = Kind::accept;
  std::string chain;  // of jump and goto_chain
  auto operator<=>(const Verdict&) const = default;
};

// `field == value`, or `!=`; prefix_length > 0 compares only that many leading bits.
struct Compare {
  Field field{};
  Bytes value;
  bool negated = false;
  std::uint8_t prefix_length = 0;
  auto operator<=>(const Compare&) const = default;
};
struct Between {  // `field first-last`, both inclusive
  Field field{};
  Bytes first, last;
  auto operator<=>(const Between&) const = default;
};
struct AnyBit {  // one of the bits is set: `ct state established,related`
  Field field{};
  std::uint32_t bits = 0;
  auto operator<=>(const AnyBit&) const = default;
};
struct Lookup {  // `key @set`
  Key key;
  std::string set;
  auto operator<=>(const Lookup&) const = default;
};
struct VerdictMap {  // `key vmap @map`
  Key key;
  std::string map;
  auto operator<=>(const VerdictMap&) const = default;
};
struct SetMark {  // `meta mark set value`
  std::uint32_t value = 0;
  auto operator<=>(const SetMark&) const = default;
};
struct MarkFromMap {  // `meta mark set key map @map`; a key that isn't there ends the rule
  Key key;
  std::string map;
  auto operator<=>(const MarkFromMap&) const = default;
};
struct Nat {  // `dnat ip to key map @map` (address and port, or an address), `snat ip to key map @map` (address)
  enum class Kind : std::uint8_t { snat, dnat };
  Kind kind{};
  bool ipv6 = false;
  Key key;
  std::string map;
  bool address_only = false;  // of a dnat: the port stays
  auto operator<=>(const Nat&) const = default;
};
struct Notrack {  // `notrack`: conntrack leaves the packet alone, and so does NAT
  auto operator<=>(const Notrack&) const = default;
};
struct Masquerade {
  auto operator<=>(const Masquerade&) const = default;
};
struct Reject {
  enum class Kind : std::uint8_t { tcp_reset, admin_prohibited };
  Kind kind{};
  auto operator<=>(const Reject&) const = default;
};
struct TcpSyn {  // `tcp flags & (syn | rst) == syn`
  auto operator<=>(const TcpSyn&) const = default;
};
struct ClampMss {  // `tcp option maxseg size set rt mtu`
  auto operator<=>(const ClampMss&) const = default;
};

// `limit rate [over] RATE/UNIT burst BURST packets`: goes on with what is within it, or with `over` with what is not.
struct Limit {
  std::uint32_t rate = 0;
  std::uint64_t unit = 1;  // in seconds
  std::uint32_t burst = 5;
  bool over = false;
  auto operator<=>(const Limit&) const = default;
};
struct Log {  // `log prefix PREFIX group GROUP snaplen SNAPLEN`: to whoever listens to the group (nfnetlink_log)
  std::string prefix;  // at most 127 bytes (NF_LOG_PREFIXLEN)
  std::uint16_t group = 0;
  std::uint32_t snaplen = 0;  // bytes of the packet that go along
  auto operator<=>(const Log&) const = default;
};
struct Count {  // `counter name COUNTER`
  std::string counter;
  auto operator<=>(const Count&) const = default;
};
struct Counter {  // `counter`, of an element's own
  auto operator<=>(const Counter&) const = default;
};
struct CountOver {  // `ct count over LIMIT`, of an element's own: goes on with what is one connection too many
  std::uint32_t limit = 0;
  auto operator<=>(const CountOver&) const = default;
};
// `update @SET { KEY counter }`, `update @SET { KEY limit rate ... }`: the kernel makes the element where there is none
// and puts off its end; `add @SET { KEY ct count over ... }`: its elements have none. The rule goes on where the
// element's own statement would: with a limit, for what is within it. A set that is full ends the rule, so that no
// refusal of a policy's may stand behind an update: it would fail open. A guest's limit may.
struct Update {
  Key key;
  std::string set;  // a dynamic one
  std::variant<Counter, Limit, CountOver> with;
  auto operator<=>(const Update&) const = default;
};

using Statement = std::variant<Compare, Between, AnyBit, Lookup, VerdictMap, SetMark, MarkFromMap, Nat, Masquerade,
                               Notrack, Reject, TcpSyn, ClampMss, Limit, Log, Count, Update, Verdict>;

struct Rule {
  std::vector<Statement> statements;
  std::string comment;  // for the operator who reads `nft list ruleset`; at most 127 bytes
  auto operator<=>(const Rule&) const = default;
};

enum class Hook : std::uint8_t { prerouting = 0, input = 1, forward = 2, output = 3, postrouting = 4 };  // NF_INET_*
enum class ChainType : std::uint8_t { filter, nat };

// What makes a chain a base chain. The policy is always accept: what nothing of ours matches is not ours to judge.
struct Base {
  ChainType type = ChainType::filter;
  Hook hook{};
  std::int32_t priority = 0;
  auto operator<=>(const Base&) const = default;
};

struct Chain {
  std::string name;
  std::optional<Base> base;
  CopyOnWrite<std::vector<Rule>> rules;
  auto operator<=>(const Chain&) const = default;
};

enum class DataKind : std::uint8_t { none, value, verdict };

struct Set {
  std::string name;
  std::vector<Type> key;
  DataKind data_kind = DataKind::none;  // none: a set; else a map
  std::vector<Type> data;               // of DataKind::value
  bool interval = false;                // single-field keys only; its elements have an end
  bool metered = false;                 // each element has a meter of its own
  std::uint32_t size = 0;               // of a dynamic set, whose elements packets make (Update): at most so many
  std::uint32_t timeout = 0;            // of a dynamic set, in seconds: how long one stays that no packet asks for
  bool admitted = false;                // each element has a time to live, and comes as it is needed (domains.h)

  // Its elements are no part of the ruleset: never read, compared, added or removed with it.
  [[nodiscard]] bool dynamic() const noexcept { return size != 0 || admitted; }
  auto operator<=>(const Set&) const = default;
};

// What an element of a metered set counts. A look-up of it holds for what is over the limit, and only for that.
struct Meter {
  enum class Kind : std::uint8_t { packets, bytes };
  Kind kind = Kind::packets;
  std::uint64_t rate = 0;   // a second
  std::uint32_t burst = 0;  // the kernel adds a second's worth to that of bytes
  auto operator<=>(const Meter&) const = default;
};

// A value, or a verdict, or a meter, or none of them.
struct Datum {
  Bytes value;
  Boxed<Verdict> verdict;  // boxed: a guest is some ten elements, of which one has either
  Boxed<Meter> meter = {};
  auto operator<=>(const Datum&) const = default;
};

struct SetRef {
  Family family = Family::inet;
  std::string set;
  auto operator<=>(const SetRef&) const = default;
};

// A key, or with `last` all from key to last, both inclusive.
struct ElementKey {
  Bytes first;
  Bytes last;  // empty: only `first`
  auto operator<=>(const ElementKey&) const = default;
};

struct Element {
  SetRef set;
  ElementKey key;
  Datum data;
  auto operator<=>(const Element&) const = default;
};

// One table of ours, always named kTableName.
struct Table {
  Family family = Family::inet;
  std::vector<Set> sets;
  std::vector<Chain> chains;
  std::set<std::string> counters = {};  // by name; what they have counted outlives every change of the rules
  auto operator<=>(const Table&) const = default;
};

// Many sets are as they were when a ruleset is made anew.
using ElementMap = CopyOnWrite<std::map<ElementKey, Datum>>;

struct Ruleset {
  bool owned = false;  // OWNER|PERSIST: nobody else can change or flush it, and it outlives the process
  std::vector<Table> tables;
  std::map<SetRef, ElementMap> elements;  // sets without elements have no entry
  bool operator==(const Ruleset&) const = default;

  // Elements are added or taken back, each known by its set and key.
  void insert(const std::vector<Element>& guest);
  void erase(const std::vector<Element>& guest);
  [[nodiscard]] const Set* find(const SetRef& ref) const;
};

[[nodiscard]] std::string_view name(Family) noexcept;                             // "inet"
[[nodiscard]] std::string_view name(Type) noexcept;                               // "ipv4_addr"
[[nodiscard]] std::string_view name(Hook) noexcept;                               // "prerouting"
[[nodiscard]] std::string_view name(ChainType) noexcept;                          // "filter"
[[nodiscard]] std::size_t size_of(Type) noexcept;                                 // in bytes
[[nodiscard]] std::size_t padded_size(const std::vector<Type>& fields) noexcept;  // of a whole key

}  // namespace vrouter::firewall
