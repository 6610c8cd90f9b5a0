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
  desired.gateway6 = network.gateway6;
  desired.prefix_length = static_cast<std::uint8_t>(network.prefix.prefix_length());
  desired.addressing = network.addressing;
  desired.mac = guest.mac;
  desired.create_tap = guest.create_tap;
  desired.prefixes.insert(desired.prefixes.end(), guest.prefixes4.begin(), guest.prefixes4.end());
  desired.prefixes.insert(desired.prefixes.end(), guest.prefixes6.begin(), guest.prefixes6.end());
  desired.allowed = guest.allowed_addresses;
  desired.shared = guest.shared;
  desired.loopback_published = std::ranges::any_of(guest.publish, &config::Publish::on_loopback);
  return desired;
}

DesiredHost desired_host(const config::Config& config, std::vector<std::string> uplinks,
                         const std::set<std::string>& ipv6, std::vector<std::string> uplinks6) {
  DesiredHost desired;
  desired.uplinks = std::move(uplinks);
  if (!ipv6.empty()) desired.uplinks6 = std::move(uplinks6);
  desired.forwarding = config.host.forwarding;
  desired.bridge_netfilter = config.host.bridge_netfilter;
  desired.route_protocol = config.host.route_protocol;
  for (const auto& [name, network] : config.networks) {
    DesiredNetwork wanted{name, network.prefix, network.gateway};
    wanted.relayed = !network.dhcp.relays.empty();
    if (ipv6.contains(name)) {
      wanted.prefix6 = network.prefix6;
      wanted.gateway6 = network.gateway6;
    }
    desired.networks.push_back(std::move(wanted));
  }
  return desired;
}

}  // namespace vrouter::router
