// SPDX-License-Identifier: GPL-2.0-or-later
// What a static binding answers to a request: RFC 2131, section 4.3, as the link's sole authority. Pure.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>

#include "dhcp/codec.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

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
  // RFC 2131, 4.1: by unicast to a client that has its address and can answer ARP, else broadcast on its link, flag or
  // no flag: a client that can't answer ARP is reached by unicast only in frames made by hand.
  address_v4 to;
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
