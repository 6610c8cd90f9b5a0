// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>

#include "reconcile_fixture.h"

namespace vrouter::router {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ObservedTest : public ReconcileTest {
 protected:
  ObservedTest() {
    tap0().group = kGuestGroup;
    tap0().up = true;
    see();
  }
  [[nodiscard]] static Route route(const char* prefix, std::uint32_t ifindex, std::uint32_t metric = 0) {
    Route result;
    result.destination = net4(prefix);
    result.ifindex = ifindex;
    result.metric = metric;
    result.protocol = 3;
    return result;
  }
  [[nodiscard]] Affected put(const Route& r, bool replaces = false) { return observed.on(RouteChanged{r, replaces}); }
};

TEST_F(ObservedTest, WhatIsKnownAffectsNothing) {
  const Affected affected = observed.on(LinkChanged{tap0()});
  EXPECT_THAT(affected.links, IsEmpty());
  EXPECT_FALSE(affected.host || affected.uplinks || affected.overflow);
}

TEST_F(ObservedTest, ALinkThatGoesDownLosesItsRoutesAndNeighbours) {
  static_cast<void>(put(route("10.0.5.2/32", kTap0)));
  static_cast<void>(observed.on(NeighbourChanged{{kTap0, v4("10.0.5.2"), {}, NeighbourState::permanent, false}}));
  Link down = tap0();
  down.up = false;
  EXPECT_THAT(observed.on(LinkChanged{down}).links, ElementsAre("tap0"));
  EXPECT_THAT(observed.routes_on(kTap0), IsEmpty());
  EXPECT_EQ(observed.neighbour(kTap0, v4("10.0.5.2")), nullptr);
}

TEST_F(ObservedTest, CarrierAloneKeepsThem) {
  static_cast<void>(put(route("10.0.5.2/32", kTap0)));
  Link link = tap0();
  link.carrier = !link.carrier;
  static_cast<void>(observed.on(LinkChanged{link}));
  EXPECT_EQ(observed.routes_on(kTap0).size(), 1U);
}

TEST_F(ObservedTest, AnAddressThatGoesTakesRoutesWithThatSource) {
  Route r = route("10.0.5.2/32", kTap0);
  r.source = v4("10.0.5.1");
  static_cast<void>(put(r));
  const InterfaceAddress on_lo{kLo, v4("10.0.5.1"), 32, 0, false};
  const InterfaceAddress on_tap{kTap0, v4("10.0.5.1"), 24, 0, true};
  static_cast<void>(observed.on(AddressChanged{on_lo}));
  static_cast<void>(observed.on(AddressChanged{on_tap}));
  static_cast<void>(observed.on(AddressGone{on_tap}));
  EXPECT_EQ(observed.routes_on(kTap0).size(), 1U);  // still an address of the host's
  const Affected affected = observed.on(AddressGone{on_lo});
  EXPECT_TRUE(affected.host);
  EXPECT_THAT(affected.links, ElementsAre("tap0"));
  EXPECT_THAT(observed.routes_on(kTap0), IsEmpty());
}

TEST_F(ObservedTest, ARenameAffectsBothNames) {
  Link renamed = tap0();
  renamed.name = "other";
  EXPECT_THAT(observed.on(LinkChanged{renamed}).links, ElementsAre("tap0", "other"));
  EXPECT_EQ(observed.link(std::string{"tap0"}), nullptr);
  EXPECT_NE(observed.link(std::string{"other"}), nullptr);
}

TEST_F(ObservedTest, ANamesakeReplacesTheOneWhoseEndWasLost) {
  Link again = tap0();
  again.index = 40;
  static_cast<void>(observed.on(LinkChanged{again}));
  EXPECT_EQ(observed.link(kTap0), nullptr);
  EXPECT_EQ(observed.link(std::string{"tap0"})->index, 40U);
  static_cast<void>(observed.on(LinkGone{kTap0, "tap0"}));  // late, and of the old one
  EXPECT_EQ(observed.link(std::string{"tap0"})->index, 40U);
}

TEST_F(ObservedTest, ReplacedRoutesGoAppendedOnesStay) {
  static_cast<void>(put(route("10.0.5.2/32", kTap0)));
  static_cast<void>(put(route("10.0.5.2/32", kEth0), true));
  EXPECT_THAT(observed.routes_on(kTap0), IsEmpty());
  EXPECT_EQ(observed.routes_on(kEth0).size(), 1U);
  static_cast<void>(put(route("10.0.5.2/32", kTap0)));
  EXPECT_EQ(observed.routes_on(kTap0).size(), 1U);
  EXPECT_EQ(observed.routes_on(kEth0).size(), 1U);
  static_cast<void>(observed.on(RouteGone{route("10.0.5.2/32", kEth0)}));
  EXPECT_THAT(observed.routes_on(kEth0), IsEmpty());
  EXPECT_EQ(observed.routes_on(kTap0).size(), 1U);
}

TEST_F(ObservedTest, ARouteReplacedByOneOfAnotherLinkAffectsTheLinkThatLostIt) {
  static_cast<void>(put(route("10.0.5.2/32", kTap0)));
  EXPECT_THAT(put(route("10.0.5.2/32", kEth0), true).links, ElementsAre("tap0"));
}

TEST_F(ObservedTest, SwitchesThatTellNothingAffectWhatTheyGovern) {
  EXPECT_FALSE(observe_sysctls(sysctls, observed).host);
  sysctls.values["net/bridge/bridge-nf-call-iptables"] = "1";  // its module was loaded since
  EXPECT_TRUE(observe_sysctls(sysctls, observed).host);
  EXPECT_FALSE(observe_sysctls(sysctls, observed).host);
  sysctls.values["net/ipv4/conf/all/arp_ignore"] = "1";
  EXPECT_THAT(observe_sysctls(sysctls, observed).links, ElementsAre("tap0"));
}

TEST_F(ObservedTest, UplinksCarryDefaultRoutesOfTheMainTable) {
  EXPECT_TRUE(put(route("0.0.0.0/0", kEth0, 100)).uplinks);
  EXPECT_TRUE(put(route("0.0.0.0/0", kTap0, 200)).uplinks);  // a guest's TAP is none, whatever it carries
  Route elsewhere = route("0.0.0.0/0", kLo);
  elsewhere.table = 100;
  EXPECT_FALSE(put(elsewhere).uplinks);
  EXPECT_FALSE(put(route("0.0.0.0/1", kEth0)).uplinks);
  fake.add_link(8, "eth1", "veth").up = true;
  static_cast<void>(observed.on(LinkChanged{fake.link_table.at(8)}));
  static_cast<void>(put(route("0.0.0.0/0", 8)));
  EXPECT_THAT(uplinks_of(observed), ElementsAre("eth0", "eth1"));
  Link down = fake.link_table.at(8);
  down.up = false;
  EXPECT_TRUE(observed.on(LinkChanged{down}).uplinks);
  EXPECT_THAT(uplinks_of(observed), ElementsAre("eth0"));
}

TEST_F(ObservedTest, SwitchesFollowNetconf) {
  EXPECT_TRUE(observed.on(ConfChanged{kEth0, Conf::forwarding, 1}).host);
  EXPECT_EQ(observed.link(kEth0)->conf[Conf::forwarding], 1);
  EXPECT_THAT(observed.on(ConfChanged{kTap0, Conf::rp_filter, 2}).links, ElementsAre("tap0"));
  EXPECT_TRUE(observed.on(ConfChanged{0, Conf::forwarding, 1}).host);
  EXPECT_EQ(*observed.sysctl("net/ipv4/ip_forward"), "1");
  EXPECT_FALSE(observed.on(ConfChanged{0, Conf::forwarding, 1}).host);
}

TEST_F(ObservedTest, OverflowAsksForANewDump) {
  EXPECT_TRUE(observed.on(Overflow{}).overflow);
}

}  // namespace
}  // namespace vrouter::router
