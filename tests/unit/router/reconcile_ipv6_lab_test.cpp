// SPDX-License-Identifier: GPL-2.0-or-later
// IPv6 against the real kernel: what it does unasked, and that it is followed.
#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "lab_netns.h"
#include "router/reconcile/apply.h"
#include "router/reconcile/diff.h"

namespace vrouter::router {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const MacAddress kMac{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};

address_v6 v6(const char* text) {
  return boost::asio::ip::make_address_v6(text);
}

class Ipv6Lab : public NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    set_up("lo", true);
    uplink = open_tap("up0");
    set_up("up0", true);
    auto opened = KernelEvents::open(io, [this](const KernelEvent& event) { follow(event); });
    ASSERT_TRUE(opened.has_value());
    events = std::move(*opened);
    tap = open_tap("tap0");
    see();
    ASSERT_TRUE(observed.link(std::string{"lo"})->has_ipv6()) << "this kernel has no IPv6: nothing here can be tested";
    DesiredGuest guest;
    guest.tap = "tap0";
    guest.address = lab_v4("10.0.5.2");
    guest.gateway = lab_v4("10.0.5.1");
    guest.address6 = v6("fd76:7274:5::2");
    guest.gateway6 = v6("fd76:7274:5::1");
    guest.mac = kMac;
    desired.guests["tap0"] = guest;
    desired.host.uplinks = desired.host.uplinks6 = {"up0"};
    desired.host.networks = {{"default", lab_net4("10.0.5.0/24"), lab_v4("10.0.5.1"),
                              boost::asio::ip::make_network_v6("fd76:7274:5::/64"), v6("fd76:7274:5::1")}};
  }
  void follow(const KernelEvent& event) {
    auto shown = event;
    if (auto* changed = std::get_if<LinkChanged>(&shown); changed != nullptr && older)
      changed->link.conf6[Conf6::force_forwarding].reset();
    const auto affected = observed.on(shown);
    touched.insert(touched.end(), affected.links.begin(), affected.links.end());
    host_touched |= affected.host;
  }
  void see() {
    auto seen = observe({*net, *sysctls});
    ASSERT_TRUE(seen.has_value()) << seen.error().to_string();
    observed = std::move(*seen);
    // As a kernel before 6.17: what it doesn't show can't be wished for.
    if (!older) return;
    for (const auto& [index, link] : std::unordered_map{observed.links()}) {
      auto shown = link;
      shown.conf6[Conf6::force_forwarding].reset();
      static_cast<void>(observed.on(LinkChanged{shown}));
    }
  }
  void run(const Plan& plan) {
    EXPECT_THAT(plan.problems, IsEmpty());
    record(originals, plan);
    const auto applied = apply(plan.operations, {*net, *sysctls}, observed);
    ASSERT_FALSE(applied.error) << applied.error->to_string();
    forget(originals, plan);
  }
  void reconcile() {
    const auto plan = diff(desired, observed, originals);
    run(plan.host.host);
    for (const auto& [name, part] : plan.guests) run(part);
    run(plan.host.stale);
  }
  [[nodiscard]] std::vector<std::string> to_do() {
    const auto full = diff(desired, observed, originals);
    std::vector<std::string> all;
    const auto add = [&all](const Plan& plan) {
      for (const auto& operation : plan.operations) all.push_back(describe(operation));
    };
    add(full.host.host);
    for (const auto& [name, plan] : full.guests) add(plan);
    add(full.host.stale);
    return all;
  }
  void expect_right() {
    events->drain();
    EXPECT_THAT(to_do(), IsEmpty()) << "as the replica has it";
    see();
    EXPECT_THAT(to_do(), IsEmpty()) << "as the kernel has it";
  }
  // What the kernel did of itself reaches the replica by its events alone.
  void expect_heard(const std::vector<std::string>& work) {
    events->drain();
    EXPECT_THAT(to_do(), testing::UnorderedElementsAreArray(work));
    reconcile();
    expect_right();
  }
  [[nodiscard]] std::string file(const std::string& key) const { return sysctls->read(key).value_or("none"); }
  void write(const std::string& key, const std::string& value) {
    ASSERT_TRUE(sysctls->write(key, value).has_value()) << key;
  }
  [[nodiscard]] std::vector<std::string> addresses6() {
    std::vector<std::string> all;
    for (const auto& a : net->addresses().value()) {
      if (a.ifindex == net->link("tap0")->index && a.local.is_v6()) all.push_back(a.local.to_string());
    }
    return all;
  }

  UniqueFd uplink, tap;
  std::unique_ptr<KernelEvents> events;
  Desired desired;
  Observed observed;
  Originals originals;
  std::vector<std::string> touched;
  bool host_touched = false;
  bool older = false;
};

TEST_F(Ipv6Lab, AdoptsAndThenFindsNothingToDo) {
  reconcile();
  EXPECT_THAT(addresses6(), UnorderedElementsAre("fe80::1", "fd76:7274:5::1"));
  EXPECT_EQ(file("net/ipv6/conf/tap0/addr_gen_mode"), "1");
  EXPECT_EQ(file("net/ipv6/conf/tap0/accept_ra"), "0");
  EXPECT_EQ(net->link("tap0")->conf6[Conf6::addr_gen_mode], 1);
  EXPECT_THAT(net->neighbours().value(), Contains(Neighbour{net->link("tap0")->index, v6("fd76:7274:5::2"), kMac,
                                                            NeighbourState::permanent, false}));
  expect_right();
}

TEST_F(Ipv6Lab, TheAddressThatTheKernelMadeGoesAndComesBackInTheEnd) {
  set_up("tap0", true);
  for (int i = 0; i < 200 && addresses6().empty(); ++i) ::usleep(10'000);
  const auto before = addresses6();
  ASSERT_EQ(before.size(), 1U);
  see();
  const auto links = net->links().value();
  reconcile();
  EXPECT_THAT(addresses6(), UnorderedElementsAre("fe80::1", "fd76:7274:5::1"));
  events->drain();
  run(restore(originals, observed, 118));
  EXPECT_EQ(addresses6(), before);
  EXPECT_EQ(net->links().value(), links);
  EXPECT_EQ(net->routes().value().size(), 2U) << "fe80::/64 on both links";
}

TEST_F(Ipv6Lab, ATapThatWasDownIsLeftWithoutAnAddress) {
  const auto links = net->links().value();
  reconcile();
  events->drain();
  run(restore(originals, observed, 118));
  EXPECT_THAT(addresses6(), IsEmpty());
  EXPECT_EQ(net->links().value(), links);
}

TEST_F(Ipv6Lab, WhatTheKernelTakesAlongIsHeard) {
  reconcile();
  events->drain();
  set_up("tap0", false);
  events->drain();
  EXPECT_THAT(to_do(), IsEmpty()) << "somebody set it down";
  set_up("tap0", true);
  expect_heard({"add address fe80::1/64 to tap0", "add address fd76:7274:5::1/128 to tap0",
                "add route 10.0.5.2 to tap0", "add route fd76:7274:5::2 to tap0",
                "add permanent neighbour 10.0.5.2 with MAC 52:54:00:12:34:56 to tap0",
                "add permanent neighbour fd76:7274:5::2 with MAC 52:54:00:12:34:56 to tap0"});
}

TEST_F(Ipv6Lab, IpvSixSwitchedOffIsHeardByItsAddresses) {
  reconcile();
  events->drain();
  touched.clear();
  write("net/ipv6/conf/tap0/disable_ipv6", "1");
  events->drain();
  EXPECT_THAT(touched, Contains("tap0"));
  // The switch itself is told by nothing: whoever repairs looks.
  static_cast<void>(observed.on(LinkChanged{net->link("tap0").value()}));
  expect_heard({"set sysctl net/ipv6/conf/tap0/disable_ipv6 to 0", "add address fe80::1/64 to tap0",
                "add address fd76:7274:5::1/128 to tap0", "add route fd76:7274:5::2 to tap0",
                "add permanent neighbour fd76:7274:5::2 with MAC 52:54:00:12:34:56 to tap0"});
}

TEST_F(Ipv6Lab, TheGatewaysAddressTakesTheSourceOfRoutesAlong) {
  reconcile();
  events->drain();
  const auto lo = net->link("lo")->index;
  const auto on_tap = net->link("tap0")->index;
  host_touched = false;
  for (const auto from : {on_tap, lo})
    ASSERT_TRUE(net->remove_address({from, v6("fd76:7274:5::1"), 128, 0, true, true}).has_value());
  expect_heard({"add address fd76:7274:5::1/128 to lo", "add address fd76:7274:5::1/128 to tap0",
                "add route fd76:7274:5::2 to tap0"});
  EXPECT_TRUE(host_touched);
}

TEST_F(Ipv6Lab, ForwardingOfOneInterfaceTells) {
  if (file("net/ipv6/conf/all/force_forwarding") == "none") GTEST_SKIP() << "a kernel before 6.17";
  reconcile();
  EXPECT_EQ(file("net/ipv6/conf/up0/force_forwarding"), "1");
  EXPECT_EQ(file("net/ipv6/conf/all/forwarding"), "0");
  EXPECT_EQ(file("net/ipv6/conf/up0/forwarding"), "0") << "it heeds advertisements as before";
  EXPECT_THAT(guarded_interfaces6(desired.host, originals, observed), ElementsAre("up0"));
  events->drain();
  touched.clear();
  host_touched = false;
  write("net/ipv6/conf/up0/force_forwarding", "0");
  write("net/ipv6/conf/tap0/force_forwarding", "0");
  events->drain();
  EXPECT_THAT(touched, Contains("tap0"));
  EXPECT_TRUE(host_touched);
  // Not to what: whoever repairs looks.
  for (const auto* name : {"up0", "tap0"}) static_cast<void>(observed.on(LinkChanged{net->link(name).value()}));
  expect_heard(
      {"set sysctl net/ipv6/conf/up0/force_forwarding to 1", "set sysctl net/ipv6/conf/tap0/force_forwarding to 1"});
}

// Of advertisements an uplink learned its default route: turning forwarding on must not take it away.
TEST_F(Ipv6Lab, OnAnOlderKernelTheUplinkKeepsHeedingAdvertisementsAndAllComesBack) {
  older = true;
  see();
  const auto links = net->links().value();
  reconcile();
  EXPECT_EQ(file("net/ipv6/conf/all/forwarding"), "1");
  EXPECT_EQ(file("net/ipv6/conf/up0/accept_ra"), "2");
  EXPECT_EQ(file("net/ipv6/conf/up0/force_forwarding"), file("net/ipv6/conf/lo/force_forwarding"));
  EXPECT_THAT(guarded_interfaces6(desired.host, originals, observed), ElementsAre("up0"));
  expect_right();
  write("net/ipv6/conf/all/forwarding", "0");
  events->drain();
  EXPECT_THAT(to_do(), Contains("set sysctl net/ipv6/conf/all/forwarding to 1"));
  see();
  reconcile();
  expect_right();
  run(restore(originals, observed, 118));
  EXPECT_EQ(net->links().value(), links);
  EXPECT_EQ(file("net/ipv6/conf/all/forwarding"), "0");
  EXPECT_EQ(file("net/ipv6/conf/default/forwarding"), "0");
}

}  // namespace
}  // namespace vrouter::router
