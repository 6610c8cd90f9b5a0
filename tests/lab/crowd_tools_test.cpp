// SPDX-License-Identifier: GPL-2.0-or-later
// What tests of many guests are made with: fleets of TAPs, guests of frames alone, and an ear on the kernel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/lab/lib/frame_guest.h"
#include "tests/lab/lib/kernel_watch.h"
#include "tests/lab/lib/tap_fleet.h"

namespace vrouter::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = KernelChange::Kind;

TEST(TapFleet, HoldsItsTapsOpenAndLeavesThemBehind) {
  Namespace host{"host"};
  {
    const TapFleet fleet{host, {"t0", "t1", "t2"}};
    host.must("ip link set t1 up");
    EXPECT_THAT(host.must("ip link show t1"), HasSubstr("LOWER_UP"));
    EXPECT_THROW(RawTap(host, "t2"), LabError);  // somebody has it
  }
  EXPECT_THAT(host.must("ip link show t1"), HasSubstr("NO-CARRIER"));
  EXPECT_EQ(host.must("ip -o link show type tun | wc -l"), "3\n");
}

TEST(TapFleet, LetsItsTapsBeUsedInTheOrderOfTheirNames) {
  Namespace host{"host"};
  TapFleet fleet{host, {"t0", "t1"}};
  host.must("ip link set t1 up");
  // Of the two only t1 is up: the other refuses a frame (EIO).
  std::vector<bool> taken;
  fleet.run([&](std::span<const UniqueFd> taps) {
    const std::vector<std::uint8_t> frame(74, 0);
    for (const auto& tap : taps) taken.push_back(::write(tap.get(), frame.data(), frame.size()) > 0);
  });
  EXPECT_THAT(taken, ElementsAre(false, true));
  EXPECT_THROW(fleet.run([](std::span<const UniqueFd>) { throw LabError{"no"}; }), LabError);
}

TEST(TapFleet, SaysWhyItCannotBe) {
  Namespace host{"host"};
  EXPECT_THROW(TapFleet(host, {"t0", "a-name-that-is-too-long"}), LabError);
}

TEST(FrameGuest, GetsNoLeaseWhereNobodyGivesOne) {
  Namespace host{"host"};
  FrameGuest guest{host, "t0"};
  host.must("ip link set t0 up");
  EXPECT_EQ(guest.get_lease(200ms, 50ms), "");
  EXPECT_FALSE(guest.ping("192.0.2.1", 100ms));
}

TEST(KernelWatch, HearsOfRoutesLinksAndTables) {
  Namespace host{"host"};
  const TapFleet fleet{host, {"t0"}};
  const KernelWatch watch{host};
  const auto begin = std::chrono::steady_clock::now();
  host.must("ip link set t0 up; ip route add 10.0.5.2/32 dev t0; ip route del 10.0.5.2/32");
  const auto up = watch.first(Kind::link_up, "t0", begin);
  const auto added = watch.first(Kind::route_added, "10.0.5.2/32", begin);
  const auto removed = watch.first(Kind::route_removed, "10.0.5.2/32", begin);
  ASSERT_TRUE(up && added && removed);
  EXPECT_LT(up->at, added->at);
  EXPECT_LT(added->at, removed->at);
  host.must("nft add table inet x; nft delete table inet x; ip link set t0 down");
  EXPECT_TRUE(watch.first(Kind::table_added, "x", begin));
  EXPECT_TRUE(watch.first(Kind::table_removed, "x", begin));
  EXPECT_TRUE(watch.first(Kind::rules_committed, "", begin));
  EXPECT_TRUE(watch.first(Kind::link_down, "t0", added->at));
  EXPECT_FALSE(watch.first(Kind::route_added, "10.0.5.3/32", begin, 50ms));
}

}  // namespace
}  // namespace vrouter::lab
