// SPDX-License-Identifier: GPL-2.0-or-later
// A host in a namespace whose TAPs are held by the test itself: it is every guest and the world, frame by frame.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/mac_address.h"
#include "base/unique_fd.h"

namespace vrouter::firewall::testing {

using Frame = std::vector<std::uint8_t>;

struct Packet {
  MacAddress source_mac;
  std::uint32_t source = 0, target = 0;  // IPv4, host order
  std::uint8_t protocol = 17;
  std::uint16_t source_port = 0, target_port = 0;  // of ICMP: type and code, identifier
  std::uint8_t tcp_flags = 0x02;                   // SYN
};

[[nodiscard]] std::uint32_t ip(const char* text);
// The Ethernet frame to `target_mac`, with right checksums.
[[nodiscard]] Frame frame_of(const Packet& packet, const MacAddress& target_mac);
[[nodiscard]] Frame arp_request(const MacAddress& source_mac, const MacAddress& sender_mac, std::uint32_t sender,
                                std::uint32_t target);
[[nodiscard]] std::optional<Packet> parse(const Frame& frame);  // IPv4 only

class Tap {
 public:
  // Makes the interface, up, in that group, with this MAC of the host's side.
  Tap(std::string name, unsigned group);

  [[nodiscard]] const MacAddress& host_mac() const noexcept { return host_mac_; }
  void send(const Frame& frame);
  void send(const Packet& packet) { send(frame_of(packet, host_mac_)); }
  // What came out since the last call. The kernel forwards within send(), so there is nothing to wait for.
  [[nodiscard]] std::vector<Frame> received();
  [[nodiscard]] std::vector<Packet> packets();  // of those, IPv4

 private:
  UniqueFd fd_;
  MacAddress host_mac_;
};

}  // namespace vrouter::firewall::testing
