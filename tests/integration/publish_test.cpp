// SPDX-License-Identifier: GPL-2.0-or-later
// Published ports, from everywhere they may be asked for.
#include <gtest/gtest.h>

#include "tests/integration/conversation.h"
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

TEST_F(Published, OnAChosenAddressAndInRangesIsReachedFromEverySide) {
  scene.host.must("ip address add 192.0.2.2/24 dev eth0");
  scene.daemon->vrouter({"publish", "web1", "192.0.2.2:8081:80"});
  scene.daemon->vrouter({"publish", "web1", "192.0.2.2:9000-9002:79"});
  scene.daemon->vrouter({"publish", "web1", "9100-9102:79"});
  struct Side {
    const char* name;
    Namespace& from;
    std::string seen;  // empty: whichever address the host chose
  };
  for (const auto& side : {Side{"world", scene.world, Scene::kWorld}, Side{"sibling", other.inside(), "10.0.5.3"},
                           Side{"itself", web.inside(), "10.0.5.1"}, Side{"host", scene.host, ""}}) {
    for (const auto* url : {"http://192.0.2.2:8081/", "http://192.0.2.2:9001/", "http://192.0.2.2:9101/",
                            "http://192.0.2.1:9101/", "http://192.0.2.1:8080/"}) {
      EXPECT_EQ(fetch(side.from, url), "hello from web1") << side.name << ", " << url;
      if (!side.seen.empty()) EXPECT_EQ(pages->requests().back().address, side.seen) << side.name << ", " << url;
    }
    EXPECT_EQ(fetch(side.from, "http://192.0.2.1:8081/"), "") << side.name << ", on another address";
    EXPECT_EQ(fetch(side.from, "http://192.0.2.2:9003/"), "") << side.name << ", beside the range";
  }
}

TEST_F(Published, RefusesAPortThatThisHostListensOn) {
  const auto server = web_server(scene.host, 2222, "this host's own");
  const auto refused = scene.daemon->cli({"publish", "web1", "2222:22"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("something on this host listens on tcp/2222"), std::string::npos) << refused.err;
  EXPECT_EQ(scene.daemon->cli({"add-guest", "tap7", "--publish", "192.0.2.1:2220-2230"}).status, 1);
  scene.daemon->vrouter({"publish", "web1", "2223:22"});
  scene.daemon->set_config("[[guests]]\ntap = \"tap8\"\naddress = \"10.0.5.8\"\npublish = [\"2222:22\"]\n");
  const auto reloaded = scene.daemon->cli({"reload"});
  EXPECT_EQ(reloaded.status, 0);
  EXPECT_NE(reloaded.err.find("tcp/2222"), std::string::npos) << "of files it is said, not refused";
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
  const auto explain = [&](const std::string& to, const std::string& packet) {
    return scene.daemon->cli({"explain", "world", to, packet});
  };
  EXPECT_EQ(explain("192.0.2.1", "tcp/8080").status, 0);
  const auto past_it = explain("web1", "tcp/80");
  EXPECT_EQ(past_it.status, 1);
  EXPECT_NE(past_it.out.find("published as 8080:80/tcp: ask about port 8080 of"), std::string::npos) << past_it.out;
  scene.daemon->vrouter({"unpublish", "web1", "8080:80/tcp"});
  EXPECT_EQ(fetch(scene.world, "http://192.0.2.1:8080/"), "");
  const auto closed = explain("192.0.2.1", "tcp/8080");
  EXPECT_EQ(closed.status, 1) << "this host's own affair, and no yes";
  EXPECT_NE(closed.out.find("not judged"), std::string::npos) << closed.out;
  EXPECT_EQ(scene.daemon->cli({"unpublish", "web1", "8080:80/tcp"}).status, 1) << "it publishes no such port any more";
}

TEST_F(Published, WhatCameByAPortEndsWhenItIsTakenAway) {
  scene.daemon->vrouter({"publish", "web1", "7070:70"});
  scene.daemon->vrouter({"publish", "web1", "7071:70"});
  auto closed = Conversation{{scene.world, Scene::kHost, 7070, web.inside(), 70}};
  auto open = Conversation{{scene.world, Scene::kHost, 7071, web.inside(), 70}};
  ASSERT_TRUE(closed.goes_on() && open.goes_on());
  scene.daemon->vrouter({"unpublish", "web1", "7070:70"});
  EXPECT_TRUE(closed.is_dead());
  EXPECT_TRUE(open.goes_on()) << "by another port to the same one of the guest's";
}

TEST_F(Published, WhatCameByAPortOfAFileEndsWithTheReloadThatTakesItAway) {
  const auto with_ports = [](const std::string& ports) {
    return "[[guests]]\ntap = \"tap2\"\naddress = \"10.0.5.4\"\npublish = [" + ports + "]\n";
  };
  TapGuest third{scene.host, "tap2"};
  third.set_static("10.0.5.4/32", "10.0.5.1");
  scene.daemon->set_config(with_ports("\"7070:70\", \"7071:71\""));
  scene.daemon->vrouter({"reload"});
  auto closed = Conversation{{scene.world, Scene::kHost, 7070, third.inside(), 70}};
  auto open = Conversation{{scene.world, Scene::kHost, 7071, third.inside(), 71}};
  ASSERT_TRUE(closed.goes_on() && open.goes_on());
  scene.daemon->set_config(with_ports("\"7071:71\""));
  scene.daemon->vrouter({"reload"});
  EXPECT_TRUE(closed.is_dead());
  EXPECT_TRUE(open.goes_on());
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
