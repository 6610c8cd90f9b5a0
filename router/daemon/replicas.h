// SPDX-License-Identifier: GPL-2.0-or-later
// The tables that dhcp and dns hold, made from the config model: pure, one guest at a time or all at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/model.h"
#include "dhcp/tables.h"
#include "dns/tables.h"

namespace vrouter::router {

// What a replica needs to know of an adopted TAP.
struct TapIdentity {
  unsigned ifindex = 0;
};

// `told`: config::merged_dhcp() of the client.
[[nodiscard]] dhcp::Settings settings_of(const config::Network& network, config::ClientDhcp told);
// None for a guest without an IPv4 address: DHCPv4 has nothing for it.
[[nodiscard]] std::optional<dhcp::Binding> binding_for(const config::Guest& guest, const config::Network& network,
                                                       const TapIdentity& tap, config::ClientDhcp told);

// `ipv6`: its IPv6 gateway is on this host, so that guests may ask there.
[[nodiscard]] dns::Zone zone_for(const config::Network& network, bool ipv6);
// Without a TAP the name is known all the same; only nobody asks as that guest.
[[nodiscard]] dns::Host host_for(const config::Guest& guest, const std::optional<TapIdentity>& tap);

}  // namespace vrouter::router
