// SPDX-License-Identifier: GPL-2.0-or-later
// The firewall policy as values: what policy.d/*.toml says, in the order in which it is read (files by name, then
// lines). No file, no TOML, no kernel. What it means is in docs/policy.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/networks.h"
#include "config/problem.h"

namespace vrouter::config {

enum class Action : std::uint8_t { allow, deny, reject };  // let pass; drop; drop and tell the sender

[[nodiscard]] std::string_view name(Action) noexcept;  // "allow"

// One end of a rule or of an expectation.
struct Peer {
  enum class Kind : std::uint8_t {
    any,      // every guest and the world; not this host
    world,    // what is neither a guest nor this host
    host,     // this host, its gateways included
    group,    // by `name`
    guest,    // by `name`
    network,  // every guest of the network `name`
    set,      // the addresses of the set `name`
    net,      // the addresses of net4 or net6
    domain    // what DNS has told the sender of `name`: "www.example.org", or "*.example.org" of all below; only `to`
  };
  Kind kind = Kind::any;
  std::string name{};
  std::optional<network_v4> net4{};
  std::optional<network_v6> net6{};

  [[nodiscard]] std::string to_string() const;  // as it is written: "group:web"
  bool operator==(const Peer&) const = default;
};

struct PortRange {
  std::uint16_t first = 0, last = 0;  // both inclusive
  auto operator<=>(const PortRange&) const = default;
};

// What kind of traffic: a protocol, and of those that have them the destination's ports or an ICMP type.
struct Service {
  std::uint8_t protocol = 0;                // IPPROTO_*
  std::optional<PortRange> ports{};         // tcp, udp, sctp, dccp, udplite
  std::optional<std::uint8_t> icmp_type{};  // icmp, ipv6-icmp

  [[nodiscard]] std::string to_string() const;  // as it is written, in its shortest form: "tcp/80-90", "icmp/8"
  auto operator<=>(const Service&) const = default;
};

// Whether a peer domain's `name` means the name that was asked for; both in lower case, without a dot at the end.
// "*.example.org" is all below example.org and not that itself.
[[nodiscard]] bool domain_means(std::string_view domain, std::string_view asked) noexcept;

// Protocols whose header starts with a source and a destination port.
[[nodiscard]] bool has_ports(std::uint8_t protocol) noexcept;

// So many new connections per unit of time; more are dropped. As nft's `limit rate COUNT/UNIT burst BURST packets`.
struct RateLimit {
  enum class Unit : std::uint8_t { second, minute, hour, day };
  std::uint32_t count = 0;
  Unit unit = Unit::second;
  std::uint32_t burst = 5;

  [[nodiscard]] std::string to_string() const;  // "10/minute burst 5"
  bool operator==(const RateLimit&) const = default;
};
[[nodiscard]] std::string_view name(RateLimit::Unit) noexcept;  // "second"

struct Group {
  std::string name;
  Action egress = Action::allow;    // what members may start, where no rule says
  Action ingress = Action::reject;  // what may reach them, where no rule says
  Place declared_at;
  bool operator==(const Group&) const = default;
};

// Sorted, without overlaps: an address is in one prefix or in none.
struct AddressSet {
  std::string name;
  std::vector<network_v4> v4;
  std::vector<network_v6> v6;
  Place declared_at;
  bool operator==(const AddressSet&) const = default;
};

struct PolicyRule {
  std::string name;            // unique; "rule 3 of 10-web.toml" where none was given
  std::vector<Peer> from, to;  // one of each is enough; none stands twice
  Action action = Action::allow;
  std::vector<Service> services;  // one is enough; empty: all traffic; sorted, no packet is in two of them
  bool log = false;
  std::optional<RateLimit> limit;  // of allow only
  Place declared_at;
  bool operator==(const PolicyRule&) const = default;
};

// A unit test of the policy: proved before it is applied.
struct Expect {
  Peer from, to;  // of group, network, set and net: every member, or the first and last address of each prefix
  Service packet;
  Action verdict = Action::allow;  // deny and reject are told apart
  Place declared_at;
  bool operator==(const Expect&) const = default;
};

struct Policy {
  std::map<std::string, Group> groups;
  std::map<std::string, AddressSet> sets;
  std::vector<PolicyRule> rules;  // the first that matches decides
  std::vector<Expect> expects;

  [[nodiscard]] bool empty() const noexcept { return groups.empty() && rules.empty(); }
  bool operator==(const Policy&) const = default;
};

[[nodiscard]] std::vector<std::string> domains_of(const PolicyRule& rule);
// The names of all peers that are domains, sorted, each once.
[[nodiscard]] std::vector<std::string> domains_of(const std::vector<PolicyRule>& rules);

// Whether both say the same, wherever in the files they say it. A rule without a name of its own is named after its
// file and its number there, so that is compared.
[[nodiscard]] bool same_meaning(const Policy& a, const Policy& b);

}  // namespace vrouter::config
