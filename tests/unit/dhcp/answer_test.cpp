// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/answer.h"

#include <gtest/gtest.h>

#include "tests/unit/dhcp/answered.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

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
  EXPECT_TRUE(a.view.siaddr.is_unspecified());
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

TEST(Release, ThatSaysNoServerIsNoted) {  // networkd's
  RequestBytes request{7};
  request.ciaddr = ip("10.0.5.2");
  const auto result = outcome(request, binding(), "10.0.5.2");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->lease, LeaseState::released);
  request.ciaddr = ip("10.0.5.3");
  expect_drop(outcome(request), Drop::not_ours);
}

TEST(Release, SpoofedIsDropped) {
  RequestBytes request{7};
  request.ciaddr = ip("10.0.5.2");
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
  const Terms terms{&*b.settings, ip("10.0.5.77"), "n77"};
  expect_to_relay(offer(relayed(discover()), terms), MessageType::offer, 0);
  expect_to_relay(acknowledge(relayed(selecting("10.0.5.77")), terms), MessageType::ack, 0);
  expect_to_relay(acknowledge(relayed(renewing("10.0.5.77")), terms), MessageType::ack, 0);  // not to ciaddr
  expect_to_relay(refuse(relayed(init_reboot("10.0.5.9")), *b.settings), MessageType::nak, 0x8000);
  EXPECT_EQ(acknowledge(relayed(selecting("10.0.5.77")), terms).message.your_address, ip("10.0.5.77"));
}

TEST(Relayed, AnInformIsAnsweredPastTheRelay) {  // RFC 2131, 4.3.5
  const auto b = binding();
  const auto request = relayed(RequestBytes{8});
  const auto sent = acknowledge_inform(request, {&*b.settings, ip("10.0.5.77"), ""}, ip("10.0.5.77"));
  EXPECT_EQ(sent.to, ip("10.0.5.77"));
  EXPECT_EQ(sent.port, 68);
  EXPECT_TRUE(sent.routed);
}

TEST(Relayed, WhatTheRelaySaidComesBackLastAndWhole) {  // RFC 3046, 2.2
  const auto b = binding();
  const Bytes said = Bytes{1, 3, 'p', '0', '7', 0xff, 0};  // nobody else's to understand
  for (const auto& sent : {offer(relayed(discover().add(82, said)), {&*b.settings, ip("10.0.5.77"), "n"}),
                           refuse(relayed(init_reboot("10.0.5.9").add(82, said)), *b.settings)}) {
    Bytes buffer(kMaxReply);
    buffer.resize(encode_reply(sent.message, sent.cap, buffer));
    const auto view = read_reply(buffer);
    EXPECT_EQ(view.at(82), said);
    EXPECT_EQ(view.order.back(), 82);
  }
}

TEST(Relayed, TheRelayMayStandInForTheServer) {  // RFC 5107
  const auto b = binding();
  const auto request = relayed(selecting("10.0.5.77", "10.9.0.1").add(82, {11, 4, 10, 9, 0, 1}));
  EXPECT_TRUE(is_for_us(request, *b.settings));
  const auto sent = acknowledge(request, {&*b.settings, ip("10.0.5.77"), ""});
  const auto identifier = sent.message.options.find(54);
  ASSERT_TRUE(identifier);
  EXPECT_TRUE(std::ranges::equal(*identifier, octets(ip("10.9.0.1"))));
  EXPECT_FALSE(is_for_us(relayed(selecting("10.0.5.77", "10.9.0.1")), *b.settings));
  EXPECT_FALSE(is_for_us(relayed(selecting("10.0.5.77", "10.9.0.9").add(82, {11, 4, 10, 9, 0, 1})), *b.settings));
}

TEST(Relayed, TheRelayMayAskForItsOwnPort) {  // RFC 8357
  const auto b = binding();
  auto request = relayed(discover().add(82, {19, 0}));
  request.source_port = 4321;
  EXPECT_EQ(offer(request, {&*b.settings, ip("10.0.5.77"), ""}).port, 4321);
  request.source_port = 0;
  EXPECT_EQ(offer(request, {&*b.settings, ip("10.0.5.77"), ""}).port, 67);
  request = relayed(discover());
  request.source_port = 4321;
  EXPECT_EQ(offer(request, {&*b.settings, ip("10.0.5.77"), ""}).port, 67);
}

TEST(BehindARelay, ARenewalIsAnsweredByTheHostsRoutes) {
  const auto b = binding();
  const auto request = decode_request(renewing("10.0.5.77").bytes()).value_or(Request{});
  auto sent = acknowledge(request, {&*b.settings, ip("10.0.5.77"), "", true});
  EXPECT_EQ(sent.to, ip("10.0.5.77"));
  EXPECT_EQ(sent.port, 68);
  EXPECT_TRUE(sent.routed);
  sent = acknowledge(request, {&*b.settings, ip("10.0.5.77"), ""});
  EXPECT_FALSE(sent.routed);
}

TEST(Rapid, CommitIsSaidOnlyWhereAnAckAnswersADiscover) {
  const auto b = binding();
  const Terms terms{&*b.settings, ip("10.0.5.77"), ""};
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

}  // namespace
}  // namespace vrouter::dhcp
