// SPDX-License-Identifier: GPL-2.0-or-later
// A pool, its clients and their leases, as tests want them.
#pragma once

#include <string>

#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp::testing {

inline constexpr unsigned kBridge = 20, kOtherBridge = 21;

// Ten addresses on two bridges and behind one relay; nobody is asked by ARP.
inline Pool pool() {
  Pool p;
  p.network = p.settings.network = "office";
  p.settings.gateway = ip("10.9.0.1");
  p.range = {ip("10.9.0.10"), ip("10.9.0.19")};
  p.links = {kBridge, kOtherBridge};
  p.relays = {ip("192.0.2.7")};
  p.probe = std::chrono::milliseconds{0};
  return p;
}

inline MacAddress mac(unsigned n) {
  return {{0x52, 0x54, 0x00, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
           static_cast<std::uint8_t>(n)}};
}

inline Lease lease(const char* address, unsigned client, BootTime expires, LeaseState state = LeaseState::bound) {
  return {.network = "office",
          .address = ip(address),
          .ifindex = kBridge,
          .client = {mac(client), {}},
          .host_name = {},
          .state = state,
          .expires = expires};
}

}  // namespace vrouter::dhcp::testing
