// SPDX-License-Identifier: GPL-2.0-or-later
// Guests with an IPv6 address, and what the host must be for them.
#include <gmock/gmock.h>

#include "reconcile_fixture.h"

namespace vrouter::router {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

const MacAddress kMac{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};

address_v6 v6(const char* text) {
  return boost::asio::ip::make_address_v6(text);
}
network_v6 net6(const char* text) {
  return boost::asio::ip::make_network_v6(text);
}

class ReconcileIpv6 : public ReconcileTest {
 protected:
  ReconcileIpv6() {
    auto& wanted = add_guest("tap0", "10.0.5.2");
    wanted.address6 = v6("fd76:7274:5::2");
    wanted.gateway6 = v6("fd76:7274:5::1");
    desired.host.networks.front().prefix6 = net6("fd76:7274:5::/64");
    desired.host.networks.front().gateway6 = v6("fd76:7274:5::1");
    desired.host.uplinks6 = {"eth0"};
  }
  // As before Linux 6.17.
  void without_force_forwarding() {
    for (auto& [index, link] : fake.link_table) link.conf6[Conf6::force_forwarding].reset();
    see();
  }
  [[nodiscard]] Plan host_plan() const { return diff_host(desired, observed, originals).host; }
  [[nodiscard]] Link& eth0() { return fake.link_table.at(kEth0); }
  [[nodiscard]] std::vector<std::string> addresses() const {
    std::vector<std::string> all;
    for (const auto& a : fake.address_table)
      all.push_back(fake.link_table.at(a.ifindex).name + " " + a.local.to_string());
    return all;
  }
  void let_go() {
    desired.guests.clear();
    desired.host.networks.front().prefix6.reset();
    desired.host.networks.front().gateway6.reset();
    desired.host.uplinks6.clear();
  }
  void lose_ipv6() {
    guest().address6.reset();
    guest().gateway6.reset();
  }
};

TEST_F(ReconcileIpv6, SwitchesThenLinkThenTheGatewaysAddressAndTheRoute) {
  run(host_plan());
  EXPECT_THAT(
      sentences(guest_plan()),
      ElementsAre("set sysctl net/ipv6/conf/tap0/addr_gen_mode to 1", "set sysctl net/ipv6/conf/tap0/accept_ra to 0",
                  "set sysctl net/ipv6/conf/tap0/force_forwarding to 1",
                  "set tap0 to forwarding 1, rp_filter 1, send_redirects 0, accept_redirects 0, arp_announce 2",
                  "set tap0 to group 7672, up", "add address fe80::1/64 to tap0",
                  "add address fd76:7274:5::1/128 to tap0", "add route 10.0.5.2 to tap0",
                  "add route fd76:7274:5::2 to tap0"));
}

TEST_F(ReconcileIpv6, TheHostGetsGatewayUnreachableRouteAndAForwardingUplink) {
  EXPECT_THAT(sentences(host_plan()),
              UnorderedElementsAre("add address 10.0.5.1/32 to lo", "add address fd76:7274:5::1/128 to lo",
                                   "add unreachable route 10.0.5.0/24", "add unreachable route fd76:7274:5::/64",
                                   "set sysctl net/ipv4/conf/eth0/forwarding to 1",
                                   "set sysctl net/ipv6/conf/eth0/force_forwarding to 1"));
  reconcile();
  EXPECT_EQ(sysctls.values.at("net/ipv6/conf/all/forwarding"), "0") << "the host is no router but for its guests";
  EXPECT_EQ(eth0().conf6[Conf6::accept_ra], 1);
  EXPECT_THAT(guarded_interfaces6(desired.host, originals, observed), ElementsAre("eth0"));
}

TEST_F(ReconcileIpv6, WithoutSuchGuestsNothingOfTheHostsIpv6IsTouched) {
  let_go();
  add_guest("tap0", "10.0.5.2");
  reconcile();
  for (const auto& write : sysctls.writes) EXPECT_THAT(write, Not(HasSubstr("ipv6/conf/eth0")));
  EXPECT_EQ(sysctls.values.at("net/ipv6/conf/all/forwarding"), "0");
  EXPECT_THAT(addresses(), ElementsAre("lo 10.0.5.1"));
  EXPECT_FALSE(tap0().ipv6_on());
}

TEST_F(ReconcileIpv6, WhatIsRightNeedsNothing) {
  guest().mac = kMac;
  reconcile();
  EXPECT_TRUE(diff(desired, observed, originals).empty());
  see();
  EXPECT_TRUE(diff(desired, observed, originals).empty());
  EXPECT_THAT(fake.neighbour_table,
              Contains(Neighbour{kTap0, v6("fd76:7274:5::2"), kMac, NeighbourState::permanent, false}));
}

TEST_F(ReconcileIpv6, AnUnpinnedNeighbourIsKeptFromTheGarbageCollector) {
  reconcile();
  const Neighbour learned{kTap0, v6("fd76:7274:5::2"), kMac, NeighbourState::dynamic, false};
  EXPECT_THAT(observed.on(NeighbourChanged{learned}).links, ElementsAre("tap0"));
  EXPECT_THAT(sentences(guest_plan()), ElementsAre("add neighbour fd76:7274:5::2 with MAC 52:54:00:12:34:56 to tap0"));
}

TEST_F(ReconcileIpv6, TheKernelsOwnLinkLocalAddressGoes) {
  tap0().up = true;
  fake.address_table.push_back({kTap0, v6("fe80::5054:ff:fe12:3456"), 64, kScopeLink});
  see();
  reconcile();
  EXPECT_THAT(addresses(), Contains("tap0 fe80::1"));
  EXPECT_THAT(addresses(), Not(Contains("tap0 fe80::5054:ff:fe12:3456")));
}

TEST_F(ReconcileIpv6, WhatIsDeletedComesBack) {
  reconcile();
  EXPECT_THAT(observed.on(AddressGone{{kTap0, v6("fe80::1"), 64, kScopeLink, false, true}}).links, ElementsAre("tap0"));
  EXPECT_THAT(sentences(guest_plan()), ElementsAre("add address fe80::1/64 to tap0"));
  see();
  const auto routes = observed.routes_on(kTap0);
  for (const Route& route : routes) EXPECT_THAT(observed.on(RouteGone{route}).links, ElementsAre("tap0"));
  EXPECT_THAT(sentences(guest_plan()), ElementsAre("add route 10.0.5.2 to tap0", "add route fd76:7274:5::2 to tap0"));
}

// The kernel tells that the address went, but not that the guest's route has lost its source.
TEST_F(ReconcileIpv6, AGatewayThatGoesTakesTheSourceOfTheRoute) {
  reconcile();
  EXPECT_TRUE(observed.on(AddressGone{{kLo, v6("fd76:7274:5::1"), 128, 0, true, true}}).host);
  EXPECT_THAT(sentences(host_plan()), ElementsAre("add address fd76:7274:5::1/128 to lo"));
  EXPECT_TRUE(guest_plan().empty()) << "its TAP has the address too";
  EXPECT_THAT(observed.on(AddressGone{{kTap0, v6("fd76:7274:5::1"), 128, 0, true, true}}).links, Contains("tap0"));
  EXPECT_THAT(sentences(guest_plan()),
              ElementsAre("add address fd76:7274:5::1/128 to tap0", "add route fd76:7274:5::2 to tap0"));
}

TEST_F(ReconcileIpv6, IsPutBackWhenTheLinkComesUp) {
  reconcile();
  LinkChange flap;
  flap.up = false;
  ASSERT_TRUE(fake.change_link(kTap0, "tap0", flap).has_value());
  see();
  EXPECT_TRUE(guest_plan().empty()) << "somebody set it down";
  tap0().up = true;
  see();
  EXPECT_THAT(sentences(guest_plan()),
              ElementsAre("add address fe80::1/64 to tap0", "add address fd76:7274:5::1/128 to tap0",
                          "add route 10.0.5.2 to tap0", "add route fd76:7274:5::2 to tap0"));
}

TEST_F(ReconcileIpv6, IsPutBackAfterIpv6WasSwitchedOff) {
  reconcile();
  ASSERT_TRUE(sysctls.write("net/ipv6/conf/tap0/disable_ipv6", "1").has_value());
  see();
  EXPECT_THAT(sentences(guest_plan()),
              ElementsAre("set sysctl net/ipv6/conf/tap0/disable_ipv6 to 0", "add address fe80::1/64 to tap0",
                          "add address fd76:7274:5::1/128 to tap0", "add route fd76:7274:5::2 to tap0"));
}

TEST_F(ReconcileIpv6, AGuestThatLosesItsAddressHasIpv6SwitchedOff) {
  reconcile();
  lose_ipv6();
  EXPECT_THAT(sentences(guest_plan()), ElementsAre("set sysctl net/ipv6/conf/tap0/disable_ipv6 to 1"));
  reconcile();
  see();
  EXPECT_TRUE(guest_plan().empty());
  EXPECT_THAT(addresses(), Not(Contains("tap0 fe80::1")));
}

TEST_F(ReconcileIpv6, AnotherAddressReplacesRouteAndNeighbour) {
  guest().mac = kMac;
  reconcile();
  guest().address6 = v6("fd76:7274:5::7");
  EXPECT_THAT(sentences(guest_plan()),
              ElementsAre("remove neighbour fd76:7274:5::2 from tap0", "remove route fd76:7274:5::2 to tap0",
                          "add route fd76:7274:5::7 to tap0",
                          "add permanent neighbour fd76:7274:5::7 with MAC 52:54:00:12:34:56 to tap0"));
}

TEST_F(ReconcileIpv6, SomebodyElsesRouteIsReportedWithTheRemedy) {
  Route foreign;
  foreign.destination = net6("fd76:7274:5::2/128");
  foreign.metric = kUserMetric6;
  foreign.protocol = 4;
  foreign.ifindex = kEth0;
  fake.route_table.push_back(foreign);
  see();
  run(host_plan());
  const auto plan = guest_plan();
  EXPECT_THAT(plan.problems, ElementsAre(HasSubstr("`ip -6 route del fd76:7274:5::2`")));
}

TEST_F(ReconcileIpv6, AllIsGivenBackAsItWas) {
  const auto before = fake.link_table;
  reconcile();
  run(restore(originals, observed, 118));
  EXPECT_EQ(fake.link_table, before);
  EXPECT_THAT(fake.address_table, IsEmpty());
  EXPECT_THAT(fake.route_table, IsEmpty());
  EXPECT_THAT(originals, IsEmpty());
}

TEST_F(ReconcileIpv6, TheHostsPartGoesWithTheLastOfThem) {
  const auto before = eth0();
  reconcile();
  let_go();
  reconcile();
  EXPECT_EQ(eth0().conf6, before.conf6);
  EXPECT_THAT(addresses(), ElementsAre("lo 10.0.5.1"));
  EXPECT_THAT(originals, Not(Contains(testing::Pair(HasSubstr("ipv6"), testing::_))));
}

TEST_F(ReconcileIpv6, AKernelWithoutItIsAProblemOfThoseGuestsOnly) {
  for (auto& [index, link] : fake.link_table) link.conf6 = {};
  see();
  add_guest("tap1", "10.0.5.3");
  fake.add_link(4, "tap1", "tun").conf6 = {};
  see();
  const auto full = diff(desired, observed, originals);
  EXPECT_THAT(full.host.host.problems, ElementsAre(HasSubstr("without IPv6")));
  ASSERT_EQ(full.guests.size(), 2U);
  EXPECT_THAT(full.guests[0].second.problems, ElementsAre(HasSubstr("boot it without ipv6.disable=1")));
  EXPECT_THAT(full.guests[1].second.problems, IsEmpty());
  run(full);
  EXPECT_TRUE(diff(desired, observed, originals).empty()) << "IPv4 is served all the same";
  EXPECT_THAT(fake.route_table, testing::SizeIs(3));
}

TEST_F(ReconcileIpv6, SwitchedOffOnLoOrASmallMtuIsToldWithTheRemedy) {
  fake.link_table.at(kLo).conf6[Conf6::disable_ipv6] = 1;
  see();
  EXPECT_THAT(guest_plan().problems, ElementsAre(HasSubstr("sysctl net.ipv6.conf.lo.disable_ipv6=0")));
  EXPECT_FALSE(diff_host(desired, observed, originals).host.problems.empty());
  fake.link_table.at(kLo).conf6[Conf6::disable_ipv6] = 0;
  tap0().conf6 = {};
  tap0().mtu = 1000;
  see();
  EXPECT_THAT(guest_plan().problems, ElementsAre(HasSubstr("the MTU of tap0 is 1000, and IPv6 needs 1280")));
}

TEST_F(ReconcileIpv6, OlderKernelsForwardAllAndUplinksGoOnHeedingAdvertisements) {
  fake.add_link(7, "router0", "veth").conf6[Conf6::forwarding] = 1;  // heeds none today
  without_force_forwarding();
  const auto before = fake.link_table;
  const auto plan = host_plan();
  EXPECT_THAT(sentences(plan), Contains("set sysctl net/ipv6/conf/eth0/accept_ra to 2"));
  EXPECT_THAT(sentences(plan), Not(Contains("set sysctl net/ipv6/conf/router0/accept_ra to 2")));
  EXPECT_EQ(sentences(plan).back(), "set sysctl net/ipv6/conf/all/forwarding to 1") << "after accept_ra: or routes go";
  record(originals, plan);
  EXPECT_THAT(guarded_interfaces6(desired.host, originals, observed), UnorderedElementsAre("eth0", "router0", "tap0"))
      << "from the moment it is written down; tap0 is not adopted yet";
  reconcile();
  see();
  EXPECT_TRUE(diff(desired, observed, originals).empty());
  EXPECT_THAT(guarded_interfaces6(desired.host, originals, observed), ElementsAre("eth0", "router0"));

  auto& late = fake.add_link(9, "eth9", "veth");
  late.conf6[Conf6::force_forwarding].reset();
  late.conf6[Conf6::forwarding] = 1;  // as `default` says now
  EXPECT_TRUE(observed.on(LinkChanged{late}).host);
  EXPECT_THAT(sentences(host_plan()), ElementsAre("set sysctl net/ipv6/conf/eth9/accept_ra to 2"));
  EXPECT_THAT(guarded_interfaces6(desired.host, originals, observed), Contains("eth9"));
  fake.link_table.erase(9);
  static_cast<void>(observed.on(LinkGone{9, "eth9"}));

  const auto back = sentences(restore(originals, observed, 118));
  const auto at = [&](const char* what) { return std::ranges::find(back, what) - back.begin(); };
  EXPECT_LT(at("set sysctl net/ipv6/conf/all/forwarding to 0"), at("set sysctl net/ipv6/conf/router0/forwarding to 1"));
  EXPECT_LT(at("set sysctl net/ipv6/conf/router0/forwarding to 1"), at("set sysctl net/ipv6/conf/eth0/accept_ra to 1"))
      << "whoever makes a router of any takes the advertised routes of those with accept_ra 1";
  run(restore(originals, observed, 118));
  EXPECT_EQ(fake.link_table, before);
  EXPECT_EQ(sysctls.values.at("net/ipv6/conf/all/forwarding"), "0");
}

TEST_F(ReconcileIpv6, AHostThatForwardedBeforeUsStaysAsItIs) {
  without_force_forwarding();
  sysctls.values["net/ipv6/conf/all/forwarding"] = "1";
  see();
  reconcile();
  EXPECT_EQ(eth0().conf6[Conf6::accept_ra], 1);
  EXPECT_THAT(guarded_interfaces6(desired.host, originals, observed), IsEmpty());
  run(restore(originals, observed, 118));
  EXPECT_EQ(sysctls.values.at("net/ipv6/conf/all/forwarding"), "1");
}

TEST_F(ReconcileIpv6, GlobalForwardingIsForOthersToo) {
  desired.host.forwarding = config::Forwarding::global;
  reconcile();
  EXPECT_EQ(sysctls.values.at("net/ipv6/conf/all/forwarding"), "1");
  EXPECT_THAT(guarded_interfaces6(desired.host, originals, observed), IsEmpty());
  desired.host.forwarding = config::Forwarding::interfaces;
  see();
  reconcile();
  EXPECT_EQ(sysctls.values.at("net/ipv6/conf/all/forwarding"), "0");
  EXPECT_EQ(eth0().conf6[Conf6::force_forwarding], 1);
  EXPECT_EQ(eth0().conf6[Conf6::accept_ra], 1);
}

TEST_F(ReconcileIpv6, UplinksAreThoseOfItsOwnDefaultRoute) {
  Route route;
  route.destination = net6("::/0");
  route.metric = kUserMetric6;
  route.ifindex = kEth0;
  route.gateway = v6("fe80::9");
  EXPECT_TRUE(observed.on(RouteChanged{route}).uplinks);
  EXPECT_THAT(uplinks_of(observed, InternetFamily::ipv6), ElementsAre("eth0"));
  EXPECT_THAT(uplinks_of(observed), IsEmpty());
}

TEST_F(ReconcileIpv6, OthersAddressesAreNoMatterOfTheHosts) {
  EXPECT_FALSE(observed.on(AddressChanged{{kEth0, v6("2001:db8::7"), 64}}).host);
  EXPECT_TRUE(observed.on(AddressChanged{{kLo, v6("2001:db8::8"), 128}}).host);
}

TEST_F(ReconcileIpv6, APrefixThatTheHostHasAlreadyCollides) {
  config::Network network;
  network.name = "default";
  network.prefix = net4("10.0.5.0/24");
  network.gateway = v4("10.0.5.1");
  network.prefix6 = net6("fd76:7274:5::/64");
  network.gateway6 = v6("fd76:7274:5::1");
  reconcile();
  see();
  EXPECT_EQ(collides6(network, observed, 118, originals), std::nullopt) << "that is ours";
  static_cast<void>(observed.on(AddressChanged{{kEth0, v6("fd76:7274:5::99"), 64}}));
  EXPECT_EQ(collides(network, observed, 118, originals), std::nullopt);
  EXPECT_THAT(collides6(network, observed, 118, originals).value_or(""),
              HasSubstr("overlaps the address fd76:7274:5::99/64 on eth0"));
}

}  // namespace
}  // namespace vrouter::router
