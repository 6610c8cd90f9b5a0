// SPDX-License-Identifier: GPL-2.0-or-later
// What the DHCP service is told and what it tells: plain values, so that it can be a process of its own.
// It holds a replica of these tables and nothing else; it never asks the router and waits.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mac_address.h"
#include "config/model.h"

namespace vrouter::dhcp {

// One guest behind one TAP: all that an answer to it needs. The TAP is the identity (ifindex), never chaddr
// or a client-id, which clones share.
struct Binding {
  std::string guest;
  std::string tap;
  unsigned ifindex = 0;
  std::optional<MacAddress> pinned_mac;  // requests with another chaddr are dropped
  address_v4 address;
  address_v4 gateway;  // router, server identifier, resolver; an address of the host, which replies come from
  config::Addressing addressing = config::Addressing::routed;
  std::uint8_t prefix_length = 24;  // the network's: the mask under Addressing::subnet and for PXE ROMs
  std::string host_name;            // option 12
  std::string domain;               // options 15 and 119
  std::uint16_t mtu = 1500;         // option 26
  std::chrono::seconds lease_time{3600};
  // Of the network, sent always and in place of ours of the same code. The codes that make the protocol itself
  // (message type, server identifier, lease time, overload, client-id, ...) stay ours.
  std::vector<config::RawDhcpOption> options;
  bool operator==(const Binding&) const = default;
};

// A snapshot replaces the table; a delta changes the named entries. One code path takes both.
struct Update {
  bool snapshot = false;
  std::vector<Binding> upserts;
  std::vector<unsigned> removed_ifindexes;
};

// `offered` is for pools: a static binding has nothing to hold for a client.
enum class LeaseState { offered, bound, released, declined, expired };
[[nodiscard]] std::string_view name(LeaseState) noexcept;

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

struct Statistics {
  std::uint64_t received = 0, answered = 0;
  std::uint64_t dropped_malformed = 0;  // truncated, no DHCP (BOOTP, replies), options that lie about their length
  std::uint64_t dropped_unknown_interface = 0;
  std::uint64_t dropped_rate_limited = 0;  // above the allowance of its interface, never parsed
  std::uint64_t dropped_foreign_mac = 0;   // chaddr is not the pinned one
  std::uint64_t dropped_not_ours = 0;      // for another server, from a relay, or about another address
  std::uint64_t send_errors = 0;
  std::uint64_t discover = 0, request = 0, inform = 0, release = 0, decline = 0, offer = 0, ack = 0, nak = 0;
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
                                      &Statistics::discover,
                                      &Statistics::request,
                                      &Statistics::inform,
                                      &Statistics::release,
                                      &Statistics::decline,
                                      &Statistics::offer,
                                      &Statistics::ack,
                                      &Statistics::nak};
static_assert(sizeof(Statistics) == kCounters.size() * sizeof(std::uint64_t), "a counter is missing above");

[[nodiscard]] Statistics operator+(Statistics a, const Statistics& b) noexcept;

}  // namespace vrouter::dhcp
