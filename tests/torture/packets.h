// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/lab/lib/frames.h"

namespace vrouter::torture {

// What the torture's own UDP packets say: who sent them, for what, and which one it is.
enum class Purpose : char {
  world = 'w',        // to the world's echo server: its own traffic
  spoofed = 's',      // the same with a source that isn't its own
  sibling = 'x',      // to another guest
  unsolicited = 'u',  // from the world to a guest's inner address
  published = 'p',    // from the world to a published port
};

struct Note {
  Purpose purpose = Purpose::world;
  int guest = 0;  // the sender's number, or the one it is meant for when the world sends
  std::uint32_t sequence = 0;
};
[[nodiscard]] std::string write_note(const Note& note);
[[nodiscard]] std::optional<Note> read_note(std::string_view payload);

// A question for the A record of `name`; the answer's id, and whether it holds that address.
[[nodiscard]] std::string dns_question(std::uint16_t id, const std::string& name);
struct DnsAnswer {
  std::uint16_t id = 0;
  std::uint8_t rcode = 0;
};
[[nodiscard]] std::optional<DnsAnswer> read_dns_answer(std::string_view payload);

// DHCPREQUEST of a client that renews (RFC 2131 4.3.2): ciaddr is its address.
[[nodiscard]] std::string dhcp_renewal(std::uint32_t transaction, const MacAddress& mac, const std::string& address);
struct DhcpAnswer {
  std::uint32_t transaction = 0;
  std::uint8_t type = 0;  // 5 ACK, 6 NAK
  std::string address;
};
[[nodiscard]] std::optional<DhcpAnswer> read_dhcp_answer(std::string_view payload);

}  // namespace vrouter::torture
