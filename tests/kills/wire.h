// SPDX-License-Identifier: GPL-2.0-or-later
// What a client behind a relay says and hears, as bytes (RFC 2131, 2).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/mac_address.h"

namespace vrouter::kills {

enum class Message : std::uint8_t { discover = 1, offer = 2, request = 3, ack = 5, nak = 6, release = 7 };

// Addresses are numbers, as the host counts; 0: none.
struct Said {
  Message type = Message::discover;
  std::uint32_t transaction = 0;
  MacAddress mac{};
  std::vector<std::uint8_t> client_id{};  // empty: not sent
  std::uint32_t relay = 0;                // giaddr
  std::uint32_t own = 0;                  // ciaddr
  std::uint32_t wanted = 0;               // option 50
  std::uint32_t server = 0;               // option 54
  std::uint32_t seconds = 0;              // option 51
  bool rapid = false;                     // option 80
};

struct Heard {
  Message type = Message::offer;
  std::uint32_t transaction = 0;
  MacAddress mac{};
  std::uint32_t address = 0;  // yiaddr
  std::uint32_t server = 0;
  std::uint32_t seconds = 0;
};

[[nodiscard]] std::vector<std::uint8_t> encode(const Said& said);
// Nothing: no server's message.
[[nodiscard]] std::optional<Heard> decode(std::span<const std::uint8_t> bytes);

}  // namespace vrouter::kills
