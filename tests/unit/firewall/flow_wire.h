// SPDX-License-Identifier: GPL-2.0-or-later
// Packets of the evaluator as bytes, of both families, each with a number by which it is known again wherever it comes
// out: as it was sent, translated, or quoted in an ICMP error.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "firewall/evaluate.h"

namespace vrouter::firewall::testing {

using Octets = std::vector<std::uint8_t>;

// From the IP header on, with right checksums (but SCTP's). A number is not 0.
[[nodiscard]] Octets ip_packet(const firewall::Packet& packet, std::uint32_t number);
// The same in an Ethernet frame.
[[nodiscard]] Octets ether_frame(const firewall::Packet& packet, std::uint32_t number, const MacAddress& to);

// What came out somewhere.
struct Sighting {
  std::uint32_t number = 0;     // 0: it carries none
  address source, destination;  // unspecified where only a payload was seen
  std::uint8_t protocol = 0, icmp_type = 0;
  std::uint16_t source_port = 0, destination_port = 0;  // of TCP, UDP and SCTP
  bool reset = false;                                   // a TCP reset
  bool error = false;                                   // an ICMP error; the number may be that of the packet it quotes
  bool prohibited = false;                              // of those, "administratively prohibited"
};
[[nodiscard]] std::optional<Sighting> see_frame(std::span<const std::uint8_t> frame);
[[nodiscard]] std::optional<Sighting> see_packet(std::span<const std::uint8_t> packet);
[[nodiscard]] Sighting see_payload(std::uint8_t protocol, std::span<const std::uint8_t> payload);

}  // namespace vrouter::firewall::testing
