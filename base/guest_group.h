// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

namespace vrouter {

// IFLA_GROUP (linux/if_link.h) of an adopted TAP: the guests' zone, for netlink and for the ruleset's `iifgroup 7672`.
// Any number does that nobody else on the host uses.
inline constexpr std::uint32_t kGuestGroup = 7672;

}  // namespace vrouter
