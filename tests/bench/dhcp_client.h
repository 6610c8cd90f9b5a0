// SPDX-License-Identifier: GPL-2.0-or-later
// What a crowd of DHCP clients needs of the protocol, as bytes: no room of the product is asked what they mean.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/mac_address.h"

namespace vrouter::bench {

enum class Message : std::uint8_t { discover = 1, offer = 2, request = 3, ack = 5, nak = 6 };

// What a server's frame says.
struct Reply {
  Message type{};
  std::uint32_t transaction = 0;
  std::uint32_t address = 0;  // host byte order, as the server's
  std::uint32_t server = 0;
};

// A client without an address, whose frames a TAP takes: Ethernet, IPv4 and UDP around it, and the network header of
// virtio before it.
class DhcpClient {
 public:
  DhcpClient(const MacAddress& mac, std::uint32_t transaction) : mac_{mac}, transaction_{transaction} {}

  [[nodiscard]] std::vector<std::uint8_t> discover() const;
  // For what was offered.
  [[nodiscard]] std::vector<std::uint8_t> request(const Reply& offer) const;
  // Nothing when the frame is none of a DHCP server's for this client.
  [[nodiscard]] std::optional<Reply> read(std::span<const std::uint8_t> frame) const;

 private:
  [[nodiscard]] std::vector<std::uint8_t> frame(Message type, const Reply* offer) const;

  MacAddress mac_;
  std::uint32_t transaction_;
};

}  // namespace vrouter::bench
