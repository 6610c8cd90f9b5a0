// SPDX-License-Identifier: GPL-2.0-or-later
// A small host in code, and a network namespace of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/model.h"
#include "firewall/compile.h"

namespace vrouter::firewall::testing {

inline config::Network network_of(config::Mode mode = config::Mode::nat) {
  config::Network network;
  network.name = "default";
  network.prefix = boost::asio::ip::make_network_v4("10.0.5.0/24");
  network.gateway = boost::asio::ip::make_address_v4("10.0.5.1");
  network.prefix6 = boost::asio::ip::make_network_v6("fd76:7274:5::/64");
  network.gateway6 = boost::asio::ip::make_address_v6("fd76:7274:5::1");
  network.mode = mode;
  network.limits = {};  // so that rules compiled without profiles suffice for its guests
  return network;
}

inline config::Config config_of(const config::Network& network) {
  config::Config config;
  config.networks.emplace(network.name, network);
  return config;
}

// 10.0.5.2 and up, by number from 0; the third and fourth byte count.
inline config::Guest guest_of(unsigned number, bool with_ipv6 = false) {
  config::Guest guest;
  guest.tap = "tap" + std::to_string(number);
  guest.name = "guest" + std::to_string(number);
  guest.network = "default";
  guest.address = address_v4{0x0a000502U + number};
  if (with_ipv6) {
    auto bytes = boost::asio::ip::make_address_v6("fd76:7274:5::2").to_bytes();
    bytes[14] = static_cast<std::uint8_t>((number + 2) >> 8);
    bytes[15] = static_cast<std::uint8_t>(number + 2);
    guest.address6 = address_v6{bytes};
  }
  return guest;
}

inline config::Publish publish_of(std::uint16_t host_port, std::uint16_t guest_port) {
  config::Publish publish;
  publish.first = publish.last = host_port;
  publish.guest_first = guest_port;
  return publish;
}

// Runs a command and returns its output; fails the test when the command does.
std::string run(const std::string& command);

// A network namespace of this process's own; gone with it.
class InNamespace : public ::testing::Test {
 protected:
  void SetUp() override;
};

}  // namespace vrouter::firewall::testing
