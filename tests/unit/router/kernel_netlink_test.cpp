// SPDX-License-Identifier: GPL-2.0-or-later
// Messages made by requests.cpp and read by parse.cpp, and the kernel's refusals: no kernel takes part.
#include <gmock/gmock.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cstring>
#include <vector>

#include "router/kernel/netlink_socket.h"
#include "router/kernel/parse.h"
#include "router/kernel/requests.h"

namespace vrouter::router {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

address_v4 v4(const char* text) {
  return boost::asio::ip::make_address_v4(text);
}
network_v4 net4(const char* text) {
  return boost::asio::ip::make_network_v4(text);
}

std::vector<KernelEvent> events_of(const nlmsghdr* header) {
  std::vector<KernelEvent> events;
  parse_event(header, [&](const KernelEvent& event) { events.push_back(event); });
  return events;
}

Route guest_route() {
  Route route;
  route.destination = net4("10.0.5.2/32");
  route.protocol = 118;
  route.scope = kScopeLink;
  route.ifindex = 7;
  route.source = v4("10.0.5.1");
  return route;
}

TEST(KernelMessages, RoutesReadBackAsWritten) {
  EXPECT_THAT(parse_routes(nlmsg_hdr(route_request(guest_route(), true).get())), ElementsAre(guest_route()));
  Route unreachable;
  unreachable.destination = net4("10.0.5.0/24");
  unreachable.metric = kUnreachableMetric;
  unreachable.type = RouteType::unreachable;
  unreachable.protocol = 118;
  EXPECT_THAT(parse_routes(nlmsg_hdr(route_request(unreachable, true).get())), ElementsAre(unreachable));
  Route uplink;
  uplink.destination = net4("0.0.0.0/0");
  uplink.ifindex = 2;
  uplink.metric = 100;
  uplink.gateway = v4("192.0.2.1");
  EXPECT_THAT(parse_routes(nlmsg_hdr(route_request(uplink, true).get())), ElementsAre(uplink));
}

TEST(KernelMessages, Ipv6ReadsBackAsWritten) {
  const auto guest = boost::asio::ip::make_address_v6("fd76:7274:5::2");
  const auto gateway = boost::asio::ip::make_address_v6("fd76:7274:5::1");
  Route route;
  route.destination = network_v6{guest, 128};
  route.metric = kUserMetric6;
  route.protocol = 118;
  route.ifindex = 7;
  route.source = gateway;
  EXPECT_THAT(parse_routes(nlmsg_hdr(route_request(route, true).get())), ElementsAre(route));
  Route uplink;
  uplink.destination = network_v6{};
  uplink.ifindex = 2;
  uplink.gateway = boost::asio::ip::make_address_v6("fe80::9");
  EXPECT_THAT(parse_routes(nlmsg_hdr(route_request(uplink, true).get())), ElementsAre(uplink));
  const InterfaceAddress on_lo{1, gateway, 128, 0, true, true};
  EXPECT_EQ(parse_address(nlmsg_hdr(address_request(on_lo, true).get())), on_lo);
  Neighbour neighbour{7, guest, MacAddress{{0x52, 0x54, 0, 1, 2, 3}}, NeighbourState::dynamic, true};
  EXPECT_EQ(parse_neighbour(nlmsg_hdr(neighbour_request(neighbour, true).get())), neighbour);
  neighbour.address = boost::asio::ip::make_address_v6("fe80::2");
  EXPECT_EQ(parse_neighbour(nlmsg_hdr(neighbour_request(neighbour, true).get())), std::nullopt)
      << "a guest makes up as many of these as it likes";
}

TEST(KernelMessages, NeighboursReadBackAsWritten) {
  Neighbour neighbour{7, v4("10.0.5.2"), MacAddress{{0x52, 0x54, 0, 1, 2, 3}}, NeighbourState::dynamic, true};
  EXPECT_EQ(parse_neighbour(nlmsg_hdr(neighbour_request(neighbour, true).get())), neighbour);
  neighbour.state = NeighbourState::permanent;
  neighbour.ext_learned = false;
  EXPECT_EQ(parse_neighbour(nlmsg_hdr(neighbour_request(neighbour, true).get())), neighbour);
}

TEST(KernelMessages, AddressesReadBackAsWritten) {
  const InterfaceAddress on_tap{7, v4("10.0.5.1"), 24, 0, true};
  EXPECT_EQ(parse_address(nlmsg_hdr(address_request(on_tap, true).get())), on_tap);
  const InterfaceAddress on_lo{1, v4("10.0.5.1"), 32, 0, false};
  EXPECT_EQ(parse_address(nlmsg_hdr(address_request(on_lo, true).get())), on_lo);
}

TEST(KernelMessages, ALinkChangeIsASetlinkThatTouchesOnlyUp) {
  LinkChange change;
  change.group = kGuestGroup;
  change.up = true;
  const auto message = link_change_request(7, change);
  const auto* header = nlmsg_hdr(message.get());
  const auto* fixed = static_cast<const ifinfomsg*>(nlmsg_data(header));
  EXPECT_EQ(header->nlmsg_type, RTM_SETLINK);
  EXPECT_EQ(fixed->ifi_index, 7);
  EXPECT_EQ(fixed->ifi_flags, 1U);   // IFF_UP
  EXPECT_EQ(fixed->ifi_change, 1U);  // and no other flag, promiscuous mode for one
}

TEST(KernelMessages, EveryHopOfAMultipathRouteIsARoute) {
  const NlMessage message{nlmsg_alloc_simple(RTM_NEWROUTE, NLM_F_REPLACE)};
  rtmsg fixed{};
  fixed.rtm_family = AF_INET;
  fixed.rtm_table = RT_TABLE_MAIN;
  fixed.rtm_type = RTN_UNICAST;
  ASSERT_EQ(nlmsg_append(message.get(), &fixed, sizeof fixed, NLMSG_ALIGNTO), 0);
  std::array<rtnexthop, 2> hops{};
  hops[0].rtnh_len = hops[1].rtnh_len = sizeof(rtnexthop);
  hops[0].rtnh_ifindex = 2;
  hops[1].rtnh_ifindex = 3;
  ASSERT_EQ(nla_put(message.get(), RTA_MULTIPATH, sizeof hops, hops.data()), 0);
  const auto routes = parse_routes(nlmsg_hdr(message.get()));
  ASSERT_EQ(routes.size(), 2U);
  EXPECT_EQ(routes[0].ifindex, 2U);
  EXPECT_EQ(routes[1].ifindex, 3U);
  const auto events = events_of(nlmsg_hdr(message.get()));
  ASSERT_EQ(events.size(), 2U);
  EXPECT_TRUE(std::get<RouteChanged>(events[0]).replaces);
  EXPECT_FALSE(std::get<RouteChanged>(events[1]).replaces);
}

TEST(KernelMessages, RoutesOfTheLocalTableAndOtherFamiliesAreNotOurs) {
  Route local = guest_route();
  local.table = RT_TABLE_LOCAL;
  EXPECT_THAT(parse_routes(nlmsg_hdr(route_request(local, true).get())), IsEmpty());
  const auto message = route_request(guest_route(), true);
  static_cast<rtmsg*>(nlmsg_data(nlmsg_hdr(message.get())))->rtm_family = AF_INET6;
  EXPECT_THAT(parse_routes(nlmsg_hdr(message.get())), IsEmpty());
}

TEST(KernelMessages, NetconfTellsEachSwitch) {
  const NlMessage message{nlmsg_alloc_simple(RTM_NEWNETCONF, 0)};
  netconfmsg fixed{};
  fixed.ncm_family = AF_INET;
  ASSERT_EQ(nlmsg_append(message.get(), &fixed, sizeof fixed, NLMSG_ALIGNTO), 0);
  ASSERT_EQ(nla_put_u32(message.get(), NETCONFA_IFINDEX, static_cast<std::uint32_t>(NETCONFA_IFINDEX_ALL)), 0);
  ASSERT_EQ(nla_put_u32(message.get(), NETCONFA_FORWARDING, 1), 0);
  ASSERT_EQ(nla_put_u32(message.get(), NETCONFA_RP_FILTER, 2), 0);
  const auto events = events_of(nlmsg_hdr(message.get()));
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(std::get<ConfChanged>(events[0]).ifindex, 0U);
  EXPECT_EQ(std::get<ConfChanged>(events[0]).key, AnyConf{Conf::forwarding});
  EXPECT_EQ(std::get<ConfChanged>(events[1]).value, 2);
}

// Cut anywhere, with the header's length telling so: nothing is read past the end (the sanitizers watch).
TEST(KernelMessages, TruncatedMessagesAreHarmless) {
  const Neighbour neighbour{7, v4("10.0.5.2"), MacAddress{{2, 0, 0, 0, 0, 1}}, NeighbourState::dynamic, true};
  LinkChange change;
  change.group = 1;
  change.conf[Conf::rp_filter] = 1;
  std::vector<NlMessage> messages;
  messages.push_back(route_request(guest_route(), true));
  messages.push_back(neighbour_request(neighbour, true));
  messages.push_back(address_request({7, v4("10.0.5.1"), 24, 0, true}, true));
  messages.push_back(link_change_request(7, change));
  nlmsg_hdr(messages.back().get())->nlmsg_type = RTM_NEWLINK;
  for (const auto& message : messages) {
    const auto* whole = reinterpret_cast<const std::uint8_t*>(nlmsg_hdr(message.get()));
    const std::size_t size = nlmsg_hdr(message.get())->nlmsg_len;
    std::size_t seen = 0;
    for (std::size_t cut = sizeof(nlmsghdr); cut <= size; ++cut) {
      std::vector<std::uint8_t> bytes(whole, whole + cut);
      reinterpret_cast<nlmsghdr*>(bytes.data())->nlmsg_len = static_cast<std::uint32_t>(cut);
      seen += events_of(reinterpret_cast<const nlmsghdr*>(bytes.data())).size();
    }
    EXPECT_LT(seen, size);
  }
}

class Refusal : public testing::Test {
 protected:
  // An NLMSG_ERROR as the kernel sends it: the error, the request it is about (whole or capped), attributes.
  static std::vector<std::uint8_t> message(int code, bool capped, const std::string& text, std::size_t request_size) {
    std::vector<std::uint8_t> bytes(NLMSG_HDRLEN + sizeof(nlmsgerr));
    auto* error = reinterpret_cast<nlmsgerr*>(bytes.data() + NLMSG_HDRLEN);
    error->error = code;
    error->msg.nlmsg_len = static_cast<std::uint32_t>(request_size);
    if (!capped) bytes.resize(NLMSG_HDRLEN + sizeof(int) + NLMSG_ALIGN(request_size), 0xee);
    if (!text.empty()) {
      const nlattr attribute{static_cast<std::uint16_t>(NLA_HDRLEN + text.size() + 1), NLMSGERR_ATTR_MSG};
      const auto* raw = reinterpret_cast<const std::uint8_t*>(&attribute);
      bytes.insert(bytes.end(), raw, raw + sizeof attribute);
      bytes.insert(bytes.end(), text.begin(), text.end());
      bytes.resize(NLMSG_ALIGN(bytes.size() + 1));
    }
    auto* header = reinterpret_cast<nlmsghdr*>(bytes.data());
    header->nlmsg_type = NLMSG_ERROR;
    header->nlmsg_len = static_cast<std::uint32_t>(bytes.size());
    header->nlmsg_flags = static_cast<std::uint16_t>((capped ? NLM_F_CAPPED : 0) | (text.empty() ? 0 : NLM_F_ACK_TLVS));
    return bytes;
  }
  static std::optional<KernelError> read(const std::vector<std::uint8_t>& bytes) {
    return error_of(reinterpret_cast<const nlmsghdr*>(bytes.data()), "add route");
  }
};

TEST_F(Refusal, CarriesTheKernelsSentence) {
  for (const bool capped : {true, false}) {
    const auto error = read(message(-EINVAL, capped, "Nexthop has invalid gateway", 52));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, EINVAL);
    EXPECT_EQ(error->extack, "Nexthop has invalid gateway");
    EXPECT_EQ(error->to_string(), "add route: Invalid argument (kernel: Nexthop has invalid gateway)");
  }
}

TEST_F(Refusal, MayHaveNone) {
  const auto error = read(message(-ENODEV, true, "", 52));
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->extack, "");
}

TEST_F(Refusal, ZeroIsAnAcknowledgement) {
  EXPECT_FALSE(read(message(0, true, "", 52)).has_value());
}

TEST_F(Refusal, LengthsThatLieAreHarmless) {
  auto bytes = message(-EINVAL, false, "text", 52);
  reinterpret_cast<nlmsgerr*>(bytes.data() + NLMSG_HDRLEN)->msg.nlmsg_len = 0xffffff00U;
  EXPECT_EQ(read(bytes)->extack, "");
}

}  // namespace
}  // namespace vrouter::router
