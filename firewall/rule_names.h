// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel's objects that a policy makes are called, what their comments say, and what is logged of whom they
// refuse.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "config/model.h"
#include "firewall/profiles.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

inline constexpr std::uint16_t kLogGroup = 7672;  // of nfnetlink_log
// The tables' sets of who was refused something, by interface: what it sent, and what was sent to it.
inline constexpr std::string_view kDeniedFrom = "denied_from", kDeniedTo = "denied_to";

// For names of chains and sets.
[[nodiscard]] std::string slug(std::string_view text);
[[nodiscard]] std::string hex(std::uint64_t value, int digits);
// For comments and prefixes, which nft must be able to read back; at most 127 bytes.
[[nodiscard]] std::string said(std::string text);

[[nodiscard]] std::string comment_of(const config::PolicyRule& rule);  // "web to db (web.toml:12)"
[[nodiscard]] std::string default_comment(const config::Group& group, bool egress);

// What the rule says, without where: what it has counted stays its own when others come and go around it. Its chains
// and counters have this name and a suffix for each side (policy_parts.h).
[[nodiscard]] std::string key_of(const config::PolicyRule& rule);
struct RuleCounters {
  std::string egress, ingress, to_host, from_host;
};
[[nodiscard]] RuleCounters counters_of(const config::PolicyRule& rule);
[[nodiscard]] std::string default_counter(const config::Group& group, bool egress);  // where the default refuses

// Of a group whose guests may ask no other resolver: "no other resolver for group kids (vrouter.toml:12)".
[[nodiscard]] std::string resolver_comment(const std::string& group, const config::Place& declared_at);
[[nodiscard]] std::string resolver_chain(const std::string& group);

// What the names of a profile's chains begin with.
[[nodiscard]] std::string profile_name(const Membership& membership, ProfileId id);

// What a log's prefix says. Only prefixes of a ruleset in force mean anything: others may log to the same group.
struct Decision {
  std::string action;  // "allow", "deny", "reject", "limit" (refused since it was over a rate), "spoof"
  std::string words;   // "web to db"
  std::string file;    // "web.toml"; empty: no policy file says so
  std::uint32_t line = 0;
  bool operator==(const Decision&) const = default;
};
[[nodiscard]] std::string log_prefix(std::string_view action, std::string_view comment);
[[nodiscard]] std::optional<Decision> read_log_prefix(std::string_view prefix);
// All that the ruleset may log.
[[nodiscard]] std::set<std::string> log_prefixes(const Ruleset& ruleset);

}  // namespace vrouter::firewall
