// SPDX-License-Identifier: GPL-2.0-or-later
// What is left of a lease after restarts, reboots and clocks that are set.
#include <algorithm>

#include "lease_fixture.h"

namespace vrouter::router::state {
namespace {

using dhcp::LeaseState;

// A quarantine ends as a lease does.
class LeaseTimes : public LeaseStoreTest, public ::testing::WithParamInterface<LeaseState> {
 protected:
  // Written now, with `length` to go.
  void put_with(std::chrono::nanoseconds length) {
    auto lease = lease_of(1, clocks_.now() + length);
    lease.state = GetParam();
    put({lease});
  }
  dhcp::Lease only() {
    const auto leases = stored();
    EXPECT_EQ(leases.size(), 1U);
    return leases.empty() ? dhcp::Lease{} : leases.front();
  }
  void expect_left(std::chrono::nanoseconds left) {
    const auto lease = only();
    EXPECT_EQ(lease.state, GetParam());
    EXPECT_EQ(lease.expires - clocks_.now(), left);
  }
  void expect_ended(std::chrono::nanoseconds ago) {
    const auto lease = only();
    EXPECT_EQ(lease.state, LeaseState::expired);
    EXPECT_EQ(clocks_.now() - lease.expires, ago);
  }
};

INSTANTIATE_TEST_SUITE_P(States, LeaseTimes, ::testing::Values(LeaseState::bound, LeaseState::declined));

TEST_P(LeaseTimes, ARestartChangesNothingWhateverTheDateIs) {
  put_with(1h + 1ns);
  for (const auto set : {24h * 3650, -24h * 7300, 24h * 3650}) {
    clocks_.set_wall(set);
    clocks_.pass(10min);
    static_cast<void>(open());
  }
  expect_left(30min + 1ns);
  clocks_.set_wall(-24h);
  clocks_.pass(30min);
  expect_left(1ns);
  clocks_.pass(2ns);
  expect_ended(1ns);
}

TEST_P(LeaseTimes, ARebootTakesTheTimeThatTheHostWasDown) {
  put_with(1h);
  clocks_.pass(10min);
  reboot(20min, 5min);
  expect_left(25min);
}

TEST_P(LeaseTimes, EndsWhileTheHostIsDown) {
  put_with(1h);
  reboot(3h, 5min);
  expect_ended(2h + 5min);
}

TEST_P(LeaseTimes, AWallClockThatWasSetBackGivesWhatWasLeftWhenItWasWritten) {
  put_with(1h);
  clocks_.pass(10min);
  reboot(-24h);
  expect_left(1h);
}

TEST_P(LeaseTimes, AWallClockThatWasSetForwardEndsIt) {
  put_with(1h);
  reboot(24h * 365);
  EXPECT_EQ(only().state, LeaseState::expired);
}

TEST_P(LeaseTimes, AWallClockThatWasSetRightAfterwardsIsTheOneThatCounts) {
  clocks_.set_wall(-clocks_.wall.load());  // 1970
  {
    const auto store = open();
    auto lease = lease_of(1, clocks_.now() + 2h);
    lease.state = GetParam();
    ASSERT_TRUE(commit(*store, {lease}));
    clocks_.set_wall(1'700'000'000s);
    ASSERT_TRUE(commit(*store, {}, {lease_of(9).address}));
  }
  reboot(30min, 30min);
  expect_left(1h);
}

TEST_P(LeaseTimes, WhatWasFoundAfterARebootHoldsThroughRestarts) {
  put_with(1h);
  reboot(20min, 10min);
  expect_left(30min);
  clocks_.set_wall(24h * 365);
  expect_left(30min);
  clocks_.set_wall(-24h * 3650);
  clocks_.pass(10min);
  expect_left(20min);
}

TEST_P(LeaseTimes, EachRebootTakesItsTimeAndNoneGivesAnyBack) {
  put_with(1h);
  reboot(10min, 10min);
  expect_left(40min);
  reboot(-24h);
  expect_left(40min);
  reboot(10min, 10min);
  expect_left(20min);
}

TEST_P(LeaseTimes, WithoutAnEndItStays) {
  auto lease = lease_of(1, BootTime::max());
  lease.state = GetParam();
  lease.ifindex = 0;
  put({lease});
  for (const auto down : {24h * 3650, -24h * 7300, 0h}) {
    reboot(down);
    EXPECT_EQ(only(), lease);
  }
}

// Two that ended, one that runs out while the host is down.
class LeaseOrder : public LeaseStoreTest {
 protected:
  void SetUp() override {
    auto first = lease_of(3, at(20min)), second = lease_of(1, at(30min));
    first.state = LeaseState::expired;
    second.state = LeaseState::released;
    put({first, second, lease_of(2, clocks_.now() + 1min)});
  }
  void expect_order() {
    auto leases = stored();
    std::ranges::sort(leases, {}, &dhcp::Lease::expires);
    ASSERT_EQ(leases.size(), 3U);
    EXPECT_EQ(leases[0].address, lease_of(3).address);
    EXPECT_EQ(leases[0].state, LeaseState::expired);
    EXPECT_EQ(leases[1].address, lease_of(1).address);
    EXPECT_EQ(leases[1].state, LeaseState::released);
    EXPECT_EQ(leases[1].expires - leases[0].expires, 10min);
    EXPECT_EQ(leases[2].address, lease_of(2).address);
    for (const auto& lease : leases) EXPECT_TRUE(lease.state == LeaseState::bound || lease.expires <= clocks_.now());
  }
};

TEST_F(LeaseOrder, HoldsForThoseThatEnded) {
  expect_order();
  reboot(1h);
  expect_order();
  reboot(24h * 3650);
  expect_order();
}

TEST_F(LeaseOrder, HoldsWhereTheWallClockWasSetBack) {
  reboot(-24h * 365);
  expect_order();
  reboot(-24h * 365);
  expect_order();
}

}  // namespace
}  // namespace vrouter::router::state
