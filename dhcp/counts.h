// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "dhcp/codec.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

// Each counts in total and for the network.
void count_request(Statistics& total, NetworkCounts& network, MessageType type) noexcept;
void count_reply(Statistics& total, NetworkCounts& network, MessageType type) noexcept;

}  // namespace vrouter::dhcp
