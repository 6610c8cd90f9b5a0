// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace vrouter {

// An EUI-48 address, in transmission order.
struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  // The I/G bit: broadcast and multicast addresses name no station (IEEE 802, 8.2).
  [[nodiscard]] bool is_group() const noexcept { return (bytes[0] & 1) != 0; }
  [[nodiscard]] bool is_zero() const noexcept { return bytes == std::array<std::uint8_t, 6>{}; }
  [[nodiscard]] std::string to_string() const;  // "52:54:00:12:34:56"

  auto operator<=>(const MacAddress&) const = default;
};

inline constexpr MacAddress kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

// Six pairs of hex digits, separated by ':' or '-'. The error says what is wrong with the text.
[[nodiscard]] std::expected<MacAddress, std::string> parse_mac_address(std::string_view text);

}  // namespace vrouter
