// SPDX-License-Identifier: GPL-2.0-or-later
// Clients that have their addresses by lease behind shared links.
#include <gmock/gmock.h>

#include "reconcile_fixture.h"

namespace vrouter::router {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint32_t kBr0 = 5, kBr1 = 6;
const MacAddress kFirst{{2, 0, 0, 0, 0, 1}}, kSecond{{2, 0, 0, 0, 0, 2}};

class ReconcileLessee : public ReconcileTest {
 protected:
  ReconcileLessee() {
    for (const auto& [index, name] : {std::pair{kBr0, "br0"}, std::pair{kBr1, "br1"}}) {
      fake.add_link(index, name, "bridge").up = true;
      DesiredGuest shared;
      shared.tap = name;
      shared.gateway = v4("10.0.5.1");
      shared.shared = true;
      desired.guests[name] = shared;
    }
    see();
  }
  DesiredGuest& br0() { return desired.guests.at("br0"); }
  Plan admit(const char* address, const MacAddress& mac, const char* link = "br0") {
    return admit_lessee(desired.host, desired.guests.at(link), v4(address), mac, observed);
  }
  Plan dismiss(const char* address, const char* link = "br0") {
    return dismiss_lessee(desired.host, desired.guests.at(link), v4(address), observed);
  }
  [[nodiscard]] static Route route_to(const char* address, std::uint32_t link) {
    Route route;
    route.destination = Prefix{v4(address), 32U};
    route.protocol = 118;
    route.scope = kScopeLink;
    route.ifindex = link;
    route.source = v4("10.0.5.1");
    return route;
  }
  [[nodiscard]] static Neighbour permanent(const char* address, const MacAddress& mac, std::uint32_t link) {
    return {link, v4(address), mac, NeighbourState::permanent, false};
  }
};

TEST_F(ReconcileLessee, ABridgeIsFitOnlyWhereItIsShared) {
  EXPECT_THAT(unfit(desired.host, "br0", observed, false).value_or(""), HasSubstr("shared = true (--shared)"));
  EXPECT_EQ(unfit(desired.host, "br0", observed, true), std::nullopt);
  EXPECT_EQ(unfit(desired.host, "tap0", observed, true), std::nullopt);
  EXPECT_THAT(unfit(desired.host, "lo", observed, true).value_or(""), HasSubstr("lo is no TAP"));
  // An uplink stays an uplink, and a port stays its bridge's.
  desired.host.uplinks = {"br0"};
  EXPECT_THAT(unfit(desired.host, "br0", observed, true).value_or(""), HasSubstr("is an uplink"));
  tap0().master = kBr1;
  see();
  EXPECT_THAT(unfit(desired.host, "tap0", observed, true).value_or(""), HasSubstr("tap0 is a port of br1"));
  br0().shared = false;
  EXPECT_THAT(diff_guest(desired.host, br0(), observed, originals).problems,
              ElementsAre(HasSubstr("br0 is a bridge, which several clients share")));
}

TEST_F(ReconcileLessee, ASharedLinkWithoutClientsHasNoRoute) {
  reconcile();
  EXPECT_EQ(fake.link_table.at(kBr0).group, kGuestGroup);
  for (const auto& route : fake.route_table) EXPECT_EQ(route.ifindex, 0U) << route.destination.to_string();
  EXPECT_TRUE(diff(desired, observed, originals).empty());
}

TEST_F(ReconcileLessee, EachClientHasARouteAndAPermanentNeighbour) {
  br0().lessees = {{v4("10.0.5.20"), kFirst}, {v4("10.0.5.21"), kSecond}};
  reconcile();
  EXPECT_THAT(fake.route_table, Contains(route_to("10.0.5.20", kBr0)));
  EXPECT_THAT(fake.route_table, Contains(route_to("10.0.5.21", kBr0)));
  EXPECT_THAT(fake.neighbour_table, testing::UnorderedElementsAre(permanent("10.0.5.20", kFirst, kBr0),
                                                                  permanent("10.0.5.21", kSecond, kBr0)));
  EXPECT_TRUE(diff(desired, observed, originals).empty());
  see();
  EXPECT_TRUE(diff(desired, observed, originals).empty());
  // Somebody else has the address now, and one is gone.
  br0().lessees = {{v4("10.0.5.20"), kSecond}};
  reconcile();
  EXPECT_THAT(fake.neighbour_table, ElementsAre(permanent("10.0.5.20", kSecond, kBr0)));
  EXPECT_THAT(fake.route_table, testing::Not(Contains(route_to("10.0.5.21", kBr0))));
  EXPECT_TRUE(diff(desired, observed, originals).empty());
}

TEST_F(ReconcileLessee, OneIsAdmittedAndDismissedAsReconcilingAllWouldHaveIt) {
  reconcile();
  const auto routes = fake.route_table;
  EXPECT_THAT(
      sentences(admit("10.0.5.20", kFirst)),
      ElementsAre("add route 10.0.5.20 to br0", "add permanent neighbour 10.0.5.20 with MAC 02:00:00:00:00:01 to br0"));
  run(admit("10.0.5.20", kFirst));
  br0().lessees[v4("10.0.5.20")] = kFirst;
  EXPECT_TRUE(admit("10.0.5.20", kFirst).empty());
  EXPECT_TRUE(diff(desired, observed, originals).empty());
  br0().lessees.clear();
  EXPECT_THAT(sentences(dismiss("10.0.5.20")),
              ElementsAre("remove neighbour 10.0.5.20 from br0", "remove route 10.0.5.20 to br0"));
  run(dismiss("10.0.5.20"));
  EXPECT_TRUE(dismiss("10.0.5.20").empty());
  EXPECT_EQ(fake.route_table, routes);
  EXPECT_THAT(fake.neighbour_table, IsEmpty());
  EXPECT_TRUE(diff(desired, observed, originals).empty());
}

TEST_F(ReconcileLessee, AnotherClientOfTheAddressTakesTheNeighbour) {
  reconcile();
  run(admit("10.0.5.20", kFirst));
  run(admit("10.0.5.20", kSecond));
  EXPECT_THAT(fake.neighbour_table, ElementsAre(permanent("10.0.5.20", kSecond, kBr0)));
  // What the kernel learned by itself, as from an answer to a question about the address, doesn't stay.
  const Neighbour learned{kBr0, v4("10.0.5.21"), kSecond, NeighbourState::dynamic, false};
  fake.neighbour_table.push_back(learned);
  static_cast<void>(observed.on(NeighbourChanged{learned}));
  run(admit("10.0.5.21", kSecond));
  EXPECT_THAT(fake.neighbour_table, Contains(permanent("10.0.5.21", kSecond, kBr0)));
}

TEST_F(ReconcileLessee, OneThatComesFromAnotherLinkTakesItsRouteAlong) {
  reconcile();
  run(admit("10.0.5.20", kFirst));
  run(admit("10.0.5.20", kFirst, "br1"));
  EXPECT_THAT(fake.route_table, Contains(route_to("10.0.5.20", kBr1)));
  EXPECT_THAT(fake.route_table, testing::Not(Contains(route_to("10.0.5.20", kBr0))));
  // Dismissed where it was, it stays where it is.
  run(dismiss("10.0.5.20"));
  EXPECT_THAT(fake.route_table, Contains(route_to("10.0.5.20", kBr1)));
  EXPECT_THAT(fake.neighbour_table, ElementsAre(permanent("10.0.5.20", kFirst, kBr1)));
}

TEST_F(ReconcileLessee, OnALinkThatIsNotAdoptedNobodyIs) {
  EXPECT_TRUE(admit("10.0.5.20", kFirst).empty());  // not yet in our group
  reconcile();
  fake.link_table.at(kBr0).up = false;
  see();
  EXPECT_TRUE(admit("10.0.5.20", kFirst).empty());
  fake.link_table.erase(kBr0);
  see();
  EXPECT_TRUE(admit("10.0.5.20", kFirst).empty());
  EXPECT_TRUE(dismiss("10.0.5.20").empty());
}

TEST_F(ReconcileLessee, SomebodyElsesRouteStays) {
  reconcile();
  auto foreign = route_to("10.0.5.20", kEth0);
  foreign.protocol = 4;
  fake.route_table.push_back(foreign);
  see();
  const auto plan = admit("10.0.5.20", kFirst);
  EXPECT_THAT(plan.problems, ElementsAre(HasSubstr("somebody else has a route to 10.0.5.20 (dev eth0, protocol 4)")));
  run(plan);
  EXPECT_THAT(fake.route_table, Contains(foreign));
  run(dismiss("10.0.5.20"));
  EXPECT_THAT(fake.route_table, Contains(foreign));
}

}  // namespace
}  // namespace vrouter::router
