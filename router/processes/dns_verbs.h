// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon and `vrouterd: dns` say to each other, each message between bytes and a value. Orders go down,
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

#include "dns/tables.h"
#include "router/processes/channel.h"

namespace vrouter::router::dns_verbs {

inline constexpr std::size_t kMaxLabel = 63;                      // RFC 1035, 2.3.4: names of networks and of guests
inline constexpr std::size_t kMaxDomain = 253;                    // RFC 1035, 2.3.4, as text
inline constexpr std::size_t kMaxPrefixes = 16, kMaxListen = 16;  // a network has one of each family
inline constexpr std::size_t kMaxAddresses = 16;                  // a guest has one of each family
inline constexpr std::size_t kMaxRdata = 4096;                    // of a record that the operator wrote down
// A question is asked of some ten servers before its asker gives up (kLookupDeadline): what comes after these is never
// reached.
inline constexpr std::size_t kMaxServers = 32;
// Of how many servers, over all zones, the state is reported: what one message holds, where
// none has a long name.
inline constexpr std::size_t kMaxReported = 1000;
inline constexpr std::size_t kMaxDomains = 256;  // of the policy: no more are loaded
inline constexpr std::size_t kMaxAsked = 1024;   // a name as text: 255 bytes, each \DDD at most
inline constexpr std::size_t kMaxLists = config::kMaxDnsLists;
inline constexpr std::size_t kMaxListGroups = 2000;                   // as many groups as a policy has
inline constexpr std::size_t kMaxAuthorities = std::size_t{4} << 20;  // bytes; Debian's are 220 kB

// --- down ----------------------------------------------------------------------------------------------------------

struct Listen {  // the descriptor comes with it, bound there; given again, it is the same socket or a new one's
  dns::Place place;
  bool operator==(const Listen&) const = default;
};
struct Begin {  // the zones and hosts until `End` make up the whole table; another Begin starts over
  bool operator==(const Begin&) const = default;
};
struct Zone {  // only between Begin and End
  dns::Zone zone;
  bool operator==(const Zone&) const = default;
};
struct Record {  // only between Begin and End
  dns::StaticRecord record;
  bool operator==(const Record&) const = default;
};
// The next list of the snapshot, packed: the descriptor that comes with it holds it. Only between Begin and End, as
// those that follow.
struct List {
  std::uint16_t number = 0;  // from 0
  std::uint64_t size = 0;    // bytes
  bool operator==(const List&) const = default;
};
struct ListGroup {  // the next one; hosts name it by its place
  dns::ListGroup group;
  bool operator==(const ListGroup&) const = default;
};
struct Host {
  dns::Host host;
  bool operator==(const Host&) const = default;
};
struct Unhost {  // never between Begin and End
  std::string network, name;
  bool operator==(const Unhost&) const = default;
};
struct End {
  bool operator==(const End&) const = default;
};
// Where a zone's questions go, as soon as Upstreams follows; Begin forgets those that none followed. No zone is ever
// without its rule, and what is meant for the inside never goes outside.
struct Forward {
  config::ForwardZone zone;
  bool operator==(const Forward&) const = default;
};
struct Upstreams {  // these and the Forwards before it replace what was
  std::uint64_t version = 0;
  std::vector<config::DnsServer> servers;
  bool operator==(const Upstreams&) const = default;
};
struct Trust {  // the descriptor that comes with it holds the authorities of the next Upstreams, from its start
  bool operator==(const Trust&) const = default;
};
struct Settings {
  dns::Settings settings;
  bool operator==(const Settings&) const = default;
};
struct Forget {  // the answers about this name; empty: all
  std::string name;
  bool operator==(const Forget&) const = default;
};
struct Domains {  // in place of those before
  dns::Domains domains;
  bool operator==(const Domains&) const = default;
};
struct Admitted {
  dns::AdmissionReply reply;
  bool operator==(const Admitted&) const = default;
};
struct ForgetAdmitted {
  unsigned ifindex = 0;
  bool operator==(const ForgetAdmitted&) const = default;
};
using Order = std::variant<Listen, Begin, Zone, Record, Host, Unhost, End, Forward, Upstreams, Trust, Settings, Forget,
                           Domains, Admitted, ForgetAdmitted, List, ListGroup>;

// --- up ------------------------------------------------------------------------------------------------------------

struct Report {
  std::uint64_t version = 0;   // of the Upstreams that it knew; 0: of none yet
  dns::Statistics statistics;  // upstreams sorted, the first kMaxReported; times in whole microseconds
  bool operator==(const Report&) const = default;
};

struct Admit {
  dns::AdmissionRequest request;
  bool operator==(const Admit&) const = default;
};

// With so many servers in each list as can be told.
[[nodiscard]] dns::Upstreams bounded(dns::Upstreams upstreams);

// What exceeds the bounds above isn't decoded; the config loader and bounded() let none of it in.
[[nodiscard]] std::vector<std::uint8_t> encode(const Order& order);
[[nodiscard]] std::vector<std::uint8_t> encode(const Report& report);
[[nodiscard]] std::expected<Order, std::string> decode_order(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::expected<Report, std::string> decode_report(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::vector<std::uint8_t> encode(const Admit& admit);
[[nodiscard]] bool is_admit(std::span<const std::uint8_t> bytes) noexcept;  // rather than a Report
[[nodiscard]] std::expected<Admit, std::string> decode_admit(std::span<const std::uint8_t> bytes);

}  // namespace vrouter::router::dns_verbs
