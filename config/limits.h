// SPDX-License-Identifier: GPL-2.0-or-later
// What one guest may use of its host, at most.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace vrouter::config {

// As the guest sees it: egress is what it sends, ingress what it receives. Packets, bits and new connections are per
// second. Empty: said elsewhere (a guest's by its network) or not at all; 0: no limit, whatever is said elsewhere.
struct Limits {
  using Value = std::optional<std::uint64_t>;
  Value egress_packets = {}, egress_bits = {}, ingress_packets = {}, ingress_bits = {};
  Value new_connections = {}, connections = {};  // those that the guest begins
  bool operator==(const Limits&) const = default;
};

// Of a network whose file says nothing. A guest that begins connections as fast as it can would else fill the host's
// table of them within a second, and nobody on the host could begin another. What is closed doesn't count, though the
// table keeps it for two minutes: at these one guest can still hold some 76,000, and the rate says how fast.
inline constexpr Limits kDefaultLimits{.new_connections = 500, .connections = 16384};

// One of the limits, by the name that files, the command line and the database share.
struct LimitSpec {
  std::string_view name;
  Limits::Value Limits::* member = nullptr;
  std::uint64_t least = 1, most = 0;  // beside 0
  bool bits = false;                  // written with k, M or G
  bool power_of_two = false;          // each number is a set in the kernel: so there are few
};
inline constexpr std::array<LimitSpec, 6> kLimitSpecs{{
    {"egress.packets", &Limits::egress_packets, 1, 10'000'000, false},
    {"egress.bits", &Limits::egress_bits, 8'000, 100'000'000'000, true},
    {"ingress.packets", &Limits::ingress_packets, 1, 10'000'000, false},
    {"ingress.bits", &Limits::ingress_bits, 8'000, 100'000'000'000, true},
    {"new_connections", &Limits::new_connections, 1, 1'000'000, false},
    {"connections", &Limits::connections, 1, 1U << 20U, false, true},
}};
[[nodiscard]] const LimitSpec* find_limit(std::string_view name) noexcept;

// The value as a number; the error is one sentence with the remedy.
[[nodiscard]] std::expected<std::uint64_t, std::string> parse_limit_value(const LimitSpec& spec, std::string_view text);
[[nodiscard]] std::expected<std::uint64_t, std::string> check_limit(const LimitSpec& spec, std::int64_t value);
// "egress.bits=100M", as the command line has it.
[[nodiscard]] std::expected<void, std::string> read_limit(std::string_view text, Limits& limits);
// "100M", "50000", "none"
[[nodiscard]] std::string limit_text(const LimitSpec& spec, std::uint64_t value);

// What holds: the guest's own, its network's where it has none. Empty: no limit.
[[nodiscard]] Limits merged(const Limits& guest, const Limits& network) noexcept;

}  // namespace vrouter::config
