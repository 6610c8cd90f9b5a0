// SPDX-License-Identifier: GPL-2.0-or-later
// The short texts of a policy: what stands in quotes in a policy file, and what `vrouter explain` takes. Errors are
// one sentence with the remedy.
#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "config/policy.h"
#include "config/specs.h"

namespace vrouter::config {

[[nodiscard]] Parsed<Action> parse_action(std::string_view text);
[[nodiscard]] Parsed<Peer> parse_peer(std::string_view text);  // "group:web", "net:192.0.2.0/24", "world"
// One word may be several services ("ping"), or none: "any" is all traffic.
[[nodiscard]] Parsed<std::vector<Service>> parse_services(std::string_view text);
// What one packet can be: of protocols with ports exactly one port, of ICMP exactly one type.
[[nodiscard]] Parsed<Service> parse_packet(std::string_view text);
[[nodiscard]] Parsed<RateLimit> parse_rate_limit(std::string_view text);  // "10/minute", "10/minute burst 20"
[[nodiscard]] Parsed<std::string> parse_set_name(std::string_view text);  // like a group's
// 1-64 printable characters that a rule's comment in nft and a log line can hold as they are.
[[nodiscard]] Parsed<std::string> parse_rule_name(std::string_view text);
// A prefix or an address (/32, /128) of either family.
using AnyPrefix = std::variant<network_v4, network_v6>;
[[nodiscard]] Parsed<AnyPrefix> parse_any_prefix(std::string_view text);

}  // namespace vrouter::config
