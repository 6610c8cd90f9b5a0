// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>

#include "base/kernel_error.h"

namespace vrouter::router {

// In the daemon, once its spawner runs and its control socket has its group, and before it has a second thread, whose
// capabilities would be its own: all that is left to it of root's privileges are CAP_NET_ADMIN (netlink, nf_tables,
// sysctls, large buffers) and CAP_NET_BIND_SERVICE (ports 53 and 67). It stays uid 0, who owns its files; it can't open
// those of others, become another user or send raw packets.
[[nodiscard]] std::expected<void, KernelError> keep_only_network_capabilities();

}  // namespace vrouter::router
