// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/reconcile/desired.h"

#include <utility>

namespace vrouter::router {

DesiredGuest desired_guest(const config::Guest& guest, const config::Network& network) {
  DesiredGuest desired;
  desired.tap = guest.tap;
  desired.address = guest.address;
  desired.address6 = guest.address6;
  desired.gateway = network.gateway;
  desired.prefix_length = static_cast<std::uint8_t>(network.prefix.prefix_length());
  desired.addressing = network.addressing;
  desired.mac = guest.mac;
  desired.create_tap = guest.create_tap;
  return desired;
}

DesiredHost desired_host(const config::Config& config, std::vector<std::string> uplinks) {
  DesiredHost desired;
  desired.uplinks = std::move(uplinks);
  desired.forwarding = config.host.forwarding;
  desired.bridge_netfilter = config.host.bridge_netfilter;
  desired.route_protocol = config.host.route_protocol;
  for (const auto& [name, network] : config.networks) {
    desired.networks.push_back(DesiredNetwork{name, network.prefix, network.gateway});
  }
  return desired;
}

}  // namespace vrouter::router
