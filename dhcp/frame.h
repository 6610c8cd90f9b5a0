// SPDX-License-Identifier: GPL-2.0-or-later
// An Ethernet frame with IPv4 and UDP headers, whole: it passes no routing, ARP or conntrack of the host, and guests
// drop the partial checksums that a kernel leaves to hardware.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/mac_address.h"
#include "config/networks.h"

namespace vrouter::dhcp {

inline constexpr std::uint16_t kServerPort = 67, kClientPort = 68;  // RFC 2131, 4.1
inline constexpr std::size_t kFrameHeaders = 14 + 20 + 8;

struct FrameHeader {
  MacAddress source_mac, destination_mac;
  address_v4 source, destination;
};

// The ones' complement sum of RFC 1071 over the bytes, not yet complemented; `sum` continues an earlier one, which
// must have covered an even number of bytes.
[[nodiscard]] std::uint16_t checksum_add(std::uint16_t sum, std::span<const std::uint8_t> bytes) noexcept;

// Puts the headers in front of the payload, which lies at `frame` + kFrameHeaders already, and returns the frame's
// size.
[[nodiscard]] std::size_t finish_frame(const FrameHeader& header, std::span<std::uint8_t> frame,
                                       std::size_t payload_size) noexcept;

}  // namespace vrouter::dhcp
