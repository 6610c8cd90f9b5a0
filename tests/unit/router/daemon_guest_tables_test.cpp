// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/daemon/guest_tables.h"

namespace vrouter::router {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct GuestTablesTest : testing::Test {
  GuestTablesTest() { static_cast<void>(tables.take()); }  // the first is a snapshot

  static config::Guest guest(const std::string& tap, const char* address) {
    config::Guest made;
    made.name = "vm-" + tap;
    made.tap = tap;
    made.network = "default";
    made.address = boost::asio::ip::make_address_v4(address);
    return made;
  }
  static std::optional<TapIdentity> tap(unsigned ifindex) { return TapIdentity{.ifindex = ifindex}; }

  config::Network network;
  GuestTables tables;
};

TEST_F(GuestTablesTest, TellsOnlyWhatChanged) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7));
  const auto first = tables.take();
  ASSERT_EQ(first.bindings.upserts.size(), 1U);
  EXPECT_FALSE(first.bindings.snapshot);
  EXPECT_EQ(first.hosts.upserts.size(), 1U);
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7));
  const auto second = tables.take();
  EXPECT_THAT(second.bindings.upserts, IsEmpty());
  EXPECT_THAT(second.hosts.upserts, IsEmpty());
  EXPECT_EQ(tables.by_ifindex(7)->address.to_string(), "10.0.5.2");
}

TEST_F(GuestTablesTest, WithoutItsTapOnlyTheNameIsKnown) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7));
  static_cast<void>(tables.take());
  tables.put(guest("tap0", "10.0.5.2"), network, std::nullopt);
  const auto due = tables.take();
  EXPECT_THAT(due.bindings.removed_ifindexes, ElementsAre(7U));
  ASSERT_EQ(due.hosts.upserts.size(), 1U);
  EXPECT_EQ(due.hosts.upserts.front().ifindex, 0U);
  EXPECT_EQ(tables.by_ifindex(7), nullptr);
}

// A client without a name, or with one that is somebody else's, is told of all the same: it asks for names.
TEST_F(GuestTablesTest, ALesseeMayHaveNoName) {
  const auto lessee = [&](const char* address, const char* name) {
    const auto its = boost::asio::ip::make_address_v4(address);
    tables.put_lessee(its, {.network = "default", .name = name, .ifindex = 9, .addresses = {its}});
    return its;
  };
  const auto first = lessee("10.0.5.100", "pc");
  const auto clone = lessee("10.0.5.101", "pc");
  const auto silent = lessee("10.0.5.102", "");
  EXPECT_EQ(tables.take().hosts.upserts.size(), 3U);
  EXPECT_EQ(tables.name_of_lessee(first), "pc");
  EXPECT_EQ(tables.name_of_lessee(clone), "");
  EXPECT_EQ(tables.name_of_lessee(silent), "");
  // A guest takes the name, and its client goes on without.
  auto pc = guest("tap0", "10.0.5.2");
  pc.name = "pc";
  tables.put(pc, network, tap(7));
  const auto due = tables.take();
  EXPECT_EQ(due.hosts.upserts.size(), 2U);
  EXPECT_EQ(due.hosts.removed.size(), 1U);
  EXPECT_EQ(tables.name_of_lessee(first), "");
  tables.remove_lessee(silent);
  EXPECT_EQ(tables.take().hosts.removed.size(), 1U);
}

// An update's removals are applied before what it puts: a guest put and removed between two of them must not come back.
TEST_F(GuestTablesTest, PutAndRemovedInOneGoIsGone) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7));
  tables.remove(guest("tap0", "10.0.5.2"));
  const auto due = tables.take();
  EXPECT_THAT(due.bindings.upserts, IsEmpty());
  EXPECT_THAT(due.hosts.upserts, IsEmpty());
}

// A TAP that is renamed from one guest's name to another's keeps its ifindex.
TEST_F(GuestTablesTest, AnIfindexThatChangesHandsStaysBoundToTheNewGuest) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7));
  static_cast<void>(tables.take());
  tables.put(guest("tap1", "10.0.5.3"), network, tap(7));
  tables.put(guest("tap0", "10.0.5.2"), network, std::nullopt);
  const auto due = tables.take();
  EXPECT_THAT(due.bindings.removed_ifindexes, IsEmpty());
  ASSERT_EQ(due.bindings.upserts.size(), 1U);
  EXPECT_EQ(tables.by_ifindex(7)->tap, "tap1");
}

TEST_F(GuestTablesTest, ANewBeginningIsASnapshotOfWhatFollows) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7));
  static_cast<void>(tables.take());
  tables.begin({dns::Zone{.network = "default",
                          .domain = "guests.internal",
                          .prefixes4 = {},
                          .prefixes6 = {},
                          .listen = {boost::asio::ip::make_address("10.0.5.1")}}});
  tables.put(guest("tap1", "10.0.5.3"), network, tap(8));
  const auto due = tables.take();
  EXPECT_TRUE(due.bindings.snapshot);
  EXPECT_TRUE(due.hosts.snapshot);
  EXPECT_EQ(due.hosts.zones.size(), 1U);
  ASSERT_EQ(due.bindings.upserts.size(), 1U);
  EXPECT_EQ(due.bindings.upserts.front().tap, "tap1");
  EXPECT_EQ(tables.by_ifindex(7), nullptr);
}

}  // namespace
}  // namespace vrouter::router
