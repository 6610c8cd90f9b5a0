// SPDX-License-Identifier: GPL-2.0-or-later
// A packet's fields as the bytes that rules and sets hold. Not for other rooms.
#pragma once

#include "firewall/evaluate.h"

namespace vrouter::firewall {

// Where a packet is looked at.
struct Moment {
  Family family = Family::inet;
  Hook hook{};
  bool tracked = true;  // conntrack has seen it
};

// Appends the field, unpadded. False: the packet hasn't it (the kernel then breaks the rule); `out` is as it was.
[[nodiscard]] bool load(Field field, const Packet& packet, const Moment& moment, Bytes& out);

}  // namespace vrouter::firewall
