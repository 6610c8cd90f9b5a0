// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/model.h"

#include <cstdlib>

namespace vrouter::config {

std::string_view name(Forwarding value) noexcept {
  switch (value) {
    case Forwarding::interfaces:
      return "interfaces";
    case Forwarding::global:
      return "global";
  }
  std::abort();
}

std::string_view name(BridgeNetfilter value) noexcept {
  switch (value) {
    case BridgeNetfilter::off:
      return "off";
    case BridgeNetfilter::on:
      return "on";
    case BridgeNetfilter::leave:
      return "leave";
  }
  std::abort();
}

std::string_view name(Mode value) noexcept {
  switch (value) {
    case Mode::nat:
      return "nat";
    case Mode::routed:
      return "routed";
    case Mode::isolated:
      return "isolated";
  }
  std::abort();
}

std::string_view name(Addressing value) noexcept {
  switch (value) {
    case Addressing::routed:
      return "routed";
    case Addressing::subnet:
      return "subnet";
  }
  std::abort();
}

std::string_view name(OtherResolvers value) noexcept {
  switch (value) {
    case OtherResolvers::allow:
      return "allow";
    case OtherResolvers::redirect:
      return "redirect";
    case OtherResolvers::refuse:
      return "refuse";
  }
  std::abort();
}

std::string_view name(Identity value) noexcept {
  switch (value) {
    case Identity::client_id:
      return "client-id";
    case Identity::mac:
      return "mac";
  }
  std::abort();
}

std::string_view name(Protocol value) noexcept {
  switch (value) {
    case Protocol::tcp:
      return "tcp";
    case Protocol::udp:
      return "udp";
    case Protocol::sctp:
      return "sctp";
  }
  std::abort();
}

std::string Place::to_string() const {
  if (line == 0) return file;
  const auto of_line = file + ':' + std::to_string(line);
  return column == 0 ? of_line : of_line + ':' + std::to_string(column);
}

std::string Problem::to_string() const {
  const auto place = where.to_string();
  return place.empty() ? message : place + ": " + message;
}

bool Addresses::add(const address& one) {
  if (one.is_v4() ? v4.has_value() : v6.has_value()) return false;
  if (one.is_v4()) {
    v4 = one.to_v4();
  } else {
    v6 = one.to_v6();
  }
  return true;
}

std::vector<address> Addresses::all() const {
  std::vector<address> found;
  if (v4) found.emplace_back(*v4);
  if (v6) found.emplace_back(*v6);
  return found;
}

std::string Publish::to_string() const {
  std::string text;
  if (host) text = (host->is_v6() ? '[' + host->to_string() + ']' : host->to_string()) + ':';
  text += std::to_string(first);
  if (last != first) text += '-' + std::to_string(last);
  if (guest_first != first) text += ':' + std::to_string(guest_first);
  return text.append("/").append(name(protocol));
}

Network default_network() {
  Network network;
  network.name = "default";
  network.prefix = network_v4{address_v4{0x0a000500}, 24};  // 10.0.5.0/24
  network.gateway = first_host(network.prefix);
  const address_v6::bytes_type prefix6{0xfd, 0x76, 0x72, 0x74, 0, 5};  // fd76:7274:5::/64
  network.prefix6 = network_v6{address_v6{prefix6}, 64};
  network.gateway6 = first_host(*network.prefix6);
  return network;
}

Config default_config() {
  Config config;
  auto network = default_network();
  config.networks.emplace(network.name, std::move(network));
  return config;
}

}  // namespace vrouter::config
