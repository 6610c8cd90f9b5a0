// SPDX-License-Identifier: GPL-2.0-or-later
// What the operator says, as values: no file, no TOML, no kernel. The loader fills it from vrouter.toml, the
// control socket adds guests to it, and every other room reads it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/copy_on_write.h"
#include "base/mac_address.h"
#include "config/dhcp.h"
#include "config/dns.h"
#include "config/limits.h"
#include "config/networks.h"
#include "config/policy.h"
#include "config/problem.h"

namespace vrouter::config {

enum class Forwarding { interfaces, global };   // per interface (TAPs and uplinks), or net.ipv4.ip_forward
enum class BridgeNetfilter { off, on, leave };  // net.bridge.bridge-nf-*
enum class TableOwner { automatic, no };        // OWNER|PERSIST where the kernel knows them, or never
enum class Mode { nat, routed, isolated };      // what guests of a network reach beyond the host, and how
enum class Addressing { routed, subnet };       // /32 + option 121, or the prefix's mask + proxy ARP for siblings
enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };

[[nodiscard]] std::string_view name(Forwarding) noexcept;
[[nodiscard]] std::string_view name(BridgeNetfilter) noexcept;
[[nodiscard]] std::string_view name(Mode) noexcept;
[[nodiscard]] std::string_view name(Addressing) noexcept;
[[nodiscard]] std::string_view name(Protocol) noexcept;

struct Host {
  std::vector<std::string> uplinks;  // empty: whatever carries a default route, followed as it changes
  Forwarding forwarding = Forwarding::interfaces;
  BridgeNetfilter bridge_netfilter = BridgeNetfilter::off;
  std::uint8_t route_protocol = 118;
  TableOwner table_owner = TableOwner::automatic;
  bool operator==(const Host&) const = default;
};

// At most one of each family.
struct Addresses {
  std::optional<address_v4> v4;
  std::optional<address_v6> v6;

  [[nodiscard]] bool add(const address& one);  // false: there is one of this family already
  [[nodiscard]] bool empty() const noexcept { return !v4 && !v6; }
  [[nodiscard]] std::vector<address> all() const;
  bool operator==(const Addresses&) const = default;
};

struct Network {
  std::string name;
  network_v4 prefix;
  address_v4 gateway;  // an address of the host's, on lo: all TAPs share it
  std::optional<network_v6> prefix6;
  std::optional<address_v6> gateway6;
  Mode mode = Mode::nat;
  std::optional<AddressRange> pool;  // what a guest without an address gets one from; empty: the whole prefix
  Addressing addressing = Addressing::routed;
  std::string domain = "guests.internal";
  std::uint16_t mtu = 1500;
  Addresses snat;  // what its guests have in the world; empty: an address of the uplink
  NetworkDhcp dhcp;
  Limits limits = kDefaultLimits;  // of each of its guests, where that has none of its own
  Place declared_at;               // file empty: the embedded default
  bool operator==(const Network&) const = default;
};

// A published port or range of ports: [HOSTADDR:]PORT[-PORT][:GUESTPORT][/tcp|udp|sctp].
struct Publish {
  std::optional<address> host;  // empty: every address of the host's
  std::uint16_t first = 0;      // host ports, both inclusive
  std::uint16_t last = 0;
  std::uint16_t guest_first = 0;  // the guest port that `first` maps to; the rest follow
  Protocol protocol = Protocol::tcp;

  [[nodiscard]] std::string to_string() const;  // as it is written, in its shortest form: "8080:80/tcp"
  // Reached from this host alone.
  [[nodiscard]] bool on_loopback() const noexcept { return host && host->is_loopback(); }
  bool operator==(const Publish&) const = default;
};

struct Guest {
  std::string name;  // unique; the TAP's name where none was given
  std::string tap;   // unique; the guest's identity
  std::string network;
  std::optional<address_v4> address;
  std::optional<address_v6> address6;
  std::optional<MacAddress> mac;  // pinned: other source MACs get nothing through
  std::vector<std::string> groups;
  std::vector<Publish> publish;
  Addresses floating;                 // the guest has these in the world, both ways
  Addresses snat;                     // what it starts has these in the world; wins over the network's
  std::vector<network_v4> prefixes4;  // routed to the guest, by way of its own address
  std::vector<network_v6> prefixes6;
  std::vector<vrouter::address> allowed_addresses;  // it may have these too; other guests may have the same ones (VRRP)
  // Than its own.
  [[nodiscard]] bool has_more_addresses() const noexcept {
    return !allowed_addresses.empty() || !prefixes4.empty() || !prefixes6.empty();
  }
  Limits limits;           // its own; what holds is merged() with its network's
  ClientDhcp dhcp;         // its own
  bool shared = false;     // an interface with several clients behind it, which get addresses by lease; has none itself
  bool ephemeral = false;  // forgotten when its TAP goes
  bool create_tap = false;  // made by vrouter, and removed with the guest
  std::string owner;        // user that may open a created TAP; empty: root only
  Place declared_at;        // file empty: added by command
  bool operator==(const Guest&) const = default;
};

struct Config {
  std::string file;  // where it was read from; empty: the embedded defaults
  Host host;
  std::map<std::string, Network> networks;
  Dns dns;
  // The declared ones, in the file's order: each complete, its address included. Copies of a Config share them.
  CopyOnWrite<std::vector<Guest>> guests;
  std::map<std::string, ClientDhcp> dhcp_groups;  // what members of a group are told besides
  Policy policy;                                  // of every policy file
  Problems warnings;                              // what is odd in the policy, yet may be meant: said, not refused
  bool operator==(const Config&) const = default;
};

// What holds where no file says otherwise: one NAT network `default`, 10.0.5.0/24 and fd76:7274:5::/64.
[[nodiscard]] Network default_network();
[[nodiscard]] Config default_config();

}  // namespace vrouter::config
