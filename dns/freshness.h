// SPDX-License-Identifier: GPL-2.0-or-later
// How long an answer may be told again, and where in its message that stands. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dns/codec.h"

namespace vrouter::dns {

inline constexpr std::chrono::seconds kMaxTtl{86'400};       // RFC 8767 section 4: days, not weeks
inline constexpr std::chrono::seconds kMaxNegativeTtl{900};  // RFC 2308 section 5: hours at most; a new name shows soon

// A message lives as long as its shortest record, and all its records are told that: those behind us that keep them one
// by one then never mix two of our answers.
struct Freshness {
  std::chrono::seconds lifetime{};    // 0: for those who asked already, and nobody later
  bool denies = false;                // NXDOMAIN or NODATA (RFC 2308): its lifetime comes from the zone's SOA, or is 0
  std::vector<std::uint16_t> ttls{};  // offsets of the TTLs in the message
};

// Of a Reply's message, the answer to `key`. Nothing when it isn't one (decode_reply() lets none of those through).
[[nodiscard]] std::optional<Freshness> freshness_of(std::span<const std::uint8_t> message, const QuestionKey& key);

// Writes `ttl` over those of the records; the offsets are the message's.
void set_ttls(std::span<std::uint8_t> message, std::span<const std::uint16_t> offsets, std::uint32_t ttl) noexcept;

// Leaves those that are within kMaxTtl.
void cap_ttls(std::span<std::uint8_t> message, std::span<const std::uint16_t> offsets) noexcept;

}  // namespace vrouter::dns
