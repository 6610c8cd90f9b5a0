// SPDX-License-Identifier: GPL-2.0-or-later
// Inside the room: the sockets of this namespace, by NETLINK_SOCK_DIAG.
#pragma once

#include <vector>

#include "router/kernel/types.h"

namespace vrouter::router {

// Opens a socket for it: it is asked rarely. Empty where the kernel is built without.
[[nodiscard]] Result<std::vector<Listener>> list_listeners();

}  // namespace vrouter::router
