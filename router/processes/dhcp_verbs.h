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

inline constexpr std::size_t kMaxLabel = 63;          // RFC 1035, 2.3.4: names of guests and of hosts
inline constexpr std::size_t kMaxTap = 15;            // IFNAMSIZ without its zero
inline constexpr std::size_t kMaxDomain = 253;        // RFC 1035, 2.3.4, as text
inline constexpr std::size_t kMaxOptions = 234;       // one of each code that a network may set
inline constexpr std::size_t kMaxOptionValue = 255;   // its length is one byte (RFC 2132, 2)
inline constexpr std::size_t kMaxBootFile = 255;      // likewise, as option 67
inline constexpr std::size_t kMaxBootFiles = 8;       // of architectures
inline constexpr std::size_t kMaxLeases = 100;        // in one message; more go in several
inline constexpr std::size_t kMaxNetworks = 100;      // in one message of statistics; more go in several
inline constexpr std::size_t kMaxRanges = 1024;       // excluded of one pool
inline constexpr std::size_t kMaxReservations = 100;  // in one message; more go in several
inline constexpr std::size_t kMaxLinks = 8192;        // of one pool
inline constexpr std::size_t kMaxRelays = 256;        // of one pool
inline constexpr std::size_t kMaxClientId = 255;      // likewise

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
struct PutPool {  // what there may be thousands of comes apart; it holds once all of them have come
  dhcp::Pool pool;
  std::uint32_t reservations = 0, tailored = 0;
  bool operator==(const PutPool&) const = default;
};
struct Reserve {  // of the pool that came last
  std::vector<config::Reservation> reservations;
  bool operator==(const Reserve&) const = default;
};
struct Tailor {  // of the pool that came last
  dhcp::Tailored tailored;
  bool operator==(const Tailor&) const = default;
};
struct DropPool {  // never between Begin and End
  std::string network;
  bool operator==(const DropPool&) const = default;
};
struct PutLeases {  // of pools that came before
  std::vector<dhcp::Lease> leases;
  bool operator==(const PutLeases&) const = default;
};
struct DropLeases {  // never between Begin and End
  std::vector<address_v4> addresses;
  bool operator==(const DropLeases&) const = default;
};
struct Committed {
  std::vector<dhcp::CommitResult> results;
  bool operator==(const Committed&) const = default;
};
struct Heard {
  dhcp::Probe probe;
  MacAddress by;
  bool operator==(const Heard&) const = default;
};
using Order = std::variant<Socket, Begin, Bind, Unbind, End, PutPool, Reserve, Tailor, DropPool, PutLeases, DropLeases,
                           Committed, Heard>;

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
// Leases of pools that are to be written.
struct Commits {
  std::vector<dhcp::Commit> commits;
  bool operator==(const Commits&) const = default;
};
struct Ask {  // by ARP
  dhcp::Probe probe;
  bool operator==(const Ask&) const = default;
};
// With the counters of those networks that have changed: the others are as they were.
using Report = std::variant<Lease, dhcp::Statistics, Commits, Ask>;

// What exceeds the bounds above isn't decoded; the config loader lets none of it in.
[[nodiscard]] std::vector<std::uint8_t> encode(const Order& order);
[[nodiscard]] std::vector<std::uint8_t> encode(const Report& report);
[[nodiscard]] std::expected<Order, std::string> decode_order(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::expected<Report, std::string> decode_report(std::span<const std::uint8_t> bytes);

}  // namespace vrouter::router::dhcp_verbs
