// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "base/unique_fd.h"

namespace vrouter::router {

// What `vrouterd: dns` does: serves the names it is told of on the sockets it is given, and asks the upstreams it is
// told of. Returns when the daemon closes the channel (0), or when that line breaks or says what is none of the verbs
// (1, with a sentence on stderr). Opens an epoll and a timer descriptor, and sockets that connect to upstreams.
[[nodiscard]] int run_dns(UniqueFd channel);

}  // namespace vrouter::router
