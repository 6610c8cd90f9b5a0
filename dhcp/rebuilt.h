// SPDX-License-Identifier: GPL-2.0-or-later
// Leases that the daemon made out of the rules in force, after it lost their file: rules know no client identifier.
#pragma once

#include <algorithm>
#include <array>

#include "dhcp/tables.h"

namespace vrouter::dhcp {

// In the place of one: too short to be any (RFC 2132, 9.14: at least two bytes).
inline constexpr std::array<std::uint8_t, 1> kUnknownId{0};

// Whether this lease's client may be that one: the same, or one of this hardware address, whatever else it says.
[[nodiscard]] inline bool may_be(const Lease& known, const Client& client, unsigned ifindex) noexcept {
  if (known.client == client) return true;
  return known.ifindex == ifindex && known.client.hardware == client.hardware &&
         std::ranges::equal(known.client.client_id, kUnknownId);
}

}  // namespace vrouter::dhcp
