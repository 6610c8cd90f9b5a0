// SPDX-License-Identifier: GPL-2.0-or-later
// What ends, and what is on its way to the disk at the same time: the book must say what the disk has in the end, which
// is what was handed to it last. `./dev kills` found the first of these.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/daemon/lease_book.h"

namespace vrouter::router {
namespace {

using namespace std::chrono_literals;
using dhcp::Lease;
using dhcp::LeaseState;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

constexpr BootTime kStart{1000s}, kEnd = kStart + 60s;
const address_v4 kOne = boost::asio::ip::make_address_v4("10.9.1.1"),
                 kTwo = boost::asio::ip::make_address_v4("10.9.1.2");

Lease lease(std::uint8_t client, address_v4 address, BootTime expires) {
  Lease made;
  made.network = "lab";
  made.address = address;
  made.client.hardware = {{0x52, 0x54, 0, 0, 0, client}};
  made.expires = expires;
  return made;
}

struct LeaseOrder : ::testing::Test {
  LeaseOrder() {
    dhcp::Pool pool;
    pool.network = "lab";
    pool.settings.lease_time = 1h;
    pool.range = {kOne, kTwo};
    pool.relays = {boost::asio::ip::make_address_v4("10.9.0.2")};
    EXPECT_THAT(book.use({pool}), IsEmpty());
    put(lease(1, kOne, kEnd), kStart);
  }
  void hold(const Lease& wanted, BootTime now) {
    ASSERT_EQ(book.refusal(wanted, now), std::nullopt);
    book.hold(wanted);
  }
  void put(const Lease& wanted, BootTime now) {
    hold(wanted, now);
    EXPECT_FALSE(book.keep(wanted, now).overruled);
  }
  LeaseBook book;
};

TEST_F(LeaseOrder, TheEndOfALeaseIsNotWrittenPastTheNextOneOfItsAddress) {
  const auto next = lease(2, kOne, kEnd + 60s);
  hold(next, kEnd);
  EXPECT_THAT(book.expire(kEnd), IsEmpty());
  EXPECT_EQ(book.next_expiry(), std::nullopt) << "or the timer would turn without rest until the disk has it";
  const auto kept = book.keep(next, kEnd + 1s);
  EXPECT_FALSE(kept.overruled);
  EXPECT_THAT(kept.ended, IsEmpty());
  EXPECT_EQ(book.expire(kEnd + 1s).size(), 0U);
  EXPECT_EQ(*book.find(kOne), next);
  EXPECT_EQ(book.next_expiry(), kEnd + 60s);
}

TEST_F(LeaseOrder, NorPastItsRenewal) {
  const auto renewed = lease(1, kOne, kEnd + 60s);
  hold(renewed, kEnd - 1ms);
  EXPECT_THAT(book.expire(kEnd), IsEmpty());
  EXPECT_FALSE(book.keep(renewed, kEnd).overruled);
  EXPECT_EQ(*book.find(kOne), renewed);
}

TEST_F(LeaseOrder, ItIsWrittenWhenTheNextOneCouldNotBe) {
  const auto next = lease(2, kOne, kEnd + 60s);
  hold(next, kEnd);
  EXPECT_THAT(book.expire(kEnd), IsEmpty());
  book.give_up(next);
  EXPECT_EQ(book.next_expiry(), kEnd);
  EXPECT_THAT(book.expire(kEnd), ElementsAre(Field(&Lease::state, LeaseState::expired)));
}

TEST_F(LeaseOrder, OthersEndMeanwhile) {
  put(lease(3, kTwo, kEnd + 1s), kStart);
  hold(lease(2, kOne, kEnd + 60s), kEnd);
  EXPECT_EQ(book.next_expiry(), kEnd + 1s);
  EXPECT_THAT(book.expire(kEnd + 1s), ElementsAre(Field(&Lease::address, kTwo)));
}

// `vrouter leases release`: its end is written after the renewals under way, so those count no more; later ones do.
TEST_F(LeaseOrder, WhatIsReleasedOverrulesWhatIsOnItsWay) {
  const auto renewed = lease(1, kOne, kEnd + 60s), again = lease(1, kOne, kEnd + 61s);
  hold(renewed, kStart);
  const auto released = book.release(kOne, kStart);
  ASSERT_TRUE(released);
  EXPECT_EQ(released->state, LeaseState::released);
  hold(again, kStart);
  EXPECT_TRUE(book.keep(renewed, kStart).overruled);
  EXPECT_EQ(*book.find(kOne), *released);
  EXPECT_FALSE(book.keep(again, kStart).overruled);
  EXPECT_EQ(*book.find(kOne), again);
}

TEST_F(LeaseOrder, AClientThatMovesOnOverrulesItsOwnRenewal) {
  const auto renewed = lease(1, kOne, kEnd + 60s), moved = lease(1, kTwo, kEnd + 60s);
  hold(moved, kStart);
  hold(renewed, kStart);
  EXPECT_THAT(book.keep(moved, kStart).ended, ElementsAre(Field(&Lease::address, kOne)));
  EXPECT_TRUE(book.keep(renewed, kStart).overruled);
  EXPECT_EQ(book.find(kOne)->state, LeaseState::released);
  EXPECT_EQ(book.find(kTwo)->state, LeaseState::bound);
}

TEST_F(LeaseOrder, ButNotWhatIsOnItsWayToAnother) {
  const auto next = lease(2, kOne, kEnd + 60s), moved = lease(1, kTwo, kEnd + 60s);
  hold(next, kEnd);
  EXPECT_EQ(book.release(kOne, kEnd), std::nullopt);
  hold(moved, kEnd);
  EXPECT_THAT(book.keep(moved, kEnd).ended, IsEmpty());
  EXPECT_FALSE(book.keep(next, kEnd).overruled);
  EXPECT_EQ(*book.find(kOne), next);
  EXPECT_EQ(*book.find(kTwo), moved);
}

}  // namespace
}  // namespace vrouter::router
