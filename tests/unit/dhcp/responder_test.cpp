// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/responder.h"

#include <gtest/gtest.h>

#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;

class ResponderTest : public ::testing::Test {
 protected:
  ResponderTest() {
    responder_.apply({.snapshot = true, .upserts = {binding(), other_binding()}, .removed_ifindexes = {}});
  }
  static Binding binding() {
    auto b = testing::binding();
    b.settings.own().network = "inner";
    return b;
  }

  static Binding other_binding() {
    auto b = binding();
    b.guest = b.tap = "db1";
    b.ifindex = 8;
    b.address = ip("10.0.5.3");
    return b;
  }
  Bytes handle(const Bytes& bytes, unsigned ifindex = 7, bool truncated = false) {
    std::array<std::uint8_t, kMaxReply> buffer{};
    const auto sent = responder_.handle({ifindex, ip("0.0.0.0"), bytes, truncated}, now_, buffer);
    if (!sent) return {};
    from_ = sent->from;
    to_ = sent->to;
    return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(sent->size)};
  }
  Bytes handle(const RequestBytes& request, unsigned ifindex = 7) { return handle(request.bytes(), ifindex); }
  static ReplyView view(const Bytes& message) {
    auto reply = read_reply(message);
    EXPECT_TRUE(reply.well_formed);
    return reply;
  }

  std::vector<LeaseEvent> events_;
  Responder responder_{[this](const LeaseEvent& e) { events_.push_back(e); }};
  BootTime now_{seconds{1000}};
  address_v4 from_, to_;
};

TEST_F(ResponderTest, RepliesComeFromTheGatewayToWhoeverHasNoAddressYet) {
  EXPECT_EQ(view(handle(discover())).yiaddr, ip("10.0.5.2"));
  EXPECT_EQ(from_, ip("10.0.5.1"));
  EXPECT_EQ(to_, ip("255.255.255.255"));
}

TEST_F(ResponderTest, ARenewalIsAnsweredByUnicast) {
  EXPECT_EQ(view(handle(renewing("10.0.5.2"))).type(), 5);
  EXPECT_EQ(from_, ip("10.0.5.1"));
  EXPECT_EQ(to_, ip("10.0.5.2"));
}

TEST_F(ResponderTest, TheTapDecidesNotTheClient) {  // clones share chaddr and client-id
  EXPECT_EQ(view(handle(discover().add(61, {1, 2}), 7)).yiaddr, ip("10.0.5.2"));
  EXPECT_EQ(view(handle(discover().add(61, {1, 2}), 8)).yiaddr, ip("10.0.5.3"));
}

TEST_F(ResponderTest, TellsOfABoundClient) {
  static_cast<void>(handle(selecting("10.0.5.2").add(61, {1, 2}).add(12, text("Web1\n"))));
  static_cast<void>(handle(selecting("10.0.5.2").add(61, {1, 2}).add(12, text("Vm"))));
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(events_[0].host_name, "");
  EXPECT_EQ(events_[1],
            (LeaseEvent{
                LeaseState::bound, 7, "web1", "tap0", ip("10.0.5.2"), kGuestMac, {1, 2}, "vm", now_ + seconds{3600}}));
}

TEST_F(ResponderTest, AnOfferBindsNothing) {
  static_cast<void>(handle(discover()));
  EXPECT_TRUE(events_.empty());
  EXPECT_FALSE(responder_.next_expiry());
}

TEST_F(ResponderTest, ALeaseEndsOnceAndOnTime) {
  static_cast<void>(handle(selecting("10.0.5.2")));
  events_.clear();
  EXPECT_EQ(responder_.next_expiry(), now_ + seconds{3600});
  responder_.expire(now_ + seconds{3600} - std::chrono::nanoseconds{1});
  EXPECT_TRUE(events_.empty());
  responder_.expire(now_ + seconds{3600});
  responder_.expire(now_ + seconds{9999});
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].state, LeaseState::expired);
  EXPECT_EQ(events_[0].client, kGuestMac);
  EXPECT_FALSE(responder_.next_expiry());
}

TEST_F(ResponderTest, ARenewalMovesTheEnd) {
  static_cast<void>(handle(selecting("10.0.5.2")));
  now_ += seconds{1800};
  static_cast<void>(handle(renewing("10.0.5.2")));
  responder_.expire(BootTime{seconds{1000 + 3600}});
  EXPECT_EQ(events_.size(), 2u);
  EXPECT_EQ(responder_.next_expiry(), now_ + seconds{3600});
}

TEST_F(ResponderTest, AnEndlessLeaseNeverEnds) {
  auto b = binding();
  b.settings.own().lease_time = seconds{0xffffffff};
  responder_.apply({.snapshot = false, .upserts = {b}, .removed_ifindexes = {}});
  static_cast<void>(handle(selecting("10.0.5.2")));
  EXPECT_FALSE(responder_.next_expiry());
  EXPECT_EQ(events_.at(0).expires, BootTime::max());
}

TEST_F(ResponderTest, ReleaseAndDeclineEndTheLeaseAndAreTold) {
  static_cast<void>(handle(selecting("10.0.5.2")));
  auto release = RequestBytes{7}.add_ip(54, "10.0.5.1");
  release.ciaddr = ip("10.0.5.2");
  EXPECT_TRUE(handle(release).empty());
  static_cast<void>(handle(selecting("10.0.5.2")));
  EXPECT_TRUE(handle(RequestBytes{4}.add_ip(54, "10.0.5.1").add_ip(50, "10.0.5.2")).empty());
  ASSERT_EQ(events_.size(), 4u);
  EXPECT_EQ(events_[1].state, LeaseState::released);
  EXPECT_EQ(events_[3].state, LeaseState::declined);
  EXPECT_FALSE(responder_.next_expiry());
  EXPECT_EQ(view(handle(discover())).yiaddr, ip("10.0.5.2"));  // static: still its own
}

TEST_F(ResponderTest, AReleaseFromAnotherTapChangesNothing) {
  static_cast<void>(handle(selecting("10.0.5.2")));
  auto release = RequestBytes{7}.add_ip(54, "10.0.5.1");
  release.ciaddr = ip("10.0.5.2");
  EXPECT_TRUE(handle(release, 8).empty());
  EXPECT_EQ(events_.size(), 1u);
  EXPECT_TRUE(responder_.next_expiry());
}

TEST_F(ResponderTest, ASnapshotReplacesAndADeltaChanges) {
  responder_.apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {8, 99}});
  EXPECT_EQ(responder_.size(), 1u);
  responder_.apply({.snapshot = true, .upserts = {other_binding()}, .removed_ifindexes = {}});
  EXPECT_EQ(responder_.size(), 1u);
  EXPECT_TRUE(handle(discover(), 7).empty());
  EXPECT_FALSE(handle(discover(), 8).empty());
  responder_.apply({.snapshot = true, .upserts = {}, .removed_ifindexes = {}});
  EXPECT_EQ(responder_.size(), 0u);
}

TEST_F(ResponderTest, AnUnchangedBindingKeepsItsLeaseAndAChangedOneLosesIt) {
  static_cast<void>(handle(selecting("10.0.5.2")));
  auto b = binding();
  b.settings.own().mtu = 1400;
  responder_.apply({.snapshot = true, .upserts = {b}, .removed_ifindexes = {}});
  EXPECT_TRUE(responder_.next_expiry());
  b.address = ip("10.0.5.4");
  responder_.apply({.snapshot = false, .upserts = {b}, .removed_ifindexes = {}});
  EXPECT_FALSE(responder_.next_expiry());
  EXPECT_EQ(view(handle(renewing("10.0.5.2"))).type(), 6);
  EXPECT_EQ(view(handle(discover())).yiaddr, ip("10.0.5.4"));
}

TEST_F(ResponderTest, AnIfindexThatComesBackRemovedAndUpsertedBeginsAnew) {
  static_cast<void>(handle(selecting("10.0.5.2")));
  responder_.apply({.snapshot = false, .upserts = {binding()}, .removed_ifindexes = {7}});
  EXPECT_FALSE(responder_.next_expiry());
  EXPECT_FALSE(handle(discover()).empty());
}

TEST_F(ResponderTest, AFloodIsCutOffWithoutTouchingOthers) {
  unsigned answered = 0;
  for (int i = 0; i < 1000; ++i) answered += handle(discover(), 7).empty() ? 0 : 1;
  EXPECT_EQ(answered, kBurstPerInterface);
  EXPECT_EQ(responder_.statistics().dropped_rate_limited, 1000 - kBurstPerInterface);
  EXPECT_FALSE(handle(discover(), 8).empty());
  now_ += seconds{1};
  answered = 0;
  for (int i = 0; i < 1000; ++i) answered += handle(discover(), 7).empty() ? 0 : 1;
  EXPECT_EQ(answered, kMessagesPerSecond);
}

TEST_F(ResponderTest, AClockThatStepsBackGivesNoTokens) {
  for (int i = 0; i < 1000; ++i) static_cast<void>(handle(discover()));
  now_ -= seconds{500};
  EXPECT_TRUE(handle(discover()).empty());
}

TEST_F(ResponderTest, CountsWhatItDropsByReason) {
  auto pinned = binding();
  pinned.pinned_mac = kOtherMac;
  responder_.apply({.snapshot = false, .upserts = {pinned}, .removed_ifindexes = {}});
  EXPECT_TRUE(handle(discover(), 99).empty());
  EXPECT_TRUE(handle(discover(), 7).empty());
  EXPECT_TRUE(handle(RequestBytes{}, 8).empty());
  EXPECT_TRUE(handle(discover().bytes(), 8, true).empty());
  EXPECT_TRUE(handle(selecting("10.0.5.3", "192.0.2.1"), 8).empty());
  auto relayed = discover();
  relayed.giaddr = ip("10.0.5.3");
  EXPECT_TRUE(handle(relayed, 8).empty());
  Statistics expected;
  expected.received = 6;
  expected.dropped_unknown_interface = expected.dropped_foreign_mac = 1;
  expected.dropped_malformed = expected.dropped_not_ours = 2;
  expected.discover = 2;
  expected.request = 1;
  expected.networks["inner"].discover = 2;
  expected.networks["inner"].request = 1;
  expected.networks["inner"].bootp = 1;
  EXPECT_EQ(responder_.statistics(), expected);
}

TEST_F(ResponderTest, CountsWhatItAnswersByType) {
  static_cast<void>(handle(discover()));
  static_cast<void>(handle(selecting("10.0.5.2")));
  static_cast<void>(handle(init_reboot("10.0.5.9")));
  RequestBytes inform{8};
  inform.ciaddr = ip("10.0.5.2");
  static_cast<void>(handle(inform));
  const auto& s = responder_.statistics();
  EXPECT_EQ(std::tuple(s.received, s.answered, s.offer, s.ack, s.nak), std::tuple(4u, 4u, 1u, 2u, 1u));
  EXPECT_EQ(std::tuple(s.discover, s.request, s.inform), std::tuple(1u, 2u, 1u));
  const auto& network = s.networks.at("inner");
  EXPECT_EQ(std::tuple(network.discover, network.request, network.inform), std::tuple(1u, 2u, 1u));
  EXPECT_EQ(std::tuple(network.offer, network.ack, network.nak), std::tuple(1u, 2u, 1u));
}

TEST(ResponderEvents, MayChangeTheTableFromInside) {
  Responder* self = nullptr;
  Responder responder{
      [&](const LeaseEvent&) { self->apply({.snapshot = true, .upserts = {}, .removed_ifindexes = {}}); }};
  self = &responder;
  responder.apply({.snapshot = true, .upserts = {binding()}, .removed_ifindexes = {}});
  std::array<std::uint8_t, kMaxReply> buffer{};
  const auto bytes = selecting("10.0.5.2").bytes();
  EXPECT_TRUE(responder.handle({7, {}, bytes}, BootTime{}, buffer));
  EXPECT_EQ(responder.size(), 0u);
}

}  // namespace
}  // namespace vrouter::dhcp
