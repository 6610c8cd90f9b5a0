// SPDX-License-Identifier: GPL-2.0-or-later
// The Internet checksum (RFC 1071): sums of 16-bit words, and the complement of their folded sum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vrouter::firewall::testing {

inline std::uint32_t sum_of(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
  return sum;
}

inline std::uint16_t fold(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace vrouter::firewall::testing
