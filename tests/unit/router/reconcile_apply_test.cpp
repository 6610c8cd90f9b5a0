// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>

#include "reconcile_fixture.h"

namespace vrouter::router {
namespace {

using testing::IsEmpty;

class ReconcileApply : public ReconcileTest {
 protected:
  ReconcileApply() {
    add_guest("tap0", "10.0.5.2").mac = MacAddress{{2, 0, 0, 0, 0, 2}};
    guest().create_tap = true;
    run(diff_host(desired, observed, originals).host);
  }
};

// All or nothing: wherever add-guest fails, its undo leads back to where it started.
TEST_F(ReconcileApply, UndoLeadsBackFromEveryStep) {
  const auto before = fake.link_table;
  const auto routes = fake.route_table;
  const auto plan = guest_plan();
  int failures = 0;
  for (int step = 0;; ++step) {
    fake.fail_in = step;
    const auto applied = apply(plan.operations, kernel(), observed);
    fake.fail_in.reset();
    const auto undone = apply(applied.undo, kernel(), observed);
    ASSERT_FALSE(undone.error) << undone.error->to_string();
    EXPECT_EQ(fake.link_table, before) << "failed at " << step;
    EXPECT_EQ(fake.route_table, routes);
    EXPECT_THAT(fake.neighbour_table, IsEmpty());
    EXPECT_EQ(guest_plan(), plan);  // the replica is back as well
    if (!applied.error) break;
    EXPECT_EQ(applied.error->extack, "because the test says so");
    ++failures;
  }
  EXPECT_EQ(failures, 4);  // switches, group and up, route, neighbour; the file is no message
}

TEST_F(ReconcileApply, UndoOfACreatedTapRemovesIt) {
  fake.link_table.erase(kTap0);
  see();
  const auto plan = create_guest_tap(guest(), observed);
  const auto applied = apply(plan.operations, kernel(), observed);
  ASSERT_TRUE(fake.link("tap0").has_value());
  EXPECT_NE(observed.link(std::string{"tap0"}), nullptr);
  ASSERT_FALSE(apply(applied.undo, kernel(), observed).error);
  EXPECT_FALSE(fake.link("tap0").has_value());
  EXPECT_EQ(observed.link(std::string{"tap0"}), nullptr);
}

TEST_F(ReconcileApply, WhatIsGoneAlreadyCountsAsRemoved) {
  run(guest_plan());
  const auto plan = release_link(118, "tap0", observed, originals, Leave::as_found);
  fake.route_table.clear();
  fake.neighbour_table.clear();
  const auto applied = apply(plan.operations, kernel(), observed);
  EXPECT_FALSE(applied.error);
  EXPECT_EQ(applied.done, plan.operations.size());
}

TEST_F(ReconcileApply, ATapThatVanishesInBetweenIsAnError) {
  const auto plan = guest_plan();
  fake.link_table.erase(kTap0);
  const auto applied = apply(plan.operations, kernel(), observed);
  ASSERT_TRUE(applied.error);
  EXPECT_EQ(applied.error->code, ENODEV);
}

TEST_F(ReconcileApply, ReplacedRoutesComeBack) {
  Route old;
  old.destination = net4("10.0.5.2/32");
  old.protocol = 118;
  old.ifindex = kEth0;
  fake.route_table.push_back(old);
  see();
  const auto applied = apply(guest_plan().operations, kernel(), observed);
  ASSERT_FALSE(applied.error);
  EXPECT_THAT(fake.route_table, testing::Not(testing::Contains(old)));
  ASSERT_FALSE(apply(applied.undo, kernel(), observed).error);
  EXPECT_THAT(fake.route_table, testing::Contains(old));
}

}  // namespace
}  // namespace vrouter::router
