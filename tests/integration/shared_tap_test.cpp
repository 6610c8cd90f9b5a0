// SPDX-License-Identifier: GPL-2.0-or-later
// Several clients behind one TAP that is no bridge of this host's, as a VDE switch or a socket of QEMU's gives: the
// host sees several MAC addresses on one interface, and no port of theirs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/shared_link.h"

namespace vrouter::lab {
namespace {

using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kDhclient = "dhclient -1 -v -lf /tmp/leases -pf /tmp/pid eth0 2>&1";

// host tap0 --- eth0 switch br --- two clients
struct SharedTap : ::testing::Test {
  SharedTap() {
    auto& inside = behind.inside();
    SharedLink::make_bridge(inside);
    inside.must("ip link set eth0 master br0");
    for (unsigned i = 0; i < 2; ++i) clients.push_back(std::make_unique<LinkClient>(inside, i + 1));
    scene.daemon->start();
  }
  static DaemonOptions options() {
    DaemonOptions options;
    // One for each port of a bridge: here there is none to count at.
    options.config =
        "[networks.lab]\nprefix = \"10.9.0.0/24\"\ngateway = \"10.9.0.1\"\n"
        "dhcp = { range = \"10.9.0.100-10.9.0.105\", lease_time = \"60s\", leases_per_port = 1 }\n"
        "[[guests]]\ntap = \"tap0\"\nname = \"switch\"\nshared = true\nnetwork = \"lab\"\n";
    return options;
  }
  std::string leases() { return scene.daemon->vrouter({"leases"}); }
  std::string in_force(const std::string& address) {
    return scene.host
        .sh("nft list ruleset | grep -Fw " + address + "; ip route show table all | grep -Fw " + address +
            "; ip neigh show nud permanent | grep -Fw " + address)
        .out;
  }
  Scene scene{options(), false};
  TapGuest behind{scene.host, "tap0"};
  std::vector<std::unique_ptr<LinkClient>> clients;
};

TEST_F(SharedTap, EachStationHasAnAddressOfItsOwnAndGivesItBack) {
  auto& one = *clients[0];
  auto& two = *clients[1];
  for (auto* client : {&one, &two}) client->inside().must(kDhclient, 30s);
  const auto first = one.address(), second = two.address();
  EXPECT_THAT(first, StartsWith("10.9.0.10"));
  EXPECT_THAT(second, StartsWith("10.9.0.10"));
  ASSERT_NE(first, second);
  for (auto* client : {&one, &two}) {
    EXPECT_TRUE(client->reaches(kLabGateway, 3)) << leases();
    EXPECT_EQ(fetch(client->inside(), "http://192.0.2.80/"), "hello from the world");
  }
  one.inside().must(std::string{kDhclient} + " -r", 30s);
  EXPECT_TRUE(wait_until([&] { return in_force(first).empty(); })) << in_force(first);
  EXPECT_TRUE(two.reaches(Scene::kWorld)) << "its neighbour's release is none of its own";
  one.set(first);
  EXPECT_FALSE(one.reaches(kLabGateway)) << "it gave that back";
  scene.daemon->vrouter({"leases", "release", second});
  EXPECT_THAT(in_force(second), IsEmpty());
  EXPECT_FALSE(two.reaches(kLabGateway));
  // Both have them again.
  two.inside().must("kill $(cat /tmp/pid)");
  for (auto* client : {&one, &two}) {
    client->flush();
    client->inside().must(kDhclient, 30s);
  }
  EXPECT_EQ(one.address(), first);
  EXPECT_EQ(two.address(), second);
  EXPECT_TRUE(one.reaches(kLabGateway, 3) && two.reaches(kLabGateway, 3));
}

// DNS knows them by address, and their groups are their interface's.
TEST_F(SharedTap, ClientsAreKeptFromNamesAsTheirInterfacesGroupsAre) {
  auto& client = *clients[0];
  client.inside().must(kDhclient, 30s);
  const auto rcode = [&] {
    return client.inside()
        .sh("dig +time=3 +tries=1 @10.9.0.1 www.world.example | sed -n 's/.*status: \\([A-Z]*\\).*/\\1/p' | tr -d "
            "'\\n'")
        .out;
  };
  EXPECT_EQ(rcode(), "NOERROR");
  scene.host.write_file("/run/lab/etc/ads.txt", "world.example\n");
  scene.daemon->set_policy("10-groups.toml", "[groups.web]\n[groups.free]\n");
  const auto with_groups = [&](const std::string& groups) {
    scene.daemon->set_config(
        options().config + "groups = [" + groups +
        "]\n[dns.lists.ads]\nfiles = [\"/run/lab/etc/ads.txt\"]\n[dns.groups.web]\nblock = [\"ads\"]\n");
    scene.daemon->vrouter({"reload"});
  };
  with_groups("\"web\"");
  EXPECT_TRUE(wait_until([&] { return rcode() == "NXDOMAIN"; }));
  with_groups("\"free\"");
  EXPECT_TRUE(wait_until([&] { return rcode() == "NOERROR"; }));
}

TEST_F(SharedTap, NeitherTakesTheOthersAddress) {
  const auto its = clients[0]->lease();
  const auto own = clients[1]->lease();
  ASSERT_TRUE(!its.empty() && !own.empty() && its != own);
  auto& thief = *clients[1];
  thief.set(its);
  EXPECT_FALSE(thief.reaches(kLabGateway, 2));
  thief.set(own);
  EXPECT_TRUE(thief.reaches(kLabGateway, 3));
  EXPECT_TRUE(clients[0]->reaches(kLabGateway, 3));
}

}  // namespace
}  // namespace vrouter::lab
