// SPDX-License-Identifier: GPL-2.0-or-later
// Rules to domains with real guests: what one has asked for opens, for that guest and for what it was told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/integration/conversation.h"
#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char *kBuild = "10.0.5.2", *kOther = "10.0.5.3", *kPlain = "10.0.5.4", *kGateway = "10.0.5.1";
constexpr const char *kMirror = "198.51.100.7", *kSecond = "198.51.100.8";

constexpr const char* kPolicy = R"([groups.build]
egress  = "reject"
ingress = "deny"
[groups.closed]
egress  = "reject"
ingress = "deny"
[[rules]]
name  = "packages"
from  = "group:build"
to    = ["domain:www.packages.example", "domain:*.mirrors.example"]
allow = ["tcp/80", "tcp/8080"]
)";

// By its name; 0: there is none.
pid_t descendant_of(pid_t parent, const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator{"/proc/" + std::to_string(parent) + "/task"}) {
    std::ifstream children{task.path() / "children"};
    for (pid_t child = 0; children >> child;) {
      std::string line;
      std::ifstream comm{"/proc/" + std::to_string(child) + "/comm"};
      if (std::getline(comm, line) && line == name) return child;
      if (const auto found = descendant_of(child, name); found != 0) return found;
    }
  }
  return 0;
}

// 198.51.100.7 and .8 are hosts of the world's, behind 192.0.2.80.
struct DomainRules : ::testing::Test {
  DomainRules() {
    for (const auto* a : {kMirror, kSecond}) scene.world.must(std::string{"ip address add "} + a + "/32 dev eth0");
    scene.names.reset();
    scene.names = std::make_unique<DnsServer>(
        scene.world, Scene::kWorld,
        std::multimap<std::string, std::string>{{"www.packages.example A", kMirror},
                                                {"www.packages.example A", "10.0.5.3"},
                                                {"a.mirrors.example CNAME", "elsewhere.example"},
                                                {"a.mirrors.example A", kSecond},
                                                {"elsewhere.example A", kSecond},
                                                {"mirrors.example A", kSecond},
                                                {"inside.mirrors.example A", "192.0.2.1"},
                                                {"private.mirrors.example A", "192.168.7.7"}});
    mirror =
        std::make_unique<HttpServer>(scene.world, kMirror, 80, std::map<std::string, std::string>{{"/", "packages\n"}});
    second =
        std::make_unique<HttpServer>(scene.world, kSecond, 80, std::map<std::string, std::string>{{"/", "second\n"}});
    scene.daemon->vrouter({"add-guest", "tap0", kBuild, "--name", "build1", "--group", "build"});
    scene.daemon->vrouter({"add-guest", "tap1", kOther, "--name", "build2", "--group", "build"});
    scene.daemon->vrouter({"add-guest", "tap2", kPlain, "--name", "closed1", "--group", "closed"});
    build.set_static(std::string{kBuild} + "/32", kGateway, kGateway);
    other.set_static(std::string{kOther} + "/32", kGateway, kGateway);
    closed.set_static(std::string{kPlain} + "/32", kGateway, kGateway);
  }
  static std::string dig(TapGuest& guest, const std::string& name) {
    return guest.inside().sh("dig +short +time=2 +tries=1 @10.0.5.1 " + name).out;
  }
  static std::string page(TapGuest& guest, const char* address) {
    return fetch(guest.inside(), std::string{"http://"} + address + "/");
  }
  std::string admitted(const std::string& set) { return scene.host.sh("nft list set inet vrouter " + set).out; }
  std::string dns() { return scene.daemon->vrouter({"dns"}); }
  std::string explain(const std::string& from) { return scene.daemon->cli({"explain", from, kMirror, "tcp/80"}).out; }

  Scene scene{{.config = "[host]\ntable_owner = false\n", .policies = {{"10-build.toml", kPolicy}}}};
  std::unique_ptr<HttpServer> mirror, second;
  TapGuest build{scene.host, "tap0"}, other{scene.host, "tap1"}, closed{scene.host, "tap2"};
};

TEST_F(DomainRules, OpenWhatThisGuestWasTold) {
  EXPECT_EQ(page(build, kMirror), "") << "nobody has asked";
  EXPECT_THAT(explain("build1"), HasSubstr("once DNS has told the sender this address of domain:www.packages.example"));
  EXPECT_THAT(dig(build, "www.packages.example"), HasSubstr(kMirror));
  EXPECT_EQ(page(build, kMirror), "packages") << "at once";
  EXPECT_THAT(explain("build1"), HasSubstr("allowed"));
  EXPECT_EQ(page(other, kMirror), "") << "the rule is of this guest too, but it hasn't asked";
  EXPECT_FALSE((Conversation{{build.inside(), kMirror, 81, scene.world}}.begun())) << "another port";
  EXPECT_EQ(page(build, kSecond), "");
  EXPECT_THAT(dig(other, "www.packages.example"), HasSubstr(kMirror)) << "from the cache";
  EXPECT_EQ(page(other, kMirror), "packages");
  EXPECT_THAT(dig(closed, "www.packages.example"), HasSubstr(kMirror));
  EXPECT_EQ(page(closed, kMirror), "") << "no rule of its";
  const auto counted = [&] {
    return dns().find("2 addresses by rules to domains, 2 refused, 0 answers held too long") != std::string::npos;
  };
  EXPECT_TRUE(wait_until(counted)) << dns();
}

TEST_F(DomainRules, AGuestsOwnLookUpOpensItsConnection) {
  EXPECT_EQ(fetch(build.inside(), "http://www.packages.example/"), "packages");
}

TEST_F(DomainRules, TheNameThatWasAskedForCounts) {
  EXPECT_THAT(dig(build, "elsewhere.example"), HasSubstr(kSecond));
  EXPECT_THAT(dig(build, "mirrors.example"), HasSubstr(kSecond));
  EXPECT_EQ(page(build, kSecond), "") << "neither is a name below mirrors.example";
  EXPECT_THAT(dig(build, "a.mirrors.example"), HasSubstr(kSecond));
  EXPECT_EQ(page(build, kSecond), "second");
}

TEST_F(DomainRules, NothingInsideIsOpened) {
  EXPECT_THAT(dig(build, "www.packages.example"), HasSubstr(kOther)) << "told as ever";
  EXPECT_THAT(dig(build, "inside.mirrors.example"), HasSubstr("192.0.2.1"));
  EXPECT_THAT(dig(build, "private.mirrors.example"), HasSubstr("192.168.7.7"));
  EXPECT_THAT(admitted("d_www.packages.example_4"), Not(HasSubstr(kOther)));
  EXPECT_THAT(admitted("w_mirrors.example_4"), Not(HasSubstr("tap0")));
  const auto web = web_server(other.inside(), 80, "build2");
  EXPECT_EQ(page(build, kOther), "");
}

TEST_F(DomainRules, WhatIsNotLetInIsNotTold) {
  ::kill(scene.daemon->pid(), SIGSTOP);
  const auto answer = build.inside().sh("dig +time=2 +tries=1 @10.0.5.1 www.packages.example").out;
  ::kill(scene.daemon->pid(), SIGCONT);
  EXPECT_THAT(answer, HasSubstr("status: SERVFAIL"));
  EXPECT_THAT(answer, Not(HasSubstr(kMirror)));
  EXPECT_TRUE(wait_until([&] { return dns().find("1 answers held too long") != std::string::npos; })) << dns();
  EXPECT_THAT(dig(build, "www.packages.example"), HasSubstr(kMirror));
  EXPECT_EQ(page(build, kMirror), "packages");
}

TEST_F(DomainRules, ConnectionsGoOnUntilTheRuleGoes) {
  dig(build, "www.packages.example");
  auto conversation = Conversation{{build.inside(), kMirror, 8080, scene.world}};
  ASSERT_TRUE(conversation.begun());
  scene.host.must("nft flush set inet vrouter d_www.packages.example_4");  // as if its time were over
  scene.daemon->set_policy("20-more.toml",
                           "[[rules]]\nname = \"more\"\nfrom = \"group:build\"\nto = "
                           "\"domain:*.mirrors.example\"\nallow = \"tcp/443\"\n");
  scene.daemon->vrouter({"reload"});
  EXPECT_TRUE(conversation.goes_on()) << "other rules are no reason to end it";
  scene.daemon->set_policy("10-build.toml", "[groups.build]\negress = \"reject\"\n[groups.closed]\n");
  scene.daemon->vrouter({"reload"});
  EXPECT_TRUE(conversation.is_dead());
}

TEST_F(DomainRules, NobodyInheritsWhatAGuestWasTold) {
  dig(build, "www.packages.example");
  ASSERT_EQ(page(build, kMirror), "packages");
  scene.daemon->vrouter({"remove-guest", "build1"});
  EXPECT_THAT(admitted("d_www.packages.example_4"), Not(HasSubstr("tap0")));
  scene.daemon->vrouter({"add-guest", "tap0", kBuild, "--name", "heir1", "--group", "build"});
  EXPECT_EQ(page(build, kMirror), "");
  dig(build, "www.packages.example");
  EXPECT_EQ(page(build, kMirror), "packages") << "it was told so itself";
}

TEST_F(DomainRules, AGuestThatComesToAGroupIsLetInFromThenOn) {
  EXPECT_THAT(dig(closed, "www.packages.example"), HasSubstr(kMirror));
  EXPECT_EQ(page(closed, kMirror), "");
  scene.daemon->vrouter({"change-guest", "closed1", "--group", "build"});
  EXPECT_EQ(page(closed, kMirror), "");
  dig(closed, "www.packages.example");
  EXPECT_EQ(page(closed, kMirror), "packages");
}

TEST_F(DomainRules, ARestartLosesNothing) {
  dig(build, "www.packages.example");
  dig(build, "a.mirrors.example");
  EXPECT_EQ(scene.daemon->stop(), 0);
  EXPECT_EQ(page(build, kMirror), "packages");
  scene.daemon->start();
  EXPECT_EQ(page(build, kMirror), "packages");
  EXPECT_EQ(page(build, kSecond), "second");
  EXPECT_THAT(explain("build1"), HasSubstr("allowed")) << "the new daemon knows what guests were told";
  scene.daemon->vrouter({"remove-guest", "build1"});
  EXPECT_THAT(admitted("d_www.packages.example_4"), Not(HasSubstr("tap0")));
}

TEST_F(DomainRules, ARestartEndsNoConnectionWhoseTimeIsOver) {
  dig(build, "www.packages.example");
  auto conversation = Conversation{{build.inside(), kMirror, 8080, scene.world}};
  ASSERT_TRUE(conversation.begun());
  EXPECT_EQ(scene.daemon->stop(), 0);
  scene.host.must("nft flush set inet vrouter d_www.packages.example_4 || true");
  scene.daemon->start();
  std::this_thread::sleep_for(500ms);  // it looks twice, 200 ms apart
  EXPECT_TRUE(conversation.goes_on());
  scene.daemon->vrouter({"change-guest", "closed1", "--no-groups"});
  EXPECT_TRUE(conversation.goes_on()) << "nor does a command, later";
}

TEST_F(DomainRules, AnotherDnsProcessAsksAnew) {
  dig(build, "www.packages.example");
  ASSERT_EQ(page(build, kMirror), "packages");
  const auto dns_process = descendant_of(scene.daemon->pid(), "vrouterd: dns");
  ASSERT_NE(dns_process, 0);
  ::kill(dns_process, SIGKILL);
  EXPECT_TRUE(wait_until([&] { return dig(other, "www.packages.example").find(kMirror) != std::string::npos; }));
  EXPECT_EQ(page(other, kMirror), "packages");
  EXPECT_EQ(page(build, kMirror), "packages") << "what was let in stays";
}

TEST_F(DomainRules, TablesThatWereTakenAwayComeBackWithWhatWasToldSince) {
  dig(build, "www.packages.example");
  ASSERT_EQ(page(build, kMirror), "packages");
  if (!scene.host.sh("nft delete table inet vrouter").ok()) GTEST_SKIP() << "nobody else can, on this kernel";
  EXPECT_TRUE(wait_until([&] { return admitted("d_www.packages.example_4").find("tap0") != std::string::npos; }));
  EXPECT_EQ(page(build, kMirror), "packages");
}

TEST(DomainRulesOverAStart, NobodyInheritsWhatWasToldBehindItsTap) {
  const auto guest_of = [](const std::string& name, const std::string& address) {
    return "[[guests]]\nname = \"" + name + "\"\ntap = \"tap0\"\naddress = \"" + address + "\"\ngroups = [\"build\"]\n";
  };
  Scene scene{{.config = guest_of("build1", kBuild), .policies = {{"10-build.toml", kPolicy}}}};
  scene.world.must(std::string{"ip address add "} + kMirror + "/32 dev eth0");
  scene.names.reset();
  scene.names = std::make_unique<DnsServer>(
      scene.world, Scene::kWorld, std::multimap<std::string, std::string>{{"www.packages.example A", kMirror}});
  TapGuest guest{scene.host, "tap0"};
  guest.set_static(std::string{kBuild} + "/32", kGateway, kGateway);
  const auto admitted = [&] { return scene.host.must("nft list set inet vrouter d_www.packages.example_4"); };
  const auto told = [&] {
    return guest.inside().sh("dig +short +time=2 +tries=1 @10.0.5.1 www.packages.example").ok();
  };
  ASSERT_TRUE(wait_until([&] { return told() && admitted().find("tap0") != std::string::npos; }));
  EXPECT_EQ(scene.daemon->stop(), 0);
  scene.daemon->start();
  EXPECT_THAT(admitted(), HasSubstr("tap0")) << "it is the same guest";
  EXPECT_EQ(scene.daemon->stop(), 0);
  scene.daemon->set_config(guest_of("heir1", "10.0.5.9"));
  scene.daemon->start();
  EXPECT_THAT(admitted(), Not(HasSubstr("tap0")));
}

// What is asked for by IPv4 is reached by IPv6.
TEST(DomainRulesOfBothFamilies, OpenTheOtherFamilyToo) {
  Scene scene{{.policies = {{"10-build.toml",
                             "[groups.build]\negress = \"reject\"\n[[rules]]\nname = \"packages\"\n"
                             "from = \"group:build\"\nto = \"domain:*.packages.example\"\n"
                             "allow = \"ping\"\n"}}},
              false};
  scene.host.must("ip -6 address add 2001:db8:1::1/64 dev eth0 nodad; ip -6 route add default via 2001:db8:1::80");
  scene.world.must("for a in 80 81; do ip -6 address add 2001:db8:1::$a/64 dev eth0 nodad; done");
  for (const auto* where : {&scene.host, &scene.world})
    ASSERT_TRUE(wait_until([&] { return where->must("ip -6 address show tentative").empty(); }));
  scene.names.reset();
  scene.names = std::make_unique<DnsServer>(
      scene.world, Scene::kWorld,
      std::multimap<std::string, std::string>{{"www.packages.example AAAA", "2001:db8:1::81"}});
  scene.daemon->start();
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2,fd76:7274:5::2", "--name", "build1", "--group", "build"});
  TapGuest guest{scene.host, "tap0"};
  guest.set_static("10.0.5.2/24", kGateway);
  guest.inside().must(
      "ip -6 address replace fd76:7274:5::2/64 dev eth0 nodad; ip -6 route replace default via fe80::1 "
      "dev eth0");
  const auto reaches = [&] { return guest.inside().sh("ping -c 1 -W 1 2001:db8:1::81").ok(); };
  ASSERT_TRUE(wait_until([&] { return guest.inside().sh("ping -c 1 -W 1 fd76:7274:5::1").ok(); }));
  EXPECT_FALSE(reaches());
  EXPECT_EQ(guest.inside().sh("dig +short +time=2 +tries=1 @10.0.5.1 AAAA www.packages.example").out,
            "2001:db8:1::81\n");
  EXPECT_TRUE(reaches());
  EXPECT_FALSE(guest.inside().sh("ping -c 1 -W 1 2001:db8:1::80").ok());
}

}  // namespace
}  // namespace vrouter::lab
