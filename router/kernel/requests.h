// SPDX-License-Identifier: GPL-2.0-or-later
// Inside the room: values as rtnetlink requests, built by libnl-route. Null where memory ran out.
#pragma once

#include "router/kernel/netlink_socket.h"
#include "router/kernel/types.h"

namespace vrouter::router {

[[nodiscard]] NlMessage link_dump_request();
[[nodiscard]] NlMessage dump_request(int type);  // RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH; both families
[[nodiscard]] NlMessage link_request(const std::string& name);
[[nodiscard]] NlMessage link_change_request(std::uint32_t ifindex, const LinkChange& change);
[[nodiscard]] NlMessage link_remove_request(std::uint32_t ifindex);
[[nodiscard]] NlMessage address_request(const InterfaceAddress& address, bool put);
[[nodiscard]] NlMessage route_request(const Route& route, bool put);
[[nodiscard]] NlMessage solicit_request(std::uint32_t ifindex, const address& address);
[[nodiscard]] NlMessage bridge_port_request(std::uint32_t bridge, const MacAddress& station);
[[nodiscard]] NlMessage neighbour_request(const Neighbour& neighbour, bool put);

}  // namespace vrouter::router
