// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel room against the real kernel.
#include <gmock/gmock.h>

#include <cerrno>
#include <chrono>
#include <set>
#include <thread>
#include <vector>

#include "lab_netns.h"

namespace vrouter::router {
namespace {

using testing::Contains;
using testing::Not;

class KernelLab : public NamespaceTest {
 protected:
  template <typename T>
  [[nodiscard]] std::vector<T> seen() const {
    std::vector<T> result;
    for (const auto& event : events_seen) {
      if (const auto* match = std::get_if<T>(&event)) result.push_back(*match);
    }
    return result;
  }
  void listen(int buffer = KernelEvents::kDefaultBuffer) {
    auto opened = KernelEvents::open(io, [this](const KernelEvent& event) { events_seen.push_back(event); }, buffer);
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    events = std::move(*opened);
  }
  [[nodiscard]] Route route_to(const char* destination, std::uint32_t ifindex) const {
    Route route;
    route.destination = lab_net4(destination);
    route.protocol = 118;
    route.scope = kScopeLink;
    route.ifindex = ifindex;
    return route;
  }

  std::vector<KernelEvent> events_seen;
  std::unique_ptr<KernelEvents> events;
};

TEST_F(KernelLab, CreatedTapIsPersistentAndOpensAsQemuDoes) {
  ASSERT_TRUE(net->create_tap("tap0", uid_t{65534}).has_value());
  const auto link = net->link("tap0");
  ASSERT_TRUE(link.has_value());
  EXPECT_EQ(link->kind, "tun");
  EXPECT_TRUE(link->ethernet);
  EXPECT_FALSE(link->up);
  EXPECT_EQ(net->create_tap("tap0", {}).error().code, EEXIST);
  {
    const UniqueFd guest = open_tap("tap0");
    EXPECT_TRUE(guest);
  }
  EXPECT_TRUE(net->link("tap0").has_value());
  ASSERT_TRUE(net->remove_link(link->index, "tap0").has_value());
  EXPECT_EQ(net->link("tap0").error().code, ENODEV);
  EXPECT_EQ(net->remove_link(link->index, "tap0").error().code, ENODEV);
}

TEST_F(KernelLab, OneMessageSetsGroupAndSwitchesWhileDown) {
  ASSERT_TRUE(net->create_tap("tap0", {}).has_value());
  const auto before = net->link("tap0").value();
  LinkChange change;
  change.group = kGuestGroup;
  for (const Conf key : kAllConf) change.conf[key] = key == Conf::arp_announce ? 2 : 1;
  const auto changed = net->change_link(before.index, "tap0", change);
  ASSERT_TRUE(changed.has_value()) << changed.error().to_string();
  Link wanted = before;
  wanted.group = kGuestGroup;
  for (const Conf key : kAllConf) wanted.conf[key] = *change.conf[key];
  EXPECT_EQ(net->link("tap0").value(), wanted);
  for (const Conf key : kAllConf) {  // the files say the same
    EXPECT_EQ(sysctls->read("net/ipv4/conf/tap0/" + std::string{name(key)}).value(), std::to_string(*change.conf[key]));
  }
}

TEST_F(KernelLab, RoutesNeighboursAndAddressesReadBack) {
  const UniqueFd guest = open_tap("tap0");
  const auto index = net->link("tap0")->index;
  set_up("tap0", true);
  set_up("lo", true);
  const InterfaceAddress gateway{1, lab_v4("10.0.5.1"), 32, 0, false};
  const InterfaceAddress on_tap{index, lab_v4("10.0.5.1"), 24, 0, true};
  ASSERT_TRUE(net->put_address(gateway).has_value());
  ASSERT_TRUE(net->put_address(on_tap).has_value());
  ASSERT_TRUE(net->put_address(gateway).has_value());  // once more is no error
  Route route = route_to("10.0.5.2/32", index);
  route.source = lab_v4("10.0.5.1");
  Route unreachable;
  unreachable.destination = lab_net4("10.0.5.0/24");
  unreachable.type = RouteType::unreachable;
  unreachable.protocol = 118;
  unreachable.metric = kUnreachableMetric;
  for (const auto& r : {route, unreachable, route}) ASSERT_TRUE(net->put_route(r).has_value());
  const Neighbour pinned{index, lab_v4("10.0.5.2"), MacAddress{{2, 0, 0, 0, 0, 2}}, NeighbourState::permanent, false};
  const Neighbour learned{index, lab_v4("10.0.5.3"), MacAddress{{2, 0, 0, 0, 0, 3}}, NeighbourState::dynamic, true};
  ASSERT_TRUE(net->put_neighbour(pinned).has_value());
  ASSERT_TRUE(net->put_neighbour(learned).has_value());

  EXPECT_THAT(net->addresses().value(), testing::IsSupersetOf({gateway, on_tap}));
  auto routes = net->routes().value();
  std::erase_if(routes, [](const Route& r) { return r.destination.network().is_v6(); });  // the kernel's own
  EXPECT_THAT(routes, testing::UnorderedElementsAre(route, unreachable));
  EXPECT_THAT(net->neighbours().value(), testing::UnorderedElementsAre(pinned, learned));

  ASSERT_TRUE(net->remove_route(route).has_value());
  ASSERT_TRUE(net->remove_route(unreachable).has_value());
  ASSERT_TRUE(net->remove_neighbour(pinned).has_value());
  ASSERT_TRUE(net->remove_address(gateway).has_value());
  EXPECT_EQ(net->remove_route(route).error().code, ESRCH);
  EXPECT_EQ(net->remove_neighbour(pinned).error().code, ENOENT);
  EXPECT_EQ(net->remove_address(gateway).error().code, EADDRNOTAVAIL);
}

TEST_F(KernelLab, OursIsRemovedNotSomebodyElsesRouteToTheSamePlace) {
  const UniqueFd guest = open_tap("tap0");
  const auto index = net->link("tap0")->index;
  set_up("tap0", true);
  Route foreign = route_to("10.0.5.2/32", index);
  foreign.protocol = 4;
  ASSERT_TRUE(net->put_route(foreign).has_value());
  EXPECT_EQ(net->remove_route(route_to("10.0.5.2/32", index)).error().code, ESRCH);
  EXPECT_THAT(net->routes().value(), Contains(foreign));
}

TEST_F(KernelLab, RefusalsCarryTheKernelsSentence) {
  const UniqueFd guest = open_tap("tap0");
  Route route = route_to("192.0.2.0/24", net->link("tap0")->index);
  set_up("tap0", true);
  route.scope = 0;
  route.gateway = lab_v4("203.0.113.1");  // on no link
  const auto refused = net->put_route(route);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ENETUNREACH);
  EXPECT_EQ(refused.error().extack, "Nexthop has invalid gateway");
  EXPECT_THAT(refused.error().what, testing::StartsWith("add route 192.0.2.0/24"));
}

TEST_F(KernelLab, ALateUserOfTheSocketIsNotConfusedByAnEarlierOne) {
  EXPECT_FALSE(net->link("nothing").has_value());
  EXPECT_EQ(net->links().value().at(0).name, "lo");
}

TEST_F(KernelLab, EventsTellWhatHappens) {
  listen();
  UniqueFd guest = open_tap("tap0");
  const auto index = net->link("tap0")->index;
  set_up("tap0", true);
  const InterfaceAddress address{index, lab_v4("10.0.5.1"), 24, 0, true};
  const Route route = route_to("10.0.5.2/32", index);
  const Neighbour neighbour{index, lab_v4("10.0.5.2"), MacAddress{{2, 0, 0, 0, 0, 2}}, NeighbourState::permanent,
                            false};
  ASSERT_TRUE(net->put_address(address).has_value());
  ASSERT_TRUE(net->put_route(route).has_value());
  ASSERT_TRUE(net->put_neighbour(neighbour).has_value());
  ASSERT_TRUE(sysctls->write("net/ipv4/conf/tap0/forwarding", "1").has_value());
  ASSERT_TRUE(sysctls->write("net/ipv4/ip_forward", "1").has_value());
  events->drain();
  const auto links = seen<LinkChanged>();
  ASSERT_FALSE(links.empty());
  EXPECT_EQ(links.front().link.name, "tap0");
  EXPECT_TRUE(links.back().link.up);
  EXPECT_EQ(seen<AddressChanged>().back().address, address);
  EXPECT_EQ(seen<RouteChanged>().back().route, route);
  EXPECT_EQ(seen<NeighbourChanged>().back().neighbour, neighbour);
  bool all = false;
  bool tap = false;
  for (const auto& conf : seen<ConfChanged>()) {
    all |= conf.ifindex == 0 && conf.key == AnyConf{Conf::forwarding} && conf.value == 1;
    tap |= conf.ifindex == index && conf.key == AnyConf{Conf::forwarding} && conf.value == 1;
  }
  EXPECT_TRUE(all && tap);
  ASSERT_TRUE(net->remove_route(route).has_value());
  guest.reset();  // the guest's end, and the TAP's
  events->drain();
  EXPECT_FALSE(seen<RouteGone>().empty());
  EXPECT_FALSE(seen<AddressGone>().empty());
  EXPECT_FALSE(seen<NeighbourGone>().empty());
  ASSERT_EQ(seen<LinkGone>().size(), 1U);
  EXPECT_EQ(seen<LinkGone>()[0].name, "tap0");
}

TEST_F(KernelLab, TheLoopHandsEventsOverByItself) {
  auto opened = KernelEvents::open(io, [this](const KernelEvent& event) {
    events_seen.push_back(event);
    io.stop();
  });
  ASSERT_TRUE(opened.has_value());
  const UniqueFd guest = open_tap("tap0");
  io.run();  // CTest's timeout ends it if nothing comes
  EXPECT_EQ(seen<LinkChanged>().front().link.name, "tap0");
  io.restart();
  opened->reset();  // with a wait under way
  io.run();
}

TEST_F(KernelLab, LostEventsAreTold) {
  listen(1);  // the kernel makes it its minimum, about 2 kB
  for (int n = 0; n < 50; ++n) static_cast<void>(open_tap("tap0"));
  events->drain();
  EXPECT_FALSE(seen<Overflow>().empty());
}

TEST_F(KernelLab, ADumpOfManyRoutesIsWholeWhileTheyChange) {
  const UniqueFd guest = open_tap("tap0");
  const auto index = net->link("tap0")->index;
  set_up("tap0", true);
  constexpr std::uint32_t kRoutes = 3000;
  const auto add = [&](KernelPort& kernel, std::uint32_t n) {
    Route route = route_to("10.0.0.0/32", index);
    route.destination = network_v4{address_v4{0x0a000000U + n}, 32};
    return kernel.put_route(route).has_value();
  };
  for (std::uint32_t n = 0; n < kRoutes; ++n) ASSERT_TRUE(add(*net, n));
  std::jthread writer{[&](const std::stop_token& stop) {
    const auto other = open_kernel();
    for (std::uint32_t n = 0; !stop.stop_requested() && n < 200; ++n) {
      if (!add(**other, kRoutes + n)) return;
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  }};
  for (int round = 0; round < 20; ++round) {
    const auto routes = net->routes();
    if (!routes) {
      EXPECT_EQ(routes.error().code, EAGAIN);  // refused rather than torn
      continue;
    }
    std::set<std::string> found;
    for (const auto& route : *routes) found.insert(route.destination.to_string());
    EXPECT_EQ(found.size(), routes->size());
    EXPECT_GE(found.size(), kRoutes);
  }
}

}  // namespace
}  // namespace vrouter::router
