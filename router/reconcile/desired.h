// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel should show, as plain values. The daemon makes it of files, database and resolved uplinks.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/model.h"
#include "router/kernel/types.h"

namespace vrouter::router {

struct DesiredGuest {
  std::string tap;
  std::optional<address_v4> address;
  std::optional<address_v6> address6;
  address_v4 gateway;                    // on lo; source of the guest's route
  std::optional<address_v6> gateway6{};  // the same of its IPv6 route
  std::uint8_t prefix_length = 24;       // of the guest's network
  config::Addressing addressing = config::Addressing::routed;
  std::optional<MacAddress> mac;  // pinned: the neighbour is permanent
  bool create_tap = false;
  std::optional<uid_t> owner;                  // who may open a created TAP besides root
  std::vector<Prefix> prefixes{};              // routed to it by way of its own address
  std::vector<vrouter::address> allowed{};     // that it may have besides; whoever announced one last has its route
  bool loopback_published = false;             // a port of its own is published on 127.0.0.0/8
  bool shared = false;                         // a bridge will do as well as a TAP
  std::map<address_v4, MacAddress> lessees{};  // who have addresses behind it by lease: neighbours are permanent
  bool operator==(const DesiredGuest&) const = default;
};

struct DesiredNetwork {
  std::string name;
  network_v4 prefix;
  address_v4 gateway;
  // Only where a guest of the network has an IPv6 address: no other host is touched.
  std::optional<network_v6> prefix6{};
  std::optional<address_v6> gateway6{};
  bool operator==(const DesiredNetwork&) const = default;
};

struct DesiredHost {
  std::vector<std::string> uplinks;     // by name, resolved: host.uplinks, or uplinks_of(observed)
  std::vector<std::string> uplinks6{};  // the same of IPv6; empty where no guest has an IPv6 address
  config::Forwarding forwarding = config::Forwarding::interfaces;
  config::BridgeNetfilter bridge_netfilter = config::BridgeNetfilter::off;
  std::uint8_t route_protocol = 118;
  std::vector<DesiredNetwork> networks;
  std::set<address> addresses{};  // of guests in the world: this host answers for them
  std::vector<Prefix> routed{};   // to guests, there or not: to nobody else
  [[nodiscard]] bool ipv6() const noexcept {
    return std::ranges::any_of(networks, [](const DesiredNetwork& network) { return network.prefix6.has_value(); });
  }
  bool operator==(const DesiredHost&) const = default;
};

struct Desired {
  DesiredHost host;
  std::map<std::string, DesiredGuest> guests;  // by TAP
  bool operator==(const Desired&) const = default;
};

// `owner` stays empty: turning a user's name into a uid asks the name service, which is the caller's to do.
[[nodiscard]] DesiredGuest desired_guest(const config::Guest& guest, const config::Network& network);
// `ipv6`: the networks with a guest that has an IPv6 address.
[[nodiscard]] DesiredHost desired_host(const config::Config& config, std::vector<std::string> uplinks,
                                       const std::set<std::string>& ipv6 = {}, std::vector<std::string> uplinks6 = {});

}  // namespace vrouter::router
