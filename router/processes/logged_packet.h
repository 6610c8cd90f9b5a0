// SPDX-License-Identifier: GPL-2.0-or-later
// What a logged packet says of itself. Its bytes are a guest's: they are read here, in the log process, and nowhere
// else. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "config/networks.h"

namespace vrouter::router {

struct PacketPorts {
  std::uint16_t source = 0, destination = 0;
  bool operator==(const PacketPorts&) const = default;
};
struct PacketIcmp {
  std::uint8_t type = 0, code = 0;
  bool operator==(const PacketIcmp&) const = default;
};

struct PacketSummary {
  address source = {}, destination = {};  // of the same family
  std::uint8_t protocol = 0;              // of the last header that could be read
  std::optional<PacketPorts> ports = {};  // none: the protocol has none, or they were cut off
  std::optional<PacketIcmp> icmp = {};
  bool operator==(const PacketSummary&) const = default;
};

// What is known of an IP packet, of which there may be but the first bytes; nothing where that is not even who sent it.
[[nodiscard]] std::optional<PacketSummary> summarize(std::span<const std::uint8_t> packet);

inline constexpr std::size_t kMaxPrefix = 127;  // NF_LOG_PREFIXLEN without its NUL

struct LoggedPacket {
  std::string prefix;             // as the rule has it
  std::uint32_t in = 0, out = 0;  // interfaces' indexes; 0: none
  PacketSummary packet = {};
  bool operator==(const LoggedPacket&) const = default;
};

}  // namespace vrouter::router
