// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "router/processes/dhcp_orders.h"
#include "tests/unit/dhcp/pools.h"

namespace vrouter::router {
namespace {

using namespace dhcp::testing;  // NOLINT(google-build-using-namespace)
using dhcp_verbs::Begin;
using dhcp_verbs::Bind;
using dhcp_verbs::DropLeases;
using dhcp_verbs::DropPool;
using dhcp_verbs::End;
using dhcp_verbs::Order;
using dhcp_verbs::PutLeases;
using dhcp_verbs::PutPool;
using dhcp_verbs::Reserve;
using dhcp_verbs::Tailor;
using dhcp_verbs::Unbind;

dhcp::Pool pool_of(const std::string& network, unsigned reservations) {
  auto made = pool();
  made.network = made.settings.network = network;
  for (unsigned i = 0; i < reservations; ++i) {
    config::Reservation reservation;
    reservation.mac = mac(i);
    reservation.address = address_v4{0x0a0a0000 + i};
    made.reservations.push_back(reservation);
    if (i < 2) made.tailored.push_back({.ifindex = i, .address = reservation.address, .settings = made.settings});
  }
  return made;
}

dhcp::Update update_of(unsigned bindings, unsigned pools, unsigned reservations, unsigned leases) {
  dhcp::Update update;
  for (unsigned i = 1; i <= bindings; ++i) {
    update.upserts.push_back(binding());
    update.upserts.back().ifindex = i;
  }
  for (unsigned i = 0; i < pools; ++i) update.pools.push_back(pool_of("net" + std::to_string(i), reservations));
  for (unsigned i = 0; i < leases; ++i) {
    update.leases.push_back(lease("10.9.0.10", i, BootTime{std::chrono::seconds{i}}));
    update.leases.back().address = address_v4{0x0a0b0000 + i};
  }
  return update;
}

dhcp::Update removals(unsigned bindings, unsigned pools, unsigned leases) {
  dhcp::Update update;
  for (unsigned i = 1; i <= bindings; ++i) update.removed_ifindexes.push_back(i);
  for (unsigned i = 0; i < pools; ++i) update.removed_pools.push_back("old" + std::to_string(i));
  for (unsigned i = 0; i < leases; ++i) update.removed_leases.push_back(address_v4{0x0a0b0000 + i});
  return update;
}

template <typename Value>
void append(std::vector<Value>& to, std::vector<Value>& from) {
  std::ranges::move(from, std::back_inserter(to));
}

struct Read {
  dhcp::Update update;  // all that came, one after another
  std::size_t updates = 0;
  std::string error;
};

// Through bytes, as on the line.
Read read(UpdateReader& reader, const std::vector<Order>& orders) {
  Read read;
  const auto note = [&](UpdateReader::Read taken) {
    if (!taken) {
      read.error = taken.error();
    } else if (*taken) {
      ++read.updates;
      auto& part = **taken;
      read.update.snapshot = read.update.snapshot || part.snapshot;
      append(read.update.upserts, part.upserts);
      append(read.update.removed_ifindexes, part.removed_ifindexes);
      append(read.update.pools, part.pools);
      append(read.update.removed_pools, part.removed_pools);
      append(read.update.leases, part.leases);
      append(read.update.removed_leases, part.removed_leases);
    }
  };
  for (const auto& order : orders) {
    const auto bytes = dhcp_verbs::encode(order);
    EXPECT_LE(bytes.size(), kMaxMessage);
    auto decoded = dhcp_verbs::decode_order(bytes);
    if (!decoded) {
      ADD_FAILURE() << decoded.error();
      return read;
    }
    std::visit(
        [&]<typename Verb>(Verb& verb) {
          if constexpr (requires { reader.take(std::move(verb)); }) {
            note(reader.take(std::move(verb)));
          } else {
            ADD_FAILURE() << "no part of a table";
          }
        },
        *decoded);
    if (!read.error.empty()) break;
  }
  return read;
}

Read read(const std::vector<Order>& orders) {
  UpdateReader reader;
  return read(reader, orders);
}

bool same(const dhcp::Update& a, const dhcp::Update& b) {
  return a.snapshot == b.snapshot && a.upserts == b.upserts && a.removed_ifindexes == b.removed_ifindexes &&
         a.pools == b.pools && a.removed_pools == b.removed_pools && a.leases == b.leases &&
         a.removed_leases == b.removed_leases;
}

TEST(DhcpOrders, SnapshotsOfAllSizesGoThereAndComeBackAsOne) {
  struct Size {
    unsigned bindings, pools, reservations, leases;
  };
  const std::vector<Size> sizes{{0, 0, 0, 0},     {1, 0, 0, 0},     {0, 1, 0, 1},         {3, 2, 1, 99},
                                {0, 3, 100, 100}, {0, 2, 101, 101}, {10, 2, 1000, 10'000}};
  for (const auto& size : sizes) {
    auto update = update_of(size.bindings, size.pools, size.reservations, size.leases);
    update.snapshot = true;
    const auto orders = orders_of(update);
    EXPECT_EQ(orders.front(), Order{Begin{}});
    EXPECT_EQ(orders.back(), Order{End{}});
    const auto back = read(orders);
    EXPECT_EQ(back.error, "");
    EXPECT_EQ(back.updates, 1U);
    EXPECT_TRUE(same(back.update, update)) << size.leases << " leases, " << size.reservations << " reservations";
  }
}

TEST(DhcpOrders, DeltasOfAllSizesGoThereAndComeBack) {
  for (const unsigned n : {0U, 1U, 99U, 100U, 101U, 1000U, 10'000U}) {
    auto update = update_of(n % 1000, n == 0 ? 0 : 2, n % 10'000, n);
    const auto gone = removals(n % 1000, n % 50, n);
    update.removed_ifindexes = gone.removed_ifindexes;
    update.removed_pools = gone.removed_pools;
    update.removed_leases = gone.removed_leases;
    const auto back = read(orders_of(update));
    EXPECT_EQ(back.error, "");
    EXPECT_TRUE(same(back.update, update)) << n;
  }
}

// There are ten thousand bindings, and they are mostly told the same.
TEST(DhcpOrders, BindingsShareTheSettingsThatAreAlike) {
  auto update = update_of(3, 0, 0, 0);
  update.upserts[1].settings.own().mtu = 1400;
  UpdateReader reader;
  const auto all = read(reader, orders_of(update)).update.upserts;
  EXPECT_EQ(&*all.at(0).settings, &*all.at(2).settings);
  EXPECT_NE(all[0].settings, all[1].settings);
  EXPECT_EQ(all, update.upserts);
  const auto later = read(reader, {Bind{binding()}}).update.upserts;
  EXPECT_EQ(&*later.at(0).settings, &*all[0].settings);
}

// Somebody may have what another had before, and a lease is of a pool that is there.
TEST(DhcpOrders, WhatIsRemovedGoesFirstAndLeasesComeLast) {
  auto update = update_of(1, 1, 1, 1);
  update.removed_ifindexes = {9};
  update.removed_pools = {"net0"};
  update.removed_leases = {ip("10.9.0.3")};
  std::vector<std::size_t> kinds;
  for (const auto& order : orders_of(update)) kinds.push_back(order.index());
  const std::vector<Order> expected{Unbind{},  DropPool{}, DropLeases{}, Bind{},
                                    PutPool{}, Reserve{},  Tailor{},     PutLeases{}};
  ASSERT_EQ(kinds.size(), expected.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) EXPECT_EQ(kinds[i], expected[i].index()) << i;
}

TEST(DhcpOrders, APoolHoldsOnceAllThatBelongsToItHasCome) {
  const auto whole = pool_of("office", 150);
  dhcp::Update update;
  update.pools = {whole};
  auto orders = orders_of(update);
  ASSERT_EQ(orders.size(), 5U);
  orders.pop_back();
  UpdateReader reader;
  EXPECT_EQ(read(reader, orders).updates, 0U);
  // What crosses it on the line waits for it.
  EXPECT_EQ(read(reader, {Bind{binding()}}).updates, 0U);
  const auto rest = read(reader, {orders_of(update).back()});
  EXPECT_EQ(rest.updates, 1U);
  EXPECT_EQ(rest.update.pools, std::vector{whole});
  EXPECT_EQ(rest.update.upserts.size(), 1U);
  EXPECT_EQ(read(reader, {Bind{binding()}}).update.pools.size(), 0U);
}

TEST(DhcpOrders, ABeginningStartsOver) {
  UpdateReader reader;
  auto half = orders_of(update_of(0, 1, 150, 0));
  half.pop_back();
  EXPECT_EQ(read(reader, half).updates, 0U);
  EXPECT_EQ(read(reader, {Begin{}, Bind{binding()}}).updates, 0U);
  auto update = update_of(2, 1, 2, 3);
  update.snapshot = true;
  EXPECT_TRUE(same(read(reader, orders_of(update)).update, update));
}

TEST(DhcpOrders, WhatIsOutOfPlaceIsRefused) {
  const Reserve one{{config::Reservation{}}}, two{{config::Reservation{}, config::Reservation{}}};
  EXPECT_EQ(read({Begin{}, Unbind{1}}).error, "an unbind came within a snapshot");
  EXPECT_EQ(read({Begin{}, DropPool{"n"}}).error, "a pool's end came within a snapshot");
  EXPECT_EQ(read({Begin{}, DropLeases{}}).error, "an end of leases came within a snapshot");
  EXPECT_EQ(read({End{}}).error, "a snapshot ended that never began");
  EXPECT_EQ(read({Begin{}, End{}, End{}}).error, "a snapshot ended that never began");
  EXPECT_EQ(read({Begin{}, PutPool{pool(), 1}, End{}}).error,
            "a snapshot ended before all that belongs to its pools had come");
  EXPECT_EQ(read({PutPool{pool(), 1}, PutPool{pool(), 0}}).error, "a pool came before all that belongs to another");
  const std::string too_many = "more reservations came than were announced";
  EXPECT_EQ(read({one}).error, too_many);
  EXPECT_EQ(read({Reserve{}}).error, too_many);  // there is no pool that it could be of
  EXPECT_EQ(read({PutPool{pool(), 1}, two}).error, too_many);
  EXPECT_EQ(read({PutPool{pool(), 1}, one, one}).error, too_many);
  EXPECT_EQ(read({PutPool{pool(), 0}, one}).error, too_many);
  EXPECT_EQ(read({Begin{}, PutPool{pool(), 0, 1}, End{}}).error,
            "a snapshot ended before all that belongs to its pools had come");
  EXPECT_EQ(read({PutPool{pool(), 0, 1}, Tailor{}, Tailor{}}).error, "more settings came than were announced");
}

}  // namespace
}  // namespace vrouter::router
