// SPDX-License-Identifier: GPL-2.0-or-later
// Files that wait to be confirmed, and guests that are put into other groups.
#include <gtest/gtest.h>

#include <thread>

#include "tests/integration/conversation.h"
#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

constexpr const char* kWeb = "10.0.5.2";
constexpr const char* kDb = "10.0.5.3";

// Whoever works on this host from web1 comes by tcp/22, and by it alone.
constexpr const char* kOpen = R"([groups.web]
[groups.db]
ingress = "deny"
[[rules]]
name  = "the operator's way"
from  = "group:web"
to    = "host"
allow = "tcp/22"
[[rules]]
name  = "web asks db"
from  = "group:web"
to    = "group:db"
allow = "tcp/5432"
)";
constexpr const char* kCutOff = R"([groups.web]
[groups.db]
ingress = "deny"
[[rules]]
name  = "web reports to db"
from  = "group:web"
to    = "group:db"
allow = "tcp/5433"
)";

struct Confirmed : ::testing::Test {
  Confirmed() {
    scene.daemon->vrouter({"add-guest", "tap0", kWeb, "--name", "web1", "--group", "web"});
    scene.daemon->vrouter({"add-guest", "tap1", kDb, "--name", "db1", "--group", "db"});
    web.set_static(std::string{kWeb} + "/32", "10.0.5.1");
    db.set_static(std::string{kDb} + "/32", "10.0.5.1");
  }

  [[nodiscard]] bool operator_gets_in() { return Conversation{{web.inside(), "10.0.5.1", 22, scene.host}}.begun(); }
  [[nodiscard]] Conversation web_to_db(std::uint16_t port) {
    return Conversation{{web.inside(), kDb, port, db.inside()}};
  }
  [[nodiscard]] std::string status() const { return scene.daemon->vrouter({"status"}); }
  [[nodiscard]] bool waits() const { return status().find("for `vrouter confirm`") != std::string::npos; }
  // Sorted, since chains that are made again come last.
  // Without what packets made: who was refused something, and who holds connections.
  [[nodiscard]] std::string rules() {
    return scene.host.must(
        "nft -s list ruleset | grep -v '\" counter\\|\" ct count\\|\" limit rate 10/second burst 20' | sort");
  }
  std::string reload(const char* policy, const Arguments& more = {}) {
    scene.daemon->set_policy("10-base.toml", policy);
    Arguments words{"reload"};
    words.insert(words.end(), more.begin(), more.end());
    return scene.daemon->vrouter(words);
  }

  Scene scene{{.policies = {{"10-base.toml", kOpen}}}};
  TapGuest web{scene.host, "tap0"};
  TapGuest db{scene.host, "tap1"};
};

TEST_F(Confirmed, FilesThatCutTheirOperatorOffAreTakenBackByThemselves) {
  auto query = web_to_db(5432);
  ASSERT_TRUE(operator_gets_in() && query.goes_on());
  const auto rules_before = rules();
  const auto said = reload(kCutOff, {"--confirm", "3"});
  EXPECT_NE(said.find("`vrouter confirm`: run it within 3s"), std::string::npos) << said;
  EXPECT_TRUE(waits());
  EXPECT_TRUE(query.is_dead());
  auto report = web_to_db(5433);
  EXPECT_TRUE(report.goes_on());
  EXPECT_FALSE(operator_gets_in());
  // Said when the connections are cut as well.
  EXPECT_TRUE(wait_until([&] { return scene.daemon->log().contains("gone back: policy changed"); }, 5s));
  EXPECT_FALSE(waits());
  EXPECT_TRUE(operator_gets_in());
  EXPECT_TRUE(web_to_db(5432).goes_on());
  EXPECT_TRUE(report.is_dead()) << "only the files that were taken back allowed it";
  EXPECT_FALSE(web_to_db(5433).begun());
  EXPECT_EQ(rules(), rules_before);
  EXPECT_NE(status().find("were not confirmed in time and are not in force"), std::string::npos) << status();
  EXPECT_NE(scene.daemon->cli({"confirm"}).err.find("nothing waits to be confirmed"), std::string::npos);
  // The same files again, read for good.
  reload(kCutOff);
  EXPECT_FALSE(operator_gets_in());
  EXPECT_EQ(status().find("not confirmed"), std::string::npos) << status();
}

TEST_F(Confirmed, FilesThatAreConfirmedStay) {
  reload(kCutOff, {"--confirm", "2"});
  EXPECT_NE(scene.daemon->vrouter({"confirm"}).find("confirmed"), std::string::npos);
  std::this_thread::sleep_for(2500ms);
  EXPECT_FALSE(operator_gets_in());
  EXPECT_EQ(status().find("not confirmed"), std::string::npos) << status();
  EXPECT_EQ(scene.daemon->cli({"confirm"}).status, 1);
}

TEST_F(Confirmed, AReloadForGoodEndsTheWait) {
  reload(kCutOff, {"--confirm", "2"});
  reload(kCutOff);
  EXPECT_FALSE(waits());
  std::this_thread::sleep_for(2500ms);
  EXPECT_FALSE(operator_gets_in());
}

TEST_F(Confirmed, GoingBackLeadsToWhatWasConfirmedLast) {
  const std::string other = std::string{kCutOff} + "[groups.more]\n";
  reload(kCutOff, {"--confirm", "60"});
  reload(other.c_str(), {"--confirm", "1"});
  EXPECT_TRUE(wait_until([&] { return !waits(); }, 4s));
  EXPECT_TRUE(operator_gets_in());
}

TEST_F(Confirmed, MoreThanThePolicyIsTakenBackToo) {
  const auto rules_before = rules();
  scene.daemon->set_config(
      "[networks.default]\nprefix = \"10.0.5.0/24\"\ngateway = \"10.0.5.1\"\nprefix6 = \"fd76:7274:5::/64\"\n"
      "[networks.more]\nprefix = \"10.0.9.0/24\"\ngateway = \"10.0.9.1\"\n"
      "[[guests]]\nname = \"late\"\ntap = \"tap7\"\naddress = \"10.0.9.7\"\n");
  reload(kCutOff, {"--confirm", "2"});
  EXPECT_NE(scene.daemon->vrouter({"guests"}).find("late"), std::string::npos);
  // What these files alone have room for would have no place when they are taken back.
  const auto refused = scene.daemon->cli({"add-guest", "tap5", "10.0.9.5"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("run `vrouter confirm` first"), std::string::npos) << refused.err;
  EXPECT_EQ(scene.daemon->cli({"add-guest", "tap6", "10.0.5.6"}).status, 0);
  EXPECT_TRUE(wait_until([&] { return !waits(); }, 4s));
  const auto guests = scene.daemon->vrouter({"guests"});
  EXPECT_EQ(guests.find("late"), std::string::npos) << guests;
  EXPECT_NE(guests.find("tap6"), std::string::npos) << guests;
  EXPECT_TRUE(operator_gets_in());
  scene.daemon->vrouter({"remove-guest", "tap6"});
  EXPECT_EQ(rules(), rules_before);
}

TEST_F(Confirmed, ADaemonThatStartsMeanwhileReadsWhatIsOnDisk) {
  reload(kCutOff, {"--confirm", "60"});
  EXPECT_EQ(scene.daemon->stop(), 0);
  scene.daemon->start();
  EXPECT_FALSE(waits());
  EXPECT_FALSE(operator_gets_in());
}

TEST_F(Confirmed, AGuestIsPutIntoOtherGroups) {
  auto query = web_to_db(5432);
  ASSERT_TRUE(query.goes_on());
  const auto chains = [&] { return scene.host.must("nft -s list chains inet"); };
  const auto before = chains();
  scene.daemon->vrouter({"change-guest", "web1", "--no-groups"});
  EXPECT_TRUE(query.is_dead());
  EXPECT_FALSE(operator_gets_in());
  EXPECT_FALSE(web_to_db(5432).begun());
  scene.daemon->vrouter({"change-guest", "tap0", "--group", "web"});
  EXPECT_TRUE(operator_gets_in());
  EXPECT_EQ(chains(), before) << "elements alone change";
  scene.daemon->vrouter({"change-guest", "web1", "--group", "web", "--group", "db"});
  EXPECT_TRUE(web_to_db(5432).begun());
  EXPECT_EQ(scene.daemon->stop(), 0);
  scene.daemon->start();
  EXPECT_NE(scene.daemon->vrouter({"show", "web1"}).find("web, db"), std::string::npos);
  const auto unknown = scene.daemon->cli({"change-guest", "web1", "--group", "wed"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_NE(unknown.err.find("no policy file declares the group 'wed'"), std::string::npos) << unknown.err;
}

TEST_F(Confirmed, ADeclaredGuestsGroupsAreTheFiles) {
  scene.daemon->set_config("[[guests]]\nname = \"late\"\ntap = \"tap7\"\naddress = \"10.0.5.7\"\n");
  scene.daemon->vrouter({"reload"});
  const auto refused = scene.daemon->cli({"change-guest", "late", "--group", "web"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("vrouter.toml:1:1; change its groups there"), std::string::npos) << refused.err;
}

// It comes in, since its network matters more, and whoever added it hears that the next reload won't have it so.
TEST_F(Confirmed, AGuestThatBreaksAnExpectationIsWarnedOf) {
  scene.daemon->set_policy(
      "90-expect.toml", "[[expect]]\nfrom = \"world\"\nto = \"group:db\"\npacket = \"tcp/80\"\nverdict = \"deny\"\n");
  scene.daemon->vrouter({"reload"});
  const auto fine = scene.daemon->cli({"add-guest", "tap4", "--group", "db"});
  EXPECT_EQ(fine.status, 0);
  EXPECT_EQ(fine.err.find("expect"), std::string::npos) << fine.err;
  const auto added = scene.daemon->cli({"add-guest", "tap5", "--group", "db", "--publish", "8081:80"});
  EXPECT_EQ(added.status, 0);
  EXPECT_NE(added.err.find("90-expect.toml:1:1: expected deny"), std::string::npos) << added.err;
}

// Files that are lost must not open what they closed.
TEST_F(Confirmed, AStartWithoutTheFilesClosesGuestsOfGroups) {
  TapGuest other{scene.host, "tap2"};
  scene.daemon->vrouter({"add-guest", "tap2", "10.0.5.4", "--name", "other1"});
  other.set_static("10.0.5.4/32", "10.0.5.1");
  const auto out = [&](TapGuest& guest) {
    return Conversation{{guest.inside(), Scene::kWorld, 8000, scene.world}}.begun();
  };
  ASSERT_TRUE(out(web) && out(other));
  EXPECT_EQ(scene.daemon->stop(), 0);
  scene.daemon->set_policy("10-base.toml", "");
  scene.daemon->start();
  EXPECT_FALSE(out(web));
  EXPECT_TRUE(out(other));
  EXPECT_NE(scene.daemon->log().find("nothing passes to or from it"), std::string::npos);
}

}  // namespace
}  // namespace vrouter::lab
