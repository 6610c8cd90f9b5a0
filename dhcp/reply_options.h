// SPDX-License-Identifier: GPL-2.0-or-later
// What a client is told beside its address: the options that every kind of answer shares, and which of them.
#pragma once

#include <cstdint>

#include "dhcp/answer.h"

namespace vrouter::dhcp {

// Adds them in the order in which a small reply keeps them: what its interface needs, how it boots, its names, and the
// network's own (first those that the client asks for).
void add_configuration(const Request& request, const Terms& terms, Reply& reply);

// T1 and T2 (RFC 2131, 4.4.5).
void add_lease_timers(std::uint32_t lease, OptionList& out);

// What RFC 1497 knows, and no more: RFC 951's clients have no room, and know no other.
void add_bootp_configuration(const Terms& terms, Reply& reply);

}  // namespace vrouter::dhcp
