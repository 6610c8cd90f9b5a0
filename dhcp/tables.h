// SPDX-License-Identifier: GPL-2.0-or-later
// What the DHCP service is told and what it tells: plain values, so that it can be a process of its own.
// It holds a replica of these tables and nothing else; it never asks the router and waits.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/copy_on_write.h"
#include "base/mac_address.h"
#include "config/model.h"

namespace vrouter::dhcp {

// What every client of one network is told, but for its address and name.
struct Settings {
  std::string network;
  address_v4 gateway;  // router, server identifier, resolver; an address of the host, which replies come from
  config::Addressing addressing = config::Addressing::routed;
  std::uint8_t prefix_length = 24;   // the network's: the mask under Addressing::subnet and for PXE ROMs
  std::optional<std::uint8_t> mask;  // wins over what addressing says: a prefix length; for clients that take no /32
  std::string domain;                // options 15 and 119
  std::uint16_t mtu = 1500;          // option 26
  std::chrono::seconds lease_time{3600};
  // Sent in place of ours of the same code. The codes that make the protocol itself (message type, server identifier,
  // lease time, overload, client-id, ...) stay ours.
  std::vector<config::RawDhcpOption> options;
  config::NetworkBoot boot;
  bool bootp = false;  // clients without DHCP (RFC 951) are answered, where their address is a static one
  bool operator==(const Settings&) const = default;
};

// One guest behind one TAP: all that an answer to it needs. The TAP is the identity (ifindex), never chaddr
// or a client-id, which clones share.
struct Binding {
  std::string guest;
  std::string tap;
  unsigned ifindex = 0;
  std::optional<MacAddress> pinned_mac;  // requests with another chaddr are dropped
  address_v4 address;
  std::string host_name;      // option 12
  Shared<Settings> settings;  // as most of its network have them
  bool operator==(const Binding&) const = default;
};

// Who has a lease: RFC 2131, 4.2, with the hardware address always part of it, since clones of one machine send the
// same client identifier.
struct Client {
  MacAddress hardware;                  // chaddr
  std::vector<std::uint8_t> client_id;  // option 61 as sent; empty: none, or it doesn't count (Identity::mac)
  auto operator<=>(const Client&) const = default;
};

// Where some clients of a network are told something else than the others: those on one link, or the one that an
// address is reserved for, which counts first.
struct Tailored {
  unsigned ifindex = 0;  // of the link; 0: `address` counts
  address_v4 address;
  Settings settings;
  bool operator==(const Tailored&) const = default;
};

// The addresses of one network that clients get by lease: those that are no declared guest, behind links that several
// share (a bridge, a switch) or behind relays.
struct Pool {
  std::string network;
  Settings settings;
  config::AddressRange range;
  std::vector<config::AddressRange> excluded;     // never given to anybody without a reservation
  std::vector<config::Reservation> reservations;  // in the range or outside
  config::Identity identity = config::Identity::client_id;
  std::vector<Tailored> tailored;
  std::vector<unsigned> links;  // ifindexes; sorted
  std::vector<address_v4> relays;
  std::chrono::seconds quarantine{3600};  // how long an address rests that was declined or found in use
  std::chrono::milliseconds probe{500};   // how long an answer to ARP is waited for; 0: nobody is asked
  // Leases may be out that nobody knows of, since the file of them was damaged: who is new gets addresses from the end
  // of the range, far from those that were given first.
  bool from_the_end = false;
  bool operator==(const Pool&) const = default;
};

// `offered` is for pools: a static binding has nothing to hold for a client. Of a pool's address, `declined` is one
// that rests: declined by a client, or answered for by somebody when it was asked for by ARP.
enum class LeaseState { offered, bound, released, declined, expired };
[[nodiscard]] std::string_view name(LeaseState) noexcept;

// Whether the address is kept for this client: its MAC tells, or its client identifier.
[[nodiscard]] bool is_for(const config::Reservation& reservation, const Client& client) noexcept;

// A pool's address and who has it, or had it last. What is no longer bound is kept, so that a client that comes back
// gets the same address; it makes way for others when nothing else is free, the longest ended first.
struct Lease {
  std::string network;
  address_v4 address;
  unsigned ifindex = 0;  // of the shared link; 0: behind a relay
  Client client;
  std::string host_name;                 // as the client says, sanitised to one DNS label; may be empty
  LeaseState state = LeaseState::bound;  // never `offered`
  BootTime expires{};  // when `bound` or `declined` ends; of the others, when it ended. BootTime::max(): never
  bool operator==(const Lease&) const = default;
};

// A lease as it is to be, on its way to the disk: the client is answered once that holds.
struct Commit {
  std::uint64_t id = 0;  // rises by one with each
  Lease lease;
  bool operator==(const Commit&) const = default;
};

// What became of it.
struct CommitResult {
  std::uint64_t id = 0;
  bool done = false;  // false: the client stays without an answer
  bool operator==(const CommitResult&) const = default;
};

// A question put to a shared link before an address is offered there.
struct Probe {
  unsigned ifindex = 0;
  address_v4 address;
  bool operator==(const Probe&) const = default;
};

// A snapshot replaces the tables; a delta changes the named entries. One code path takes both.
struct Update {
  bool snapshot = false;
  std::vector<Binding> upserts;
  std::vector<unsigned> removed_ifindexes;
  std::vector<Pool> pools = {};                 // key: network
  std::vector<std::string> removed_pools = {};  // their leases go with them
  std::vector<Lease> leases = {};               // key: address; of pools that are there
  std::vector<address_v4> removed_leases = {};  // nobody has, nor had them
  [[nodiscard]] bool empty() const noexcept {
    return !snapshot && upserts.empty() && removed_ifindexes.empty() && pools.empty() && removed_pools.empty() &&
           leases.empty() && removed_leases.empty();
  }
};

// What a client did, for the router's tables and log.
struct LeaseEvent {
  LeaseState state = LeaseState::offered;
  unsigned ifindex = 0;
  std::string guest;
  std::string tap;
  address_v4 address;
  MacAddress client;                    // chaddr
  std::vector<std::uint8_t> client_id;  // option 61 as sent, at most 255 bytes; may be empty
  std::string host_name;                // as the client says, sanitised to one DNS label; may be empty
  BootTime expires{};
  bool operator==(const LeaseEvent&) const = default;
};

// What came from the clients of one network, and what they were answered.
struct NetworkCounts {
  std::uint64_t discover = 0, request = 0, inform = 0, release = 0, decline = 0, bootp = 0, offer = 0, ack = 0, nak = 0;
  std::uint64_t no_address = 0;  // left without an answer, since the range has no free address
  std::uint64_t conflicts = 0;   // addresses of the range that somebody else answered for
  bool operator==(const NetworkCounts&) const = default;
};
inline constexpr std::array kNetworkCounters{
    &NetworkCounts::discover, &NetworkCounts::request,    &NetworkCounts::inform,   &NetworkCounts::release,
    &NetworkCounts::decline,  &NetworkCounts::bootp,      &NetworkCounts::offer,    &NetworkCounts::ack,
    &NetworkCounts::nak,      &NetworkCounts::no_address, &NetworkCounts::conflicts};
static_assert(sizeof(NetworkCounts) == kNetworkCounters.size() * sizeof(std::uint64_t), "a counter is missing above");

struct Statistics {
  std::uint64_t received = 0, answered = 0;
  std::uint64_t dropped_malformed = 0;  // truncated, no DHCP (BOOTP, replies), options that lie about their length
  std::uint64_t dropped_unknown_interface = 0;
  std::uint64_t dropped_rate_limited = 0;  // above the allowance of its interface, never parsed
  std::uint64_t dropped_foreign_mac = 0;   // chaddr is not the pinned one
  std::uint64_t dropped_not_ours = 0;      // for another server, from a relay, or about another address
  std::uint64_t send_errors = 0;
  std::uint64_t dropped_uncommitted = 0;  // the lease could not be written, or was refused
  std::uint64_t discover = 0, request = 0, inform = 0, release = 0, decline = 0, offer = 0, ack = 0, nak = 0;
  std::map<std::string, NetworkCounts> networks = {};
  bool operator==(const Statistics&) const = default;
};

// All of them, for whoever takes each alike.
inline constexpr std::array kCounters{&Statistics::received,
                                      &Statistics::answered,
                                      &Statistics::dropped_malformed,
                                      &Statistics::dropped_unknown_interface,
                                      &Statistics::dropped_rate_limited,
                                      &Statistics::dropped_foreign_mac,
                                      &Statistics::dropped_not_ours,
                                      &Statistics::send_errors,
                                      &Statistics::dropped_uncommitted,
                                      &Statistics::discover,
                                      &Statistics::request,
                                      &Statistics::inform,
                                      &Statistics::release,
                                      &Statistics::decline,
                                      &Statistics::offer,
                                      &Statistics::ack,
                                      &Statistics::nak};
static_assert(sizeof(Statistics) == kCounters.size() * sizeof(std::uint64_t) + sizeof(std::map<int, int>),
              "a counter is missing above");

[[nodiscard]] Statistics operator+(Statistics a, const Statistics& b);

}  // namespace vrouter::dhcp
