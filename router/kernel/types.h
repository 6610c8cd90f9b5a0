// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel shows of the network, as plain values. Numbers are rtnetlink's own (linux/rtnetlink.h,
// linux/neighbour.h, linux/if_addr.h), so that a value read can be written back as it was.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/guest_group.h"
#include "base/kernel_error.h"
#include "base/mac_address.h"
#include "config/networks.h"

namespace vrouter::router {

template <typename T>
using Result = std::expected<T, KernelError>;

// The switches of net.ipv4.conf.INTERFACE that vrouter sets on TAPs (linux/ip.h, IPV4_DEVCONF_*).
enum class Conf : std::uint8_t {
  forwarding,
  rp_filter,
  send_redirects,
  accept_redirects,
  arp_announce,
  arp_ignore,
  proxy_arp,
  arp_accept,      // 1: an announcement makes a neighbour of whoever sends it
  route_localnet,  // 1: loopback addresses may come and go here
};
inline constexpr std::size_t kConfCount = 9;
inline constexpr std::array<Conf, kConfCount> kAllConf{
    Conf::forwarding, Conf::rp_filter, Conf::send_redirects, Conf::accept_redirects, Conf::arp_announce,
    Conf::arp_ignore, Conf::proxy_arp, Conf::arp_accept,     Conf::route_localnet};
[[nodiscard]] std::string_view name(Conf) noexcept;  // as /proc/sys/net/ipv4/conf/INTERFACE names it

// The switches of net.ipv6.conf.INTERFACE that vrouter sets. They are written as files, in this order.
enum class Conf6 : std::uint8_t {
  addr_gen_mode,     // 1: the kernel makes no link-local address of its own
  accept_ra,         // 1: unless the interface forwards; 2: always
  forwarding,        // a router to its neighbours; what is forwarded at all, `all` says
  force_forwarding,  // forwards though `all` doesn't; from Linux 6.17
  disable_ipv6,      // last: with it IPv6 begins
};
inline constexpr std::size_t kConf6Count = 5;
inline constexpr std::array<Conf6, kConf6Count> kAllConf6{Conf6::addr_gen_mode, Conf6::accept_ra, Conf6::forwarding,
                                                          Conf6::force_forwarding, Conf6::disable_ipv6};
[[nodiscard]] std::string_view name(Conf6) noexcept;  // as /proc/sys/net/ipv6/conf/INTERFACE names it

// One value of type T per switch.
template <typename Key, std::size_t Count, typename T>
struct PerSwitch {
  std::array<T, Count> values{};
  [[nodiscard]] T& operator[](Key key) noexcept { return values[static_cast<std::size_t>(key)]; }
  [[nodiscard]] const T& operator[](Key key) const noexcept { return values[static_cast<std::size_t>(key)]; }
  bool operator==(const PerSwitch&) const = default;
};
template <typename T>
using PerConf = PerSwitch<Conf, kConfCount, T>;
template <typename T>
using PerConf6 = PerSwitch<Conf6, kConf6Count, T>;

// A prefix of either family.
class Prefix {
 public:
  Prefix() = default;  // 0.0.0.0/0
  Prefix(const network_v4& prefix) noexcept : Prefix{prefix.network(), prefix.prefix_length()} {}
  Prefix(const network_v6& prefix) noexcept : Prefix{prefix.network(), prefix.prefix_length()} {}
  // `network` has no bits beyond the length.
  Prefix(const address& network, unsigned length) noexcept
      : network_{network}, length_{static_cast<std::uint8_t>(length)} {}
  [[nodiscard]] const address& network() const noexcept { return network_; }
  [[nodiscard]] std::uint8_t prefix_length() const noexcept { return length_; }
  [[nodiscard]] bool is_host() const noexcept { return length_ == (network_.is_v4() ? 32 : 128); }
  [[nodiscard]] std::string to_string() const { return network_.to_string() + "/" + std::to_string(length_); }
  bool operator==(const Prefix&) const = default;

 private:
  address network_;
  std::uint8_t length_ = 0;
};

struct Link {
  std::uint32_t index = 0;
  std::string name;
  std::string kind;         // IFLA_INFO_KIND: "tun" for TAPs, "veth", "bridge"; empty for hardware and lo
  MacAddress mac;           // zero where the device has none
  std::uint32_t group = 0;  // IFLA_GROUP
  std::uint32_t mtu = 0;
  std::uint32_t master = 0;    // index of the bridge or bond it is a port of; 0: none
  bool ethernet = false;       // ARPHRD_ETHER: frames with MAC addresses
  bool loopback = false;       // IFF_LOOPBACK
  bool up = false;             // IFF_UP: the operator's wish
  bool carrier = false;        // IFF_LOWER_UP: for a TAP, somebody holds it open
  PerConf<std::int32_t> conf;  // IFLA_INET_CONF
  // IFLA_AF_SPEC of AF_INET6. All empty: a kernel without IPv6, or an MTU below 1280. One empty: it doesn't know that.
  PerConf6<std::optional<std::int32_t>> conf6;
  [[nodiscard]] bool has_ipv6() const noexcept { return conf6[Conf6::disable_ipv6].has_value(); }
  [[nodiscard]] bool ipv6_on() const noexcept { return conf6[Conf6::disable_ipv6] == 0; }
  bool operator==(const Link&) const = default;
};

// What went through an interface since it was made (IFLA_STATS64), as the host counts: received is what came in.
struct LinkTraffic {
  std::uint64_t received_packets = 0, received_bytes = 0, sent_packets = 0, sent_bytes = 0;
  bool operator==(const LinkTraffic&) const = default;
};

// What one RTM_SETLINK changes; what is empty stays as it is. The kernel applies the group first, then IFF_UP, then
// the IPv4 switches (net/core/rtnetlink.c, do_setlink): switches that must hold before the first packet go in a
// message of their own, before the one with IFF_UP.
struct LinkChange {
  std::optional<std::uint32_t> group;
  std::optional<bool> up;
  PerConf<std::optional<std::int32_t>> conf;
  [[nodiscard]] bool empty() const noexcept { return *this == LinkChange{}; }
  bool operator==(const LinkChange&) const = default;
};

// A socket that waits: of TCP for connections, of UDP for datagrams from anybody.
struct Listener {
  bool tcp = true;
  address local;  // unspecified: all addresses; of IPv6 those of IPv4 too, unless v6only
  std::uint16_t port = 0;
  bool v6only = false;
  bool operator==(const Listener&) const = default;
};

// An address of the host's own on one interface.
struct InterfaceAddress {
  std::uint32_t ifindex = 0;
  address local;
  std::uint8_t prefix_length = 32;
  std::uint8_t scope = 0;      // RT_SCOPE_UNIVERSE
  bool noprefixroute = false;  // IFA_F_NOPREFIXROUTE: no connected route comes with it
  bool nodad = false;          // IFA_F_NODAD: usable at once, nobody else is asked
  bool deprecated = false;     // IFA_F_DEPRECATED, of IPv6: nothing that this host begins has it as its source
  bool operator==(const InterfaceAddress&) const = default;
};

enum class RouteType : std::uint8_t { unicast, unreachable, other };  // RTN_UNICAST, RTN_UNREACHABLE, and the rest

// One of several next hops is a value per hop.
struct Route {
  Prefix destination;
  std::uint32_t table = 254;  // RT_TABLE_MAIN
  std::uint32_t metric = 0;   // RTA_PRIORITY: less is preferred
  std::uint8_t tos = 0;
  RouteType type = RouteType::unicast;
  std::uint8_t protocol = 0;  // rtm_protocol: who made it
  std::uint8_t scope = 0;     // RT_SCOPE_UNIVERSE; 253 = RT_SCOPE_LINK; IPv6 has none
  std::uint32_t ifindex = 0;  // 0: none, as for unreachable routes
  std::optional<address> gateway;
  std::optional<address> source;  // RTA_PREFSRC
  bool operator==(const Route&) const = default;
};

inline constexpr std::uint32_t kMainTable = 254;
inline constexpr std::uint8_t kScopeLink = 253;
inline constexpr std::uint32_t kUserMetric6 = 1024;  // IP6_RT_PRIO_USER: what the kernel makes of an IPv6 route's 0
// Of the unreachable route that keeps a network's unused addresses off the uplink: it must lose against every
// other route to the same prefix. The highest metrics are those routing daemons keep for such purposes.
inline constexpr std::uint32_t kUnreachableMetric = 4278198272;

// How the kernel holds a neighbour's MAC.
enum class NeighbourState : std::uint8_t {
  invalid,    // NUD_NONE, INCOMPLETE, FAILED: there is no MAC to use
  dynamic,    // NUD_REACHABLE, STALE, DELAY, PROBE: ARP or ND keeps it
  permanent,  // NUD_PERMANENT: nothing but an administrator changes it
  other,      // NUD_NOARP
};

struct Neighbour {
  std::uint32_t ifindex = 0;
  boost::asio::ip::address address;
  MacAddress mac;
  NeighbourState state = NeighbourState::dynamic;
  bool ext_learned = false;  // NTF_EXT_LEARNED: follows ARP or ND, but the kernel's garbage collector leaves it
  bool operator==(const Neighbour&) const = default;
};

}  // namespace vrouter::router
