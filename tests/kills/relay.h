// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::kills {

// The sockets of a relay and of everybody behind it.
class Relay {
 public:
  // What the relay sends goes from `own`:67 to `server`:67.
  Relay(const lab::Namespace& where, const std::string& own, const std::string& server);

  // A server that isn't there refuses, and that is as good as a lost packet.
  void forward(std::span<const std::uint8_t> message) const;
  // Past the relay: from a client's own address to the server's identifier.
  void send_from(std::uint32_t client, std::uint32_t server, std::span<const std::uint8_t> message) const;
  // What came for the relay or for a client; waits no longer than `limit`.
  [[nodiscard]] std::vector<std::vector<std::uint8_t>> receive(lab::Milliseconds limit) const;

 private:
  UniqueFd relay_;    // port 67
  UniqueFd clients_;  // port 68
  std::string server_;
};

}  // namespace vrouter::kills
