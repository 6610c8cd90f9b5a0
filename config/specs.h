// SPDX-License-Identifier: GPL-2.0-or-later
// The short texts that files and the command line share. Errors are one sentence with the remedy.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/model.h"

namespace vrouter::config {

template <typename T>
using Parsed = std::expected<T, std::string>;

// The address and the IPv6 address of a guest, as `add-guest` takes them: "10.0.5.2" or "10.0.5.2,fd76:7274:5::2".
struct GuestAddresses {
  address_v4 address;
  std::optional<address_v6> address6;
  bool operator==(const GuestAddresses&) const = default;
};

[[nodiscard]] Parsed<network_v4> parse_prefix4(std::string_view text);  // host bits must be zero
[[nodiscard]] Parsed<network_v6> parse_prefix6(std::string_view text);
[[nodiscard]] Parsed<address_v4> parse_address4(std::string_view text);
[[nodiscard]] Parsed<address_v6> parse_address6(std::string_view text);
[[nodiscard]] Parsed<address> parse_address(std::string_view text);  // either family, no scope
using AnyPrefix = std::variant<network_v4, network_v6>;
[[nodiscard]] Parsed<AnyPrefix> parse_prefix(std::string_view text);  // either family
void add_prefix(Guest& guest, const AnyPrefix& prefix);
[[nodiscard]] std::vector<std::string> prefixes_of(const Guest& guest);  // as texts, IPv4 first
// Loopback, link-local, multicast and the like: neither in the world nor behind a guest.
[[nodiscard]] bool no_address_of_a_host(const address& a);
[[nodiscard]] Parsed<GuestAddresses> parse_guest_addresses(std::string_view text);
[[nodiscard]] Parsed<AddressRange> parse_range(std::string_view text);   // "10.0.5.100-10.0.5.199"
[[nodiscard]] Parsed<Publish> parse_publish(std::string_view text);      // "[HOSTADDR:]PORT[-PORT][:GUESTPORT][/PROTO]"
[[nodiscard]] Parsed<std::uint64_t> parse_bytes(std::string_view text);  // "64KiB", "32MiB", "1GiB"
[[nodiscard]] Parsed<std::chrono::seconds> parse_duration(std::string_view text);  // "90s", "15m", "1h", "2d"
[[nodiscard]] Parsed<std::string> parse_guest_name(
    std::string_view text);  // one DNS label (RFC 1123 2.1), made lower case
[[nodiscard]] Parsed<std::string> parse_network_name(std::string_view text);  // like a guest's
[[nodiscard]] Parsed<std::string> parse_group_name(std::string_view text);    // 1-63 letters, digits, '-' and '_'
// 1-15 bytes of printable ASCII that the kernel (dev_valid_name) and nft's quoting both take.
[[nodiscard]] Parsed<std::string> parse_interface_name(std::string_view text);
[[nodiscard]] Parsed<std::string> parse_domain(std::string_view text);  // lower case, no trailing dot

}  // namespace vrouter::config
