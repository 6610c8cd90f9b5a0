// SPDX-License-Identifier: GPL-2.0-or-later
// Inside the room: what host.cpp and host6.cpp share.
#pragma once

#include <optional>
#include <string>

#include "router/reconcile/diff.h"

namespace vrouter::router {

[[nodiscard]] const Link* loopback(const Observed& observed);
// The value of a switch as it was last seen; nothing where the kernel has none of that name.
[[nodiscard]] std::optional<std::string> current(const std::string& key, const Observed& observed);

// Adds to `plan` what IPv6's forwarding needs, and takes back what it doesn't need any more.
void forward_ipv6(const DesiredHost& host, const Observed& observed, const Originals& originals, HostPlan& plan);

}  // namespace vrouter::router
