// SPDX-License-Identifier: GPL-2.0-or-later
// Addresses of a range that are asked for by ARP before they are offered.
#include "tests/unit/dhcp/ranges_fixture.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kAck = 5, kNak = 6;

class ProbedRanges : public RangesTest {
 protected:
  ProbedRanges() {
    change([](Pool& p) { p.probe = milliseconds{500}; });
  }
  void heard(const char* address, unsigned by) { responder_.heard({kBridge, ip(address)}, mac(by), now_); }
};

TEST_F(ProbedRanges, AnAddressIsAskedForBeforeItIsOffered) {
  EXPECT_EQ(offered(1), "");
  EXPECT_EQ(probes_, (std::vector<Probe>{{kBridge, ip("10.9.0.10")}}));
  EXPECT_EQ(responder_.next_probe_end(), now_ + milliseconds{500});
  EXPECT_TRUE(pass(milliseconds{499}).empty());
  const auto offer = pass(milliseconds{1});
  ASSERT_EQ(offer.size(), 1u);
  EXPECT_EQ(offer[0].reply.yiaddr, ip("10.9.0.10"));
  EXPECT_FALSE(responder_.next_probe_end());
  EXPECT_EQ(offered(1), "10.9.0.10");  // not again
  EXPECT_EQ(probes_.size(), 1u);
}

TEST_F(ProbedRanges, SeveralWaitAtOnceAndAskedAgainTheLastIsAnswered) {
  for (unsigned n = 1; n <= 3; ++n) EXPECT_EQ(offered(n), "");
  auto again = from(2, discover());
  again.xid = 77;
  EXPECT_TRUE(handle(again).empty());
  EXPECT_EQ(probes_.size(), 3u);
  const auto offers = pass(milliseconds{500});
  ASSERT_EQ(offers.size(), 3u);
  EXPECT_EQ(offers[1].reply.xid, 77u);
}

TEST_F(ProbedRanges, AnAddressInUseRestsAndTheNextIsTried) {
  EXPECT_EQ(offered(1), "");
  heard("10.9.0.10", 66);
  EXPECT_EQ(counts().conflicts, 1u);
  EXPECT_EQ(probes_.back(), (Probe{kBridge, ip("10.9.0.11")}));
  const auto offer = pass(milliseconds{500});
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].lease.state, LeaseState::declined);
  EXPECT_EQ(commits_[0].lease.address, ip("10.9.0.10"));
  EXPECT_EQ(commits_[0].lease.client.hardware, mac(66));
  ASSERT_EQ(offer.size(), 1u);
  EXPECT_EQ(offer[0].reply.yiaddr, ip("10.9.0.11"));
}

TEST_F(ProbedRanges, TheClientsOwnAnswerIsNoConflict) {
  EXPECT_EQ(offered(1), "");
  heard("10.9.0.10", 1);
  EXPECT_EQ(pass(milliseconds{500}).size(), 1u);
  EXPECT_EQ(counts().conflicts, 0u);
}

TEST_F(ProbedRanges, WhatNobodyAskedForIsIgnored) {
  heard("10.9.0.12", 66);
  heard("192.0.2.1", 66);
  responder_.heard({kOtherBridge, ip("10.9.0.10")}, mac(66), now_);
  EXPECT_EQ(counts().conflicts, 0u);
}

TEST_F(ProbedRanges, AnAnswerAfterTheOfferCountsStill) {
  EXPECT_EQ(offered(1), "");
  static_cast<void>(pass(milliseconds{500}));
  heard("10.9.0.10", 66);
  EXPECT_EQ(handle(from(1, select("10.9.0.10"))).at(0).reply.type(), kNak);
}

TEST_F(ProbedRanges, WhatAClientHasOrHadLatelyIsNotAskedFor) {
  tell(lease("10.9.0.15", 1, now_ + seconds{60}));
  EXPECT_EQ(offered(1), "10.9.0.15");
  now_ += seconds{60} + kHeldLately;
  EXPECT_EQ(offered(1), "10.9.0.15");
  now_ += kOfferTime;
  EXPECT_EQ(offered(1), "");
  EXPECT_EQ(probes_.size(), 1u);
}

TEST_F(ProbedRanges, RapidCommitWaitsForBoth) {
  EXPECT_TRUE(handle(from(1, discover().add(80, {}))).empty());
  EXPECT_TRUE(commits_.empty());
  EXPECT_TRUE(pass(milliseconds{500}).empty());
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(done().at(0).reply.type(), kAck);
}

// Its client may have been off for longer than its lease, or say what it never had.
TEST_F(ProbedRanges, AnUnknownClientsRequestIsAskedForBeforeItIsGranted) {
  EXPECT_TRUE(handle(from(1, init_reboot("10.9.0.15"))).empty());
  EXPECT_TRUE(commits_.empty());
  EXPECT_EQ(probes_, (std::vector<Probe>{{kBridge, ip("10.9.0.15")}}));
  auto again = from(1, init_reboot("10.9.0.15"));
  again.xid = 78;
  EXPECT_TRUE(handle(again).empty());
  EXPECT_EQ(probes_.size(), 1u);
  heard("10.9.0.15", 1);  // its own answer
  EXPECT_TRUE(pass(milliseconds{500}).empty());
  ASSERT_EQ(commits_.size(), 1u);
  const auto ack = done();
  ASSERT_EQ(ack.size(), 1u);
  EXPECT_EQ(ack[0].reply.type(), kAck);
  EXPECT_EQ(ack[0].reply.xid, 78u);
  // Known from now on.
  EXPECT_TRUE(handle(from(1, init_reboot("10.9.0.15"))).empty());
  EXPECT_EQ(commits_.size(), 1u);
  EXPECT_EQ(probes_.size(), 1u);
}

TEST_F(ProbedRanges, AnUnknownClientsAddressInUseIsRefused) {
  EXPECT_TRUE(handle(from(1, init_reboot("10.9.0.15"))).empty());
  heard("10.9.0.15", 66);
  EXPECT_EQ(probes_.size(), 1u);  // it asked for no other
  EXPECT_TRUE(pass(milliseconds{500}).empty());
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].lease.state, LeaseState::declined);
  EXPECT_EQ(handle(from(1, init_reboot("10.9.0.15"))).at(0).reply.type(), kNak);
}

// It has it on an interface, and another of its own may answer.
TEST_F(ProbedRanges, WhoUsesItsAddressIsNotAskedFor) {
  EXPECT_TRUE(handle(from(1, renewing("10.9.0.15")), kBridge, "10.9.0.15").empty());
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_TRUE(probes_.empty());
}

TEST_F(ProbedRanges, WhoNamesManyAddressesWaitsForOne) {
  for (const auto* address : {"10.9.0.15", "10.9.0.16", "10.9.0.17"})
    EXPECT_TRUE(handle(from(1, init_reboot(address))).empty());
  EXPECT_EQ(responder_.ranges().probing(), 1u);
  EXPECT_TRUE(pass(milliseconds{500}).empty());
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].lease.address, ip("10.9.0.17"));
}

TEST_F(ProbedRanges, WhoTakesAnotherAddressMeanwhileHasThatOne) {
  tell(lease("10.9.0.16", 1, now_ - seconds{5}, LeaseState::expired));
  EXPECT_TRUE(handle(from(1, init_reboot("10.9.0.15"))).empty());
  EXPECT_TRUE(handle(from(1, init_reboot("10.9.0.16"))).empty());
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].lease.address, ip("10.9.0.16"));
  EXPECT_TRUE(pass(milliseconds{500}).empty());
  EXPECT_TRUE(commits_.empty());
}

TEST_F(ProbedRanges, WhoBeginsAnewWhileItsRequestWaitsIsOffered) {
  EXPECT_TRUE(handle(from(1, init_reboot("10.9.0.15"))).empty());
  EXPECT_TRUE(handle(from(1, discover())).empty());
  const auto offer = pass(milliseconds{500});
  ASSERT_EQ(offer.size(), 1u);
  EXPECT_EQ(offer[0].reply.yiaddr, ip("10.9.0.15"));
  EXPECT_TRUE(commits_.empty());
}

TEST_F(ProbedRanges, NobodyBehindARelayIsAskedFor) {
  EXPECT_EQ(handle_relayed(relayed(from(1, discover()))).size(), 1u);
  EXPECT_TRUE(probes_.empty());
}

TEST_F(ProbedRanges, QuestionsAreBoundedAndEndWithTheirPool) {
  change([](Pool& p) { p.range = {ip("10.9.0.10"), ip("10.9.255.250")}; });
  for (unsigned n = 0; n < kMaxProbes + 10; ++n) static_cast<void>(handle(from(n, discover())));
  EXPECT_EQ(responder_.ranges().probing(), kMaxProbes);
  EXPECT_EQ(statistics().dropped_rate_limited, 10u);
  apply({.snapshot = true, .upserts = {}, .removed_ifindexes = {}});
  EXPECT_EQ(responder_.ranges().probing(), 0u);
  EXPECT_TRUE(pass(seconds{1}).empty());
}

}  // namespace
}  // namespace vrouter::dhcp
