// SPDX-License-Identifier: GPL-2.0-or-later
// What the firewall refuses, as the operator sees it: `vrouter monitor`, what is counted, and other tables in the way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <sstream>

#include "tests/integration/scene.h"
#include "tests/lab/lib/frames.h"
#include "tests/lab/lib/paths.h"

namespace vrouter::lab {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kWeb = "10.0.5.2";
constexpr const char* kDb = "10.0.5.3";
constexpr const char* kGateway = "10.0.5.1";
constexpr const char* kBanned = "192.0.2.81";

constexpr const char* kPolicy = R"([sets]
banned = ["192.0.2.81"]
[groups.web]
[groups.db]
ingress = "deny"
[[rules]]
name = "banned"
from = "set:banned"
to   = "group:web"
deny = "any"
[[rules]]
name   = "no mail"
from   = "group:web"
to     = "world"
reject = "tcp/25"
[[rules]]
name  = "web asks db"
from  = "group:web"
to    = "group:db"
allow = "tcp/5432"
[[expect]]
from    = "guest:web1"
to      = "guest:db1"
packet  = "tcp/22"
verdict = "deny"
)";

// `vrouter monitor` beside the daemon.
class Monitor {
 public:
  explicit Monitor(const Scene& scene, Arguments more = {}) {
    Arguments command{built_program("vrouter"), "--socket", scene.daemon->socket_path(), "monitor"};
    command.insert(command.end(), more.begin(), more.end());
    process_ = scene.host.spawn(command, {.environment = {}, .input = {}, .split_errors = true});
    if (!wait_until([&] { return said().find("as it happens") != std::string::npos; })) throw LabError{said()};
  }
  // The first line that holds all of these; "" when none comes.
  [[nodiscard]] std::string line(const std::vector<std::string>& words) const {
    std::string found;
    static_cast<void>(wait_until([&] {
      const auto lines = all(words);
      if (!lines.empty()) found = lines.front();
      return !found.empty();
    }));
    return found;
  }
  [[nodiscard]] std::vector<std::string> all(const std::vector<std::string>& words) const {
    std::vector<std::string> lines;
    std::istringstream text{process_.output()};
    for (std::string line; std::getline(text, line);) {
      const auto holds = [&](const std::string& word) { return line.find(word) != std::string::npos; };
      if (std::ranges::all_of(words, holds)) lines.push_back(line);
    }
    return lines;
  }
  [[nodiscard]] std::string said() const { return process_.errors(); }
  [[nodiscard]] std::string output() const { return process_.output(); }
  Process& process() { return process_; }

 private:
  Process process_;
};

MacAddress mac_of(const Namespace& host, const std::string& tap) {
  auto text = host.must("cat /sys/class/net/" + tap + "/address");
  text.resize(17);
  return *parse_mac_address(text);
}

// A TCP connection that is not to be; bash, since nc differs from one system to the next.
void call(const Namespace& from, const std::string& to, int port) {
  static_cast<void>(from.sh("timeout 1 bash -c '</dev/tcp/" + to + "/" + std::to_string(port) + "' 2>/dev/null"));
}

struct Seeing : ::testing::Test {
  explicit Seeing(DaemonOptions options = {.policies = {{"10-base.toml", kPolicy}}}) : scene{std::move(options)} {
    scene.world.must(std::string{"ip address add "} + kBanned + "/24 dev eth0");
    scene.daemon->vrouter(
        {"add-guest", "tap0", kWeb, "--name", "web1", "--group", "web", "--publish", "8080:80/tcp", "--wait"});
    scene.daemon->vrouter({"add-guest", "tap1", kDb, "--name", "db1", "--group", "db", "--wait"});
    web.set_static(std::string{kWeb} + "/32", kGateway);
    db.set_static(std::string{kDb} + "/32", kGateway);
  }
  void spoof(const std::string& from) {
    web.inject(ping({mac_of(scene.host, "tap0"), web.mac()}, {from, Scene::kWorld}, 77, 1));
  }
  [[nodiscard]] int pid_of_reader() const {
    const auto text = scene.host.sh("pgrep -f '^vrouterd: log'").out;
    return text.empty() ? 0 : std::stoi(text);
  }

  Scene scene;
  TapGuest web{scene.host, "tap0"};
  TapGuest db{scene.host, "tap1"};
};

TEST_F(Seeing, ARefusalIsToldWithItsRuleWhoAskedAndForWhat) {
  const Monitor monitor{scene};
  call(web.inside(), kDb, 22);
  EXPECT_THAT(
      monitor.line({"-> db1 10.0.5.3:22"}),
      AllOf(HasSubstr(" deny   tcp web1 10.0.5.2:"), HasSubstr("  default of group db, ingress (10-base.toml:4)")));
  static_cast<void>(scene.world.sh("curl -s -m 1 --interface 192.0.2.81 http://192.0.2.1:8080/"));
  EXPECT_THAT(monitor.line({"-> web1 10.0.5.2:80"}),
              AllOf(HasSubstr(" deny   tcp eth0 192.0.2.81:"), HasSubstr("  banned (10-base.toml:6)")));
  call(web.inside(), Scene::kWorld, 25);
  EXPECT_THAT(monitor.line({"-> eth0 192.0.2.80:25"}),
              AllOf(HasSubstr(" reject tcp web1 10.0.5.2:"), HasSubstr("  no mail (10-base.toml:11)")));
  call(web.inside(), kGateway, 80);
  EXPECT_THAT(monitor.line({"10.0.5.1:80"}),
              AllOf(HasSubstr(" reject tcp web1 10.0.5.2:"), HasSubstr("  nothing else of this host")));
  spoof("10.0.5.99");
  EXPECT_THAT(monitor.line({"10.0.5.99"}),
              HasSubstr(" spoof  icmp/8 web1 10.0.5.99 -> 192.0.2.80  not its own address"));
}

// The server's broadcasts come back to the host as if the guest had sent them.
TEST_F(Seeing, ALeaseLooksLikeNoRogueServers) {
  const Monitor monitor{scene};
  get_lease(web);
  spoof("10.0.5.99");
  EXPECT_FALSE(monitor.line({"10.0.5.99"}).empty());
  EXPECT_THAT(monitor.all({"a guest never answers DHCP"}), IsEmpty()) << monitor.output();
}

TEST_F(Seeing, WhatAGuestSendsToLoopbackIsToldAndCounted) {
  const Monitor monitor{scene};
  for (std::uint16_t n = 1; n <= 3; ++n) {
    web.inject(ping({mac_of(scene.host, "tap0"), web.mac()}, {kWeb, "127.0.0.1"}, 77, n));
  }
  EXPECT_THAT(monitor.line({"-> 127.0.0.1"}),
              HasSubstr(" deny   icmp/8 web1 10.0.5.2 -> 127.0.0.1  loopback is this host's alone"));
  EXPECT_TRUE(wait_until([&] {
    return scene.daemon->vrouter({"show", "web1", "--json"}).find("\"denied\":{\"out\":{\"packets\":3,") !=
           std::string::npos;
  })) << scene.daemon->vrouter({"show", "web1", "--json"});
}

TEST_F(Seeing, Ipv6IsToldAsIpv4Is) {
  TapGuest six{scene.host, "tap2"};
  scene.daemon->vrouter({"add-guest", "tap2", "10.0.5.4,fd76:7274:5::4", "--name", "six1", "--wait"});
  six.inside().must("ip address add fd76:7274:5::4/128 dev eth0 nodad && ip -6 route add default via fe80::1 dev eth0");
  const Monitor monitor{scene};
  six.inject(ping({mac_of(scene.host, "tap2"), six.mac()}, {"fd76:7274:5::99", "fd76:7274:5::1"}, 77, 1));
  EXPECT_THAT(monitor.line({"fd76:7274:5::99"}),
              HasSubstr(" spoof  icmpv6/128 six1 fd76:7274:5::99 -> fd76:7274:5::1  "));
  call(six.inside(), "fd76:7274:5::1", 80);
  EXPECT_THAT(monitor.line({"[fd76:7274:5::1]:80"}),
              AllOf(HasSubstr(" reject tcp six1 [fd76:7274:5::4]:"), HasSubstr("  nothing else of this host")));
}

TEST_F(Seeing, WhatPassesIsNotTold) {
  const auto page = web_server(db.inside(), 5432, "rows");
  const Monitor monitor{scene};
  EXPECT_EQ(fetch(web.inside(), "http://10.0.5.3:5432/"), "rows");
  EXPECT_EQ(fetch(web.inside(), "http://192.0.2.80/"), fetch(scene.world, "http://192.0.2.80/"));
  call(web.inside(), kDb, 22);
  EXPECT_NE(monitor.line({"10.0.5.3:22"}), "");
  EXPECT_TRUE(monitor.all({":5432"}).empty()) << monitor.output();
  EXPECT_TRUE(monitor.all({"192.0.2.80:80"}).empty()) << monitor.output();
}

TEST_F(Seeing, OneGuestAloneIsToldWhenAsked) {
  const Monitor monitor{scene, {"--guest", "db1"}};
  call(web.inside(), kGateway, 80);
  spoof("10.0.5.99");
  call(web.inside(), kDb, 22);
  EXPECT_NE(monitor.line({"10.0.5.3:22"}), "");
  EXPECT_TRUE(monitor.all({"10.0.5.1:80"}).empty()) << monitor.output();
  EXPECT_TRUE(monitor.all({"10.0.5.99"}).empty()) << monitor.output();
  const auto unknown = scene.daemon->cli({"monitor", "--guest", "nobody"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.err, HasSubstr("no guest is called nobody"));
}

TEST_F(Seeing, JsonHasOneObjectALine) {
  const Monitor monitor{scene, {"--json"}};
  call(web.inside(), kDb, 22);
  EXPECT_THAT(monitor.line({"\"destination_port\":22"}),
              AllOf(HasSubstr("\"rule\":\"default of group db, ingress\""), HasSubstr("\"file\":\"10-base.toml\""),
                    HasSubstr("\"line\":4"), HasSubstr("\"from_guest\":\"web1\""), HasSubstr("\"to_guest\":\"db1\"")));
}

TEST_F(Seeing, AGuestThatIsRefusedWithoutEndHidesNobody) {
  const Monitor monitor{scene};
  constexpr int kFlood = 3000;
  web.inside().must("bash -c 'for i in $(seq " + std::to_string(kFlood) + "); do echo x >/dev/udp/10.0.5.3/9; done'");
  call(db.inside(), kWeb, 23);
  EXPECT_THAT(monitor.line({"10.0.5.2:23"}), HasSubstr("default of group web, ingress"));
  const auto told = monitor.all({"10.0.5.3:9"}).size();
  EXPECT_GT(told, 0U);
  EXPECT_LT(told, kFlood / 2U);  // 20, and 10 a second
  // The queue of the guest's link may drop some on their way; what came is counted to the last.
  const auto shown = scene.daemon->vrouter({"show", "web1", "--json"});
  const std::string before = "\"denied\":{\"out\":{\"packets\":";
  ASSERT_THAT(shown, HasSubstr(before));
  const auto counted = std::stoul(shown.substr(shown.find(before) + before.size()));
  EXPECT_GT(counted, 10 * told);
  EXPECT_LE(counted, kFlood + 10U);
}

TEST_F(Seeing, AReaderThatIsKilledComesBackAndTheMonitorGoesOn) {
  const Monitor monitor{scene};
  const int first = pid_of_reader();
  ASSERT_NE(first, 0);
  scene.host.must("kill -9 " + std::to_string(first));
  ASSERT_TRUE(wait_until([&] { return pid_of_reader() != 0 && pid_of_reader() != first; }));
  call(web.inside(), kDb, 24);
  EXPECT_NE(monitor.line({"10.0.5.3:24"}), "") << monitor.output();
}

TEST_F(Seeing, AReaderThatHangsHoldsUpNobody) {
  const Monitor monitor{scene};
  scene.host.must("kill -STOP " + std::to_string(pid_of_reader()));
  call(web.inside(), kDb, 22);
  EXPECT_THAT(scene.daemon->vrouter({"show", "web1"}), HasSubstr("denied out"));
  scene.host.must("kill -CONT " + std::to_string(pid_of_reader()));
  EXPECT_NE(monitor.line({"10.0.5.3:22"}), "") << "what was logged meanwhile waited";
}

TEST_F(Seeing, RulesSayWhatTheyHaveDecided) {
  call(web.inside(), kDb, 22);
  call(web.inside(), Scene::kWorld, 25);
  static_cast<void>(scene.world.sh("curl -s -m 1 --interface 192.0.2.81 http://192.0.2.1:8080/"));
  const auto rules = scene.daemon->vrouter({"rules"});
  const auto line_of = [&](const std::string& name) {
    std::istringstream text{rules};
    for (std::string line; std::getline(text, line);) {
      if (line.starts_with(name)) return line;
    }
    return std::string{};
  };
  EXPECT_THAT(line_of("banned"), AllOf(HasSubstr("10-base.toml:6"), HasSubstr("set:banned"), Not(HasSubstr("  0  "))));
  EXPECT_THAT(line_of("no mail"), AllOf(HasSubstr("reject"), HasSubstr("tcp/25"), Not(HasSubstr("  0  "))));
  EXPECT_THAT(line_of("web asks db"), AllOf(HasSubstr("allow"), HasSubstr("  0  ")));
  EXPECT_THAT(line_of("default of group db, ingress"), AllOf(HasSubstr("deny"), Not(HasSubstr("  0  "))));
  EXPECT_THAT(scene.daemon->vrouter({"status"}), HasSubstr("3 rules, 2 groups, 1 expectations in "));
  EXPECT_THAT(scene.daemon->vrouter({"rules", "--json"}), HasSubstr("\"name\":\"no mail\""));
}

TEST_F(Seeing, CountsOutliveAReload) {
  call(web.inside(), kDb, 22);
  const auto before = scene.daemon->vrouter({"show", "web1", "--json"});
  const auto counted = before.substr(before.find("\"denied\""), 60);
  scene.daemon->set_policy("20-more.toml",
                           "[[rules]]\nname = \"more\"\nfrom = \"group:web\"\nto = \"world\"\ndeny = \"tcp/26\"\n");
  scene.daemon->vrouter({"reload"});
  EXPECT_THAT(scene.daemon->vrouter({"show", "web1", "--json"}), HasSubstr(counted));
  const Monitor monitor{scene};
  call(web.inside(), Scene::kWorld, 26);
  EXPECT_THAT(monitor.line({"192.0.2.80:26"}), HasSubstr("more (20-more.toml:1)"));
}

TEST_F(Seeing, AForeignFirewallIsToldAsItComesAndGoes) {
  EXPECT_THAT(scene.daemon->vrouter({"status"}), Not(HasSubstr("table inet mine")));
  scene.host.must(
      "nft 'add table inet mine; add chain inet mine guard { type filter hook forward priority 10; policy drop; }'");
  ASSERT_TRUE(wait_until([&] {
    return scene.daemon->log().find("table inet mine chain guard drops") != std::string::npos;
  })) << "the log says it when it comes";
  EXPECT_THAT(scene.daemon->vrouter({"status"}),
              AllOf(HasSubstr("table inet mine chain guard drops what is forwarded for guests by policy"),
                    HasSubstr("nft insert rule inet mine guard iifgroup 7672 accept && "
                              "nft insert rule inet mine guard oifgroup 7672 accept")));
  EXPECT_EQ(fetch(web.inside(), "http://192.0.2.80/"), "");
  scene.host.must(
      "nft insert rule inet mine guard iifgroup 7672 accept && nft insert rule inet mine guard oifgroup 7672 accept");
  EXPECT_NE(fetch(web.inside(), "http://192.0.2.80/"), "") << "the remedy is one";
  scene.host.must("nft delete table inet mine");
  EXPECT_TRUE(wait_until(
      [&] { return scene.daemon->log().find("no longer in guests' way: table inet mine") != std::string::npos; }));
  EXPECT_THAT(scene.daemon->vrouter({"status"}), Not(HasSubstr("table inet mine")));
}

struct SeeingInOneProcess : Seeing {
  SeeingInOneProcess() : Seeing{{.policies = {{"10-base.toml", kPolicy}}, .more = {"--single-process"}}} {}
};

TEST_F(SeeingInOneProcess, TheMonitorTellsTheSame) {
  const Monitor monitor{scene};
  call(web.inside(), kDb, 22);
  EXPECT_THAT(monitor.line({"-> db1 10.0.5.3:22"}), HasSubstr("default of group db, ingress (10-base.toml:4)"));
}

TEST(SeeingNothing, AGroupThatAnotherReadsCostsTheMonitorAlone) {
  Scene scene{{.policies = {{"10-base.toml", kPolicy}}}, false};
  const auto other = scene.host.spawn({"tcpdump", "-l", "-n", "-i", "nflog:7672"});
  ASSERT_TRUE(wait_until([&] { return other.output().find("listening") != std::string::npos; })) << other.output();
  scene.daemon->start();
  EXPECT_THAT(scene.daemon->vrouter({"status"}),
              AllOf(HasSubstr("another process reads nflog group 7672"), HasSubstr("restart vrouterd")));
  scene.daemon->vrouter({"add-guest", "tap0", kWeb, "--name", "web1", "--group", "web"});
  TapGuest web{scene.host, "tap0"};
  web.set_static(std::string{kWeb} + "/32", kGateway);
  EXPECT_TRUE(wait_until([&] { return !fetch(web.inside(), "http://192.0.2.80/").empty(); }));
  const Monitor monitor{scene};
  EXPECT_THAT(monitor.said(), HasSubstr("warning: what the firewall refuses can't be shown"));
}

}  // namespace
}  // namespace vrouter::lab
