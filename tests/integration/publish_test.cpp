// SPDX-License-Identifier: GPL-2.0-or-later
// Published ports, from everywhere they may be asked for.
#include <gtest/gtest.h>

#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

struct Published : ::testing::Test {
  Published() {
    scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--name", "web1", "--publish", "8080:80/tcp"});
    scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3", "--name", "db1"});
    get_lease(web);
    get_lease(other);
    pages = web_server(web.inside(), 80, "hello from web1");
  }
  Scene scene;
  TapGuest web{scene.host, "tap0"};
  TapGuest other{scene.host, "tap1"};
  std::unique_ptr<HttpServer> pages;
};

TEST_F(Published, IsReachedFromTheWorldWithTheClientsAddressKept) {
  EXPECT_EQ(fetch(scene.world, "http://192.0.2.1:8080/"), "hello from web1");
  ASSERT_FALSE(pages->requests().empty());
  EXPECT_EQ(pages->requests().back().address, Scene::kWorld);
}

TEST_F(Published, IsReachedFromTheHostFromAnotherGuestAndFromItself) {
  EXPECT_EQ(fetch(scene.host, "http://192.0.2.1:8080/"), "hello from web1") << "host";
  EXPECT_EQ(fetch(other.inside(), "http://192.0.2.1:8080/"), "hello from web1") << "another guest";
  EXPECT_EQ(pages->requests().back().address, "10.0.5.3") << "no address translation between guests";
  EXPECT_EQ(fetch(web.inside(), "http://192.0.2.1:8080/"), "hello from web1") << "the guest itself";
}

TEST_F(Published, OpensNothingElse) {
  const auto second = web_server(web.inside(), 81, "not for you");
  EXPECT_EQ(fetch(scene.world, "http://192.0.2.1:81/"), "");
  EXPECT_EQ(fetch(scene.world, "http://192.0.2.1:80/"), "");
  EXPECT_EQ(fetch(other.inside(), "http://10.0.5.2/"), "") << "guests are closed to each other";
  scene.world.must("ip route add 10.0.5.0/24 via 192.0.2.1");
  EXPECT_EQ(fetch(scene.world, "http://10.0.5.2/"), "") << "past the published port";
  EXPECT_TRUE(second->requests().empty());
}

TEST_F(Published, RangesOfUdpPortsLandOnTheirTwins) {
  scene.daemon->vrouter({"publish", "web1", "6000-6010:7000/udp"});
  // A name server, since it answers over UDP.
  const DnsServer names{web.inside(), "10.0.5.2", {{"inside.example A", "10.0.5.2"}}, 7004};
  EXPECT_EQ(scene.world.must("dig +short +time=2 +tries=1 -p 6004 @192.0.2.1 inside.example"), "10.0.5.2\n");
  EXPECT_FALSE(scene.world.sh("dig +short +time=1 +tries=1 -p 6003 @192.0.2.1 inside.example").ok())
      << "nobody at 7003";
  ASSERT_FALSE(names.queries().empty());
  EXPECT_EQ(names.queries().back().address, Scene::kWorld);
}

TEST_F(Published, IsClosedAgainByUnpublish) {
  ASSERT_EQ(fetch(scene.world, "http://192.0.2.1:8080/"), "hello from web1");
  scene.daemon->vrouter({"unpublish", "web1", "8080:80/tcp"});
  EXPECT_EQ(fetch(scene.world, "http://192.0.2.1:8080/"), "");
  EXPECT_EQ(scene.daemon->cli({"unpublish", "web1", "8080:80/tcp"}).status, 1) << "it publishes no such port any more";
}

TEST_F(Published, RefusesAPortThatIsTakenAndNamesItsHolder) {
  const auto refused = scene.daemon->cli({"publish", "db1", "8080/tcp"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("web1"), std::string::npos) << refused.err;
  const auto own = scene.daemon->cli({"publish", "db1", "53/udp"});
  EXPECT_EQ(own.status, 1) << "vrouter's own DNS answers there";
}

TEST_F(Published, SurvivesARestart) {
  scene.daemon->kill9();
  EXPECT_EQ(fetch(scene.world, "http://192.0.2.1:8080/"), "hello from web1") << "the kernel goes on alone";
  scene.daemon->start();
  EXPECT_EQ(fetch(scene.world, "http://192.0.2.1:8080/"), "hello from web1");
}

}  // namespace
}  // namespace vrouter::lab
