// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>

#include "reconcile_fixture.h"

namespace vrouter::router {
namespace {

using testing::HasSubstr;

class Collides : public ReconcileTest {
 protected:
  Collides() {
    network.name = "default";
    network.prefix = net4("10.0.5.0/24");
    network.gateway = v4("10.0.5.1");
  }
  [[nodiscard]] std::string reason() const { return collides(network, observed, 118, {}).value_or(""); }
  void add_route(const char* prefix, RouteType type = RouteType::unicast, std::uint8_t protocol = 4) {
    Route route;
    route.destination = net4(prefix);
    route.type = type;
    route.protocol = protocol;
    route.ifindex = type == RouteType::unicast ? kEth0 : 0;
    static_cast<void>(observed.on(RouteChanged{route}));
  }
  config::Network network;
};

TEST_F(Collides, AFreePrefixDoesNot) {
  add_route("0.0.0.0/0");
  add_route("10.0.4.0/24");
  static_cast<void>(observed.on(AddressChanged{{kEth0, v4("192.0.2.7"), 24, 0, false}}));
  EXPECT_EQ(reason(), "");
}

TEST_F(Collides, ForeignRoutesWithinAndAroundDo) {
  add_route("10.0.5.128/25");
  EXPECT_THAT(reason(), HasSubstr("overlaps the route 10.0.5.128/25 dev eth0 of this host; give the network another"));
  see();
  add_route("10.0.0.0/8");
  EXPECT_THAT(reason(), HasSubstr("10.0.0.0/8"));
}

TEST_F(Collides, AnAddressOfTheHostDoes) {
  static_cast<void>(observed.on(AddressChanged{{kEth0, v4("10.0.5.1"), 24, 0, false}}));
  EXPECT_THAT(reason(), HasSubstr("the address 10.0.5.1/24 on eth0"));
}

TEST_F(Collides, OursDoNot) {
  add_guest("tap0", "10.0.5.2");
  sysctls.values["net/ipv4/conf/all/arp_ignore"] = "1";  // puts the gateway on the TAP too
  see();
  reconcile();
  EXPECT_EQ(reason(), "");
}

TEST_F(Collides, NothingDoesWithANetworkBehindRelays) {
  add_route("10.0.5.0/24");
  static_cast<void>(observed.on(AddressChanged{{kEth0, v4("10.0.5.77"), 24, 0, false}}));
  EXPECT_NE(reason(), "");
  network.dhcp.relays = {v4("10.0.5.254")};
  EXPECT_EQ(reason(), "");
}

TEST_F(Collides, AForeignBlackholeOnlyWithin) {
  add_route("10.0.0.0/8", RouteType::other);
  EXPECT_EQ(reason(), "");
  add_route("10.0.5.0/24", RouteType::unreachable);
  EXPECT_THAT(reason(), HasSubstr("10.0.5.0/24"));
}

}  // namespace
}  // namespace vrouter::router
