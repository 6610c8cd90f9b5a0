// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/answer.h"

#include <gtest/gtest.h>

#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

const address_v4 kToGuest = ip("10.0.5.2");
const address_v4 kToAll = ip("255.255.255.255");

std::expected<Outcome, Drop> outcome(const RequestBytes& request, const Binding& b = binding(),
                                     const char* source = "0.0.0.0") {
  const auto decoded = decode_request(request.bytes());
  EXPECT_TRUE(decoded);
  return answer(decoded.value_or(Request{}), b, ip(source));
}

struct Answered {
  ReplyView view;
  address_v4 to;
  std::optional<LeaseState> lease;
  std::size_t size = 0;
};

Answered answered(const RequestBytes& request, const Binding& b = binding(), const char* source = "0.0.0.0") {
  const auto result = outcome(request, b, source);
  if (!result || !result->reply) {
    ADD_FAILURE() << "no reply";
    return {};
  }
  Bytes buffer(kMaxReply);
  buffer.resize(encode_reply(result->reply->message, result->reply->cap, buffer));
  Answered a{read_reply(buffer), result->reply->to, result->lease, buffer.size()};
  EXPECT_TRUE(a.view.well_formed);
  EXPECT_EQ(a.view.xid, request.xid);
  EXPECT_EQ(a.view.flags, request.flags);
  EXPECT_EQ(a.view.type(), static_cast<int>(result->reply->type));
  EXPECT_EQ(a.view.at(54), octets(b.settings.gateway));
  EXPECT_TRUE(a.view.siaddr.is_unspecified());
  return a;
}

void expect_drop(const std::expected<Outcome, Drop>& result, Drop why) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), why);
}

void expect_nak(const RequestBytes& request) {
  const auto a = answered(request);
  EXPECT_EQ(a.view.type(), 6);
  EXPECT_EQ(a.to, kToAll);  // never to ciaddr
  EXPECT_FALSE(a.lease);
  EXPECT_TRUE(a.view.yiaddr.is_unspecified());
  EXPECT_TRUE(a.view.ciaddr.is_unspecified());
  EXPECT_FALSE(a.view.has(51));
  EXPECT_FALSE(a.view.has(3));
}

TEST(Discover, IsOfferedTheBindingsAddressByBroadcast) {
  const auto a = answered(discover().add_ip(50, "10.0.5.77"));
  EXPECT_EQ(a.view.type(), 2);
  EXPECT_EQ(a.view.yiaddr, ip("10.0.5.2"));
  EXPECT_EQ(a.to, kToAll);
  EXPECT_FALSE(a.lease);
}

TEST(Discover, WithTheBroadcastFlagIsAnsweredNoOtherwise) {
  auto request = discover();
  request.flags = 0x8000;
  const auto a = answered(request);
  EXPECT_EQ(a.to, kToAll);
  EXPECT_EQ(a.view.yiaddr, ip("10.0.5.2"));
}

TEST(Discover, WithAForeignCiaddrIsNeverAnsweredThere) {
  auto request = discover();
  request.ciaddr = ip("10.0.5.66");
  const auto a = answered(request);
  EXPECT_EQ(a.to, kToAll);
  EXPECT_TRUE(a.view.ciaddr.is_unspecified());
}

TEST(Discover, WithRapidCommitIsAcknowledgedAtOnce) {  // RFC 4039
  const auto a = answered(discover().add(80, {}));
  EXPECT_EQ(a.view.type(), 5);
  EXPECT_TRUE(a.view.has(80));
  EXPECT_EQ(a.lease, LeaseState::bound);
  EXPECT_FALSE(answered(discover()).view.has(80));
  EXPECT_FALSE(answered(selecting("10.0.5.2").add(80, {})).view.has(80));
}

TEST(Selecting, OursIsAcknowledged) {
  const auto a = answered(selecting("10.0.5.2"));
  EXPECT_EQ(a.view.type(), 5);
  EXPECT_EQ(a.view.yiaddr, ip("10.0.5.2"));
  EXPECT_EQ(a.to, kToAll);
  EXPECT_EQ(a.lease, LeaseState::bound);
}

TEST(Selecting, AnotherServerIsSilent) {
  expect_drop(outcome(selecting("10.0.5.2", "192.0.2.1")), Drop::not_ours);
  expect_drop(outcome(selecting("10.0.5.9", "192.0.2.1")), Drop::not_ours);
}

TEST(Selecting, AnotherAddressIsRefused) {
  expect_nak(selecting("10.0.5.9"));
}

TEST(Selecting, WithoutAnAddressIsRefused) {
  expect_nak(RequestBytes{3}.add_ip(54, "10.0.5.1"));
}

TEST(InitReboot, TheBindingsAddressIsAcknowledged) {
  const auto a = answered(init_reboot("10.0.5.2"));
  EXPECT_EQ(a.view.type(), 5);
  EXPECT_EQ(a.lease, LeaseState::bound);
  EXPECT_EQ(a.to, kToAll);
}

TEST(InitReboot, AnotherAddressIsRefused) {
  expect_nak(init_reboot("10.0.5.9"));
  expect_nak(init_reboot("192.168.1.2"));
}

TEST(Renewing, TheBindingsAddressIsAcknowledgedToCiaddr) {
  auto request = renewing("10.0.5.2");
  request.flags = 0x8000;  // ciaddr comes first (RFC 2131, 4.1)
  const auto a = answered(request, binding(), "10.0.5.2");
  EXPECT_EQ(a.view.type(), 5);
  EXPECT_EQ(a.view.ciaddr, ip("10.0.5.2"));
  EXPECT_EQ(a.view.yiaddr, ip("10.0.5.2"));
  EXPECT_EQ(a.to, kToGuest);
  EXPECT_EQ(a.lease, LeaseState::bound);
}

TEST(Renewing, AnotherAddressIsRefusedByBroadcast) {
  expect_nak(renewing("10.0.5.9"));
}

TEST(Renewing, TwoDifferentAddressesAreRefused) {
  expect_nak(renewing("10.0.5.2").add_ip(50, "10.0.5.9"));
  expect_nak(renewing("10.0.5.9").add_ip(50, "10.0.5.2"));
  EXPECT_EQ(answered(renewing("10.0.5.2").add_ip(50, "10.0.5.2")).view.type(), 5);
}

TEST(Refusal, EchoesTheClientId) {
  EXPECT_EQ(answered(init_reboot("10.0.5.9").add(61, {1, 2, 3})).view.at(61), (Bytes{1, 2, 3}));
}

TEST(Inform, IsAnsweredWithoutALease) {
  RequestBytes request{8};
  request.ciaddr = ip("10.0.5.2");
  const auto a = answered(request);
  EXPECT_EQ(a.view.type(), 5);
  EXPECT_TRUE(a.view.yiaddr.is_unspecified());
  EXPECT_EQ(a.view.ciaddr, ip("10.0.5.2"));
  for (const int code : {51, 58, 59}) EXPECT_FALSE(a.view.has(code)) << code;
  EXPECT_TRUE(a.view.has(6));
  EXPECT_FALSE(a.lease);
  EXPECT_EQ(a.to, kToGuest);
}

TEST(Inform, WithoutCiaddrCountsItsSource) {
  EXPECT_EQ(answered(RequestBytes{8}, binding(), "10.0.5.2").to, kToGuest);
  expect_drop(outcome(RequestBytes{8}, binding(), "10.0.5.9"), Drop::not_ours);
  expect_drop(outcome(RequestBytes{8}, binding(), "0.0.0.0"), Drop::not_ours);
}

TEST(Inform, AboutAnotherAddressIsDropped) {
  RequestBytes request{8};
  request.ciaddr = ip("10.0.5.9");
  expect_drop(outcome(request, binding(), "10.0.5.2"), Drop::not_ours);
}

TEST(Release, OfTheBindingIsNoted) {
  RequestBytes request{7};
  request.ciaddr = ip("10.0.5.2");
  request.add_ip(54, "10.0.5.1");
  const auto result = outcome(request, binding(), "10.0.5.2");
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->reply);
  EXPECT_EQ(result->lease, LeaseState::released);
}

TEST(Release, SpoofedIsDropped) {
  RequestBytes request{7};
  request.ciaddr = ip("10.0.5.2");
  expect_drop(outcome(request), Drop::not_ours);  // no server identifier
  request.add_ip(54, "192.0.2.1");
  expect_drop(outcome(request), Drop::not_ours);
  RequestBytes other{7};
  other.ciaddr = ip("10.0.5.3");
  expect_drop(outcome(other.add_ip(54, "10.0.5.1")), Drop::not_ours);
}

TEST(Decline, OfTheBindingIsNoted) {
  const auto result = outcome(RequestBytes{4}.add_ip(50, "10.0.5.2").add_ip(54, "10.0.5.1"));
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->reply);
  EXPECT_EQ(result->lease, LeaseState::declined);
}

TEST(Decline, SpoofedIsDropped) {
  expect_drop(outcome(RequestBytes{4}.add_ip(50, "10.0.5.2")), Drop::not_ours);
  expect_drop(outcome(RequestBytes{4}.add_ip(50, "10.0.5.9").add_ip(54, "10.0.5.1")), Drop::not_ours);
  expect_drop(outcome(RequestBytes{4}.add_ip(54, "10.0.5.1")), Drop::not_ours);
}

TEST(Relayed, FromAGuestIsDropped) {
  for (auto request : {discover(), selecting("10.0.5.2"), renewing("10.0.5.2"), RequestBytes{8}}) {
    request.giaddr = ip("10.0.5.2");
    expect_drop(outcome(request, binding(), "10.0.5.2"), Drop::relayed);
  }
}

Request relayed(RequestBytes bytes) {
  bytes.giaddr = ip("10.9.0.1");
  return decode_request(bytes.bytes()).value_or(Request{});
}

void expect_to_relay(const SentReply& sent, MessageType type, std::uint16_t flags) {
  EXPECT_EQ(sent.type, type);
  EXPECT_EQ(sent.to, ip("10.9.0.1"));
  EXPECT_EQ(sent.port, 67);
  EXPECT_TRUE(sent.routed);
  EXPECT_EQ(sent.message.relay_address, ip("10.9.0.1"));
  EXPECT_EQ(sent.message.flags, flags);
}

TEST(Relayed, EveryReplyGoesToTheRelayAndARefusalIsToBeBroadcastThere) {
  const auto b = binding();
  const Terms terms{&b.settings, ip("10.0.5.77"), "n77"};
  expect_to_relay(offer(relayed(discover()), terms), MessageType::offer, 0);
  expect_to_relay(acknowledge(relayed(selecting("10.0.5.77")), terms), MessageType::ack, 0);
  expect_to_relay(acknowledge(relayed(renewing("10.0.5.77")), terms), MessageType::ack, 0);  // not to ciaddr
  expect_to_relay(refuse(relayed(init_reboot("10.0.5.9")), b.settings), MessageType::nak, 0x8000);
  EXPECT_EQ(acknowledge(relayed(selecting("10.0.5.77")), terms).message.your_address, ip("10.0.5.77"));
}

TEST(Relayed, AnInformIsAnsweredPastTheRelay) {  // RFC 2131, 4.3.5
  const auto b = binding();
  const auto request = relayed(RequestBytes{8});
  const auto sent = acknowledge_inform(request, {&b.settings, ip("10.0.5.77"), ""}, ip("10.0.5.77"));
  EXPECT_EQ(sent.to, ip("10.0.5.77"));
  EXPECT_EQ(sent.port, 68);
  EXPECT_TRUE(sent.routed);
}

TEST(BehindARelay, ARenewalIsAnsweredByTheHostsRoutes) {
  const auto b = binding();
  const auto request = decode_request(renewing("10.0.5.77").bytes()).value_or(Request{});
  auto sent = acknowledge(request, {&b.settings, ip("10.0.5.77"), "", true});
  EXPECT_EQ(sent.to, ip("10.0.5.77"));
  EXPECT_EQ(sent.port, 68);
  EXPECT_TRUE(sent.routed);
  sent = acknowledge(request, {&b.settings, ip("10.0.5.77"), ""});
  EXPECT_FALSE(sent.routed);
}

TEST(Rapid, CommitIsSaidOnlyWhereAnAckAnswersADiscover) {
  const auto b = binding();
  const Terms terms{&b.settings, ip("10.0.5.77"), ""};
  const auto request = decode_request(discover().add(80, {}).bytes()).value_or(Request{});
  EXPECT_TRUE(acknowledge(request, terms).message.options.find(80));
  EXPECT_FALSE(offer(request, terms).message.options.find(80));
}

TEST(PinnedMac, OthersAreDropped) {
  auto pinned = binding();
  pinned.pinned_mac = kGuestMac;
  EXPECT_EQ(answered(discover(), pinned).view.type(), 2);
  auto request = discover();
  request.chaddr = kOtherMac;
  expect_drop(outcome(request, pinned), Drop::foreign_mac);
  EXPECT_EQ(answered(request).view.type(), 2);  // unpinned, the TAP is the identity
}

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
  b.settings.addressing = config::Addressing::subnet;
  b.settings.prefix_length = 20;
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

TEST(Options, EmptyNamesAreLeftOut) {
  auto b = binding();
  b.host_name.clear();
  b.settings.domain.clear();
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
  b.settings.options = {{6, {192, 0, 2, 53}}, {42, {192, 0, 2, 123}}, {1, {255, 255, 0, 0}}};
  const auto v = answered(discover(), b).view;
  EXPECT_EQ(v.at(6), (Bytes{192, 0, 2, 53}));
  EXPECT_EQ(v.at(42), (Bytes{192, 0, 2, 123}));
  EXPECT_EQ(v.at(1), (Bytes{255, 255, 0, 0}));
  EXPECT_EQ(v.order[3], 1);  // in the place of ours
}

TEST(Options, OfTheNetworkNeverTouchTheProtocol) {
  auto b = binding();
  for (const int code : {0, 50, 51, 52, 53, 54, 55, 57, 61, 80, 82, 255}) {
    b.settings.options.push_back({static_cast<std::uint8_t>(code), {9, 9, 9, 9}});
  }
  const auto with = answered(selecting("10.0.5.2"), b).view;
  EXPECT_EQ(with.options, answered(selecting("10.0.5.2")).view.options);
}

TEST(Options, MicrosoftsRoutesFollowTheConfiguredOnes) {
  auto b = binding();
  const Bytes routes{0, 10, 0, 5, 1};
  b.settings.options = {{121, routes}};
  EXPECT_EQ(answered(discover(), b).view.at(121), routes);
  EXPECT_EQ(answered(discover(), b).view.at(249), routes);
}

TEST(Options, TheHalfOfAnEndlessLeaseStillFits) {
  auto b = binding();
  b.settings.lease_time = std::chrono::hours{24 * 365 * 1000};
  const auto v = answered(selecting("10.0.5.2"), b).view;
  EXPECT_EQ(v.at(51), (Bytes{255, 255, 255, 255}));
  EXPECT_EQ(v.at(59), (Bytes{0xdf, 0xff, 0xff, 0xff}));
  b.settings.lease_time = std::chrono::seconds{0};
  EXPECT_EQ(answered(selecting("10.0.5.2"), b).view.at(51), (Bytes{0, 0, 0, 1}));
}

TEST(Size, StaysWithinWhatClientAndLinkTake) {
  auto b = binding();
  b.settings.options = {{43, Bytes(255, 1)}, {125, Bytes(200, 2)}, {224, Bytes(255, 3)}, {225, Bytes(255, 4)}};
  EXPECT_LE(answered(discover(), b).size, 548u);
  EXPECT_LE(answered(discover().add(57, {0, 1}), b).size, 548u);  // less than any client must take
  const auto large = answered(discover().add(57, {0xff, 0xff}), b);
  EXPECT_GT(large.size, 1200u);
  EXPECT_LE(large.size, 1472u);
  EXPECT_TRUE(large.view.has(225));
  b.settings.mtu = 600;
  EXPECT_LE(answered(discover().add(57, {0xff, 0xff}), b).size, 572u);
}

TEST(Size, WhatAClientCannotDoWithoutSurvivesTheLongestClientId) {
  const auto v = answered(selecting("10.0.5.2").add(61, Bytes(255, 7))).view;
  for (const int code : {53, 54, 51, 1, 3, 121, 6, 61}) EXPECT_TRUE(v.has(code)) << code;
}

TEST(Size, ATinyMtuStillGivesAWholeReply) {
  auto b = binding();
  b.settings.mtu = 0;
  const auto a = answered(discover(), b);
  EXPECT_EQ(a.size, 300u);
  EXPECT_EQ(a.view.yiaddr, ip("10.0.5.2"));
}

}  // namespace
}  // namespace vrouter::dhcp
