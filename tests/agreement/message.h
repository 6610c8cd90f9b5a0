// SPDX-License-Identifier: GPL-2.0-or-later
// Two replies to the same question, and whether they agree.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "dns/name.h"

namespace vrouter::agreement {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint16_t kTypeAny = 255;

struct Edns {
  std::uint16_t udp_size = 0;
  bool dnssec_ok = false;
  Bytes options{};
};
struct Question {
  dns::Name name{};  // in the case that it is asked in
  std::uint16_t type = 1;
  bool recursion_desired = true, checking_disabled = false;
  std::optional<Edns> edns{};
  [[nodiscard]] std::string to_text() const;
};
[[nodiscard]] Bytes write(const Question& question, std::uint16_t id);

// What a record is, whatever its TTL, the case of its names and how they were compressed.
using Record = std::tuple<std::string, std::uint16_t, std::uint16_t, std::string>;  // owner, type, class, data
using Records = std::map<Record, std::uint32_t>;                                    // and its TTL

struct Reply {
  std::uint16_t id = 0, flags = 0, rcode = 0;  // with the extended bits
  dns::Name name{};
  std::uint16_t type = 0;
  Records answers{}, authority{}, additional{};
  std::optional<Edns> edns{};
  std::size_t size = 0;

  [[nodiscard]] bool truncated() const { return (flags & 0x0200) != 0; }
};
// Nothing: no well-formed reply with one question.
[[nodiscard]] std::optional<Reply> read(std::span<const std::uint8_t> message);

enum class Over : std::uint8_t { udp, tcp };
// What is wrong with vrouter's reply to the question, upstream's whole answer being `truth`; "" when nothing is. One
// that is rightly truncated agrees: what is asked again over TCP has to.
[[nodiscard]] std::string disagreement(const Question& question, const Reply& ours, const Reply& truth, Over over);

}  // namespace vrouter::agreement
