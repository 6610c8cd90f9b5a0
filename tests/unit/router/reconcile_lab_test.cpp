// SPDX-License-Identifier: GPL-2.0-or-later
// The whole way against the real kernel: observe, diff, apply, follow events, give back.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include "base/wire_writer.h"
#include "lab_netns.h"
#include "router/reconcile/apply.h"
#include "router/reconcile/diff.h"

namespace vrouter::router {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

bool contains(const std::vector<Neighbour>& all, const Neighbour& one) {
  return std::ranges::find(all, one) != all.end();
}

const MacAddress kMac{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};

class ReconcileLab : public NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    set_up("lo", true);
    // The uplink: any interface with a default route is one.
    uplink_end = open_tap("up0");
    set_up("up0", true);
    const auto index = net->link("up0")->index;
    ASSERT_TRUE(net->put_address({index, lab_v4("192.0.2.7"), 24, 0, false}).has_value());
    Route fallback;
    fallback.destination = lab_net4("0.0.0.0/0");
    fallback.protocol = 3;
    fallback.ifindex = index;
    fallback.gateway = lab_v4("192.0.2.1");
    ASSERT_TRUE(net->put_route(fallback).has_value());
    auto opened = KernelEvents::open(io, [this](const KernelEvent& event) { follow(event); });
    ASSERT_TRUE(opened.has_value());
    events = std::move(*opened);
    see();
    desired.host = desired_host(config(), uplinks_of(observed));
    DesiredGuest guest;
    guest.tap = "tap0";
    guest.address = lab_v4("10.0.5.2");
    guest.gateway = lab_v4("10.0.5.1");
    guest.mac = kMac;
    desired.guests["tap0"] = guest;
  }
  static config::Config config() {
    config::Network network;
    network.name = "default";
    network.prefix = lab_net4("10.0.5.0/24");
    network.gateway = lab_v4("10.0.5.1");
    config::Config config;
    config.networks["default"] = network;
    return config;
  }

  void follow(const KernelEvent& event) {
    const Affected affected = observed.on(event);
    touched.insert(touched.end(), affected.links.begin(), affected.links.end());
    overflow |= affected.overflow;
  }
  void see() {
    auto seen = observe(kernel());
    ASSERT_TRUE(seen.has_value()) << seen.error().to_string();
    observed = std::move(*seen);
  }
  [[nodiscard]] Kernel kernel() { return {*net, *sysctls}; }
  void run(const Plan& plan) {
    EXPECT_THAT(plan.problems, IsEmpty());
    record(originals, plan);
    const auto applied = apply(plan.operations, kernel(), observed);
    ASSERT_FALSE(applied.error) << applied.error->to_string();
    forget(originals, plan);
  }
  void reconcile() {
    const auto plan = diff(desired, observed, originals);
    run(plan.host.host);
    for (const auto& [name, part] : plan.release) run(part);
    for (const auto& [name, part] : plan.guests) run(part);
    run(plan.host.stale);
  }
  // Nothing is left to do, as our replica has it and as a fresh look at the kernel has it.
  void expect_right() {
    events->drain();
    EXPECT_TRUE(diff(desired, observed, originals).empty());
    see();
    const auto again = diff(desired, observed, originals);
    EXPECT_TRUE(again.empty());
    for (const auto& [name, plan] : again.guests) {
      for (const auto& operation : plan.operations) ADD_FAILURE() << describe(operation);
    }
  }
  [[nodiscard]] Link tap0() { return net->link("tap0").value(); }
  [[nodiscard]] bool routed() {
    for (const auto& route : net->routes().value()) {
      if (route.destination == lab_net4("10.0.5.2/32") && route.protocol == 118) return true;
    }
    return false;
  }

  UniqueFd uplink_end;
  std::unique_ptr<KernelEvents> events;
  Desired desired;
  Observed observed;
  Originals originals;
  std::vector<std::string> touched;
  bool overflow = false;
};

TEST_F(ReconcileLab, AdoptsATapAndThenFindsNothingToDo) {
  EXPECT_THAT(desired.host.uplinks, ElementsAre("up0"));
  const UniqueFd guest = open_tap("tap0");
  events->drain();
  EXPECT_THAT(touched, Contains("tap0"));
  reconcile();
  EXPECT_EQ(tap0().group, kGuestGroup);
  EXPECT_TRUE(tap0().up);
  EXPECT_FALSE(tap0().ipv6_on());
  EXPECT_EQ(tap0().conf[Conf::forwarding], 1);
  EXPECT_EQ(net->link("up0")->conf[Conf::forwarding], 1);
  EXPECT_THAT(guarded_interfaces(originals, observed), ElementsAre("up0"));
  EXPECT_TRUE(routed());
  EXPECT_THAT(net->neighbours().value(),
              Contains(Neighbour{tap0().index, lab_v4("10.0.5.2"), kMac, NeighbourState::permanent, false}));
  expect_right();
}

TEST_F(ReconcileLab, AFlapIsMendedAtTheUpEdge) {
  const UniqueFd guest = open_tap("tap0");
  events->drain();
  reconcile();
  events->drain();
  set_up("tap0", false);
  ASSERT_FALSE(routed());
  events->drain();
  EXPECT_TRUE(diff(desired, observed, originals).empty());  // an operator's wish
  touched.clear();
  set_up("tap0", true);
  events->drain();
  EXPECT_THAT(touched, Contains("tap0"));
  run(diff_link(desired, "tap0", observed, originals));
  EXPECT_TRUE(routed());
  expect_right();
}

TEST_F(ReconcileLab, ATapDeletedAndMadeAgainIsAdoptedAgain) {
  UniqueFd guest = open_tap("tap0");
  events->drain();
  reconcile();
  guest.reset();
  events->drain();
  EXPECT_TRUE(diff_link(desired, "tap0", observed, originals).empty());
  guest = open_tap("tap0");
  events->drain();
  EXPECT_EQ(tap0().group, 0U);
  run(diff_link(desired, "tap0", observed, originals));
  EXPECT_EQ(tap0().group, kGuestGroup);
  EXPECT_TRUE(routed());
  expect_right();
}

TEST_F(ReconcileLab, ADeletedGatewayAddressComesBackWithItsRoutes) {
  const UniqueFd guest = open_tap("tap0");
  events->drain();
  reconcile();
  events->drain();
  ASSERT_TRUE(net->remove_address({1, lab_v4("10.0.5.1"), 32, 0, false}).has_value());
  ASSERT_FALSE(routed());  // the kernel took it along, without an event before 6.7
  touched.clear();
  events->drain();
  EXPECT_THAT(touched, Contains("tap0"));
  reconcile();
  EXPECT_TRUE(routed());
  expect_right();
}

TEST_F(ReconcileLab, TeardownLeavesTheHostAsItWasFound) {
  ASSERT_TRUE(net->create_tap("tap0", {}).has_value());
  see();
  const auto sorted_links = [this] {
    auto links = net->links().value();
    std::ranges::sort(links, {}, &Link::index);
    for (auto& link : links) link.carrier = false;  // it comes a moment after IFF_UP
    return links;
  };
  const auto links = sorted_links();
  const auto addresses = net->addresses().value();
  const auto routes = net->routes().value();
  desired.guests["tap1"] = desired.guests["tap0"];
  desired.guests["tap1"].tap = "tap1";
  desired.guests["tap1"].address = lab_v4("10.0.5.3");
  desired.guests["tap1"].create_tap = true;
  run(create_guest_tap(desired.guests["tap1"], observed));
  reconcile();
  expect_right();
  EXPECT_TRUE(net->link("tap1").has_value());
  see();  // another process, after kill -9
  run(restore(originals, observed, 118));
  EXPECT_EQ(sorted_links(), links);
  EXPECT_EQ(net->addresses().value(), addresses);
  EXPECT_EQ(net->routes().value(), routes);
  EXPECT_THAT(net->neighbours().value(), Not(Contains(testing::Field(&Neighbour::address, lab_v4("10.0.5.2")))));
  EXPECT_THAT(originals, IsEmpty());
}

TEST_F(ReconcileLab, AddressIsOnTheTapWhereArpIgnoreAsksForIt) {
  const UniqueFd guest = open_tap("tap0");
  ASSERT_TRUE(sysctls->write("net/ipv4/conf/all/arp_ignore", "2").has_value());
  see();
  reconcile();
  EXPECT_THAT(net->addresses().value(), Contains(InterfaceAddress{tap0().index, lab_v4("10.0.5.1"), 24, 0, true}));
  EXPECT_TRUE(routed());
  expect_right();
  EXPECT_EQ(uplinks_of(observed), std::vector<std::string>{"up0"});
}

TEST_F(ReconcileLab, ALearnedNeighbourIsHeldAndStillFollowsArp) {
  desired.guests["tap0"].mac.reset();
  const UniqueFd guest = open_tap("tap0");
  events->drain();
  reconcile();
  run(remember_neighbour(desired.guests["tap0"], kMac, observed));
  const Neighbour wanted{tap0().index, lab_v4("10.0.5.2"), kMac, NeighbourState::dynamic, true};
  EXPECT_THAT(net->neighbours().value(), Contains(wanted));
  expect_right();
  EXPECT_TRUE(remember_neighbour(desired.guests["tap0"], kMac, observed).empty());

  // The guest comes back with another MAC and asks for its gateway.
  const MacAddress other{{0x52, 0x54, 0, 0, 0, 9}};
  std::array<std::uint8_t, 10 + 14 + 28> frame{};  // virtio_net_hdr, Ethernet, ARP (RFC 826)
  WireWriter writer{frame};
  writer.fill(10);
  writer.bytes(kBroadcastMac.bytes);
  writer.bytes(other.bytes);
  for (const int field : {0x0806, 1, 0x0800, 0x0604, 1}) writer.u16(static_cast<std::uint16_t>(field));
  writer.bytes(other.bytes);
  writer.u32(lab_v4("10.0.5.2").to_uint());
  writer.fill(6);
  writer.u32(lab_v4("10.0.5.1").to_uint());
  ASSERT_EQ(::write(guest.get(), frame.data(), frame.size()), static_cast<ssize_t>(frame.size()));
  Neighbour moved = wanted;
  moved.mac = other;
  while (!contains(net->neighbours().value(), moved)) {  // CTest's timeout ends it if it never comes
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  expect_right();
}

TEST_F(ReconcileLab, GlobalForwardingComesAndGoes) {
  const UniqueFd guest = open_tap("tap0");
  events->drain();
  desired.host.forwarding = config::Forwarding::global;
  reconcile();
  EXPECT_EQ(sysctls->read("net/ipv4/ip_forward").value(), "1");
  expect_right();
  EXPECT_THAT(guarded_interfaces(originals, observed), IsEmpty());
  desired.host.forwarding = config::Forwarding::interfaces;
  reconcile();
  events->drain();  // ip_forward=0 took the TAP's forwarding along, and told so
  reconcile();
  EXPECT_EQ(sysctls->read("net/ipv4/ip_forward").value(), "0");
  EXPECT_EQ(tap0().conf[Conf::forwarding], 1);
  EXPECT_EQ(net->link("up0")->conf[Conf::forwarding], 1);
  expect_right();
}

TEST_F(ReconcileLab, ANetworkOnAPrefixOfTheHostsIsRefused) {
  auto network = config().networks.at("default");
  EXPECT_EQ(collides(network, observed, 118, {}), std::nullopt);
  network.prefix = lab_net4("192.0.2.0/25");
  network.gateway = lab_v4("192.0.2.1");
  EXPECT_THAT(collides(network, observed, 118, {}).value_or(""), testing::HasSubstr("192.0.2.7/24 on up0"));
}

TEST_F(ReconcileLab, AfterAnOverflowAFreshDumpIsRightAgain) {
  auto small = KernelEvents::open(io, [this](const KernelEvent& event) { follow(event); }, 1);
  ASSERT_TRUE(small.has_value());
  events = std::move(*small);
  UniqueFd guest;
  for (int n = 0; n < 50; ++n) guest = open_tap("tap" + std::to_string(n % 2));
  guest = open_tap("tap0");
  events->drain();
  ASSERT_TRUE(overflow);
  see();
  reconcile();
  EXPECT_TRUE(routed());
  see();
  EXPECT_TRUE(diff(desired, observed, originals).empty());
}

}  // namespace
}  // namespace vrouter::router
