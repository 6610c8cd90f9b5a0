// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon and its log process say to each other. Orders go down, reports come up; lengths are exact.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "router/processes/logged_packet.h"

namespace vrouter::router::log_verbs {

// --- down ----------------------------------------------------------------------------------------------------------

struct Read {  // the descriptor comes with it: a socket that has bound the group
  bool operator==(const Read&) const = default;
};
struct Want {  // whether anybody is to be told
  bool wanted = false;
  bool operator==(const Want&) const = default;
};
using Order = std::variant<Read, Want>;

// --- up ------------------------------------------------------------------------------------------------------------

struct Lost {  // since this process began; never falls
  std::uint64_t packets = 0;
  bool operator==(const Lost&) const = default;
};
using Report = std::variant<LoggedPacket, Lost>;

[[nodiscard]] std::vector<std::uint8_t> encode(const Order& order);
[[nodiscard]] std::vector<std::uint8_t> encode(const Report& report);
[[nodiscard]] std::expected<Order, std::string> decode_order(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::expected<Report, std::string> decode_report(std::span<const std::uint8_t> bytes);

}  // namespace vrouter::router::log_verbs
