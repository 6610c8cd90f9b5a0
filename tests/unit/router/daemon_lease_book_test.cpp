// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/daemon/lease_book.h"
#include "tests/unit/dhcp/pools.h"

namespace vrouter::router {
namespace {

using dhcp::Lease;
using dhcp::LeaseState;
using dhcp::testing::ip;
using dhcp::testing::kBridge;
using dhcp::testing::kOtherBridge;
using dhcp::testing::lease;
using dhcp::testing::mac;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

const BootTime kNow{seconds{1000}};
const BootTime kLater = kNow + seconds{3600};

class LeaseBookTest : public testing::Test {
 protected:
  LeaseBookTest() { use(dhcp::testing::pool()); }

  std::vector<Lease> use(dhcp::Pool pool) { return book.use({std::move(pool)}); }
  // Whether it may be; then it is.
  bool put(const Lease& wanted, BootTime now = kNow) {
    if (book.refusal(wanted, now)) return false;
    book.hold(wanted);
    return !book.keep(wanted, now).homeless;
  }
  [[nodiscard]] std::string why(const Lease& wanted, BootTime now = kNow) const {
    return book.refusal(wanted, now).value_or("");
  }
  static dhcp::Pool reserving(const char* address, unsigned client) {
    auto pool = dhcp::testing::pool();
    config::Reservation reservation;
    reservation.mac = mac(client);
    reservation.address = ip(address);
    pool.reservations.push_back(reservation);
    return pool;
  }
  [[nodiscard]] LeaseState state_of(const char* address) const { return book.find(ip(address))->state; }

  LeaseBook book;
};

Lease on(unsigned ifindex, Lease lease) {
  lease.ifindex = ifindex;
  return lease;
}
Lease as(LeaseState state, Lease lease, BootTime expires = kNow) {
  lease.state = state;
  lease.expires = expires;
  return lease;
}

TEST_F(LeaseBookTest, WhatMayBeIsAndIsFound) {
  const auto one = lease("10.9.0.10", 1, kLater);
  EXPECT_EQ(why(one), "");
  EXPECT_EQ(book.find(one.address), nullptr);
  ASSERT_TRUE(put(one));
  ASSERT_NE(book.find(one.address), nullptr);
  EXPECT_EQ(*book.find(one.address), one);
  EXPECT_EQ(book.next_expiry(), kLater);
  ASSERT_TRUE(put(lease("10.9.0.10", 1, kLater + seconds{60}), kNow + seconds{60}));  // renewed
  // A renewal moves nothing; it is found out when the old end comes.
  EXPECT_EQ(book.next_expiry(), kLater);
  EXPECT_TRUE(book.expire(kLater).empty());
  EXPECT_EQ(book.next_expiry(), kLater + seconds{60});
  EXPECT_EQ(book.expire(kLater + seconds{60}).size(), 1U);
  EXPECT_EQ(book.next_expiry(), std::nullopt);
  EXPECT_EQ(book.all().size(), 1U);
}

TEST_F(LeaseBookTest, NoTwoClientsAreOnTheirWayToOneAddress) {
  const auto one = lease("10.9.0.10", 1, kLater), two = lease("10.9.0.10", 2, kLater);
  book.hold(one);
  EXPECT_EQ(why(two), "it is on its way to another client");
  EXPECT_EQ(why(as(LeaseState::declined, two)), "it is on its way to another client");
  // Of the same name on another bridge it is another machine, and so is one with another identifier.
  EXPECT_EQ(why(on(kOtherBridge, one)), "it is on its way to another client");
  auto other_id = one;
  other_id.client.client_id = {1, 2, 3};
  EXPECT_EQ(why(other_id), "it is on its way to another client");
  EXPECT_EQ(why(one), "");
  book.hold(one);  // asked again meanwhile
  book.give_up(one);
  EXPECT_EQ(why(two), "it is on its way to another client");
  EXPECT_EQ(book.find(one.address), nullptr);
  book.give_up(one);
  EXPECT_EQ(why(two), "");
  book.give_up(one);  // once too often harms nobody
  ASSERT_TRUE(put(two));
  EXPECT_EQ(why(one), "another client has it");
}

TEST_F(LeaseBookTest, KeepingOneEndsItsWay) {
  const auto one = lease("10.9.0.10", 1, kLater);
  ASSERT_TRUE(put(one));
  ASSERT_TRUE(put(as(LeaseState::released, one)));
  EXPECT_EQ(why(lease("10.9.0.10", 2, kLater)), "");
}

TEST_F(LeaseBookTest, OnlyAddressesOfTheRangeAreGiven) {
  auto pool = dhcp::testing::pool();
  pool.excluded = {{ip("10.9.0.12"), ip("10.9.0.13")}};
  use(pool);
  const auto outside = std::string{"it is not in the range of network office"};
  EXPECT_EQ(why(lease("10.9.0.9", 1, kLater)), outside);
  EXPECT_EQ(why(lease("10.9.0.20", 1, kLater)), outside);
  EXPECT_EQ(why(lease("10.9.0.12", 1, kLater)), outside);
  EXPECT_EQ(why(lease("10.9.0.13", 1, kLater)), outside);
  for (const auto* address : {"10.9.0.10", "10.9.0.11", "10.9.0.14", "10.9.0.19"})
    EXPECT_EQ(why(lease(address, 1, kLater)), "") << address;
  for (const auto state : {LeaseState::released, LeaseState::declined})
    EXPECT_EQ(why(as(state, lease("10.9.0.12", 1, kLater))), outside);
  auto elsewhere = lease("10.9.0.10", 1, kLater);
  elsewhere.network = "lab";
  EXPECT_EQ(why(elsewhere), "network lab has no range");
}

TEST_F(LeaseBookTest, AReservedAddressIsOfItsClientAlone) {
  for (const auto* address : {"10.9.0.15", "10.9.0.200"}) {  // in the range, and outside
    use(reserving(address, 7));
    EXPECT_EQ(why(lease(address, 1, kLater)), "it is reserved for another client") << address;
    EXPECT_EQ(why(lease(address, 7, kLater)), "") << address;
    EXPECT_NE(book.reservation_of(lease(address, 7, kLater)), nullptr);
    EXPECT_EQ(book.reservation_of(lease(address, 1, kLater)), nullptr);
    EXPECT_TRUE(book.gives("office", ip(address)));
  }
  EXPECT_FALSE(book.gives("office", ip("10.9.0.201")));
  EXPECT_FALSE(book.gives("lab", ip("10.9.0.10")));
  EXPECT_TRUE(book.gives("office", ip("10.9.0.10")));
  // That somebody was found to use it may be said of any.
  EXPECT_EQ(why(as(LeaseState::declined, lease("10.9.0.200", 1, kLater))), "");
  // What is excluded may be reserved.
  auto pool = reserving("10.9.0.15", 7);
  pool.excluded = {{ip("10.9.0.15"), ip("10.9.0.15")}};
  use(pool);
  EXPECT_EQ(why(lease("10.9.0.15", 7, kLater)), "");
}

TEST_F(LeaseBookTest, AClientIsBehindOneOfTheLinksOrARelay) {
  const auto why_not = std::string{"its client can't be where it is said to be"};
  EXPECT_EQ(why(on(kOtherBridge, lease("10.9.0.10", 1, kLater))), "");
  EXPECT_EQ(why(on(99, lease("10.9.0.10", 1, kLater))), why_not);
  EXPECT_EQ(why(on(0, lease("10.9.0.10", 1, kLater))), "");
  auto pool = dhcp::testing::pool();
  pool.relays.clear();
  use(pool);
  EXPECT_EQ(why(on(0, lease("10.9.0.10", 1, kLater))), why_not);
  book.set_links("lab", {kBridge}, {});  // it has no pool
  book.set_links("office", {kOtherBridge}, {});
  EXPECT_EQ(why(lease("10.9.0.10", 1, kLater)), why_not);
}

TEST_F(LeaseBookTest, NoLeaseIsLongerThanTheNetworkSays) {
  const auto until = [](BootTime end) { return lease("10.9.0.10", 1, end); };
  EXPECT_EQ(why(until(kNow)), "it is over already");
  EXPECT_EQ(why(until(BootTime::min())), "it is over already");
  EXPECT_EQ(why(until(kLater + seconds{1})), "");  // two processors' clocks
  EXPECT_EQ(why(until(kLater + seconds{1} + std::chrono::nanoseconds{1})),
            "it is to last longer than the network allows");
  EXPECT_EQ(why(until(BootTime::max())), "it is to last longer than the network allows");
  auto endless = dhcp::testing::pool();
  endless.settings.lease_time = seconds{0xffffffff};
  use(endless);
  EXPECT_EQ(why(until(BootTime::max())), "");
  ASSERT_TRUE(put(until(BootTime::max())));
  EXPECT_EQ(book.next_expiry(), std::nullopt);
  EXPECT_THAT(book.expire(BootTime::max() - seconds{1}), IsEmpty());
}

TEST_F(LeaseBookTest, NoAddressRestsLongerThanTheNetworkSaysAndNoneEndsLater) {
  auto pool = dhcp::testing::pool();
  pool.quarantine = seconds{60};
  use(pool);
  const auto one = lease("10.9.0.10", 1, kLater);
  EXPECT_EQ(why(as(LeaseState::declined, one, kNow + seconds{61})), "");
  EXPECT_EQ(why(as(LeaseState::declined, one, kNow + seconds{62})), "it is to rest longer than the network says");
  EXPECT_EQ(why(as(LeaseState::declined, one, BootTime::max())), "it is to rest longer than the network says");
  ASSERT_TRUE(put(one));
  EXPECT_EQ(why(as(LeaseState::released, one, kNow + seconds{1})), "");
  EXPECT_EQ(why(as(LeaseState::released, one, kNow + seconds{2})), "it is said to end later than now");
}

TEST_F(LeaseBookTest, NobodyAsksForAnOfferOrAnEndByTime) {
  for (const auto state : {LeaseState::offered, LeaseState::expired})
    EXPECT_EQ(why(as(state, lease("10.9.0.10", 1, kLater), kLater)), "nobody asked for that");
}

TEST_F(LeaseBookTest, OnlyWhoHasItGivesItBack) {
  const auto one = lease("10.9.0.10", 1, kLater);
  const auto not_its = std::string{"its client doesn't have it"};
  EXPECT_EQ(why(as(LeaseState::released, one)), not_its);
  ASSERT_TRUE(put(one));
  EXPECT_EQ(why(as(LeaseState::released, lease("10.9.0.10", 2, kLater))), not_its);
  EXPECT_EQ(why(as(LeaseState::released, on(kOtherBridge, one))), not_its);
  EXPECT_EQ(why(as(LeaseState::released, one, kLater), kLater), not_its);  // its time is over
  ASSERT_TRUE(put(as(LeaseState::released, one)));
  EXPECT_EQ(state_of("10.9.0.10"), LeaseState::released);
  EXPECT_EQ(why(as(LeaseState::released, one)), not_its);
  EXPECT_EQ(book.next_expiry(), std::nullopt);
}

TEST_F(LeaseBookTest, AnAddressThatRestsIsNobodysUntilItsTimeIsOver) {
  const auto one = lease("10.9.0.10", 1, kLater);
  ASSERT_TRUE(put(one));
  EXPECT_EQ(why(as(LeaseState::declined, lease("10.9.0.10", 2, kLater), kLater)), "another client has it");
  const auto end = kNow + seconds{60};
  ASSERT_TRUE(put(as(LeaseState::declined, one, end)));
  const auto rests = std::string{"it rests, since somebody else was found to use it"};
  EXPECT_EQ(why(one), rests);
  EXPECT_EQ(why(lease("10.9.0.10", 2, kLater)), rests);
  EXPECT_EQ(why(lease("10.9.0.10", 2, kLater), end), "");
  const auto ended = book.expire(end);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].state, LeaseState::expired);
  EXPECT_TRUE(put(lease("10.9.0.10", 2, kLater), end));
}

TEST_F(LeaseBookTest, WhatIsOverIsForOthersEvenBeforeItIsSaid) {
  ASSERT_TRUE(put(lease("10.9.0.10", 1, kNow + seconds{60})));
  const auto two = lease("10.9.0.10", 2, kLater);
  EXPECT_EQ(why(two, kNow + seconds{59}), "another client has it");
  const auto then = kNow + seconds{60};
  EXPECT_EQ(why(two, then), "");
  book.hold(two);
  const auto kept = book.keep(two, then);
  ASSERT_TRUE(kept.before);
  EXPECT_EQ(kept.before->client, (dhcp::Client{mac(1), {}}));
  EXPECT_THAT(book.expire(then), IsEmpty());  // of the one before nothing is left
  // And it may have another.
  ASSERT_TRUE(put(lease("10.9.0.11", 1, kLater), then));
  EXPECT_EQ(state_of("10.9.0.10"), LeaseState::bound);
}

TEST_F(LeaseBookTest, AnotherLeaseOfAClientEndsItsFirst) {
  ASSERT_TRUE(put(lease("10.9.0.10", 1, kLater)));
  const auto second = lease("10.9.0.11", 1, kLater);
  book.hold(second);
  const auto kept = book.keep(second, kNow);
  EXPECT_FALSE(kept.before);
  EXPECT_THAT(kept.ended, ElementsAre(as(LeaseState::released, lease("10.9.0.10", 1, kLater))));
  EXPECT_EQ(state_of("10.9.0.10"), LeaseState::released);
  // What rests or was given back is no other lease.
  ASSERT_TRUE(put(as(LeaseState::released, second)));
  const auto third = lease("10.9.0.12", 1, kLater);
  book.hold(third);
  EXPECT_THAT(book.keep(third, kNow).ended, IsEmpty());
  // That somebody else has its first now changes nothing of what it has.
  ASSERT_TRUE(put(lease("10.9.0.10", 2, kLater)));
  ASSERT_TRUE(put(lease("10.9.0.13", 1, kLater)));
  EXPECT_EQ(state_of("10.9.0.12"), LeaseState::released);
}

TEST_F(LeaseBookTest, ClonesOnTwoLinksAreTwoClients) {
  ASSERT_TRUE(put(lease("10.9.0.10", 1, kLater)));
  // Each has one of its own, and neither can have the other's.
  EXPECT_EQ(why(on(kOtherBridge, lease("10.9.0.10", 1, kLater))), "another client has it");
  EXPECT_EQ(why(on(0, lease("10.9.0.10", 1, kLater))), "another client has it");
  ASSERT_TRUE(put(on(kOtherBridge, lease("10.9.0.11", 1, kLater))));
  ASSERT_TRUE(put(on(0, lease("10.9.0.12", 1, kLater))));
  for (const auto* address : {"10.9.0.10", "10.9.0.11", "10.9.0.12"}) EXPECT_EQ(state_of(address), LeaseState::bound);
  EXPECT_EQ(why(lease("10.9.0.12", 1, kLater)), "another client has it");  // a relay is always there
  // A link that is no longer the network's has no clients: who had it there has come over.
  book.set_links("office", {kOtherBridge}, {});
  EXPECT_EQ(why(on(kOtherBridge, lease("10.9.0.10", 1, kLater))), "");
  EXPECT_EQ(why(on(kOtherBridge, lease("10.9.0.10", 2, kLater))), "another client has it");
  EXPECT_EQ(why(as(LeaseState::released, on(kOtherBridge, lease("10.9.0.10", 1, kLater)))),
            "its client doesn't have it");  // before it has asked for it there
}

TEST_F(LeaseBookTest, ReleaseEndsWhatIsBoundOrRests) {
  EXPECT_FALSE(book.release(ip("10.9.0.10"), kNow));
  ASSERT_TRUE(put(lease("10.9.0.10", 1, kLater)));
  ASSERT_TRUE(put(as(LeaseState::declined, lease("10.9.0.11", 2, kLater), kLater)));
  EXPECT_EQ(book.release(ip("10.9.0.10"), kNow), as(LeaseState::released, lease("10.9.0.10", 1, kLater)));
  EXPECT_TRUE(book.release(ip("10.9.0.11"), kNow));
  EXPECT_FALSE(book.release(ip("10.9.0.10"), kNow));
  EXPECT_FALSE(book.release(ip("10.9.0.11"), kNow));
  EXPECT_TRUE(put(lease("10.9.0.11", 1, kLater)));
}

TEST_F(LeaseBookTest, ExpireEndsThoseWhoseTimeIsOverAndNoOthers) {
  ASSERT_TRUE(put(lease("10.9.0.12", 3, kNow + seconds{30})));
  ASSERT_TRUE(put(lease("10.9.0.10", 1, kNow + seconds{10})));
  ASSERT_TRUE(put(lease("10.9.0.11", 2, kNow + seconds{20})));
  ASSERT_TRUE(put(as(LeaseState::declined, lease("10.9.0.13", 4, kLater), kNow + seconds{20})));
  EXPECT_EQ(book.next_expiry(), kNow + seconds{10});
  EXPECT_THAT(book.expire(kNow + seconds{10} - std::chrono::nanoseconds{1}), IsEmpty());
  const auto ended = book.expire(kNow + seconds{20});
  ASSERT_EQ(ended.size(), 3U);
  EXPECT_EQ(ended[0], as(LeaseState::expired, lease("10.9.0.10", 1, kLater), kNow + seconds{10}));
  EXPECT_EQ(book.next_expiry(), kNow + seconds{30});
  EXPECT_EQ(state_of("10.9.0.13"), LeaseState::expired);
  EXPECT_EQ(state_of("10.9.0.12"), LeaseState::bound);
  EXPECT_THAT(book.expire(kNow + seconds{20}), IsEmpty());
}

TEST_F(LeaseBookTest, MoveTakesALinksLeasesAlong) {
  ASSERT_TRUE(put(lease("10.9.0.10", 1, kLater)));
  ASSERT_TRUE(put(lease("10.9.0.11", 2, kLater)));
  ASSERT_TRUE(put(as(LeaseState::released, lease("10.9.0.11", 2, kLater))));
  ASSERT_TRUE(put(on(kOtherBridge, lease("10.9.0.12", 1, kLater))));
  EXPECT_THAT(book.move(kBridge, 77), ElementsAre(on(77, lease("10.9.0.10", 1, kLater)),
                                                  on(77, as(LeaseState::released, lease("10.9.0.11", 2, kLater)))));
  book.set_links("office", {kOtherBridge, 77}, {});
  EXPECT_EQ(book.use_of("office").bound, 2U);
  // Under its new number it is the same client: it renews, and another address ends the first.
  EXPECT_EQ(why(on(77, lease("10.9.0.10", 1, kLater))), "");
  ASSERT_TRUE(put(on(77, lease("10.9.0.13", 1, kLater))));
  EXPECT_EQ(state_of("10.9.0.10"), LeaseState::released);
  EXPECT_EQ(state_of("10.9.0.12"), LeaseState::bound);
  EXPECT_THAT(book.move(kBridge, 78), IsEmpty());
}

TEST_F(LeaseBookTest, PoolsThatChangeHandBackWhatIsNoLongerTheirs) {
  ASSERT_TRUE(put(lease("10.9.0.10", 1, kLater)));
  ASSERT_TRUE(put(lease("10.9.0.14", 2, kLater)));
  ASSERT_TRUE(put(lease("10.9.0.19", 3, kLater)));
  auto pool = reserving("10.9.0.10", 1);
  pool.range = {ip("10.9.0.14"), ip("10.9.0.19")};
  pool.excluded = {{ip("10.9.0.19"), ip("10.9.0.19")}};
  EXPECT_THAT(use(pool), ElementsAre(lease("10.9.0.19", 3, kLater)));
  EXPECT_EQ(book.all().size(), 2U);
  EXPECT_EQ(book.find(ip("10.9.0.19")), nullptr);
  EXPECT_EQ(book.use_of("office").bound, 1U);
  EXPECT_THAT(book.expire(kLater), testing::SizeIs(2));  // nothing of the third is left
  EXPECT_EQ(book.use({}).size(), 2U);
  EXPECT_TRUE(book.all().empty());
  EXPECT_EQ(book.pool_of("office"), nullptr);
  EXPECT_THAT(book.pools(), IsEmpty());
}

TEST_F(LeaseBookTest, ALeaseOnItsWayWhileItsPlaceGoesIsHomeless) {
  const auto one = lease("10.9.0.10", 1, kLater);
  ASSERT_TRUE(put(one));
  const auto renewed = lease("10.9.0.10", 1, kLater + seconds{1});
  const auto keep_after = [&](const std::vector<dhcp::Pool>& pools, const Lease& wanted) {
    EXPECT_EQ(book.refusal(wanted, kNow), std::nullopt);
    book.hold(wanted);
    static_cast<void>(book.use(pools));
    return book.keep(wanted, kNow);
  };
  auto pool = dhcp::testing::pool();
  pool.links = {kOtherBridge};
  const auto without_link = keep_after({pool}, renewed);
  EXPECT_TRUE(without_link.homeless);
  EXPECT_EQ(without_link.before, one);
  EXPECT_EQ(*book.find(one.address), one);
  use(dhcp::testing::pool());
  EXPECT_FALSE(keep_after({dhcp::testing::pool()}, as(LeaseState::released, renewed)).homeless);
  EXPECT_TRUE(keep_after({reserving("10.9.0.10", 7)}, renewed).homeless);
  use(dhcp::testing::pool());
  const auto without_pool = keep_after({}, renewed);
  EXPECT_TRUE(without_pool.homeless);
  EXPECT_FALSE(without_pool.before);
  EXPECT_TRUE(book.all().empty());
  EXPECT_EQ(book.next_expiry(), std::nullopt);
  // None of them holds the address any longer.
  use(dhcp::testing::pool());
  EXPECT_EQ(why(lease("10.9.0.10", 2, kLater)), "");
}

TEST_F(LeaseBookTest, OfTheDiskOnlyWhatHasAPlaceIsLoaded) {
  EXPECT_TRUE(book.load(lease("10.9.0.10", 1, kNow)));  // whatever its time
  EXPECT_FALSE(book.load(lease("10.9.0.20", 1, kLater)));
  auto elsewhere = lease("10.9.0.11", 1, kLater);
  elsewhere.network = "lab";
  EXPECT_FALSE(book.load(elsewhere));
  use(reserving("10.9.0.200", 7));
  EXPECT_TRUE(book.load(lease("10.9.0.200", 7, kLater)));
  EXPECT_EQ(book.next_expiry(), kNow);
}

TEST_F(LeaseBookTest, UseCountsWhatAnybodyMayGet) {
  const auto use_is = [&](std::uint64_t size, std::uint64_t bound, std::uint64_t resting) {
    const auto now = book.use_of("office");
    return now.size == size && now.bound == bound && now.resting == resting;
  };
  EXPECT_TRUE(use_is(10, 0, 0));
  auto pool = reserving("10.9.0.15", 7);
  pool.reservations.push_back(pool.reservations.back());
  pool.reservations.back().address = ip("10.9.0.200");
  pool.excluded = {{ip("10.9.0.12"), ip("10.9.0.13")}, {ip("10.9.0.13"), ip("10.9.0.14")}};
  use(pool);
  EXPECT_TRUE(use_is(6, 0, 0));  // ten without three excluded and one reserved
  ASSERT_TRUE(put(lease("10.9.0.15", 7, kLater)));
  EXPECT_TRUE(use_is(6, 0, 0));
  ASSERT_TRUE(put(lease("10.9.0.10", 1, kLater)));
  ASSERT_TRUE(put(lease("10.9.0.10", 1, kLater + seconds{1})));
  EXPECT_TRUE(use_is(6, 1, 0));
  ASSERT_TRUE(put(as(LeaseState::declined, lease("10.9.0.10", 1, kLater), kLater)));
  EXPECT_TRUE(use_is(6, 0, 1));
  ASSERT_TRUE(put(lease("10.9.0.11", 1, kLater)));
  use(pool);
  EXPECT_TRUE(use_is(6, 1, 1));
  static_cast<void>(book.expire(kLater));
  EXPECT_TRUE(use_is(6, 0, 0));
  EXPECT_EQ(book.use_of("lab").size, 0U);
  pool.range = {address_v4{0}, address_v4::broadcast()};
  pool.excluded.clear();
  pool.reservations.clear();
  use(pool);
  EXPECT_EQ(book.use_of("office").size, std::uint64_t{1} << 32);
}

}  // namespace
}  // namespace vrouter::router
