// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <algorithm>

#include "router/processes/lease_outbox.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::router {
namespace {

using dhcp_verbs::Lease;

class LeaseOutboxTest : public ::testing::Test {
 protected:
  static Lease lease(unsigned ifindex, std::uint64_t number) {
    Lease l;
    l.ifindex = ifindex;
    l.orders = number;  // to tell them apart
    return l;
  }
  [[nodiscard]] std::vector<std::uint64_t> sent() {
    std::vector<std::uint64_t> numbers;
    for (const auto& l : std::exchange(sent_, {})) numbers.push_back(l.orders);
    std::ranges::sort(numbers);
    return numbers;
  }
  using Numbers = std::vector<std::uint64_t>;
  int room_ = 0;
  std::vector<Lease> sent_;
  LeaseOutbox outbox_{[this](const Lease& l) {
    if (room_ == 0) return false;
    --room_;
    sent_.push_back(l);
    return true;
  }};
};

TEST_F(LeaseOutboxTest, HoldsNothingWhileThereIsRoom) {
  room_ = 2;
  outbox_.put(lease(1, 1));
  outbox_.put(lease(1, 2));
  EXPECT_EQ(sent(), (Numbers{1, 2}));
  EXPECT_EQ(outbox_.size(), 0u);
}

TEST_F(LeaseOutboxTest, KeepsTheNewestOfEachInterface) {
  for (std::uint64_t n = 1; n <= 100; ++n) outbox_.put(lease(1 + n % 2, n));
  EXPECT_EQ(outbox_.size(), 2u);
  room_ = 10;
  outbox_.drained();
  EXPECT_EQ(sent(), (Numbers{99, 100}));
}

TEST_F(LeaseOutboxTest, NothingNewerOvertakesWhatWaits) {
  outbox_.put(lease(1, 1));
  room_ = 10;
  outbox_.put(lease(1, 2));
  EXPECT_EQ(sent(), Numbers{});
  outbox_.drained();
  EXPECT_EQ(sent(), Numbers{2});
}

TEST_F(LeaseOutboxTest, GoesOnWhereTheLineWasFullAgain) {
  for (unsigned i = 1; i <= 5; ++i) outbox_.put(lease(i, i));
  room_ = 3;
  outbox_.drained();
  EXPECT_EQ(outbox_.size(), 2u);
  room_ = 3;
  outbox_.drained();
  EXPECT_EQ(sent(), (Numbers{1, 2, 3, 4, 5}));
}

TEST_F(LeaseOutboxTest, ForgetsInterfacesThatAreGone) {
  for (unsigned i = 1; i <= 4; ++i) outbox_.put(lease(i, i));
  outbox_.apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {2, 99}});
  EXPECT_EQ(outbox_.size(), 3u);
  auto kept = dhcp::testing::binding();
  kept.ifindex = 3;
  auto added = kept;
  added.ifindex = 8;
  outbox_.apply({.snapshot = true, .upserts = {kept, added}, .removed_ifindexes = {}});
  room_ = 10;
  outbox_.drained();
  EXPECT_EQ(sent(), Numbers{3});
}

}  // namespace
}  // namespace vrouter::router
