// SPDX-License-Identifier: GPL-2.0-or-later
// What a static binding answers to a request: RFC 2131, section 4.3, as the link's sole authority. Pure.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>

#include "dhcp/codec.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

// Where a reply goes on the guest's link (RFC 2131, 4.1). Never resolved by ARP: a client without an address can't
// answer.
struct Destination {
  address_v4 address;
  MacAddress hardware;
  bool operator==(const Destination&) const = default;
};

// Why a well-formed message gets no answer and changes nothing.
enum class Drop {
  foreign_mac,  // the binding is pinned to another
  relayed,      // a guest is no relay agent
  not_ours,     // for another server, or about an address that isn't this TAP's
};

struct SentReply {
  MessageType type = MessageType::ack;
  Reply message;
  std::size_t cap = 0;  // bytes of DHCP that the client and the link take
  Destination to;
};

// RELEASE and DECLINE change the lease and have no reply, INFORM has a reply and no lease.
struct Outcome {
  std::optional<SentReply> reply;
  std::optional<LeaseState> lease;
};

// The lease time as it is sent: at least a second, 0xffffffff means for ever (RFC 2132, 9.2).
[[nodiscard]] std::uint32_t lease_seconds(const Binding& binding) noexcept;

// `source` is the address the datagram came from.
[[nodiscard]] std::expected<Outcome, Drop> answer(const Request& request, const Binding& binding,
                                                  const address_v4& source);

}  // namespace vrouter::dhcp
