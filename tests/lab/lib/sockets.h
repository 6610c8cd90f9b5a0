// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>

#include "base/unique_fd.h"

namespace vrouter::lab {

// Sockets of the calling thread's namespace; all throw LabError.
[[nodiscard]] UniqueFd bind_unix_datagram(const std::string& path);  // replaces what was there
[[nodiscard]] UniqueFd listen_tcp(const std::string& address, std::uint16_t port);
[[nodiscard]] UniqueFd bind_udp(const std::string& address, std::uint16_t port);

struct Peer {
  std::string address;
  std::uint16_t port = 0;
};
// Accepts a connection whose reads and writes give up after a few seconds; no descriptor when there was none.
[[nodiscard]] UniqueFd accept_tcp(int listener, Peer& peer);
// A datagram and who sent it; what recvfrom(2) returns.
[[nodiscard]] std::string receive_from(int socket, Peer& peer);
void send_to(int socket, const Peer& peer, const std::string& bytes);

}  // namespace vrouter::lab
