// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "tests/unit/dhcp/answered.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

TEST(Options, RoutedGuestsGetAHostMaskAndRoutesThroughTheGateway) {
  const auto v = answered(selecting("10.0.5.2")).view;
  EXPECT_EQ(v.at(1), (Bytes{255, 255, 255, 255}));
  EXPECT_EQ(v.at(3), octets(ip("10.0.5.1")));
  const Bytes routes{32, 10, 0, 5, 1, 0, 0, 0, 0, 0, 10, 0, 5, 1};
  EXPECT_EQ(v.at(121), routes);
  EXPECT_EQ(v.at(249), routes);
  EXPECT_EQ(v.at(28), (Bytes{255, 255, 255, 255}));
}

TEST(Options, SubnetGuestsGetThePrefixsMaskAndNoClasslessRoutes) {
  auto b = binding();
  b.settings.own().addressing = config::Addressing::subnet;
  b.settings.own().prefix_length = 20;
  const auto v = answered(selecting("10.0.5.2"), b).view;
  EXPECT_EQ(v.at(1), (Bytes{255, 255, 240, 0}));
  EXPECT_EQ(v.at(3), octets(ip("10.0.5.1")));
  EXPECT_EQ(v.at(28), (Bytes{10, 0, 15, 255}));
  EXPECT_FALSE(v.has(121));
  EXPECT_FALSE(v.has(249));
}

TEST(Options, BootRomsGetTheNetworksMask) {
  for (const auto& rom :
       {discover().add(60, text("PXEClient:Arch:00000:UNDI:002001")), discover().add(77, text("iPXE")),
        discover().add(77, Bytes{4} + text("iPXE")), discover().add(60, text("HTTPClient:Arch:00016"))}) {
    const auto v = answered(rom).view;
    EXPECT_EQ(v.at(1), (Bytes{255, 255, 255, 0}));
    EXPECT_EQ(v.at(3), octets(ip("10.0.5.1")));
    EXPECT_EQ(v.at(28), (Bytes{10, 0, 5, 255}));
    EXPECT_FALSE(v.has(121));
    EXPECT_FALSE(v.has(249));
  }
  EXPECT_TRUE(answered(discover().add(60, text("udhcp 1.35.0"))).view.has(121));
}

TEST(Options, CarryNamesResolverMtuAndTimes) {
  const auto v = answered(selecting("10.0.5.2")).view;
  EXPECT_EQ(v.at(6), octets(ip("10.0.5.1")));
  EXPECT_EQ(v.at(12), text("web1"));
  EXPECT_EQ(v.at(15), text("guests.internal"));
  EXPECT_EQ(v.at(26), (Bytes{0x05, 0xdc}));
  EXPECT_EQ(v.at(51), (Bytes{0, 0, 0x0e, 0x10}));
  EXPECT_EQ(v.at(58), (Bytes{0, 0, 0x07, 0x08}));
  EXPECT_EQ(v.at(59), (Bytes{0, 0, 0x0c, 0x4e}));
  EXPECT_EQ(v.at(119), Bytes{6} + text("guests") + Bytes{8} + text("internal") + Bytes{0});
}

TEST(Options, WhatAClientCanDoWithoutIsForThoseWhoAskForIt) {
  const auto v = answered(selecting("10.0.5.2").add(55, {1, 3, 15})).view;
  EXPECT_EQ(v.order, (Bytes{53, 54, 51, 1, 3, 121, 6, 15, 249, 58, 59}));
  // Who lists nothing may be as simple as to know only what it is sent: CarryNamesResolverMtuAndTimes.
}

TEST(Options, AnUnusualMtuIsForEverybody) {
  auto b = binding();
  b.settings.own().mtu = 1400;
  EXPECT_EQ(answered(selecting("10.0.5.2").add(55, {1, 3, 15}), b).view.at(26), (Bytes{0x05, 0x78}));
}

TEST(Options, WhatTheNetworkConfiguresIsForEverybody) {
  auto b = binding();
  b.settings.own().options = {{119, {1, 'a', 0}}, {28, {10, 0, 5, 7}}};
  const auto v = answered(selecting("10.0.5.2").add(55, {1, 3}), b).view;
  EXPECT_EQ(v.at(119), (Bytes{1, 'a', 0}));
  EXPECT_EQ(v.at(28), (Bytes{10, 0, 5, 7}));
}

TEST(Options, EmptyNamesAreLeftOut) {
  auto b = binding();
  b.host_name.clear();
  b.settings.own().domain.clear();
  const auto v = answered(discover(), b).view;
  for (const int code : {12, 15, 119}) EXPECT_FALSE(v.has(code)) << code;
}

TEST(Options, ComeInTheirOrder) {
  const auto v = answered(selecting("10.0.5.2").add(61, {1, 2, 3})).view;
  EXPECT_EQ(v.order, (Bytes{53, 54, 51, 1, 3, 121, 6, 61, 26, 15, 12, 28, 249, 119, 58, 59}));
}

TEST(Options, TheClientIdComesBackAsSent) {  // RFC 6842
  EXPECT_EQ(answered(discover().add(61, {255, 0, 1, 2})).view.at(61), (Bytes{255, 0, 1, 2}));
  EXPECT_FALSE(answered(discover().add(61, {1})).view.has(61));
}

TEST(Options, OfTheNetworkWin) {
  auto b = binding();
  b.settings.own().options = {{6, {192, 0, 2, 53}}, {42, {192, 0, 2, 123}}, {1, {255, 255, 0, 0}}};
  const auto v = answered(discover(), b).view;
  EXPECT_EQ(v.at(6), (Bytes{192, 0, 2, 53}));
  EXPECT_EQ(v.at(42), (Bytes{192, 0, 2, 123}));
  EXPECT_EQ(v.at(1), (Bytes{255, 255, 0, 0}));
  EXPECT_EQ(v.order[3], 1);  // in the place of ours
}

TEST(Options, OfTheNetworkNeverTouchTheProtocol) {
  auto b = binding();
  for (const int code : {0, 50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 80, 81, 82, 97, 255}) {
    b.settings.own().options.push_back({static_cast<std::uint8_t>(code), {9, 9, 9, 9}});
  }
  const auto with = answered(selecting("10.0.5.2"), b).view;
  EXPECT_EQ(with.options, answered(selecting("10.0.5.2")).view.options);
}

TEST(Options, MicrosoftsRoutesFollowTheConfiguredOnes) {
  auto b = binding();
  const Bytes routes{0, 10, 0, 5, 1};
  b.settings.own().options = {{121, routes}};
  EXPECT_EQ(answered(discover(), b).view.at(121), routes);
  EXPECT_EQ(answered(discover(), b).view.at(249), routes);
}

TEST(Options, TheHalfOfAnEndlessLeaseStillFits) {
  auto b = binding();
  b.settings.own().lease_time = std::chrono::hours{24 * 365 * 1000};
  const auto v = answered(selecting("10.0.5.2"), b).view;
  EXPECT_EQ(v.at(51), (Bytes{255, 255, 255, 255}));
  EXPECT_EQ(v.at(59), (Bytes{0xdf, 0xff, 0xff, 0xff}));
  b.settings.own().lease_time = std::chrono::seconds{0};
  EXPECT_EQ(answered(selecting("10.0.5.2"), b).view.at(51), (Bytes{0, 0, 0, 1}));
}

TEST(Options, ACapKeepsWhatTheClientAsksFor) {
  auto b = binding();
  b.settings.own().options = {{43, Bytes(200, 1)}, {44, Bytes(100, 2)}};
  const auto v = answered(discover().add(55, {44}), b).view;
  EXPECT_TRUE(v.has(44));
  EXPECT_FALSE(v.has(43));
}

TEST(Options, Ipv6OnlyIsForWhoAsks) {  // RFC 8925, 3.3
  auto b = binding();
  b.settings.own().options = {{108, {0, 0, 7, 8}}, {114, text("https://portal.example")}};
  EXPECT_FALSE(answered(discover(), b).view.has(108));
  EXPECT_EQ(answered(discover().add(55, {1, 108}), b).view.at(108), (Bytes{0, 0, 7, 8}));
  EXPECT_TRUE(answered(discover(), b).view.has(114));
}

TEST(Options, AConfiguredSearchListWins) {
  auto b = binding();
  b.settings.own().options = {{119, {1, 'a', 0}}};
  EXPECT_EQ(answered(discover(), b).view.at(119), (Bytes{1, 'a', 0}));
}

TEST(Mask, OfAGuestWinsAndTakesTheRoutesWithIt) {
  auto b = binding();
  b.settings.own().mask = 24;
  const auto v = answered(discover(), b).view;
  EXPECT_EQ(v.at(1), (Bytes{255, 255, 255, 0}));
  EXPECT_EQ(v.at(28), (Bytes{10, 0, 5, 255}));
  EXPECT_EQ(v.at(3), octets(ip("10.0.5.1")));
  EXPECT_FALSE(v.has(121));
  EXPECT_FALSE(v.has(249));
}

TEST(Mask, ThatLeavesTheGatewayOutsideKeepsTheRoutes) {
  auto b = binding();
  b.settings.own().gateway = ip("169.254.1.1");
  b.settings.own().mask = 24;
  const auto v = answered(discover(), b).view;
  EXPECT_EQ(v.at(1), (Bytes{255, 255, 255, 0}));
  EXPECT_EQ(v.at(121), (Bytes{32, 169, 254, 1, 1, 0, 0, 0, 0, 0, 169, 254, 1, 1}));
  EXPECT_TRUE(v.has(249));
}

TEST(Mask, IsForBootRomsToo) {
  auto b = binding();
  b.settings.own().mask = 28;
  EXPECT_EQ(answered(discover().add(60, text("PXEClient")), b).view.at(1), (Bytes{255, 255, 255, 240}));
}

TEST(LeaseTime, AWishShortensAndNeverLengthens) {
  const auto time = [](Bytes wish) { return answered(discover().add(51, wish)).view.at(51); };
  EXPECT_EQ(time({0, 0, 1, 44}), (Bytes{0, 0, 1, 44}));
  EXPECT_EQ(time({0, 0, 0, 5}), (Bytes{0, 0, 0, 60}));
  EXPECT_EQ(time({0, 0, 0, 0}), (Bytes{0, 0, 0, 60}));
  EXPECT_EQ(time({0, 0, 0x0e, 0x11}), (Bytes{0, 0, 0x0e, 0x10}));
  EXPECT_EQ(time({255, 255, 255, 255}), (Bytes{0, 0, 0x0e, 0x10}));
  auto b = binding();
  b.settings.own().lease_time = std::chrono::seconds{10};
  EXPECT_EQ(answered(discover().add(51, {0, 0, 0, 5}), b).view.at(51), (Bytes{0, 0, 0, 10}));
}

TEST(LeaseTime, TheTimersFollowTheWish) {
  const auto v = answered(discover().add(51, {0, 0, 0, 80})).view;
  EXPECT_EQ(v.at(58), (Bytes{0, 0, 0, 40}));
  EXPECT_EQ(v.at(59), (Bytes{0, 0, 0, 70}));
}

TEST(Fqdn, IsAnsweredInItsOwnForm) {  // RFC 4702
  const auto at81 = [](Bytes value, const Binding& b = binding()) {
    return answered(discover().add(81, value), b).view.at(81);
  };
  EXPECT_EQ(at81(Bytes{1, 0, 0} + text("mine")), (Bytes{1, 255, 255} + text("web1.guests.internal")));
  const auto wire = Bytes{4} + text("web1") + Bytes{6} + text("guests") + Bytes{8} + text("internal") + Bytes{0};
  EXPECT_EQ(at81({5, 0, 0}), (Bytes{5, 255, 255} + wire));
  EXPECT_EQ(at81({4, 0, 0}), (Bytes{7, 255, 255} + wire));                          // it would rather do it itself
  EXPECT_EQ(at81({8, 0, 0}), (Bytes{3, 255, 255} + text("web1.guests.internal")));  // or wants none at all
  auto b = binding();
  b.settings.own().domain.clear();
  EXPECT_EQ(at81({0, 0, 0}, b), (Bytes{3, 255, 255} + text("web1")));
}

TEST(Fqdn, IsForWhoSendsIt) {
  EXPECT_FALSE(answered(discover()).view.has(81));
  auto nameless = binding();
  nameless.host_name.clear();
  EXPECT_FALSE(answered(discover().add(81, {0, 0, 0}), nameless).view.has(81));
  auto endless = binding();
  endless.settings.own().domain = std::string(250, 'a');
  EXPECT_FALSE(answered(discover().add(81, {4, 0, 0}), endless).view.has(81));
  EXPECT_FALSE(answered(discover().add(81, {0, 0, 0}), endless).view.has(81));
}

TEST(Size, StaysWithinWhatClientAndLinkTake) {
  auto b = binding();
  b.settings.own().options = {{43, Bytes(255, 1)}, {125, Bytes(200, 2)}, {224, Bytes(255, 3)}, {225, Bytes(255, 4)}};
  EXPECT_LE(answered(discover(), b).size, 548u);
  EXPECT_LE(answered(discover().add(57, {0, 1}), b).size, 548u);  // less than any client must take
  const auto large = answered(discover().add(57, {0xff, 0xff}), b);
  EXPECT_GT(large.size, 1200u);
  EXPECT_LE(large.size, 1472u);
  EXPECT_TRUE(large.view.has(225));
  b.settings.own().mtu = 600;
  EXPECT_LE(answered(discover().add(57, {0xff, 0xff}), b).size, 572u);
}

TEST(Size, WhatAClientCannotDoWithoutSurvivesTheLongestClientId) {
  const auto v = answered(selecting("10.0.5.2").add(61, Bytes(255, 7))).view;
  for (const int code : {53, 54, 51, 1, 3, 121, 6, 61}) EXPECT_TRUE(v.has(code)) << code;
}

TEST(Size, ATinyMtuStillGivesAWholeReply) {
  auto b = binding();
  b.settings.own().mtu = 0;
  const auto a = answered(discover(), b);
  EXPECT_EQ(a.size, 300u);
  EXPECT_EQ(a.view.yiaddr, ip("10.0.5.2"));
}

}  // namespace
}  // namespace vrouter::dhcp
