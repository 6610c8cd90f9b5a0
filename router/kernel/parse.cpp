// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/kernel/parse.h"

#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace vrouter::router {
namespace {

constexpr std::uint32_t kLowerUp = 1U << 16;  // IFF_LOWER_UP: linux/if.h, which net/if.h keeps out

template <std::size_t N>
using Attributes = std::array<nlattr*, N>;

// nlmsg_parse checks that every attribute lies within the message; the lengths below are checked where they are read.
template <std::size_t N>
bool parse(const nlmsghdr* header, std::size_t fixed, Attributes<N>& out) {
  return nlmsg_parse(const_cast<nlmsghdr*>(header), static_cast<int>(fixed), out.data(), static_cast<int>(N - 1),
                     nullptr) >= 0;
}

template <typename T>
const T* fixed_part(const nlmsghdr* header) {
  return header->nlmsg_len < NLMSG_LENGTH(sizeof(T)) ? nullptr : static_cast<const T*>(NLMSG_DATA(header));
}

std::size_t size_of(const nlattr* attribute) {
  return static_cast<std::size_t>(nla_len(attribute));
}

std::uint32_t number(const nlattr* attribute, std::uint32_t otherwise = 0) {
  return attribute != nullptr && size_of(attribute) >= sizeof(std::uint32_t) ? nla_get_u32(attribute) : otherwise;
}

std::string text(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  const std::string_view raw{static_cast<const char*>(nla_data(attribute)), size_of(attribute)};
  return std::string{raw.substr(0, raw.find('\0'))};
}

constexpr unsigned kDevconfForceForwarding = DEVCONF_ACCEPT_UNTRACKED_NA + 2;  // linux/ipv6.h of 6.17

template <typename Address>
std::optional<address> address_in(const void* data, std::size_t size) {
  typename Address::bytes_type bytes;
  if (size != bytes.size()) return std::nullopt;
  std::memcpy(bytes.data(), data, bytes.size());
  return Address{bytes};
}

bool is_internet(int family) {
  return family == AF_INET || family == AF_INET6;
}

std::optional<address> address_of(int family, const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  return family == AF_INET ? address_in<address_v4>(nla_data(attribute), size_of(attribute))
                           : address_in<address_v6>(nla_data(attribute), size_of(attribute));
}

MacAddress mac_of(const nlattr* attribute) {
  MacAddress mac;
  if (attribute != nullptr && size_of(attribute) == mac.bytes.size()) {
    std::memcpy(mac.bytes.data(), nla_data(attribute), mac.bytes.size());
  }
  return mac;
}

// An array of 32-bit values, as IFLA_INET_CONF and IFLA_INET6_CONF are.
std::optional<std::int32_t> element(const nlattr* attribute, std::size_t index) {
  if (attribute == nullptr || size_of(attribute) < (index + 1) * sizeof(std::int32_t)) return std::nullopt;
  std::int32_t value = 0;
  std::memcpy(&value, static_cast<const std::uint8_t*>(nla_data(attribute)) + index * sizeof value, sizeof value);
  return value;
}

void read_family_parts(const nlattr* af_spec, Link& link) {
  const nlattr* family = nullptr;
  int left = 0;
  nla_for_each_nested(family, af_spec, left) {
    if (nla_type(family) == AF_INET) {
      const nlattr* conf = nla_find(static_cast<const nlattr*>(nla_data(family)), nla_len(family), IFLA_INET_CONF);
      // The array starts at IPV4_DEVCONF_FORWARDING, which is 1.
      for (const Conf key : kAllConf) link.conf[key] = element(conf, devconf_id(key) - 1).value_or(0);
    } else if (nla_type(family) == AF_INET6) {
      const nlattr* conf = nla_find(static_cast<const nlattr*>(nla_data(family)), nla_len(family), IFLA_INET6_CONF);
      for (const Conf6 key : kAllConf6) {
        if (key != Conf6::addr_gen_mode) link.conf6[key] = element(conf, devconf_id(key));
      }
      const nlattr* mode =
          nla_find(static_cast<const nlattr*>(nla_data(family)), nla_len(family), IFLA_INET6_ADDR_GEN_MODE);
      if (mode != nullptr && size_of(mode) == 1) link.conf6[Conf6::addr_gen_mode] = nla_get_u8(mode);
    }
  }
}

std::optional<address> gateway_of(int family, const nlattr* gateway, const nlattr* via) {
  if (const auto found = address_of(family, gateway)) return found;
  // RTA_VIA: a gateway of another family (struct rtvia: a family of two bytes, then the address).
  constexpr std::size_t kFamily = sizeof(std::uint16_t);
  if (via == nullptr || size_of(via) < kFamily) return std::nullopt;
  return address_in<address_v6>(static_cast<const std::uint8_t*>(nla_data(via)) + kFamily, size_of(via) - kFamily);
}

std::vector<Route> split_hops(int family, const Route& route, const nlattr* multipath) {
  std::vector<Route> routes;
  auto left = static_cast<int>(size_of(multipath));
  for (const auto* hop = static_cast<const rtnexthop*>(nla_data(multipath)); RTNH_OK(hop, left);) {
    Route one = route;
    one.ifindex = static_cast<std::uint32_t>(hop->rtnh_ifindex);
    const auto size = static_cast<int>(hop->rtnh_len) - static_cast<int>(RTNH_LENGTH(0));
    const auto* attributes = reinterpret_cast<const nlattr*>(RTNH_DATA(hop));
    one.gateway = gateway_of(family, nla_find(attributes, size, RTA_GATEWAY), nla_find(attributes, size, RTA_VIA));
    routes.push_back(std::move(one));
    left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
    hop = RTNH_NEXT(hop);
  }
  return routes;
}

RouteType type_of(std::uint8_t type) {
  if (type == RTN_UNICAST) return RouteType::unicast;
  return type == RTN_UNREACHABLE ? RouteType::unreachable : RouteType::other;
}

NeighbourState state_of(std::uint16_t state) {
  if ((state & NUD_PERMANENT) != 0) return NeighbourState::permanent;
  if ((state & NUD_NOARP) != 0) return NeighbourState::other;
  const bool usable = (state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)) != 0;
  return usable ? NeighbourState::dynamic : NeighbourState::invalid;
}

void parse_netconf(const nlmsghdr* header, const std::function<void(const KernelEvent&)>& handler) {
  const auto* fixed = fixed_part<netconfmsg>(header);
  Attributes<NETCONFA_MAX + 1> a{};
  if (fixed == nullptr || !is_internet(fixed->ncm_family) || !parse(header, sizeof(netconfmsg), a)) return;
  const auto ifindex = static_cast<std::int32_t>(number(a[NETCONFA_IFINDEX]));
  if (ifindex == NETCONFA_IFINDEX_DEFAULT) return;
  const auto index = ifindex == NETCONFA_IFINDEX_ALL ? 0U : static_cast<std::uint32_t>(ifindex);
  const auto tell = [&](int attribute, auto key) {
    if (a[static_cast<std::size_t>(attribute)] == nullptr) return;
    handler(ConfChanged{index, key, static_cast<std::int32_t>(number(a[static_cast<std::size_t>(attribute)]))});
  };
  if (fixed->ncm_family == AF_INET6) {
    tell(NETCONFA_FORWARDING, Conf6::forwarding);
    if (a[NETCONFA_FORWARDING] == nullptr && index != 0) handler(ConfTouched{index});
    return;
  }
  tell(NETCONFA_FORWARDING, Conf::forwarding);
  tell(NETCONFA_RP_FILTER, Conf::rp_filter);
  tell(NETCONFA_PROXY_NEIGH, Conf::proxy_arp);
}

}  // namespace

unsigned devconf_id(Conf key) noexcept {
  switch (key) {
    case Conf::forwarding:
      return IPV4_DEVCONF_FORWARDING;
    case Conf::rp_filter:
      return IPV4_DEVCONF_RP_FILTER;
    case Conf::send_redirects:
      return IPV4_DEVCONF_SEND_REDIRECTS;
    case Conf::accept_redirects:
      return IPV4_DEVCONF_ACCEPT_REDIRECTS;
    case Conf::arp_announce:
      return IPV4_DEVCONF_ARP_ANNOUNCE;
    case Conf::arp_ignore:
      return IPV4_DEVCONF_ARP_IGNORE;
    case Conf::proxy_arp:
      return IPV4_DEVCONF_PROXY_ARP;
    case Conf::arp_accept:
      return IPV4_DEVCONF_ARP_ACCEPT;
    case Conf::route_localnet:
      return IPV4_DEVCONF_ROUTE_LOCALNET;
  }
  std::abort();
}

unsigned devconf_id(Conf6 key) noexcept {
  switch (key) {
    case Conf6::accept_ra:
      return DEVCONF_ACCEPT_RA;
    case Conf6::forwarding:
      return DEVCONF_FORWARDING;
    case Conf6::force_forwarding:
      return kDevconfForceForwarding;
    case Conf6::disable_ipv6:
      return DEVCONF_DISABLE_IPV6;
    case Conf6::addr_gen_mode:
      break;  // an attribute of its own
  }
  std::abort();
}

std::optional<Link> parse_link(const nlmsghdr* header) {
  const auto* fixed = fixed_part<ifinfomsg>(header);
  Attributes<IFLA_MAX + 1> a{};
  // AF_BRIDGE messages tell a bridge's view of its port, IFLA_WIRELESS ones a radio's: neither is the link's state.
  if (fixed == nullptr || fixed->ifi_family != AF_UNSPEC || !parse(header, sizeof(ifinfomsg), a)) return std::nullopt;
  if (a[IFLA_IFNAME] == nullptr || a[IFLA_WIRELESS] != nullptr) return std::nullopt;
  Link link;
  link.index = static_cast<std::uint32_t>(fixed->ifi_index);
  link.name = text(a[IFLA_IFNAME]);
  if (a[IFLA_LINKINFO] != nullptr) {
    link.kind = text(
        nla_find(static_cast<const nlattr*>(nla_data(a[IFLA_LINKINFO])), nla_len(a[IFLA_LINKINFO]), IFLA_INFO_KIND));
  }
  link.mac = mac_of(a[IFLA_ADDRESS]);
  link.group = number(a[IFLA_GROUP]);
  link.mtu = number(a[IFLA_MTU]);
  link.master = number(a[IFLA_MASTER]);
  link.ethernet = fixed->ifi_type == ARPHRD_ETHER;
  link.loopback = (fixed->ifi_flags & IFF_LOOPBACK) != 0;
  link.up = (fixed->ifi_flags & IFF_UP) != 0;
  link.carrier = (fixed->ifi_flags & kLowerUp) != 0;
  if (a[IFLA_AF_SPEC] != nullptr) read_family_parts(a[IFLA_AF_SPEC], link);
  return link;
}

std::optional<LinkTraffic> parse_traffic(const nlmsghdr* header) {
  Attributes<IFLA_MAX + 1> a{};
  if (fixed_part<ifinfomsg>(header) == nullptr || !parse(header, sizeof(ifinfomsg), a)) return std::nullopt;
  // Only the first four counters are read; kernels append to the struct.
  constexpr std::size_t kNeeded = offsetof(rtnl_link_stats64, rx_errors);
  if (a[IFLA_STATS64] == nullptr || static_cast<std::size_t>(nla_len(a[IFLA_STATS64])) < kNeeded) return std::nullopt;
  rtnl_link_stats64 stats{};
  std::memcpy(&stats, nla_data(a[IFLA_STATS64]), kNeeded);  // attributes are aligned to 4 bytes, the counters want 8
  return LinkTraffic{.received_packets = stats.rx_packets,
                     .received_bytes = stats.rx_bytes,
                     .sent_packets = stats.tx_packets,
                     .sent_bytes = stats.tx_bytes};
}

std::optional<InterfaceAddress> parse_address(const nlmsghdr* header) {
  const auto* fixed = fixed_part<ifaddrmsg>(header);
  Attributes<IFA_MAX + 1> a{};
  if (fixed == nullptr || !is_internet(fixed->ifa_family) || !parse(header, sizeof(ifaddrmsg), a)) return std::nullopt;
  const auto local = address_of(fixed->ifa_family, a[IFA_LOCAL] != nullptr ? a[IFA_LOCAL] : a[IFA_ADDRESS]);
  if (!local) return std::nullopt;
  InterfaceAddress result;
  result.ifindex = fixed->ifa_index;
  result.local = *local;
  result.prefix_length = fixed->ifa_prefixlen;
  result.scope = fixed->ifa_scope;
  const auto flags = number(a[IFA_FLAGS], fixed->ifa_flags);
  result.noprefixroute = (flags & IFA_F_NOPREFIXROUTE) != 0;
  result.nodad = (flags & IFA_F_NODAD) != 0;
  result.deprecated = (flags & IFA_F_DEPRECATED) != 0;
  return result;
}

std::vector<Route> parse_routes(const nlmsghdr* header) {
  const auto* fixed = fixed_part<rtmsg>(header);
  Attributes<RTA_MAX + 1> a{};
  if (fixed == nullptr || !is_internet(fixed->rtm_family) || !parse(header, sizeof(rtmsg), a)) return {};
  const int family = fixed->rtm_family;
  Route route;
  route.table = number(a[RTA_TABLE], fixed->rtm_table);
  if ((fixed->rtm_flags & RTM_F_CLONED) != 0 || route.table == RT_TABLE_LOCAL) return {};
  const std::optional any = family == AF_INET ? address{address_v4{}} : address{address_v6{}};
  if (fixed->rtm_dst_len > (family == AF_INET ? 32 : 128)) return {};
  const auto destination = a[RTA_DST] == nullptr ? any : address_of(family, a[RTA_DST]);
  if (!destination) return {};
  route.destination = Prefix{*destination, fixed->rtm_dst_len};
  route.metric = number(a[RTA_PRIORITY]);
  route.tos = fixed->rtm_tos;
  route.type = type_of(fixed->rtm_type);
  route.protocol = fixed->rtm_protocol;
  route.scope = fixed->rtm_scope;
  route.source = address_of(family, a[RTA_PREFSRC]);
  if (a[RTA_MULTIPATH] != nullptr) return split_hops(family, route, a[RTA_MULTIPATH]);
  // IPv6 says lo of what leads nowhere, IPv4 nothing.
  if (family == AF_INET || route.type == RouteType::unicast) route.ifindex = number(a[RTA_OIF]);
  route.gateway = gateway_of(family, a[RTA_GATEWAY], a[RTA_VIA]);
  return {route};
}

std::optional<Neighbour> parse_neighbour(const nlmsghdr* header) {
  const auto* fixed = fixed_part<ndmsg>(header);
  Attributes<NDA_MAX + 1> a{};
  if (fixed == nullptr || !is_internet(fixed->ndm_family) || !parse(header, sizeof(ndmsg), a)) return std::nullopt;
  const auto address = address_of(fixed->ndm_family, a[NDA_DST]);
  if (!address || (fixed->ndm_flags & NTF_PROXY) != 0) return std::nullopt;
  // A guest may have as many of these as it likes, and none of them is ours to look after.
  if (address->is_v6() && (address->to_v6().is_link_local() || address->is_multicast())) return std::nullopt;
  Neighbour neighbour;
  neighbour.ifindex = static_cast<std::uint32_t>(fixed->ndm_ifindex);
  neighbour.address = *address;
  neighbour.mac = mac_of(a[NDA_LLADDR]);
  neighbour.state = state_of(fixed->ndm_state);
  neighbour.ext_learned = (fixed->ndm_flags & NTF_EXT_LEARNED) != 0;
  return neighbour;
}

void parse_event(const nlmsghdr* header, const std::function<void(const KernelEvent&)>& handler) {
  switch (header->nlmsg_type) {
    case RTM_NEWLINK:
      if (auto link = parse_link(header)) handler(LinkChanged{std::move(*link)});
      break;
    case RTM_DELLINK:
      if (auto link = parse_link(header)) handler(LinkGone{link->index, link->name});
      break;
    case RTM_NEWADDR:
      if (const auto address = parse_address(header)) handler(AddressChanged{*address});
      break;
    case RTM_DELADDR:
      if (const auto address = parse_address(header)) handler(AddressGone{*address});
      break;
    case RTM_NEWROUTE: {
      bool replaces = (header->nlmsg_flags & NLM_F_REPLACE) != 0;
      for (const Route& route : parse_routes(header)) {
        handler(RouteChanged{route, replaces});
        replaces = false;  // the further hops of the same route stand beside its first
      }
      break;
    }
    case RTM_DELROUTE:
      for (const Route& route : parse_routes(header)) handler(RouteGone{route});
      break;
    case RTM_NEWNEIGH:
      if (const auto neighbour = parse_neighbour(header)) handler(NeighbourChanged{*neighbour});
      break;
    case RTM_DELNEIGH:
      if (const auto neighbour = parse_neighbour(header)) handler(NeighbourGone{*neighbour});
      break;
    case RTM_NEWNETCONF:
      parse_netconf(header, handler);
      break;
    default:
      break;
  }
}

}  // namespace vrouter::router
