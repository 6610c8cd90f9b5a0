// SPDX-License-Identifier: GPL-2.0-or-later
// What the control socket shows: plain values. Their JSON is described by io.vrouter.varlink and made in json.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mac_address.h"
#include "config/model.h"
#include "dhcp/tables.h"
#include "dns/tables.h"

namespace vrouter::router::control {

struct LeaseView {
  std::string guest;  // of a range: the name that its reservation gives; mostly empty
  std::string tap;    // empty: behind a relay
  std::string network;
  bool dynamic = false;  // of a network's range; else it is the guest's own address
  address_v4 address;
  MacAddress client;      // chaddr
  std::string client_id;  // option 61 in hex; empty: none sent
  std::string host_name;  // as the client says; may be empty
  std::string dns_name;   // of a range: what it is called in the DNS; empty: it has no name there
  dhcp::LeaseState state = dhcp::LeaseState::bound;
  std::optional<std::chrono::seconds> expires_in;  // empty: not known, such as after a restart
  bool operator==(const LeaseView&) const = default;
};

// How a network's range stands.
struct RangeView {
  std::string network;
  std::string range;             // "10.0.5.200-10.0.5.249"
  std::uint64_t size = 0;        // addresses that it may give, without what is excluded
  std::uint64_t bound = 0;       // had by somebody now
  std::uint64_t resting = 0;     // declined, or found in use: nobody gets them for a while
  std::uint64_t unanswered = 0;  // requests left without an answer, since it had no address free
  bool operator==(const RangeView&) const = default;
};

// As the guest sees it: rx is what it received, which is the TAP's tx.
struct Traffic {
  std::uint64_t rx_bytes = 0, rx_packets = 0, tx_bytes = 0, tx_packets = 0;
  bool operator==(const Traffic&) const = default;
};

struct Count {
  std::uint64_t packets = 0, bytes = 0;
  bool operator==(const Count&) const = default;
};

// What the firewall refused: of what the guest sent, and of what was sent to it.
struct DeniedView {
  Count out, in;
  bool operator==(const DeniedView&) const = default;
};

struct GuestView {
  config::Guest guest;  // as completed: name, network, address
  bool ready = false;   // adopted: routed, filtered, answered
  std::string state;    // "ready", "waiting for tap0", "failed"
  std::string why;      // one sentence where not ready; empty otherwise
  std::optional<LeaseView> lease;
  std::optional<Traffic> traffic;     // empty: the TAP isn't there
  std::optional<DeniedView> denied;   // empty: not asked for, as in a list of guests
  std::vector<std::string> warnings;  // what on this host may stop the guest, each with its remedy
  bool operator==(const GuestView&) const = default;
};

enum class Health { ok, degraded, stopped };
[[nodiscard]] std::string_view name(Health) noexcept;

// Whether an optional thing of the kernel's is there: never an error, but good to know.
struct Feature {
  std::string name;  // "flowtable"
  bool present = false;
  std::string detail;  // what its lack means, or how it is used; may be empty
  bool operator==(const Feature&) const = default;
};

// What was put right since the start, after somebody else changed it.
struct Repairs {
  std::uint64_t links = 0;  // device groups, up and down, TAPs made again
  std::uint64_t addresses = 0, routes = 0, neighbours = 0, sysctls = 0;
  std::uint64_t bridge_netfilter = 0;  // net.bridge.bridge-nf-*
  std::uint64_t rules = 0;             // transactions that put tables, chains or sets right
  std::uint64_t elements = 0;          // transactions that put nothing right but elements of sets
  bool operator==(const Repairs&) const = default;
};

// What the policy files say, in numbers.
struct PolicyView {
  std::vector<std::string> files;  // their names
  std::uint64_t rules = 0, groups = 0, expectations = 0;
  bool operator==(const PolicyView&) const = default;
};

struct StatusView {
  Health health = Health::ok;
  std::vector<std::string> problems;  // empty when ok; each with its remedy
  std::vector<std::string> warnings;  // what doesn't hurt vrouter but may hurt guests
  std::string version;
  std::string kernel;  // uname -r
  std::chrono::seconds uptime{};
  std::string config_file;  // empty: the embedded defaults
  std::vector<std::string> uplinks;
  std::string forwarding;             // "interfaces" or "global"
  std::vector<std::string> networks;  // "default 10.0.5.0/24 nat"
  PolicyView policy;
  std::uint64_t guests = 0;
  std::uint64_t guests_ready = 0;
  std::vector<Feature> features;
  Repairs repairs;
  std::optional<std::chrono::seconds> confirm_within;  // until then the files in force wait for `vrouter confirm`
  std::vector<std::string> upstreams_from;             // "/etc/resolv.conf" or "vrouter.toml"
  std::vector<std::string> dns_addresses;              // the gateways, where it is served; empty after a teardown
  std::vector<RangeView> ranges;
  dhcp::Statistics dhcp;
  dns::Statistics dns;  // its upstreams are the resolvers in use
};

// What one side said of a packet, and by which rule.
struct ExplainSide {
  std::string side;           // "anti-spoofing", "sender", "receiver" or "host"
  std::string verdict;        // "allow", "deny" or "reject"
  std::string rule;           // its name in the policy; empty: it is no rule of the policy's
  config::Place declared_at;  // of the rule, or of the group whose default it was; file empty: of neither
  std::string comment;        // as it stands in the ruleset
  std::string chain;
  bool operator==(const ExplainSide&) const = default;
};

// What would become of the first packet of a connection.
struct ExplainView {
  std::string from, to;            // "web1 (10.0.5.2)"
  std::string packet;              // "tcp/443"
  std::string verdict;             // "allow", "deny", "reject", "unroutable" or "unjudged"
  std::string summary;             // one sentence
  std::vector<std::string> steps;  // what each side said, and what was translated
  std::vector<ExplainSide> sides{};
  bool operator==(const ExplainView&) const = default;
};

// A rule of the policy, or what a group's default says of one direction.
struct RuleView {
  std::string name;  // of a default: "default of group web, ingress"
  config::Place declared_at;
  std::string action;                 // "allow", "deny" or "reject"
  std::vector<std::string> from, to;  // "group:web"
  std::vector<std::string> services;  // "tcp/5432"; empty: all
  bool log = false;
  std::string limit;           // "10/minute burst 5", of all that it decides on together; empty: none
  std::optional<Count> count;  // first packets that it decided on; empty: not counted, as of a default that allows
  bool operator==(const RuleView&) const = default;
};

// A packet that the firewall logged, mostly one that it refused.
struct PacketView {
  std::chrono::microseconds time{};  // since 1970, when it was told
  std::string action;                // "allow", "deny", "reject", "limit" or "spoof"
  std::string rule;                  // in words: "web to db"
  std::string file;                  // of the policy, where the rule is of it
  std::uint32_t line = 0;
  std::string in, out;               // interfaces; empty: none, or gone since
  std::string from_guest, to_guest;  // names, by those interfaces
  std::string source, destination;
  std::string protocol;  // "tcp", "icmpv6", or a number
  std::optional<std::uint16_t> source_port, destination_port;
  std::optional<std::uint8_t> icmp_type, icmp_code;
  bool operator==(const PacketView&) const = default;
};

// One message of a monitor. The first says nothing but that it has begun.
struct MonitorView {
  std::optional<PacketView> packet;
  // What became of a lease, static or of a range; with the time of telling, as a packet's.
  std::optional<LeaseView> lease;
  std::chrono::microseconds lease_time{};
  std::uint64_t missed = 0;  // packets before this one that it could not be told of
  std::string notice;        // why nothing may come; empty: nothing stands in the way
  bool operator==(const MonitorView&) const = default;
};

struct FlushedNames {
  std::string name;  // as it was said; empty: all
  bool operator==(const FlushedNames&) const = default;
};

struct ReloadView {
  std::vector<std::string> changes;  // a sentence each; empty: nothing to do
  std::vector<std::string> warnings;
  std::optional<std::chrono::seconds> confirm_within{};  // else what held before holds again
};

// How long files may wait to be confirmed: as long as typing takes, and not so long that they are forgotten.
inline constexpr std::chrono::seconds kLeastConfirm{1};
inline constexpr std::chrono::seconds kMostConfirm{3600};

}  // namespace vrouter::router::control
