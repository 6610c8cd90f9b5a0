// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <string>

#include "router/cli/options.h"
#include "router/control/client.h"

namespace vrouter::router::cli {

// One line: when, what, who to whom, and by which rule.
[[nodiscard]] std::string packet_line(const control::PacketView& packet);
// When, what became of which address, and whose it is or was: chaddr, host name, interface.
[[nodiscard]] std::string lease_line(const control::LeaseView& lease, std::chrono::microseconds time);

// `vrouter monitor`: prints until it is interrupted or the daemon ends it.
[[nodiscard]] int monitor(const Request& request, control::Client& client);

}  // namespace vrouter::router::cli
