// SPDX-License-Identifier: GPL-2.0-or-later
// Names of IP protocols and ICMP types, as in a policy file.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace vrouter::config {

inline constexpr std::uint8_t kIcmp = 1;     // IPPROTO_ICMP: of IPv4 alone
inline constexpr std::uint8_t kIcmpV6 = 58;  // IPPROTO_ICMPV6: of IPv6 alone

[[nodiscard]] std::string_view protocol_name(std::uint8_t protocol) noexcept;  // empty: it has none here
[[nodiscard]] std::optional<std::uint8_t> protocol_number(std::string_view name) noexcept;
[[nodiscard]] std::vector<std::string_view> protocol_names();

// `protocol` is kIcmp or kIcmpV6; the names are nft's.
[[nodiscard]] std::optional<std::uint8_t> icmp_type_number(std::uint8_t protocol, std::string_view name) noexcept;
[[nodiscard]] std::vector<std::string_view> icmp_type_names(std::uint8_t protocol);

}  // namespace vrouter::config
