// SPDX-License-Identifier: GPL-2.0-or-later
// Policy files in force: what real guests reach, and what a reload does to what is under way.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "tests/integration/conversation.h"
#include "tests/integration/scene.h"
#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

constexpr const char* kWeb = "10.0.5.2";
constexpr const char* kDb = "10.0.5.3";
constexpr const char* kOther = "10.0.5.4";
constexpr const char* kGateway = "10.0.5.1";
constexpr const char* kBanned = "192.0.2.81";

constexpr const char* kBase = R"([sets]
banned = ["192.0.2.81", "198.51.100.0/24"]
[groups.web]
[groups.db]
egress  = "reject"
ingress = "deny"
[[rules]]
name = "banned"
from = "set:banned"
to   = "group:web"
deny = "any"
[[rules]]
name  = "maintenance"
from  = "group:web"
to    = "host"
allow = "tcp/22"
)";
constexpr const char* kQuery = R"([[rules]]
name  = "web asks db"
from  = "group:web"
to    = "group:db"
allow = "tcp/5432"
)";
constexpr const char* kReport = R"([[rules]]
name  = "web reports to db"
from  = "group:web"
to    = "group:db"
allow = "tcp/5433"
)";

struct PolicyInForce : ::testing::Test {
  PolicyInForce() {
    scene.world.must(std::string{"ip address add "} + kBanned + "/24 dev eth0");
    scene.daemon->vrouter({"add-guest", "tap0", kWeb, "--name", "web1", "--group", "web", "--publish", "8080:80/tcp",
                           "--publish", "81/tcp"});
    scene.daemon->vrouter({"add-guest", "tap1", kDb, "--name", "db1", "--group", "db"});
    scene.daemon->vrouter({"add-guest", "tap2", kOther, "--name", "other1"});
    web.set_static(std::string{kWeb} + "/32", kGateway);
    db.set_static(std::string{kDb} + "/32", kGateway);
    other.set_static(std::string{kOther} + "/32", kGateway);
  }

  Conversation web_to_db(std::uint16_t port) { return Conversation{{web.inside(), kDb, port, db.inside()}}; }
  void reload(const std::map<std::string, std::string>& files) {
    for (const auto& [name, text] : files) scene.daemon->set_policy(name, text);
    scene.daemon->vrouter({"reload"});
  }
  // The packets that the counters of the rule have seen, both sides together.
  int counted(const std::string& rule) {
    return std::stoi(scene.host.must("nft list counters | awk '/counter / { mine = index($2, \"r_" + rule +
                                     "\") == 1 } mine && /packets/ { sum += $2 } END { print sum + 0 }'"));
  }

  Scene scene{{.policies = {{"10-base.toml", kBase}, {"20-query.toml", kQuery}, {"30-report.toml", kReport}}}};
  TapGuest web{scene.host, "tap0"};
  TapGuest db{scene.host, "tap1"};
  TapGuest other{scene.host, "tap2"};
};

TEST_F(PolicyInForce, AllowsBetweenGroupsWhatARuleNamesAndNothingElse) {
  auto allowed = web_to_db(5432);
  ASSERT_TRUE(allowed.begun());
  EXPECT_TRUE(allowed.goes_on());
  EXPECT_FALSE(web_to_db(5434).begun()) << "no rule names the port";
  EXPECT_FALSE((Conversation{{db.inside(), kWeb, 5432, web.inside()}}.begun())) << "nor the way back";
  EXPECT_FALSE((Conversation{{other.inside(), kDb, 5432, db.inside()}}.begun())) << "nor a guest without group";
  EXPECT_FALSE((Conversation{{db.inside(), Scene::kWorld, 8000, scene.world}}.begun())) << "db may start nothing";
}

// Guests need DHCP and DNS whatever an expectation says: it starts, and doesn't keep quiet about it.
TEST_F(PolicyInForce, AStartWithAnExpectationThatFailsSaysSo) {
  scene.daemon->set_policy(
      "40-wrong.toml", "[[expect]]\nfrom = \"world\"\nto = \"guest:web1\"\npacket = \"tcp/80\"\nverdict = \"deny\"\n");
  EXPECT_EQ(scene.daemon->stop(), 0);
  scene.daemon->start();
  const auto status = scene.daemon->vrouter({"status"});
  EXPECT_NE(status.find("not all that it expects holds"), std::string::npos) << status;
  EXPECT_NE(status.find("40-wrong.toml:1:1: expected deny"), std::string::npos) << status;
  EXPECT_TRUE(web_to_db(5432).begun());
  reload({{"40-wrong.toml", ""}});
  EXPECT_EQ(scene.daemon->vrouter({"status"}).find("expects"), std::string::npos);
}

// Neither is translated at its source, and neither should be: the start looks for connections that missed that.
TEST_F(PolicyInForce, ARestartLeavesConnectionsToThisHostAndToPublishedPortsAlone) {
  auto to_host = Conversation{{web.inside(), Scene::kHost, 22, scene.host}};
  auto to_published = Conversation{{other.inside(), Scene::kHost, 8080, web.inside(), 80, kOther}};
  ASSERT_TRUE(to_host.begun());
  ASSERT_TRUE(to_published.begun());
  EXPECT_EQ(scene.daemon->stop(), 0);
  scene.daemon->start();
  std::this_thread::sleep_for(500ms);  // it looks twice, 200 ms apart
  EXPECT_TRUE(to_host.goes_on());
  EXPECT_TRUE(to_published.goes_on());
}

TEST_F(PolicyInForce, LeavesGuestsWithoutGroupsAsTheyWere) {
  auto out = Conversation{{other.inside(), Scene::kWorld, 8000, scene.world}};
  ASSERT_TRUE(out.begun());
  EXPECT_TRUE(out.goes_on());
  EXPECT_FALSE((Conversation{{web.inside(), kOther, 8000, other.inside()}}.begun()));
  EXPECT_FALSE((Conversation{{other.inside(), kGateway, 22, scene.host}}.begun()));
}

TEST_F(PolicyInForce, ARuleComesBeforeThePublishedPort) {
  auto welcome = Conversation{{scene.world, Scene::kHost, 8080, web.inside(), 80, Scene::kWorld}};
  ASSERT_TRUE(welcome.begun());
  EXPECT_TRUE(welcome.goes_on());
  EXPECT_FALSE((Conversation{{scene.world, Scene::kHost, 8080, web.inside(), 80, kBanned}}.begun()));
}

TEST_F(PolicyInForce, OpensAPortOfTheHostToOneGroupAndKeepsWhatIsOpenToAll) {
  auto shell = Conversation{{web.inside(), kGateway, 22, scene.host}};
  ASSERT_TRUE(shell.begun());
  EXPECT_TRUE(shell.goes_on());
  EXPECT_FALSE((Conversation{{web.inside(), kGateway, 23, scene.host}}.begun()));
  EXPECT_FALSE((Conversation{{db.inside(), kGateway, 22, scene.host}}.begun()));
  for (auto* guest : {&web, &db, &other}) {
    EXPECT_TRUE(guest->inside().sh("ping -c 1 -W 2 10.0.5.1").ok()) << guest->tap();
    EXPECT_EQ(guest->inside().must("dig +short +time=2 +tries=1 @10.0.5.1 www.world.example"), "192.0.2.80\n");
    get_lease(*guest);
  }
}

TEST_F(PolicyInForce, AReloadEndsWhatIsDeniedNowAndNothingElse) {
  auto query = web_to_db(5432), report = web_to_db(5433);
  auto shell = Conversation{{web.inside(), kGateway, 22, scene.host}};
  auto out = Conversation{{other.inside(), Scene::kWorld, 8000, scene.world}};
  auto foreign = Conversation{{scene.world, Scene::kHost, 8001, scene.host}};
  ASSERT_TRUE(query.goes_on() && report.goes_on() && shell.goes_on() && out.goes_on() && foreign.goes_on());
  const int before = counted("web_reports_to_db");
  EXPECT_GT(before, 0);
  reload({{"20-query.toml", ""}});
  EXPECT_TRUE(query.is_dead());
  EXPECT_FALSE(web_to_db(5432).begun());
  EXPECT_TRUE(report.goes_on());
  EXPECT_TRUE(shell.goes_on());
  EXPECT_TRUE(out.goes_on());
  EXPECT_TRUE(foreign.goes_on());
  EXPECT_EQ(counted("web_reports_to_db"), before) << "one packet began it, and only first packets are judged";
}

TEST_F(PolicyInForce, AReloadEndsWhatCameByAPublishedPort) {
  auto banned = Conversation{{scene.world, Scene::kHost, 8080, web.inside(), 80, kBanned}};
  EXPECT_FALSE(banned.begun());
  auto welcome = Conversation{{scene.world, Scene::kHost, 8080, web.inside(), 80, Scene::kWorld}};
  ASSERT_TRUE(welcome.goes_on());
  reload({{"05-closed.toml", "[[rules]]\nfrom = \"net:192.0.2.80\"\nto = \"group:web\"\ndeny = \"any\"\n"}});
  EXPECT_TRUE(welcome.is_dead());
}

// Its first packet was judged, and nobody ever answered: what follows passes as of any connection, until it is cut.
TEST_F(PolicyInForce, AFlowThatNobodyAnswersIsOneConnection) {
  reload({{"30-report.toml", kReport + std::string{"[[rules]]\nname = \"logs\"\nfrom = \"group:web\"\nto = "
                                                   "\"group:db\"\nallow = \"udp/514\"\n"}}});
  UniqueFd ear, mouth;
  db.inside().enter([&] { ear = bind_udp("0.0.0.0", 514); });
  web.inside().enter([&] { mouth = bind_udp("0.0.0.0", 40000); });
  const auto arrives = [&] {
    send_to(mouth.get(), {kDb, 514}, "x");
    pollfd ready{ear.get(), POLLIN, 0};
    std::array<char, 8> buffer{};
    return ::poll(&ready, 1, 300) > 0 && ::recv(ear.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0;
  };
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(arrives()) << i;
  EXPECT_EQ(counted("logs"), 2) << "the first packet, once on each side";
  reload({{"30-report.toml", kReport}});
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(arrives()) << i;
}

// Each of them may begin connections to where the caller is.
TEST_F(PolicyInForce, WhatIsCutDoesNotGoOnFromTheOtherSide) {
  auto by_port = Conversation{{scene.world, Scene::kHost, 81, web.inside(), 81, Scene::kWorld}};
  auto shell = Conversation{{web.inside(), kGateway, 22, scene.host}};
  auto from_host = Conversation{{scene.host, kWeb, 2222, web.inside()}};
  auto report = web_to_db(5433);
  ASSERT_TRUE(by_port.goes_on() && shell.goes_on() && from_host.goes_on() && report.goes_on());
  reload({{"05-closed.toml",
           "[[rules]]\nfrom = \"net:192.0.2.80\"\nto = \"group:web\"\ndeny = \"any\"\n"
           "[[rules]]\nfrom = \"group:web\"\nto = \"host\"\nreject = \"tcp/22\"\n"
           "[[rules]]\nfrom = \"host\"\nto = \"group:web\"\nreject = \"tcp/2222\"\n"
           "[[rules]]\nfrom = \"group:web\"\nto = \"host\"\nallow = \"tcp\"\n"}});
  EXPECT_TRUE(by_port.is_dead());
  EXPECT_TRUE(shell.is_dead());
  EXPECT_TRUE(from_host.is_dead());
  EXPECT_TRUE(report.goes_on());
}

TEST_F(PolicyInForce, AReloadThatTouchesMoreThanThePolicyCutsAsWell) {
  auto query = web_to_db(5432), report = web_to_db(5433);
  ASSERT_TRUE(query.goes_on() && report.goes_on());
  scene.daemon->set_config(
      "[networks.default]\nprefix = \"10.0.5.0/24\"\ngateway = \"10.0.5.1\"\n"
      "[networks.more]\nprefix = \"10.0.9.0/24\"\ngateway = \"10.0.9.1\"\n");
  reload({{"20-query.toml", ""}});
  EXPECT_TRUE(query.is_dead());
  EXPECT_TRUE(report.goes_on());
}

TEST_F(PolicyInForce, FilesThatAreWrongChangeNothing) {
  auto query = web_to_db(5432);
  ASSERT_TRUE(query.goes_on());
  // Without whom something was refused, which the kernel notes as it happens.
  const auto rules = [&] {
    return scene.host.must("nft -s list ruleset | grep -v '\"tap[0-9]\" \\(counter\\|limit\\)'");
  };
  const auto before = rules();
  const auto refused = [&](const std::string& text, const std::string& place) {
    scene.daemon->set_policy("20-query.toml", text);
    const auto said = scene.daemon->cli({"reload"});
    EXPECT_EQ(said.status, 1);
    EXPECT_NE(said.err.find(place), std::string::npos) << said.err;
    EXPECT_EQ(rules(), before);
    EXPECT_TRUE(query.goes_on());
    EXPECT_TRUE(web_to_db(5432).goes_on());
    EXPECT_FALSE(web_to_db(5434).begun());
  };
  refused("[[rules]]\nfrom  = \"group:wen\"\nto    = \"group:db\"\nallow = \"tcp/5434\"\n", "20-query.toml:2:");
  refused(
      "[[rules]]\nfrom  = \"group:web\"\nto    = \"group:db\"\nallow = \"tcp/5434\"\n"
      "[[expect]]\nfrom = \"group:web\"\nto = \"group:db\"\npacket = \"tcp/5432\"\nverdict = \"allow\"\n",
      "20-query.toml:5:");
}

}  // namespace
}  // namespace vrouter::lab
