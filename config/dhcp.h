// SPDX-License-Identifier: GPL-2.0-or-later
// What the operator says of DHCP, as values.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/boxed.h"
#include "base/mac_address.h"
#include "config/networks.h"
#include "config/problem.h"

namespace vrouter::config {

struct AddressRange {
  address_v4 first, last;  // both inclusive
  [[nodiscard]] bool contains(const address_v4& a) const noexcept { return first <= a && a <= last; }
  bool operator==(const AddressRange&) const = default;
};

// A DHCP option by number with its bytes as they go on the wire (RFC 2132).
struct RawDhcpOption {
  std::uint8_t code = 0;
  std::vector<std::uint8_t> value;
  bool operator==(const RawDhcpOption&) const = default;
};

// What a machine boots from the network, by what it says of itself.
struct NetworkBoot {
  std::optional<address_v4> server;            // siaddr and option 66: the TFTP server; none: the gateway
  std::map<std::uint16_t, std::string> files;  // by client architecture (option 93, RFC 4578 and IANA's list)
  std::string file;                            // for every other architecture; empty: none
  std::string ipxe;                            // for whoever says `iPXE` in its user class: the end of a chain
  [[nodiscard]] bool empty() const noexcept { return files.empty() && file.empty() && ipxe.empty(); }
  bool operator==(const NetworkBoot&) const = default;
};

// An address kept for one client of a range, whom either of the two tells.
struct Reservation {
  std::optional<MacAddress> mac;
  std::vector<std::uint8_t> client_id;  // option 61, type byte and all; empty: the MAC tells
  address_v4 address;
  std::string name;                 // its name in the DNS and in the policy; empty: what the client says
  std::vector<std::string> groups;  // in place of those of the interface
  Place declared_at;
  bool operator==(const Reservation&) const = default;
};

// What tells the clients of a range apart. Both: the hardware address and, of client_id, also option 61.
enum class Identity { client_id, mac };
[[nodiscard]] std::string_view name(Identity) noexcept;

// What a network, a group or a guest says of DHCP; what a guest says wins over its groups, those over the network.
struct ClientDhcp {
  std::vector<RawDhcpOption> options;  // sorted by code, each once
  Boxed<NetworkBoot> boot;
  std::optional<std::uint8_t> mask;  // of guests only: a prefix length, for clients that take no /32
  [[nodiscard]] bool empty() const noexcept { return options.empty() && !boot && !mask; }
  bool operator==(const ClientDhcp&) const = default;
};

struct NetworkDhcp {
  std::chrono::seconds lease_time{3600};
  std::vector<RawDhcpOption> options;  // sorted by code, each once
  Boxed<NetworkBoot> boot;
  bool bootp = false;                 // answer clients that know no DHCP, where their address is a static one
  std::optional<AddressRange> range;  // leases for clients that are no declared guest
  std::vector<AddressRange> exclude;  // of the range
  std::vector<Reservation> reservations;
  Identity identity = Identity::client_id;
  std::chrono::seconds quarantine{3600};
  bool probe = true;                   // ask by ARP whether an address of the range is free, before it is offered
  std::uint32_t leases_per_port = 16;  // of a bridge's port; 0: no bound
  std::vector<address_v4> relays;      // whose relayed packets count
  bool operator==(const NetworkDhcp&) const = default;
};

}  // namespace vrouter::config
