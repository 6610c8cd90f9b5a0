// SPDX-License-Identifier: GPL-2.0-or-later
// What guests have besides their own address: what the host holds for them, and where it leads.
#include <gmock/gmock.h>

#include "reconcile_fixture.h"
#include "router/reconcile/listened.h"

namespace vrouter::router {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::uint32_t kTap1 = 4;
const MacAddress kFirst{{2, 0, 0, 0, 0, 1}}, kSecond{{2, 0, 0, 0, 0, 2}};

class ReconcileAddresses : public ReconcileTest {
 protected:
  void add_both() {
    fake.add_link(kTap1, "tap1", "tun");
    add_guest("tap0", "10.0.5.2").allowed = {v4("10.0.5.50")};
    add_guest("tap1", "10.0.5.3").allowed = {v4("10.0.5.50")};
    see();
    reconcile();
  }
  void hear(std::uint32_t link, const MacAddress& mac) {
    const Neighbour neighbour{link, v4("10.0.5.50"), mac, NeighbourState::dynamic, false};
    fake.neighbour_table.push_back(neighbour);
    static_cast<void>(observed.on(NeighbourChanged{neighbour}));
    reconcile();
  }
  [[nodiscard]] std::vector<std::uint32_t> leads_to(const Prefix& prefix) const {
    std::vector<std::uint32_t> links;
    for (const auto& route : fake.route_table) {
      if (route.destination == prefix) links.push_back(route.ifindex);
    }
    return links;
  }
  const Prefix shared = network_v4{v4("10.0.5.50"), 32};
};

TEST_F(ReconcileAddresses, OfTheWorldAreOnLoUntilNobodyHasThem) {
  desired.host.addresses = {v4("192.0.2.50")};
  reconcile();
  const InterfaceAddress wanted{kLo, v4("192.0.2.50"), 32};
  EXPECT_THAT(fake.address_table, Contains(wanted));
  EXPECT_TRUE(originals.contains("address 192.0.2.50 lo"));
  EXPECT_TRUE(diff(desired, observed, originals).empty());
  desired.host.addresses.clear();
  reconcile();
  EXPECT_THAT(fake.address_table, Not(Contains(wanted)));
  EXPECT_FALSE(originals.contains("address 192.0.2.50 lo"));
}

TEST_F(ReconcileAddresses, OfTheWorldThatTheHostHasStayWhereTheyAre) {
  const InterfaceAddress own{kEth0, v4("192.0.2.60"), 24};
  fake.address_table.push_back(own);
  see();
  desired.host.addresses = {v4("192.0.2.60")};
  reconcile();
  EXPECT_THAT(fake.address_table, Not(Contains(InterfaceAddress{kLo, v4("192.0.2.60"), 32})));
  desired.host.addresses.clear();
  reconcile();
  EXPECT_THAT(fake.address_table, Contains(own));
}

TEST_F(ReconcileAddresses, PrefixesLeadByWayOfTheGuestsOwnAddress) {
  add_guest("tap0", "10.0.5.2").prefixes = {net4("10.9.0.0/24")};
  see();
  reconcile();
  EXPECT_THAT(sentences(guest_plan()), IsEmpty());
  const auto found = std::ranges::find_if(
      fake.route_table, [](const Route& route) { return route.destination == Prefix{net4("10.9.0.0/24")}; });
  ASSERT_NE(found, fake.route_table.end());
  EXPECT_EQ(found->gateway, address{v4("10.0.5.2")});
  EXPECT_EQ(found->ifindex, kTap0);
  guest().prefixes.clear();
  reconcile();
  EXPECT_THAT(leads_to(net4("10.9.0.0/24")), IsEmpty());
}

TEST_F(ReconcileAddresses, WithdrawnAreThoseThatWePut) {
  desired.host.addresses = {v4("192.0.2.50"), v4("192.0.2.51")};
  fake.address_table.push_back({kEth0, v4("192.0.2.51"), 24});
  see();
  reconcile();
  const auto plan = withdraw(desired.host.addresses, observed, originals);
  EXPECT_THAT(sentences(plan), ElementsAre("remove address 192.0.2.50/32 from lo"));
  run(plan);
  EXPECT_FALSE(originals.contains("address 192.0.2.50 lo"));
  EXPECT_TRUE(originals.contains("address 10.0.5.1 lo"));
}

TEST_F(ReconcileAddresses, APrefixLeadsToNobodyElseWhileItsTapIsAway) {
  const Prefix prefix = net4("10.9.0.0/24");
  add_guest("tap0", "10.0.5.2").prefixes = {prefix};
  desired.host.routed = {prefix};
  see();
  reconcile();
  EXPECT_THAT(leads_to(prefix), ElementsAre(0U, kTap0));
  EXPECT_TRUE(diff(desired, observed, originals).empty());
  see();
  EXPECT_TRUE(diff(desired, observed, originals).empty()) << "nor after a restart";
  const auto worse = [](const Route& a, const Route& b) { return a.metric < b.metric; };
  const auto last = std::ranges::max_element(fake.route_table, worse);
  EXPECT_EQ(last->type, RouteType::unreachable);

  ASSERT_TRUE(fake.remove_link(kTap0, "tap0").has_value());
  static_cast<void>(observed.on(LinkGone{kTap0, "tap0"}));
  EXPECT_THAT(leads_to(prefix), ElementsAre(0U));
  EXPECT_TRUE(diff(desired, observed, originals).empty());

  const auto own = *std::ranges::find(fake.route_table, prefix, &Route::destination);
  ASSERT_TRUE(fake.remove_route(own).has_value());
  EXPECT_TRUE(observed.on(RouteGone{own}).host);
  reconcile();
  EXPECT_THAT(leads_to(prefix), ElementsAre(0U)) << "put back";

  desired.host.routed = {net4("10.9.1.0/24")};
  reconcile();
  EXPECT_THAT(leads_to(prefix), IsEmpty());
  EXPECT_THAT(leads_to(net4("10.9.1.0/24")), ElementsAre(0U));
  run(restore(originals, observed, 118));
  EXPECT_THAT(leads_to(net4("10.9.1.0/24")), IsEmpty());
}

TEST_F(ReconcileAddresses, AnAllowedOneLeadsToOneOfThemUntilItIsHeardOf) {
  add_both();
  EXPECT_THAT(leads_to(shared), testing::SizeIs(1));
  EXPECT_TRUE(diff(desired, observed, originals).empty());
  EXPECT_EQ(fake.link_table.at(kTap1).conf[Conf::arp_accept], 1);
  hear(kTap1, kSecond);
  EXPECT_THAT(leads_to(shared), ElementsAre(kTap1));
  hear(kTap0, kFirst);
  EXPECT_THAT(leads_to(shared), ElementsAre(kTap0));
  EXPECT_EQ(observed.neighbour(kTap1, v4("10.0.5.50")), nullptr) << "so that it is news when it comes again";
  EXPECT_TRUE(diff(desired, observed, originals).empty());
}

TEST_F(ReconcileAddresses, AnAllowedOneIsNotMovedByLookingAnew) {
  add_both();
  hear(kTap1, kSecond);
  fake.neighbour_table.push_back({kTap0, v4("10.0.5.50"), kFirst, NeighbourState::dynamic, false});
  see();
  reconcile();
  EXPECT_THAT(leads_to(shared), ElementsAre(kTap1));
}

TEST_F(ReconcileAddresses, AnAllowedOneGoesOnWithAnotherWhenItsGuestGoes) {
  add_both();
  desired.guests.erase("tap0");
  reconcile();
  reconcile();  // the route was taken off the first after the second was looked at
  EXPECT_THAT(leads_to(shared), ElementsAre(kTap1));
}

TEST_F(ReconcileAddresses, LoopbackIsOpenedForATapThatPublishesThere) {
  add_guest("tap0", "10.0.5.2").loopback_published = true;
  see();
  reconcile();
  EXPECT_EQ(tap0().conf[Conf::route_localnet], 1);
  guest().loopback_published = false;
  reconcile();
  EXPECT_EQ(tap0().conf[Conf::route_localnet], 0);
}

std::vector<std::string> hidden(const char* host, std::uint16_t port, config::Protocol protocol, Listener listener) {
  config::Guest guest;
  config::Publish publish;
  if (host != nullptr) publish.host = v4(host);
  publish.first = publish.last = publish.guest_first = port;
  publish.protocol = protocol;
  guest.publish = {publish};
  return listened_on(guest, {{std::move(listener)}});
}

TEST(ListenedOn, WhatAPublishedPortWouldHide) {
  using config::Protocol;
  const address any4 = address_v4::any(), any6 = address_v6::any();
  EXPECT_THAT(hidden(nullptr, 22, Protocol::tcp, {true, any4, 22}), ElementsAre(HasSubstr("listens on tcp/22")));
  EXPECT_THAT(hidden(nullptr, 22, Protocol::tcp, {true, any6, 22}), Not(IsEmpty())) << "of IPv4 too";
  EXPECT_THAT(hidden("192.0.2.1", 22, Protocol::tcp, {true, any4, 22}), Not(IsEmpty()));
  EXPECT_THAT(hidden("192.0.2.1", 22, Protocol::tcp, {true, v4("192.0.2.1"), 22}), Not(IsEmpty()));
  EXPECT_THAT(hidden("127.0.0.1", 22, Protocol::tcp, {true, v4("127.0.0.1"), 22}), Not(IsEmpty()));
  EXPECT_THAT(hidden("192.0.2.1", 22, Protocol::tcp, {true, v4("192.0.2.2"), 22}), IsEmpty());
  EXPECT_THAT(hidden(nullptr, 22, Protocol::tcp, {true, v4("127.0.0.1"), 22}), IsEmpty());
  EXPECT_THAT(hidden(nullptr, 22, Protocol::tcp, {true, any6, 22, true}), IsEmpty()) << "the guest has no IPv6";
  EXPECT_THAT(hidden(nullptr, 22, Protocol::udp, {true, any4, 22}), IsEmpty());
  EXPECT_THAT(hidden(nullptr, 23, Protocol::tcp, {true, any4, 22}), IsEmpty());
  EXPECT_THAT(hidden(nullptr, 40000, Protocol::udp, {false, any4, 40000}), IsEmpty()) << "any client's";
}

}  // namespace
}  // namespace vrouter::router
