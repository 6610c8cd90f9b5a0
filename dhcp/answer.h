// SPDX-License-Identifier: GPL-2.0-or-later
// What clients are answered: RFC 2131, section 4.3, as the link's sole authority. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "dhcp/codec.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

// Why a well-formed message gets no answer and changes nothing.
enum class Drop {
  foreign_mac,  // the binding is pinned to another
  relayed,      // a guest is no relay agent
  not_ours,     // for another server, or about an address that isn't this TAP's
  bootp,        // a client without DHCP, on a network that doesn't answer those
};

// A reply and where it goes (RFC 2131, 4.1): to a relay; or by unicast to a client that has its address and can answer
// ARP; else broadcast on the link, flag or no flag, since a client that can't answer ARP is reached by unicast only in
// frames made by hand.
struct SentReply {
  SentReply() noexcept {}  // NOLINT(modernize-use-equals-default): were it defaulted, `T{}` would zero 3 kB
  MessageType type = MessageType::ack;
  Reply message;
  std::size_t cap = 0;  // bytes of DHCP that the client and the link take
  address_v4 to;
  std::uint16_t port = 68;  // RFC 2131, 4.1; a relay's is 67, or the one that it asked from (RFC 8357)
  bool routed = false;      // by the host's routes; otherwise by the interface that the request came by
};

// What one client is told of its address. The settings and the name outlive the call.
struct Terms {
  const Settings* settings = nullptr;
  address_v4 address;
  std::string_view host_name;  // option 12; empty: none
  bool behind_relay = false;   // what isn't relayed comes from such a client by the host's routes, and goes so
  // Option 3 of whoever is behind a relay: on its link the gateway can't be met by ARP. Empty: it is told none.
  std::span<const address_v4> routers = {};
};

// What option 54 is to say: the network's gateway; of what came by the host's routes, the address that it was sent to;
// or what the relay asked for instead (RFC 5107).
[[nodiscard]] address_v4 server_identifier(const Request& request, const Settings& settings) noexcept;
// Whether the request is meant for us: it says our identifier, or none.
[[nodiscard]] bool is_for_us(const Request& request, const Settings& settings) noexcept;

// The lease time as it is sent: the network's, or less if the client wishes so (option 51), but no wish goes below a
// minute. At least a second; 0xffffffff means for ever (RFC 2132, 9.2), which is also what BOOTP knows.
[[nodiscard]] std::uint32_t lease_seconds(const Request& request, const Settings& settings) noexcept;

[[nodiscard]] SentReply offer(const Request& request, const Terms& terms);
// To a REQUEST; or to a DISCOVER with rapid commit (RFC 4039), which the reply then says.
[[nodiscard]] SentReply acknowledge(const Request& request, const Terms& terms);
// To a REQUEST; never sent to ciaddr, which isn't the client's.
[[nodiscard]] SentReply refuse(const Request& request, const Settings& settings);
// `to` is where the client can be reached: its ciaddr, or the source of its datagram.
[[nodiscard]] SentReply acknowledge_inform(const Request& request, const Terms& terms, const address_v4& to);

// RELEASE and DECLINE change the lease and have no reply, INFORM has a reply and no lease.
struct Outcome {
  std::optional<SentReply> reply;
  std::optional<LeaseState> lease;
};

// What a static binding answers. `source` is the address the datagram came from.
[[nodiscard]] std::expected<Outcome, Drop> answer(const Request& request, const Binding& binding,
                                                  const address_v4& source);

}  // namespace vrouter::dhcp
