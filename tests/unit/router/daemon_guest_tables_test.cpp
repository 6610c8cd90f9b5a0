// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/daemon/guest_tables.h"
#include "tests/unit/dhcp/pools.h"

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
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7), {});
  const auto first = tables.take();
  ASSERT_EQ(first.bindings.upserts.size(), 1U);
  EXPECT_FALSE(first.bindings.snapshot);
  EXPECT_EQ(first.hosts.upserts.size(), 1U);
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7), {});
  const auto second = tables.take();
  EXPECT_THAT(second.bindings.upserts, IsEmpty());
  EXPECT_THAT(second.hosts.upserts, IsEmpty());
  EXPECT_EQ(tables.by_ifindex(7)->address.to_string(), "10.0.5.2");
}

TEST_F(GuestTablesTest, GuestsAreToldByTheGroupsThatBlockAnything) {
  config::Dns dns;
  dns.lists = {{"ads", {.files = {"/l/ads"}}}, {"good", {.files = {"/l/good"}}}};
  dns.groups = {{"lab", {.block = {"ads"}}},
                {"plain", {.other_resolvers = config::OtherResolvers::refuse}},
                {"web", {.block = {"ads"}, .allow = {"good"}}}};
  const auto told = told_lists(dns, {.all = {{.name = "ads", .packed = {}}, {.name = "good", .packed = {}}}});
  EXPECT_THAT(told.groups, ElementsAre(dns::ListGroup{.block = {0}}, dns::ListGroup{.block = {0}, .allow = {1}}));
  tables.begin({}, {}, told);
  auto web = guest("tap0", "10.0.5.2");
  web.groups = {"web", "plain", "lab"};
  tables.put(web, network, tap(7), {});
  tables.put(guest("tap1", "10.0.5.3"), network, tap(8), {});
  const auto first = tables.take().hosts;
  EXPECT_TRUE(first.snapshot);
  EXPECT_EQ(first.lists.size(), 2U);
  EXPECT_EQ(first.list_groups, told.groups);
  ASSERT_EQ(first.upserts.size(), 2U);
  EXPECT_THAT(first.upserts[0].list_groups, ElementsAre(0, 1));
  EXPECT_THAT(first.upserts[1].list_groups, IsEmpty());
  web.groups = {"plain"};
  tables.put(web, network, tap(7), {});
  const auto second = tables.take().hosts;
  EXPECT_FALSE(second.snapshot);
  ASSERT_EQ(second.upserts.size(), 1U);
  EXPECT_THAT(second.upserts[0].list_groups, IsEmpty());
}

// There are ten thousand guests, and they are mostly told the same.
TEST_F(GuestTablesTest, GuestsShareTheSettingsThatAreAlike) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7), {});
  tables.put(guest("tap1", "10.0.5.3"), network, tap(8), {.options = {}, .boot = {}, .mask = 24});
  tables.put(guest("tap2", "10.0.5.4"), network, tap(9), {});
  const auto settings = [&](unsigned ifindex) -> const dhcp::Settings& {
    return *tables.by_ifindex(ifindex)->settings;
  };
  EXPECT_EQ(&settings(7), &settings(9));
  EXPECT_FALSE(settings(7).mask);
  EXPECT_EQ(settings(8).mask, 24);
  network.mtu = 1400;
  tables.put(guest("tap2", "10.0.5.4"), network, tap(9), {});
  EXPECT_EQ(settings(7).mtu, 1500);
  EXPECT_EQ(settings(9).mtu, 1400);
}

TEST_F(GuestTablesTest, WithoutItsTapOnlyTheNameIsKnown) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7), {});
  static_cast<void>(tables.take());
  tables.put(guest("tap0", "10.0.5.2"), network, std::nullopt, {});
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
  tables.put(pc, network, tap(7), {});
  const auto due = tables.take();
  EXPECT_EQ(due.hosts.upserts.size(), 2U);
  EXPECT_EQ(due.hosts.removed.size(), 1U);
  EXPECT_EQ(tables.name_of_lessee(first), "");
  tables.remove_lessee(silent);
  EXPECT_EQ(tables.take().hosts.removed.size(), 1U);
}

// An update's removals are applied before what it puts: a guest put and removed between two of them must not come back.
TEST_F(GuestTablesTest, PutAndRemovedInOneGoIsGone) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7), {});
  tables.remove(guest("tap0", "10.0.5.2"));
  const auto due = tables.take();
  EXPECT_THAT(due.bindings.upserts, IsEmpty());
  EXPECT_THAT(due.hosts.upserts, IsEmpty());
}

// A TAP that is renamed from one guest's name to another's keeps its ifindex.
TEST_F(GuestTablesTest, AnIfindexThatChangesHandsStaysBoundToTheNewGuest) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7), {});
  static_cast<void>(tables.take());
  tables.put(guest("tap1", "10.0.5.3"), network, tap(7), {});
  tables.put(guest("tap0", "10.0.5.2"), network, std::nullopt, {});
  const auto due = tables.take();
  EXPECT_THAT(due.bindings.removed_ifindexes, IsEmpty());
  ASSERT_EQ(due.bindings.upserts.size(), 1U);
  EXPECT_EQ(tables.by_ifindex(7)->tap, "tap1");
}

TEST_F(GuestTablesTest, ANewBeginningIsASnapshotOfWhatFollows) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7), {});
  static_cast<void>(tables.take());
  tables.begin({dns::Zone{.network = "default",
                          .domain = "guests.internal",
                          .prefixes4 = {},
                          .prefixes6 = {},
                          .listen = {boost::asio::ip::make_address("10.0.5.1")}}});
  tables.put(guest("tap1", "10.0.5.3"), network, tap(8), {});
  const auto due = tables.take();
  EXPECT_TRUE(due.bindings.snapshot);
  EXPECT_TRUE(due.hosts.snapshot);
  EXPECT_EQ(due.hosts.zones.size(), 1U);
  ASSERT_EQ(due.bindings.upserts.size(), 1U);
  EXPECT_EQ(due.bindings.upserts.front().tap, "tap1");
  EXPECT_EQ(tables.by_ifindex(7), nullptr);
}

// --- ranges ---

using dhcp::testing::ip;
using dhcp::testing::lease;

dns::Host lessee(const char* name, const char* address) {
  return {.network = "default", .name = name, .ifindex = 20, .addresses = {ip(address)}};
}
std::vector<std::string> names(const std::vector<dns::Host>& hosts) {
  std::vector<std::string> all;
  for (const auto& host : hosts) all.push_back(host.name + " " + host.addresses.at(0).to_string());
  return all;
}

bool nothing(const dns::Update& update) {
  return !update.snapshot && update.upserts.empty() && update.removed.empty();
}

TEST_F(GuestTablesTest, ALesseeIsKnownByItsName) {
  tables.put_lessee(ip("10.0.5.20"), lessee("printer", "10.0.5.20"));
  EXPECT_THAT(names(tables.take().hosts.upserts), ElementsAre("printer 10.0.5.20"));
  EXPECT_EQ(tables.name_of_lessee(ip("10.0.5.20")), "printer");
  EXPECT_EQ(tables.name_of_lessee(ip("10.0.5.21")), "");
  tables.put_lessee(ip("10.0.5.20"), lessee("printer", "10.0.5.20"));  // renewed
  EXPECT_TRUE(nothing(tables.take().hosts));
  // It calls itself otherwise now, and then nothing at all.
  tables.put_lessee(ip("10.0.5.20"), lessee("plotter", "10.0.5.20"));
  const auto renamed = tables.take().hosts;
  EXPECT_THAT(names(renamed.removed), ElementsAre("printer 10.0.5.20"));
  EXPECT_THAT(names(renamed.upserts), ElementsAre("plotter 10.0.5.20"));
  tables.put_lessee(ip("10.0.5.20"), lessee("", "10.0.5.20"));
  EXPECT_THAT(names(tables.take().hosts.removed), ElementsAre("plotter 10.0.5.20"));
  EXPECT_EQ(tables.name_of_lessee(ip("10.0.5.20")), "");
}

TEST_F(GuestTablesTest, ANameIsOfTheLesseeThatHadItFirst) {
  tables.put_lessee(ip("10.0.5.20"), lessee("printer", "10.0.5.20"));
  tables.put_lessee(ip("10.0.5.21"), lessee("printer", "10.0.5.21"));
  EXPECT_EQ(tables.name_of_lessee(ip("10.0.5.20")), "printer");
  EXPECT_EQ(tables.name_of_lessee(ip("10.0.5.21")), "");
  auto elsewhere = lessee("printer", "10.9.0.10");
  elsewhere.network = "office";
  tables.put_lessee(ip("10.9.0.10"), elsewhere);  // another network, another zone
  EXPECT_EQ(tables.name_of_lessee(ip("10.9.0.10")), "printer");
  tables.remove_lessee(ip("10.0.5.20"));
  tables.remove_lessee(ip("10.0.5.22"));  // nobody
  tables.put_lessee(ip("10.0.5.21"), lessee("printer", "10.0.5.21"));
  EXPECT_EQ(tables.name_of_lessee(ip("10.0.5.21")), "printer");
  EXPECT_THAT(names(tables.hosts().upserts), ElementsAre("printer 10.0.5.21", "printer 10.9.0.10"));
}

TEST_F(GuestTablesTest, AGuestsNameIsNoLesseesAndIsTakenFromOne) {
  tables.put(guest("tap0", "10.0.5.2"), network, tap(7), {});
  tables.put_lessee(ip("10.0.5.20"), lessee("vm-tap0", "10.0.5.20"));
  EXPECT_EQ(tables.name_of_lessee(ip("10.0.5.20")), "");
  tables.put_lessee(ip("10.0.5.21"), lessee("vm-tap1", "10.0.5.21"));
  static_cast<void>(tables.take());
  tables.put(guest("tap1", "10.0.5.3"), network, tap(8), {});
  EXPECT_EQ(tables.name_of_lessee(ip("10.0.5.21")), "");
  const auto due = tables.take().hosts;
  EXPECT_THAT(names(due.removed), ElementsAre("vm-tap1 10.0.5.21"));
  EXPECT_THAT(names(due.upserts), ElementsAre("/10.0.5.21 10.0.5.21", "vm-tap1 10.0.5.3"));  // it still asks
  EXPECT_THAT(names(tables.hosts().upserts),
              ElementsAre("/10.0.5.20 10.0.5.20", "/10.0.5.21 10.0.5.21", "vm-tap0 10.0.5.2", "vm-tap1 10.0.5.3"));
  // A lessee that goes takes nobody's name along.
  tables.remove_lessee(ip("10.0.5.21"));
  const auto gone = tables.take().hosts;
  EXPECT_THAT(names(gone.removed), ElementsAre("/10.0.5.21 10.0.5.21"));
  EXPECT_TRUE(gone.upserts.empty());
}

TEST_F(GuestTablesTest, TellsOfPoolsWhatChanged) {
  auto pool = dhcp::testing::pool();
  tables.put_pool(pool);
  EXPECT_THAT(tables.take().bindings.pools, ElementsAre(pool));
  tables.put_pool(pool);
  EXPECT_TRUE(tables.take().bindings.empty());
  pool.links = {77};
  tables.put_pool(pool);
  pool.links = {78};
  tables.put_pool(pool);
  EXPECT_THAT(tables.take().bindings.pools, ElementsAre(pool));  // the last alone
  EXPECT_THAT(tables.bindings().pools, ElementsAre(pool));
  tables.remove_pool("lab");
  EXPECT_TRUE(tables.take().bindings.empty());
  pool.links = {79};
  tables.put_pool(pool);
  tables.remove_pool(pool.network);
  const auto due = tables.take().bindings;
  EXPECT_THAT(due.pools, IsEmpty());
  EXPECT_THAT(due.removed_pools, ElementsAre("office"));
  EXPECT_THAT(tables.bindings().pools, IsEmpty());
}

TEST_F(GuestTablesTest, LeasesAreToldAsTheyComeAndAllOfThemInASnapshot) {
  const auto one = lease("10.9.0.10", 1, BootTime{}), two = lease("10.9.0.11", 2, BootTime{});
  std::vector<dhcp::Lease> all{one, two};
  tables.read_leases_by([&] { return all; });
  tables.put_leases({one});
  tables.put_leases({two});
  const auto due = tables.take().bindings;
  EXPECT_FALSE(due.snapshot);
  EXPECT_THAT(due.leases, ElementsAre(one, two));
  EXPECT_TRUE(tables.take().bindings.empty());
  EXPECT_THAT(tables.bindings().leases, ElementsAre(one, two));
  tables.put_leases({one});
  all = {two};
  tables.put_pool(dhcp::testing::pool());
  tables.begin({});
  tables.put_lessee(ip("10.0.5.20"), lessee("printer", "10.0.5.20"));
  const auto anew = tables.take();
  EXPECT_TRUE(anew.bindings.snapshot);
  EXPECT_THAT(anew.bindings.pools, IsEmpty());
  EXPECT_THAT(anew.bindings.leases, ElementsAre(two));  // as they are now
  EXPECT_THAT(names(anew.hosts.upserts), ElementsAre("printer 10.0.5.20"));
}

}  // namespace
}  // namespace vrouter::router
