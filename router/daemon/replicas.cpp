// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/replicas.h"

#include <utility>

namespace vrouter::router {

dhcp::Settings settings_of(const config::Network& network, config::ClientDhcp told) {
  return {.network = network.name,
          .gateway = network.gateway,
          .addressing = network.addressing,
          .prefix_length = static_cast<std::uint8_t>(network.prefix.prefix_length()),
          .mask = told.mask,
          .domain = network.domain,
          .mtu = network.mtu,
          .lease_time = network.dhcp.lease_time,
          .options = std::move(told.options),
          .boot = std::move(told.boot).value_or(config::NetworkBoot{}),
          .bootp = network.dhcp.bootp};
}

std::optional<dhcp::Binding> binding_for(const config::Guest& guest, const config::Network& network,
                                         const TapIdentity& tap, config::ClientDhcp told) {
  if (!guest.address) return std::nullopt;
  return dhcp::Binding{.guest = guest.name,
                       .tap = guest.tap,
                       .ifindex = tap.ifindex,
                       .pinned_mac = guest.mac,
                       .address = *guest.address,
                       .host_name = guest.name,
                       .settings = settings_of(network, std::move(told))};
}

dns::Zone zone_for(const config::Network& network, bool ipv6) {
  dns::Zone zone{.network = network.name,
                 .domain = network.domain,
                 .prefixes4 = {network.prefix},
                 .prefixes6 = {},
                 .listen = {network.gateway}};
  if (network.prefix6) zone.prefixes6.push_back(*network.prefix6);
  if (ipv6 && network.gateway6) zone.listen.emplace_back(*network.gateway6);
  return zone;
}

dns::Host host_for(const config::Guest& guest, const std::optional<TapIdentity>& tap) {
  dns::Host host{.network = guest.network, .name = guest.name, .ifindex = tap ? tap->ifindex : 0, .addresses = {}};
  if (guest.address) host.addresses.emplace_back(*guest.address);
  if (guest.address6) host.addresses.emplace_back(*guest.address6);
  return host;
}

}  // namespace vrouter::router
