// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "base/unique_fd.h"

namespace vrouter::router {

// What `vrouterd: dhcp` does: serves the bindings it is told of on the socket it is given, and reports what clients
// did. Returns when the daemon closes the channel (0), or when that line breaks or says what is none of the verbs (1,
// with a sentence on stderr). Opens nothing but an epoll and a timer descriptor.
[[nodiscard]] int run_dhcp(UniqueFd channel);

}  // namespace vrouter::router
