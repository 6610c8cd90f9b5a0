// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon and `vrouterd: dhcp` say to each other, each message between bytes and a value. Orders go down,
// reports come up. Lengths are exact and every list has a bound; what doesn't decode is an error in words, of which
// either side is rid by ending the child.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "dhcp/tables.h"
#include "router/processes/channel.h"

namespace vrouter::router::dhcp_verbs {

inline constexpr std::size_t kMaxLabel = 63;         // RFC 1035, 2.3.4: names of guests and of hosts
inline constexpr std::size_t kMaxTap = 15;           // IFNAMSIZ without its zero
inline constexpr std::size_t kMaxDomain = 253;       // RFC 1035, 2.3.4, as text
inline constexpr std::size_t kMaxOptions = 234;      // one of each code that a network may set
inline constexpr std::size_t kMaxOptionValue = 255;  // its length is one byte (RFC 2132, 2)
inline constexpr std::size_t kMaxBootFile = 255;     // likewise, as option 67
inline constexpr std::size_t kMaxBootFiles = 8;      // of architectures
inline constexpr std::size_t kMaxClientId = 255;     // likewise

// --- down ----------------------------------------------------------------------------------------------------------

struct Socket {  // the descriptor comes with it: bound to UDP 0.0.0.0:67, once and first
  bool operator==(const Socket&) const = default;
};
struct Begin {  // binds until `End` make up the whole table; another Begin starts over
  bool operator==(const Begin&) const = default;
};
struct Bind {
  dhcp::Binding binding;
  bool operator==(const Bind&) const = default;
};
struct Unbind {  // never between Begin and End
  unsigned ifindex = 0;
  bool operator==(const Unbind&) const = default;
};
struct End {
  bool operator==(const End&) const = default;
};
using Order = std::variant<Socket, Begin, Bind, Unbind, End>;

// --- up ------------------------------------------------------------------------------------------------------------

// The child names no guest: whose lease it is follows from the interface.
struct Lease {
  // How many orders the child had carried out when it saw this: what came later it could not know.
  std::uint64_t orders = 0;
  dhcp::LeaseState state = dhcp::LeaseState::offered;
  unsigned ifindex = 0;
  address_v4 address;
  MacAddress client;
  std::vector<std::uint8_t> client_id;
  std::string host_name;
  BootTime expires{};
  bool operator==(const Lease&) const = default;
};
using Report = std::variant<Lease, dhcp::Statistics>;

// What exceeds the bounds above isn't decoded; the config loader lets none of it in.
[[nodiscard]] std::vector<std::uint8_t> encode(const Order& order);
[[nodiscard]] std::vector<std::uint8_t> encode(const Report& report);
[[nodiscard]] std::expected<Order, std::string> decode_order(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::expected<Report, std::string> decode_report(std::span<const std::uint8_t> bytes);

}  // namespace vrouter::router::dhcp_verbs
