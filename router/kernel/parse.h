// SPDX-License-Identifier: GPL-2.0-or-later
// Inside the room: rtnetlink messages as values. Messages that aren't about what we follow (another family, the
// `local` table, link-local neighbours, a bridge's view of its port) give nothing.
#pragma once

#include <linux/netlink.h>

#include <functional>
#include <optional>
#include <vector>

#include "router/kernel/events.h"
#include "router/kernel/types.h"

namespace vrouter::router {

[[nodiscard]] std::optional<Link> parse_link(const nlmsghdr* header);
[[nodiscard]] std::optional<LinkTraffic> parse_traffic(const nlmsghdr* header);
[[nodiscard]] std::optional<InterfaceAddress> parse_address(const nlmsghdr* header);
[[nodiscard]] std::vector<Route> parse_routes(const nlmsghdr* header);  // one value per next hop
[[nodiscard]] std::optional<Neighbour> parse_neighbour(const nlmsghdr* header);

// What one message of the event socket tells: none, one or several events.
void parse_event(const nlmsghdr* header, const std::function<void(const KernelEvent&)>& handler);

// The kernel's number for a switch (linux/ip.h, IPV4_DEVCONF_*).
[[nodiscard]] unsigned devconf_id(Conf key) noexcept;
// The same of linux/ipv6.h, DEVCONF_*; not of addr_gen_mode, which has none.
[[nodiscard]] unsigned devconf_id(Conf6 key) noexcept;

}  // namespace vrouter::router
