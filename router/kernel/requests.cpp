// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/kernel/requests.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <memory>

#include "router/kernel/parse.h"

namespace vrouter::router {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using LinkObject = std::unique_ptr<rtnl_link, Freed<rtnl_link_put>>;
using AddressObject = std::unique_ptr<rtnl_addr, Freed<rtnl_addr_put>>;
using RouteObject = std::unique_ptr<rtnl_route, Freed<rtnl_route_put>>;
using NeighbourObject = std::unique_ptr<rtnl_neigh, Freed<rtnl_neigh_put>>;
using NlAddress = std::unique_ptr<nl_addr, Freed<nl_addr_put>>;

int family_of(const address& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

NlAddress nl_address(const address& address) {
  const auto build = [family = family_of(address)](const auto& bytes) {
    return NlAddress{nl_addr_build(family, bytes.data(), bytes.size())};
  };
  return address.is_v4() ? build(address.to_v4().to_bytes()) : build(address.to_v6().to_bytes());
}

NlAddress nl_address(const Prefix& prefix) {
  auto result = nl_address(prefix.network());
  if (result) nl_addr_set_prefixlen(result.get(), prefix.prefix_length());
  return result;
}

NlMessage message_or_null(int built, nl_msg* message) {
  return NlMessage{built < 0 ? nullptr : message};
}

// rtnl_route_add_nexthop takes the hop over, so nothing may fail between the two.
bool add_hop(rtnl_route* object, const Route& route) {
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  if (hop == nullptr) return false;
  rtnl_route_nh_set_ifindex(hop, static_cast<int>(route.ifindex));
  if (route.gateway) {
    const auto gateway = nl_address(*route.gateway);
    rtnl_route_nh_set_gateway(hop, gateway.get());
  }
  rtnl_route_add_nexthop(object, hop);
  return true;
}

}  // namespace

NlMessage link_dump_request() {
  NlMessage message{nlmsg_alloc_simple(RTM_GETLINK, 0)};
  const ifinfomsg fixed{};
  // The statistics are a third of a link's message, and nobody here reads them.
  if (!message || nlmsg_append(message.get(), const_cast<ifinfomsg*>(&fixed), sizeof fixed, NLMSG_ALIGNTO) < 0 ||
      nla_put_u32(message.get(), IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0) {
    return {};
  }
  return message;
}

NlMessage dump_request(int type) {
  NlMessage message{nlmsg_alloc_simple(type, 0)};
  rtmsg fixed{};                 // the longest of the three; all start with the family
  fixed.rtm_family = AF_UNSPEC;  // a kernel without IPv6 then leaves it out
  if (!message || nlmsg_append(message.get(), &fixed, sizeof fixed, NLMSG_ALIGNTO) < 0) return {};
  return message;
}

NlMessage link_request(const std::string& name) {
  nl_msg* message = nullptr;
  return message_or_null(rtnl_link_build_get_request(0, name.c_str(), &message), message);
}

NlMessage link_change_request(std::uint32_t ifindex, const LinkChange& change) {
  const LinkObject now{rtnl_link_alloc()};
  const LinkObject wanted{rtnl_link_alloc()};
  if (!now || !wanted) return {};
  rtnl_link_set_ifindex(now.get(), static_cast<int>(ifindex));
  if (change.group) rtnl_link_set_group(wanted.get(), *change.group);
  for (const Conf key : kAllConf) {
    if (!change.conf[key]) continue;
    if (rtnl_link_inet_set_conf(wanted.get(), devconf_id(key), static_cast<std::uint32_t>(*change.conf[key])) < 0) {
      return {};
    }
  }
  nl_msg* raw = nullptr;
  NlMessage message = message_or_null(rtnl_link_build_change_request(now.get(), wanted.get(), 0, &raw), raw);
  if (!message) return {};
  // SETLINK, which never creates; and only IFF_UP of the flags: a change mask of 0 would mean "all of them".
  nlmsg_hdr(message.get())->nlmsg_type = RTM_SETLINK;
  auto* fixed = static_cast<ifinfomsg*>(nlmsg_data(nlmsg_hdr(message.get())));
  fixed->ifi_flags = change.up.value_or(false) ? IFF_UP : 0;
  fixed->ifi_change = change.up ? IFF_UP : 0;
  return message;
}

NlMessage link_remove_request(std::uint32_t ifindex) {
  const LinkObject object{rtnl_link_alloc()};
  if (!object) return {};
  rtnl_link_set_ifindex(object.get(), static_cast<int>(ifindex));
  nl_msg* message = nullptr;
  return message_or_null(rtnl_link_build_delete_request(object.get(), &message), message);
}

NlMessage address_request(const InterfaceAddress& address, bool put) {
  const AddressObject object{rtnl_addr_alloc()};
  const auto local = nl_address(address.local);
  if (!object || !local) return {};
  nl_addr_set_prefixlen(local.get(), address.prefix_length);
  rtnl_addr_set_ifindex(object.get(), static_cast<int>(address.ifindex));
  rtnl_addr_set_family(object.get(), family_of(address.local));
  if (rtnl_addr_set_local(object.get(), local.get()) < 0) return {};
  rtnl_addr_set_prefixlen(object.get(), address.prefix_length);
  rtnl_addr_set_scope(object.get(), address.scope);
  if (address.noprefixroute) rtnl_addr_set_flags(object.get(), IFA_F_NOPREFIXROUTE);
  if (address.nodad) rtnl_addr_set_flags(object.get(), IFA_F_NODAD);
  if (put && address.deprecated) {
    rtnl_addr_set_valid_lifetime(object.get(), UINT32_MAX);  // for ever
    rtnl_addr_set_preferred_lifetime(object.get(), 0);
  }
  nl_msg* message = nullptr;
  const int built = put ? rtnl_addr_build_add_request(object.get(), NLM_F_CREATE | NLM_F_REPLACE, &message)
                        : rtnl_addr_build_delete_request(object.get(), 0, &message);
  return message_or_null(built, message);
}

NlMessage route_request(const Route& route, bool put) {
  const RouteObject object{rtnl_route_alloc()};
  const auto destination = nl_address(route.destination);
  if (!object || !destination) return {};
  rtnl_route_set_family(object.get(), static_cast<std::uint8_t>(family_of(route.destination.network())));
  rtnl_route_set_table(object.get(), route.table);
  rtnl_route_set_protocol(object.get(), route.protocol);
  rtnl_route_set_scope(object.get(), route.scope);
  rtnl_route_set_tos(object.get(), route.tos);
  rtnl_route_set_priority(object.get(), route.metric);
  if (rtnl_route_set_dst(object.get(), destination.get()) < 0) return {};
  if (rtnl_route_set_type(object.get(), route.type == RouteType::unreachable ? RTN_UNREACHABLE : RTN_UNICAST) < 0) {
    return {};
  }
  if (route.source) {
    const auto source = nl_address(*route.source);
    if (!source || rtnl_route_set_pref_src(object.get(), source.get()) < 0) return {};
  }
  if (route.ifindex != 0 && !add_hop(object.get(), route)) return {};
  nl_msg* message = nullptr;
  // Replace, never EXCL: EEXIST would only say that some route has this key, not that it is the one we want.
  const int built = put ? rtnl_route_build_add_request(object.get(), NLM_F_CREATE | NLM_F_REPLACE, &message)
                        : rtnl_route_build_del_request(object.get(), 0, &message);
  return message_or_null(built, message);
}

NlMessage neighbour_request(const Neighbour& neighbour, bool put) {
  const NeighbourObject object{rtnl_neigh_alloc()};
  const auto destination = nl_address(neighbour.address);
  const NlAddress mac{nl_addr_build(AF_LLC, neighbour.mac.bytes.data(), neighbour.mac.bytes.size())};
  if (!object || !destination || !mac) return {};
  rtnl_neigh_set_ifindex(object.get(), static_cast<int>(neighbour.ifindex));
  rtnl_neigh_set_family(object.get(), family_of(neighbour.address));
  if (rtnl_neigh_set_dst(object.get(), destination.get()) < 0) return {};
  nl_msg* message = nullptr;
  if (!put) return message_or_null(rtnl_neigh_build_delete_request(object.get(), 0, &message), message);
  rtnl_neigh_set_lladdr(object.get(), mac.get());
  rtnl_neigh_set_state(object.get(), neighbour.state == NeighbourState::permanent ? NUD_PERMANENT : NUD_STALE);
  if (neighbour.ext_learned) rtnl_neigh_set_flags(object.get(), NTF_EXT_LEARNED);
  return message_or_null(rtnl_neigh_build_add_request(object.get(), NLM_F_CREATE | NLM_F_REPLACE, &message), message);
}

NlMessage solicit_request(std::uint32_t ifindex, const address& address) {
  const NeighbourObject object{rtnl_neigh_alloc()};
  const auto destination = nl_address(address);
  if (!object || !destination) return {};
  rtnl_neigh_set_ifindex(object.get(), static_cast<int>(ifindex));
  rtnl_neigh_set_family(object.get(), family_of(address));
  if (rtnl_neigh_set_dst(object.get(), destination.get()) < 0) return {};
  rtnl_neigh_set_flags(object.get(), NTF_USE);
  nl_msg* message = nullptr;
  return message_or_null(rtnl_neigh_build_add_request(object.get(), NLM_F_CREATE, &message), message);
}

// net/core/rtnetlink.c, rtnl_fdb_get(): the bridge by NDA_MASTER, no interface beside it.
NlMessage bridge_port_request(std::uint32_t bridge, const MacAddress& station) {
  NlMessage message{nlmsg_alloc_simple(RTM_GETNEIGH, 0)};
  ndmsg fixed{};
  fixed.ndm_family = AF_BRIDGE;
  if (!message || nlmsg_append(message.get(), &fixed, sizeof fixed, NLMSG_ALIGNTO) < 0 ||
      nla_put(message.get(), NDA_LLADDR, static_cast<int>(station.bytes.size()), station.bytes.data()) < 0 ||
      nla_put_u32(message.get(), NDA_MASTER, bridge) < 0) {
    return {};
  }
  return message;
}

}  // namespace vrouter::router
