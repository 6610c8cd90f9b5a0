// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>

#include "reconcile_fixture.h"

namespace vrouter::router {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const MacAddress kMac{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};

class ReconcileGuest : public ReconcileTest {
 protected:
  ReconcileGuest() { add_guest("tap0", "10.0.5.2"); }
  void adopt() {
    run(diff_host(desired, observed, originals).host);
    run(guest_plan());
  }
};

TEST_F(ReconcileGuest, SetsSwitchesWhileDownThenGroupWithUpThenTheRoute) {
  EXPECT_THAT(sentences(guest_plan()),
              ElementsAre("set sysctl net/ipv6/conf/tap0/disable_ipv6 to 1",
                          "set tap0 to forwarding 1, rp_filter 1, send_redirects 0, accept_redirects 0, arp_announce 2",
                          "set tap0 to group 7672, up", "add route 10.0.5.2 to tap0"));
}

TEST_F(ReconcileGuest, OneMessageWhereTheTapIsUpAlready) {
  tap0().up = true;
  tap0().conf6[Conf6::disable_ipv6] = 1;
  see();
  EXPECT_THAT(
      sentences(guest_plan()),
      ElementsAre(
          "set tap0 to group 7672, forwarding 1, rp_filter 1, send_redirects 0, accept_redirects 0, arp_announce 2",
          "add route 10.0.5.2 to tap0"));
}

TEST_F(ReconcileGuest, RouteCarriesProtocolScopeAndSource) {
  adopt();
  Route wanted;
  wanted.destination = net4("10.0.5.2/32");
  wanted.protocol = 118;
  wanted.scope = kScopeLink;
  wanted.ifindex = kTap0;
  wanted.source = v4("10.0.5.1");
  EXPECT_THAT(fake.route_table, testing::Contains(wanted));
}

TEST_F(ReconcileGuest, ARightGuestNeedsNothing) {
  adopt();
  EXPECT_TRUE(guest_plan().empty());
  see();  // and neither does one seen afresh, as after a restart
  EXPECT_TRUE(guest_plan().empty());
  EXPECT_THAT(guest_plan().problems, IsEmpty());
}

TEST_F(ReconcileGuest, WritesDownWhatTheTapWasLike) {
  EXPECT_THAT(guest_plan().record,
              ElementsAre(Original{"link tap0",
                                   "index=3 accept_redirects=1 arp_announce=0 disable_ipv6=0 forwarding=0 group=0 "
                                   "rp_filter=0 send_redirects=1 up=0"}));
}

TEST_F(ReconcileGuest, TheFirstOriginalStays) {
  tap0().conf[Conf::rp_filter] = 2;
  see();
  adopt();
  tap0().conf[Conf::rp_filter] = 0;  // somebody else's hand
  see();
  const auto plan = guest_plan();
  EXPECT_THAT(sentences(plan), ElementsAre("set tap0 to rp_filter 1"));
  EXPECT_THAT(plan.record, IsEmpty());
  EXPECT_THAT(originals.at("link tap0"), HasSubstr("rp_filter=2"));
}

TEST_F(ReconcileGuest, ATapMadeAnewIsAdoptedAnewAndItsOriginalsReplaced) {
  adopt();
  fake.link_table.erase(kTap0);
  fake.route_table.clear();
  fake.add_link(9, "tap0", "tun").conf[Conf::rp_filter] = 2;
  see();
  run(guest_plan());
  EXPECT_EQ(fake.link_table.at(9).group, kGuestGroup);
  EXPECT_TRUE(fake.link_table.at(9).up);
  EXPECT_THAT(originals.at("link tap0"), HasSubstr("index=9"));
  EXPECT_THAT(originals.at("link tap0"), HasSubstr("rp_filter=2"));
}

TEST_F(ReconcileGuest, ATapThatIsNotThereYetIsNoError) {
  fake.link_table.erase(kTap0);
  see();
  EXPECT_EQ(guest_plan(), Plan{});
}

TEST_F(ReconcileGuest, OneSetDownByAnOperatorIsLeftDownAndMendedWhenItComesUp) {
  guest().mac = kMac;
  adopt();
  LinkChange down;
  down.up = false;
  ASSERT_TRUE(fake.change_link(kTap0, "tap0", down).has_value());
  static_cast<void>(observed.on(LinkChanged{tap0()}));
  EXPECT_TRUE(guest_plan().empty());
  tap0().up = true;
  static_cast<void>(observed.on(LinkChanged{tap0()}));
  EXPECT_THAT(
      sentences(guest_plan()),
      ElementsAre("add route 10.0.5.2 to tap0", "add permanent neighbour 10.0.5.2 with MAC 52:54:00:12:34:56 to tap0"));
}

TEST_F(ReconcileGuest, AnotherAddressReplacesRouteAndNeighbour) {
  guest().mac = kMac;
  adopt();
  guest().address = v4("10.0.5.7");
  EXPECT_THAT(
      sentences(guest_plan()),
      ElementsAre("remove neighbour 10.0.5.2 from tap0", "remove route 10.0.5.2 to tap0", "add route 10.0.5.7 to tap0",
                  "add permanent neighbour 10.0.5.7 with MAC 52:54:00:12:34:56 to tap0"));
}

TEST_F(ReconcileGuest, UnpinnedNeighboursAreHeldOnlyOnceLearned) {
  adopt();
  EXPECT_THAT(fake.neighbour_table, IsEmpty());
  static_cast<void>(observed.on(NeighbourChanged{{kTap0, v4("10.0.5.2"), {}, NeighbourState::invalid, false}}));
  EXPECT_TRUE(guest_plan().empty());
  const Affected affected =
      observed.on(NeighbourChanged{{kTap0, v4("10.0.5.2"), kMac, NeighbourState::dynamic, false}});
  EXPECT_THAT(affected.links, ElementsAre("tap0"));
  run(guest_plan());
  EXPECT_THAT(fake.neighbour_table, ElementsAre(Neighbour{kTap0, v4("10.0.5.2"), kMac, NeighbourState::dynamic, true}));
  EXPECT_TRUE(guest_plan().empty());
}

TEST_F(ReconcileGuest, ALeaseTellsTheMacOfAnUnpinnedGuestOnly) {
  adopt();
  EXPECT_THAT(sentences(remember_neighbour(guest(), kMac, observed)),
              ElementsAre("add neighbour 10.0.5.2 with MAC 52:54:00:12:34:56 to tap0"));
  run(remember_neighbour(guest(), kMac, observed));
  EXPECT_TRUE(remember_neighbour(guest(), kMac, observed).empty());
  guest().mac = MacAddress{{2, 0, 0, 0, 0, 1}};
  EXPECT_TRUE(remember_neighbour(guest(), kMac, observed).empty());
}

TEST_F(ReconcileGuest, UnpinningMakesTheNeighbourFollowArpAgain) {
  guest().mac = kMac;
  adopt();
  guest().mac.reset();
  run(guest_plan());
  EXPECT_EQ(fake.neighbour_table.front().state, NeighbourState::dynamic);
  EXPECT_TRUE(fake.neighbour_table.front().ext_learned);
}

TEST_F(ReconcileGuest, ProxyArpOnlyInASubnetAndWithoutDelay) {
  guest().addressing = config::Addressing::subnet;
  sysctls.values["net/ipv4/neigh/tap0/proxy_delay"] = "80";
  see();
  adopt();
  EXPECT_EQ(tap0().conf[Conf::proxy_arp], 1);
  EXPECT_EQ(sysctls.values.at("net/ipv4/neigh/tap0/proxy_delay"), "0");
  EXPECT_TRUE(guest_plan().empty());
  run(restore(originals, observed, 118));
  EXPECT_EQ(tap0().conf[Conf::proxy_arp], 0);
  EXPECT_EQ(sysctls.values.at("net/ipv4/neigh/tap0/proxy_delay"), "80");
}

TEST_F(ReconcileGuest, Ipv6StaysOnForAGuestThatHasIt) {
  guest().address6 = boost::asio::ip::make_address_v6("fd76:7274:5::2");
  adopt();
  EXPECT_TRUE(tap0().ipv6_on());
}

TEST_F(ReconcileGuest, GatewayIsOnTheTapTooWhereArpIgnoreAsksForIt) {
  for (const char* value : {"1", "2"}) {
    sysctls.values["net/ipv4/conf/all/arp_ignore"] = value;
    see();
    adopt();
    EXPECT_THAT(fake.address_table, testing::Contains(InterfaceAddress{kTap0, v4("10.0.5.1"), 24, 0, true})) << value;
    EXPECT_TRUE(guest_plan().empty());
  }
  sysctls.values["net/ipv4/conf/all/arp_ignore"] = "0";
  see();
  EXPECT_THAT(sentences(guest_plan()), ElementsAre("remove address 10.0.5.1/24 from tap0"));
}

TEST_F(ReconcileGuest, ForeignRouteToTheGuestIsReportedNotReplaced) {
  Route foreign;
  foreign.destination = net4("10.0.5.2/32");
  foreign.protocol = 4;
  foreign.ifindex = kEth0;
  fake.route_table.push_back(foreign);
  see();
  adopt();
  EXPECT_THAT(fake.route_table, testing::Contains(foreign));
  EXPECT_THAT(guest_plan().problems, ElementsAre(HasSubstr("`ip route del 10.0.5.2`")));
}

TEST_F(ReconcileGuest, WhatIsNoTapIsRefused) {
  tap0().kind = "bridge";
  see();
  EXPECT_TRUE(guest_plan().empty());
  EXPECT_THAT(guest_plan().problems, ElementsAre(HasSubstr("tap0 is a bridge, which several clients share")));
  tap0().kind = "tun";
  tap0().ethernet = false;  // a TUN device
  see();
  EXPECT_THAT(guest_plan().problems, ElementsAre(HasSubstr("is no TAP")));
  tap0().ethernet = true;
  tap0().master = kEth0;
  see();
  EXPECT_THAT(guest_plan().problems, ElementsAre(HasSubstr("ip link set tap0 nomaster")));
  tap0().master = 0;
  desired.host.uplinks = {"tap0"};
  see();
  EXPECT_THAT(guest_plan().problems, ElementsAre(HasSubstr("is an uplink")));
}

TEST_F(ReconcileGuest, ReleaseGivesTheTapBackAsItWas) {
  const Link before = tap0();
  guest().mac = kMac;
  adopt();
  run(release_link(118, "tap0", observed, originals, Leave::as_found));
  EXPECT_EQ(tap0(), before);
  EXPECT_THAT(fake.neighbour_table, IsEmpty());
  EXPECT_FALSE(originals.contains("link tap0"));
}

TEST_F(ReconcileGuest, ReleaseWithoutOriginalsStillClosesTheTap) {
  adopt();
  originals.clear();
  run(release_link(118, "tap0", observed, originals, Leave::as_found));
  EXPECT_EQ(tap0().group, 0U);
}

TEST_F(ReconcileGuest, ACreatedTapIsRemovedWithItsGuestAndOnlyThen) {
  fake.link_table.erase(kTap0);
  guest().create_tap = true;
  see();
  run(create_guest_tap(guest(), observed));
  EXPECT_TRUE(create_guest_tap(guest(), observed).empty());
  adopt();
  EXPECT_TRUE(fake.link("tap0")->up);
  run(release_link(118, "tap0", observed, originals, Leave::as_found));
  EXPECT_FALSE(fake.link("tap0").has_value());
  EXPECT_THAT(originals, testing::Not(testing::Contains(testing::Key("tap tap0"))));
}

TEST_F(ReconcileGuest, AForeignTapIsNotRemovedThoughTheGuestSaysCreate) {
  guest().create_tap = true;
  EXPECT_TRUE(create_guest_tap(guest(), observed).empty());
  adopt();
  run(release_link(118, "tap0", observed, originals, Leave::as_found));
  EXPECT_TRUE(fake.link("tap0").has_value());
}

TEST_F(ReconcileGuest, ATapMadeByOthersUnderTheNameOfOursIsNotRemoved) {
  fake.link_table.erase(kTap0);
  guest().create_tap = true;
  see();
  run(create_guest_tap(guest(), observed));
  adopt();
  const auto first = fake.link("tap0")->index;
  EXPECT_EQ(originals.at("tap tap0"), "made index=" + std::to_string(first));
  fake.link_table.erase(first);
  fake.add_link(77, "tap0", "tun");
  see();
  EXPECT_THAT(sentences(release_link(118, "tap0", observed, originals, Leave::as_found)), IsEmpty());
  adopt();
  EXPECT_FALSE(originals.contains("tap tap0"));
  run(release_link(118, "tap0", observed, originals, Leave::as_found));
  EXPECT_TRUE(fake.link("tap0").has_value());
}

TEST_F(ReconcileGuest, ARenamedTapGetsBackWhatItHadUnderItsOldName) {
  const Link before = tap0();
  adopt();
  tap0().name = "away";
  static_cast<void>(observed.on(LinkChanged{tap0()}));
  const auto plan = diff_link(desired, "away", observed, originals);
  run(plan);
  EXPECT_EQ(tap0().conf, before.conf);
  EXPECT_EQ(tap0().group, before.group);
  EXPECT_FALSE(tap0().up) << "no guest's any more: it must not reach the host";
  EXPECT_FALSE(originals.contains("link tap0"));
}

TEST_F(ReconcileGuest, ATapThatCameBackFromAnotherNamespaceIsAdoptedThoughItHasTheGroup) {
  adopt();
  Link link = tap0();
  static_cast<void>(observed.on(LinkGone{kTap0, "tap0"}));
  fake.route_table.clear();
  link.up = tap0().up = false;
  static_cast<void>(observed.on(LinkChanged{link}));
  run(guest_plan());
  EXPECT_TRUE(tap0().up);
  EXPECT_EQ(fake.route_table.size(), 1U);
  tap0().up = false;
  static_cast<void>(observed.on(LinkChanged{tap0()}));
  EXPECT_THAT(sentences(guest_plan()), IsEmpty()) << "set down here: left down";
  see();
  EXPECT_THAT(sentences(guest_plan()), IsEmpty()) << "and after a restart, too";
}

TEST_F(ReconcileGuest, DiffLinkKnowsGuestsLeftoversAndStrangers) {
  EXPECT_FALSE(diff_link(desired, "tap0", observed, originals).empty());
  EXPECT_TRUE(diff_link(desired, "eth0", observed, originals).empty());
  adopt();
  desired.guests.clear();
  run(diff_link(desired, "tap0", observed, originals));
  EXPECT_EQ(tap0().group, 0U);
  EXPECT_TRUE(diff_link(desired, "tap0", observed, originals).empty());
}

}  // namespace
}  // namespace vrouter::router
