// SPDX-License-Identifier: GPL-2.0-or-later
// Records as people write them (RFC 1035, 5.1). What isn't known is written as RFC 3597 has it: TYPE65280, \# 2 0aff.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/codec.h"

namespace vrouter::dns {

// "aaaa", "TYPE28".
[[nodiscard]] std::optional<std::uint16_t> parse_type(std::string_view text);
[[nodiscard]] std::string type_text(std::uint16_t type);
[[nodiscard]] std::string rcode_text(unsigned rcode);  // "NXDOMAIN"
[[nodiscard]] std::string ede_text(unsigned code);     // "Blocked"

// The name under which an address is looked up: 2.5.0.10.in-addr.arpa, or under ip6.arpa (RFC 1035, 3.5; RFC
// 3596, 2.5).
[[nodiscard]] Name reverse_name(const address& of);

struct ReadRecord {
  std::string owner, type, data;
  std::uint32_t ttl = 0;  // seconds
  bool operator==(const ReadRecord&) const = default;
};
struct ReadError {  // RFC 8914
  std::uint16_t code = 0;
  std::string text;  // the server's own words; any bytes
  bool operator==(const ReadError&) const = default;
};
struct ReadReply {
  bool truncated = false, authoritative = false, authentic = false;
  unsigned rcode = 0;  // with the upper bits of the OPT record
  std::vector<ReadRecord> answers{}, authority{};
  std::vector<ReadError> errors{};
};
// The whole message as the reply to `question` sent with `id`; nothing where it is another's, or malformed.
[[nodiscard]] std::optional<ReadReply> read_reply(std::span<const std::uint8_t> message, const QuestionKey& question,
                                                  std::uint16_t id);

}  // namespace vrouter::dns
