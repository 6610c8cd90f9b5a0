// SPDX-License-Identifier: GPL-2.0-or-later
// Where each field of a packet is found and how nft writes it: one table for text and bytecode. Not for other rooms.
#pragma once

#include <cstdint>
#include <string_view>

#include "firewall/ruleset.h"

namespace vrouter::firewall {

enum class Source : std::uint8_t { meta, payload, ct, fib };

struct FieldSpec {
  std::string_view text;
  Source source{};
  std::uint32_t key = 0;     // of meta and ct; the base of a payload; the result of fib
  std::uint32_t offset = 0;  // in bytes
  std::uint32_t length = 0;  // in bytes
  std::uint8_t l3 = 0;       // NFPROTO_* that the packet must be of, in `inet`
  std::uint8_t l4 = 0;       // IPPROTO_* likewise
  bool ether = false;        // needs an Ethernet header
  std::uint32_t flags = 0;   // of fib
  bool original = false;     // of ct: of the connection's first direction
};

[[nodiscard]] const FieldSpec& spec(Field field) noexcept;

}  // namespace vrouter::firewall
