// SPDX-License-Identifier: GPL-2.0-or-later
// What clients of a range are answered on shared links.
#include "dhcp/ranges.h"

#include "tests/unit/dhcp/ranges_fixture.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kAck = 5, kNak = 6;

TEST_F(RangesTest, AnOfferComesAtOnceAndTheAckWhenTheLeaseIsWritten) {
  const auto offer = handle(from(1, discover().add(61, {1, 2})));
  ASSERT_EQ(offer.size(), 1u);
  EXPECT_EQ(offer[0].reply.yiaddr, ip("10.9.0.10"));
  EXPECT_EQ(offer[0].outgoing.ifindex, kBridge);
  EXPECT_EQ(offer[0].outgoing.from, ip("10.9.0.1"));
  EXPECT_EQ(offer[0].outgoing.to, ip("255.255.255.255"));
  EXPECT_TRUE(commits_.empty());

  EXPECT_TRUE(handle(from(1, select("10.9.0.10").add(61, {1, 2}).add(12, text("Web1")))).empty());
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].id, 1u);
  EXPECT_EQ(
      commits_[0].lease,
      (Lease{"office", ip("10.9.0.10"), kBridge, {mac(1), {1, 2}}, "web1", LeaseState::bound, now_ + seconds{3600}}));
  EXPECT_EQ(statistics().ack, 0u);
  const auto ack = done();
  ASSERT_EQ(ack.size(), 1u);
  EXPECT_EQ(ack[0].reply.type(), kAck);
  EXPECT_EQ(ack[0].reply.yiaddr, ip("10.9.0.10"));
  EXPECT_EQ(std::tuple(counts().discover, counts().request, counts().offer, counts().ack), std::tuple(1u, 1u, 1u, 1u));
  EXPECT_TRUE(events_.empty());
}

TEST_F(RangesTest, RapidCommitWaitsAsWell) {
  EXPECT_TRUE(handle(from(1, discover().add(80, {}))).empty());
  const auto ack = done();
  ASSERT_EQ(ack.size(), 1u);
  EXPECT_EQ(ack[0].reply.type(), kAck);
  EXPECT_TRUE(ack[0].reply.has(80));
  EXPECT_TRUE(handle(from(2, discover().add(80, {}))).empty());
  EXPECT_TRUE(refused().empty());
}

TEST_F(RangesTest, ARetransmissionIsNotWrittenTwice) {
  static_cast<void>(offered(1));
  static_cast<void>(handle(from(1, select("10.9.0.10"))));
  const auto first = commits_;
  static_cast<void>(handle(from(1, select("10.9.0.10"))));
  EXPECT_TRUE(commits_.empty());
  EXPECT_EQ(answer({{first[0].id, true}}).size(), 1u);
  EXPECT_TRUE(answer({{first[0].id, true}}).empty());
}

TEST_F(RangesTest, AnAnswerThatNeverComesIsNotWaitedForForEver) {
  static_cast<void>(offered(1));
  static_cast<void>(handle(from(1, select("10.9.0.10"))));
  const auto first = commits_;
  now_ += kCommitPatience;
  static_cast<void>(handle(from(1, select("10.9.0.10"))));
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(done().size(), 1u);
  EXPECT_TRUE(answer({{first[0].id, true}}).empty());
}

TEST_F(RangesTest, ResultsComeInAnyOrder) {
  for (unsigned n = 1; n <= 3; ++n) {
    const auto address = offered(n);
    static_cast<void>(handle(from(n, select(address))));
  }
  const auto sent = answer({{3, true}, {1, true}, {99, true}, {2, false}});
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].reply.chaddr[5], 3);
  EXPECT_EQ(sent[1].reply.chaddr[5], 1);
  EXPECT_EQ(statistics().dropped_uncommitted, 1u);
  EXPECT_EQ(responder_.ranges().waiting(), 0u);
}

TEST_F(RangesTest, WhatIsProposedIsHeldAndWhatIsRefusedIsFreeAgainAfterAWhile) {
  static_cast<void>(offered(1));
  static_cast<void>(handle(from(1, select("10.9.0.10"))));
  const auto mine = commits_;
  EXPECT_EQ(handle(from(2, init_reboot("10.9.0.10"))).at(0).reply.type(), kNak);
  EXPECT_TRUE(answer({{mine[0].id, false}}).empty());
  EXPECT_TRUE(handle(from(2, init_reboot("10.9.0.10"))).empty());
  EXPECT_TRUE(commits_.empty());
  now_ += kAvoidTime;
  EXPECT_TRUE(handle(from(2, init_reboot("10.9.0.10"))).empty());
  EXPECT_EQ(commits_.size(), 1u);
}

TEST_F(RangesTest, ARefusedRenewalLeavesTheLeaseAsItWas) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  now_ += seconds{1800};
  static_cast<void>(handle(from(1, renewing("10.9.0.10"))));
  EXPECT_TRUE(refused().empty());
  now_ += seconds{1799};
  EXPECT_EQ(handle(from(2, init_reboot("10.9.0.10"))).at(0).reply.type(), kNak);
  now_ += seconds{1};
  static_cast<void>(handle(from(1, init_reboot("10.9.0.10"))));
  EXPECT_EQ(commits_.size(), 1u);
}

TEST_F(RangesTest, RefusalsThatComeOutOfOrderTakeBackToWhatEverWas) {
  static_cast<void>(offered(1));
  static_cast<void>(handle(from(1, select("10.9.0.10"))));
  const auto first = commits_[0].id;
  static_cast<void>(handle(from(1, release("10.9.0.10"))));
  const auto second = commits_[0].id;
  EXPECT_TRUE(answer({{first, false}}).empty());
  EXPECT_TRUE(answer({{second, false}}).empty());
  static_cast<void>(handle(from(3, init_reboot("10.9.0.10"))));  // nobody ever had it
  EXPECT_EQ(commits_.size(), 1u);
}

TEST_F(RangesTest, NoAckForWhatTheDaemonSaidOtherwiseOf) {
  static_cast<void>(offered(1));
  static_cast<void>(handle(from(1, select("10.9.0.10"))));
  tell(lease("10.9.0.10", 2, now_ + seconds{100}));
  EXPECT_TRUE(done().empty());
  EXPECT_EQ(statistics().dropped_uncommitted, 1u);
  EXPECT_EQ(handle(from(1, select("10.9.0.10"))).at(0).reply.type(), kNak);
}

TEST_F(RangesTest, AnEndThatCrossesWithTheNextLeaseIsNoNews) {
  tell(lease("10.9.0.10", 9, now_ + seconds{10}));
  now_ += seconds{11};
  static_cast<void>(handle(from(1, discover().add_ip(50, "10.9.0.10"))));
  static_cast<void>(handle(from(1, select("10.9.0.10"))));
  ASSERT_EQ(commits_.size(), 1u);
  tell(lease("10.9.0.10", 9, now_ - seconds{1}, LeaseState::expired));
  EXPECT_EQ(done().size(), 1u);
}

TEST_F(RangesTest, ARemovedLeaseOrPoolIsNotAnswered) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  static_cast<void>(handle(from(1, renewing("10.9.0.10"))));
  apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {}, .removed_leases = {ip("10.9.0.10")}});
  EXPECT_TRUE(done().empty());
  static_cast<void>(handle(from(1, init_reboot("10.9.0.10"))));
  apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {}, .removed_pools = {"office"}});
  EXPECT_TRUE(done().empty());
  EXPECT_EQ(responder_.ranges().waiting(), 0u);
  EXPECT_TRUE(handle(from(1, discover())).empty());
  EXPECT_EQ(statistics().dropped_unknown_interface, 1u);
}

TEST_F(RangesTest, APoolThatComesBackUnchangedKeepsOffersAndWhatWaits) {
  const auto first = offered(1);
  const auto second = offered(2);
  static_cast<void>(handle(from(2, select(second))));
  const auto waiting = commits_;
  apply({.snapshot = true, .upserts = {}, .removed_ifindexes = {}, .pools = {pool_}});
  EXPECT_EQ(offered(3), "10.9.0.12");
  EXPECT_EQ(offered(1), first);
  EXPECT_EQ(answer({{waiting[0].id, true}}).size(), 1u);
}

TEST_F(RangesTest, AChangedPoolSendsNoAnswerThatWasMadeBefore) {
  static_cast<void>(offered(1));
  static_cast<void>(handle(from(1, select("10.9.0.10"))));
  const auto waiting = commits_;
  change([](Pool& p) { p.settings.mtu = 1400; });
  EXPECT_TRUE(answer({{waiting[0].id, true}}).empty());
  static_cast<void>(handle(from(1, select("10.9.0.10"))));
  EXPECT_EQ(done().size(), 1u);
}

TEST_F(RangesTest, ASnapshotReplacesTheLeases) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  ASSERT_EQ(bound(2), "10.9.0.11");
  apply({.snapshot = true,
         .upserts = {},
         .removed_ifindexes = {},
         .pools = {pool_},
         .leases = {lease("10.9.0.11", 2, now_ + seconds{50}), lease("10.9.0.12", 3, now_ + seconds{50})}});
  static_cast<void>(handle(from(4, init_reboot("10.9.0.10"))));
  EXPECT_EQ(commits_.size(), 1u);
  EXPECT_EQ(handle(from(4, init_reboot("10.9.0.11"))).at(0).reply.type(), kNak);
  EXPECT_EQ(handle(from(4, init_reboot("10.9.0.12"))).at(0).reply.type(), kNak);
}

TEST_F(RangesTest, LeasesSurviveTheLossOfTheirFile) {
  for (const auto& request : {init_reboot("10.9.0.14"), renewing("10.9.0.14")}) {
    static_cast<void>(handle(from(1, request)));
    ASSERT_EQ(commits_.size(), 1u);
    EXPECT_EQ(done().at(0).reply.yiaddr, ip("10.9.0.14"));
  }
}

TEST_F(RangesTest, RefusesWhatIsNotTheAskers) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  for (const auto& request : {init_reboot("10.9.0.10"), renewing("10.9.0.10"), init_reboot("10.9.0.99"),
                              init_reboot("192.168.1.5"), select("10.9.0.10"), RequestBytes{3}}) {
    const auto sent = handle(from(2, request));
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].reply.type(), kNak);
    EXPECT_EQ(sent[0].outgoing.to, ip("255.255.255.255"));
  }
  auto contradicts = renewing("10.9.0.10").add_ip(50, "10.9.0.11");
  EXPECT_EQ(handle(from(1, contradicts)).at(0).reply.type(), kNak);
  EXPECT_EQ(counts().nak, 7u);
}

TEST_F(RangesTest, WhoChoseAnotherServerFreesItsOffer) {
  ASSERT_EQ(offered(1), "10.9.0.10");
  EXPECT_TRUE(handle(from(1, selecting("192.168.1.5", "192.168.1.1"))).empty());
  static_cast<void>(handle(from(2, init_reboot("10.9.0.10"))));
  EXPECT_EQ(commits_.size(), 1u);
}

TEST_F(RangesTest, ARenewalIsAnsweredByUnicast) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  now_ += seconds{1800};
  static_cast<void>(handle(from(1, renewing("10.9.0.10")), kBridge, "10.9.0.10", "10.9.0.1"));
  EXPECT_EQ(commits_.at(0).lease.expires, now_ + seconds{3600});
  const auto ack = done();
  EXPECT_EQ(ack.at(0).outgoing.to, ip("10.9.0.10"));
  EXPECT_EQ(ack.at(0).outgoing.ifindex, kBridge);
}

TEST_F(RangesTest, ReleaseFreesAndKeepsTheAddressForItsClient) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  EXPECT_TRUE(handle(from(1, release("10.9.0.10"))).empty());
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].lease.state, LeaseState::released);
  EXPECT_EQ(commits_[0].lease.expires, now_);
  EXPECT_TRUE(done().empty());
  EXPECT_EQ(offered(2), "10.9.0.11");
  EXPECT_EQ(offered(1), "10.9.0.10");
}

// As systemd-networkd sends it.
TEST_F(RangesTest, AReleaseThatNamesNoServerCountsFromTheHolder) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  auto to_nobody = RequestBytes{7};
  to_nobody.ciaddr = ip("10.9.0.10");
  static_cast<void>(handle(from(2, to_nobody), kBridge, "10.9.0.10"));
  EXPECT_TRUE(commits_.empty());
  static_cast<void>(handle(from(1, to_nobody), kBridge, "10.9.0.10"));
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].lease.state, LeaseState::released);
}

TEST_F(RangesTest, ReleaseAndDeclineOfOthersChangeNothing) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  const auto all = all_commits_.size();
  auto to_another = RequestBytes{7}.add_ip(54, "192.0.2.1");
  to_another.ciaddr = ip("10.9.0.10");
  auto declined_to_nobody = RequestBytes{4}.add_ip(50, "10.9.0.10");
  static_cast<void>(handle(from(1, to_another)));
  static_cast<void>(handle(from(1, declined_to_nobody)));
  for (const auto& request : {release("10.9.0.10"), decline("10.9.0.10")}) {
    static_cast<void>(handle(from(2, request)));
    static_cast<void>(handle(from(1, request), kOtherBridge));
    static_cast<void>(handle_relayed(relayed(from(1, request))));
  }
  EXPECT_EQ(all_commits_.size(), all);
}

TEST_F(RangesTest, ALinksClientsAndAReservationsAreToldTheirOwn) {
  change([](Pool& p) {
    config::Reservation reservation;
    reservation.mac = mac(3);
    reservation.address = ip("10.9.0.30");
    p.reservations = {reservation};
    auto settings = p.settings;
    settings.options = {{42, {192, 0, 2, 1}}};
    p.tailored.push_back({.ifindex = kBridge, .address = {}, .settings = settings});
    settings.options = {{42, {192, 0, 2, 3}}};
    p.tailored.push_back({.ifindex = 0, .address = ip("10.9.0.30"), .settings = settings});
  });
  EXPECT_EQ(handle(from(1, discover())).at(0).reply.at(42), (Bytes{192, 0, 2, 1}));
  EXPECT_EQ(handle(from(3, discover())).at(0).reply.at(42), (Bytes{192, 0, 2, 3}));
  EXPECT_FALSE(handle(from(2, discover()), kOtherBridge).at(0).reply.has(42));
  change([](Pool& p) { p.tailored.clear(); });
  EXPECT_FALSE(handle(from(1, discover())).at(0).reply.has(42));
}

TEST_F(RangesTest, ADeclinedAddressRests) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  static_cast<void>(handle(from(1, decline("10.9.0.10"))));
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].lease.state, LeaseState::declined);
  EXPECT_EQ(commits_[0].lease.expires, now_ + seconds{3600});
  EXPECT_TRUE(done().empty());
  EXPECT_EQ(handle(from(1, init_reboot("10.9.0.10"))).at(0).reply.type(), kNak);
  EXPECT_EQ(offered(1), "10.9.0.11");
  now_ += seconds{3600};
  static_cast<void>(handle(from(1, init_reboot("10.9.0.10"))));
  EXPECT_EQ(commits_.size(), 1u);
}

TEST_F(RangesTest, InformIsForWhoHasALeaseHere) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  RequestBytes inform{8};
  inform.ciaddr = ip("10.9.0.10");
  const auto sent = handle(from(1, inform));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].reply.type(), kAck);
  EXPECT_FALSE(sent[0].reply.has(51));
  EXPECT_EQ(sent[0].outgoing.to, ip("10.9.0.10"));
  EXPECT_TRUE(handle(from(2, inform)).empty());
  EXPECT_TRUE(handle(from(1, inform), kOtherBridge).empty());
  inform.ciaddr = ip("10.9.0.11");
  EXPECT_TRUE(handle(from(1, inform)).empty());
}

TEST_F(RangesTest, AnExhaustedRangeIsSilentAndCounted) {
  for (unsigned n = 1; n <= 10; ++n) ASSERT_NE(bound(n), "");
  EXPECT_TRUE(handle(from(11, discover())).empty());
  EXPECT_EQ(counts().no_address, 1u);
  EXPECT_EQ(bound(1), "10.9.0.10");
}

TEST_F(RangesTest, DiscoversOfRandomClientsStarveNobodyForLong) {
  for (unsigned n = 1000; n < 1100; ++n) static_cast<void>(offered(n));
  EXPECT_EQ(offered(1), "");
  now_ += kFirmOffer;
  EXPECT_NE(bound(1), "");
}

TEST_F(RangesTest, AFloodOnOneLinkLeavesTheOtherServedAndIsNotParsed) {
  for (unsigned n = 0; n < kBurstPerLink + 500; ++n) static_cast<void>(handle(from(n, discover())));
  EXPECT_EQ(statistics().dropped_rate_limited, 500u);
  EXPECT_EQ(counts().discover, kBurstPerLink);
  now_ += kOfferTime;
  EXPECT_NE(offered(1, kOtherBridge), "");
}

TEST_F(RangesTest, TooManyThatWaitAreDropped) {
  change([](Pool& p) { p.range = {ip("10.9.0.10"), ip("10.9.255.250")}; });
  for (unsigned n = 0; n < kMaxWaiting + 10; ++n) {
    static_cast<void>(handle_relayed(relayed(from(n, discover().add(80, {})))));
    now_ += milliseconds{1};
  }
  EXPECT_EQ(all_commits_.size(), kMaxWaiting);
  EXPECT_EQ(statistics().dropped_uncommitted, 10u);
  static_cast<void>(answer({{1, true}}));
  static_cast<void>(handle_relayed(relayed(from(99'999, discover().add(80, {})))));
  EXPECT_EQ(commits_.size(), 1u);
}

// Of a lease that the daemon rebuilt only the hardware address is known, and whoever has that renews it.
TEST_F(RangesTest, ARebuiltLeaseIsOfItsHardwareAddress) {
  auto rebuilt = lease("10.9.0.15", 1, now_ + seconds{600});
  rebuilt.client.client_id = {0};
  tell(rebuilt);
  rebuilt.address = ip("10.9.0.16");
  tell(rebuilt);
  const auto said = Bytes{1, 2, 3, 4};
  EXPECT_EQ(offered(2), "10.9.0.10");
  static_cast<void>(handle(from(1, renewing("10.9.0.15").add(61, said)), kOtherBridge, "10.9.0.15"));
  EXPECT_TRUE(commits_.empty());
  static_cast<void>(handle(from(1, renewing("10.9.0.16").add(61, said)), kBridge, "10.9.0.16"));
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].lease.client.client_id, (std::vector<std::uint8_t>{1, 2, 3, 4}));
  EXPECT_EQ(done().at(0).reply.type(), kAck);
  // It has one; the other waits for whoever else speaks from there.
  EXPECT_EQ(handle(from(1, discover().add(61, said))).at(0).reply.yiaddr, ip("10.9.0.16"));
  EXPECT_EQ(handle(from(1, discover().add(61, Bytes{1, 9}).add_ip(50, "10.9.0.15"))).at(0).reply.yiaddr,
            ip("10.9.0.15"));
}

// dhcpcd 9.4.1 after rapid commit: neither option 50 nor 54.
TEST_F(RangesTest, ABareDeclineIsOfWhatItsClientHas) {
  static_cast<void>(handle(from(1, discover().add(80, {}))));
  ASSERT_EQ(done().size(), 1u);
  static_cast<void>(handle(from(2, RequestBytes{4})));
  EXPECT_TRUE(commits_.empty());
  static_cast<void>(handle(from(1, RequestBytes{4}), kOtherBridge));
  EXPECT_TRUE(commits_.empty());
  static_cast<void>(handle(from(1, RequestBytes{4}.add_ip(50, "10.9.0.10"))));  // that is a lie about the server
  EXPECT_TRUE(commits_.empty());
  static_cast<void>(handle(from(1, RequestBytes{4})));
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].lease.state, LeaseState::declined);
  EXPECT_EQ(commits_[0].lease.address, ip("10.9.0.10"));
  EXPECT_EQ(offered(1), "10.9.0.11");
}

}  // namespace
}  // namespace vrouter::dhcp
