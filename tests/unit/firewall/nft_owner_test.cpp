// SPDX-License-Identifier: GPL-2.0-or-later
// Tables that nobody but their owner may change, and what becomes of them when it ends.
#include "tests/unit/firewall/nft_port_fixture.h"

namespace vrouter::firewall {
namespace {

using testing::apply_all;
using testing::changes;
using testing::desired_of;
using testing::observe;
using testing::open_port;
using testing::run;
using testing::some_guests;

class NftOwnerTest : public testing::InNamespace {};

TEST_F(NftOwnerTest, AnOwnedTableSurvivesAForeignFlush) {
  auto port = open_port();
  if (!port->features().owner_persist) GTEST_SKIP() << "this kernel has no OWNER|PERSIST (Linux 6.9)";
  const auto desired = desired_of(some_guests(), true);
  apply_all(*port, desired);
  run("nft flush ruleset");
  run("! nft delete element inet vrouter id4 '{ 10.0.5.2 }'");
  run("! nft delete table inet vrouter");
  EXPECT_EQ(changes(diff(desired, observe(*port))), "");
}

TEST_F(NftOwnerTest, AnOrphanIsAdoptedAsItIs) {
  auto first = open_port();
  if (!first->features().owner_persist) GTEST_SKIP() << "this kernel has no OWNER|PERSIST (Linux 6.9)";
  const auto desired = desired_of(some_guests(), true);
  apply_all(*first, desired);
  first.reset();  // as a kill -9 closes it
  auto second = open_port();
  EXPECT_EQ(observe(*second).tables.at(Family::inet).ownership, Ownership::orphan);
  const auto adopt = diff(desired, observe(*second));
  EXPECT_EQ(adopt.adopt_tables, (std::vector{Family::inet, Family::arp}));
  EXPECT_TRUE(adopt.delete_tables.empty() && adopt.add_elements.empty() && adopt.refill_chains.empty());
  ASSERT_TRUE(second->apply(adopt).has_value());
  EXPECT_EQ(changes(diff(desired, observe(*second))), "");
  run("nft flush ruleset");
  EXPECT_EQ(observe(*second).tables.at(Family::inet).ownership, Ownership::ours);
}

TEST_F(NftOwnerTest, AnotherLivingOwnerIsNeitherRobbedNorFooled) {
  auto first = open_port();
  if (!first->features().owner_persist) GTEST_SKIP() << "this kernel has no OWNER|PERSIST (Linux 6.9)";
  const auto desired = desired_of(some_guests(), true);
  apply_all(*first, desired);
  auto second = open_port();
  EXPECT_EQ(observe(*second).tables.at(Family::inet).ownership, Ownership::foreign);
  const auto done = second->apply(diff(desired, observe(*second)));
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, EPERM) << done.error().to_string();
  EXPECT_EQ(changes(diff(desired, observe(*first))), "");
}

TEST_F(NftOwnerTest, TeardownTakesAnOrphanToo) {
  auto first = open_port();
  if (!first->features().owner_persist) GTEST_SKIP() << "this kernel has no OWNER|PERSIST (Linux 6.9)";
  apply_all(*first, desired_of(some_guests(), true));
  first.reset();
  auto second = open_port();
  ASSERT_TRUE(second->teardown().has_value());
  EXPECT_TRUE(observe(*second).tables.empty());
}

TEST_F(NftOwnerTest, AnUnownedTableBecomesOwnedAndBack) {
  auto port = open_port();
  if (!port->features().owner_persist) GTEST_SKIP() << "this kernel has no OWNER|PERSIST (Linux 6.9)";
  for (const bool owned : {false, true, false}) {
    const auto desired = desired_of(some_guests(), owned);
    apply_all(*port, desired);
    EXPECT_EQ(changes(diff(desired, observe(*port))), "") << owned;
  }
}

}  // namespace
}  // namespace vrouter::firewall
