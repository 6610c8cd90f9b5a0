// SPDX-License-Identifier: GPL-2.0-or-later
// What comes in and goes out, without the socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "config/networks.h"

namespace vrouter::dhcp {

struct Datagram {
  unsigned ifindex = 0;
  address_v4 source;
  std::span<const std::uint8_t> bytes;
  bool truncated = false;  // longer than the receive buffer
  std::uint16_t source_port = 68;
  address_v4 local = {};  // the host's own address that it was sent to; of a broadcast: any, or unspecified
};

// A reply on its way out.
struct Outgoing {
  std::size_t size = 0;  // of the DHCP message
  address_v4 from, to;
  unsigned ifindex = 0;  // 0: by the host's routes
  std::uint16_t port = 68;
};

// Takes a reply that is no direct answer to the datagram at hand. The bytes are good during the call.
using Send = std::function<void(const Outgoing&, std::span<const std::uint8_t>)>;

}  // namespace vrouter::dhcp
