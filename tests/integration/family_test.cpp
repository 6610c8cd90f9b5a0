// SPDX-License-Identifier: GPL-2.0-or-later
// The product's processes as an operator finds them: who they are, what they may, what they read, and what happens when
// one is killed. The cage itself is tested by tests/lab/processes_*.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string slurp(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream{file}.rdbuf();
  return text.str();
}

// "Uid:\t0\t0\t0\t0" of /proc/PID/status, without the key.
std::string field(const std::string& status, const std::string& key) {
  std::istringstream lines{status};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key + ":\t")) return line.substr(key.size() + 2);
  }
  return "no " + key;
}

// The daemon's descendants by name: "vrouterd: dns" -> pid.
std::map<std::string, pid_t> family_of(pid_t daemon) {
  std::map<std::string, pid_t> found;
  std::vector<pid_t> parents{daemon};
  while (!parents.empty()) {
    const auto parent = parents.back();
    parents.pop_back();
    for (const auto& task : std::filesystem::directory_iterator{"/proc/" + std::to_string(parent) + "/task"}) {
      std::istringstream children{slurp(task.path() / "children")};
      for (pid_t child = 0; children >> child;) {
        auto name = slurp("/proc/" + std::to_string(child) + "/comm");
        if (!name.empty()) name.pop_back();
        found[name] = child;
        parents.push_back(child);
      }
    }
  }
  return found;
}

struct Processes : testing::Test {
  Processes() {
    scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
    get_lease(guest);
  }
  [[nodiscard]] std::string resolved() {
    return guest.inside().sh("dig +short +tries=1 +time=5 www.world.example @10.0.5.1").out;
  }

  Scene scene;
  TapGuest guest{scene.host, "tap0"};
};

TEST_F(Processes, DnsHasAsManyThreadsAsWorkers) {
  const auto threads = [&] {
    const auto status =
        slurp("/proc/" + std::to_string(family_of(scene.daemon->pid()).at("vrouterd: dns")) + "/status");
    return field(status, "Threads");
  };
  EXPECT_EQ(threads(), "1");
  const auto before = slurp(scene.daemon->config_path());
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3"});
  TapGuest other{scene.host, "tap1"};
  get_lease(other);
  for (const auto* workers : {"4", "2", "1"}) {
    scene.daemon->set_config(before + "\n[dns]\nworkers = " + workers + "\n");
    scene.daemon->vrouter({"reload"});
    EXPECT_TRUE(wait_until([&] { return threads() == workers; })) << workers << ", not " << threads();
    for (auto* which : {&guest, &other}) {
      const auto ask = [&](const std::string& what) {
        return which->inside().sh("dig +short +tries=3 +time=2 @10.0.5.1 " + what).out;
      };
      for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("www.world.example"), "192.0.2.80\n") << workers;
      EXPECT_EQ(ask("+tcp www.world.example"), "192.0.2.80\n") << workers;
      EXPECT_EQ(ask("_gateway"), "10.0.5.1\n") << workers;
    }
  }
  std::this_thread::sleep_for(300ms);  // it reports ten times a second
  EXPECT_EQ(scene.daemon->log().find("was killed"), std::string::npos) << "it was one process all the time";
}

TEST_F(Processes, EachHasOnlyThePrivilegesOfItsJob) {
  const auto family = family_of(scene.daemon->pid());
  ASSERT_TRUE(family.contains("vrouterd: spawn") && family.contains("vrouterd: dhcp") &&
              family.contains("vrouterd: dns") && family.contains("vrouterd: log"));
  // Every thread: capabilities are each thread's own.
  for (const auto& task :
       std::filesystem::directory_iterator{"/proc/" + std::to_string(scene.daemon->pid()) + "/task"}) {
    const auto status = slurp(task.path() / "status");
    for (const auto* set : {"CapPrm", "CapEff", "CapBnd"})
      EXPECT_EQ(field(status, set), "0000000000001400")
          << task.path() << set << ": CAP_NET_ADMIN, CAP_NET_BIND_SERVICE";
    EXPECT_EQ(field(status, "CapAmb"), "0000000000000000");
  }
  const auto spawner = slurp("/proc/" + std::to_string(family.at("vrouterd: spawn")) + "/status");
  EXPECT_EQ(field(spawner, "CapEff"), "00000000000400e0") << "SETUID, SETGID, SYS_CHROOT, KILL";
  for (const auto& [name, user] :
       {std::pair{"vrouterd: dhcp", "7601"}, {"vrouterd: dns", "7602"}, {"vrouterd: log", "7603"}}) {
    const auto status = slurp("/proc/" + std::to_string(family.at(name)) + "/status");
    const std::string ids = std::string{user} + "\t" + user + "\t" + user + "\t" + user;
    EXPECT_EQ(field(status, "Uid"), ids) << name;
    EXPECT_EQ(field(status, "Gid"), ids) << name;
    EXPECT_EQ(field(status, "Groups"), " ") << name;
    for (const auto* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
      EXPECT_EQ(field(status, set), "0000000000000000") << name << set;
    EXPECT_EQ(field(status, "NoNewPrivs"), "1") << name;
    EXPECT_EQ(field(status, "Seccomp"), "2") << name;
  }
}

TEST_F(Processes, TheDaemonReadsNothingThatAGuestOrAServerSent) {
  const auto status = "/proc/" + std::to_string(scene.daemon->pid()) + "/status";
  auto pid = scene.host.must("pgrep -o -x vrouterd");  // as its namespace numbers it
  pid.pop_back();
  // -yy names each descriptor's protocol and addresses.
  auto strace =
      scene.host.spawn({"strace", "-yy", "-s", "9000", "-e",
                        "trace=read,readv,recvfrom,recvmsg,recvmmsg,accept,accept4", "-o", "/tmp/trace", "-p", pid});
  for (int i = 0; i < 500 && field(slurp(status), "TracerPid") == "0"; ++i) std::this_thread::sleep_for(10ms);
  ASSERT_NE(field(slurp(status), "TracerPid"), "0") << strace.output();
  static_cast<void>(guest.inside().sh("dig +short +tries=1 +time=2 marked-question.world.example @10.0.5.1"));
  EXPECT_THAT(resolved(), HasSubstr(Scene::kWorld));
  EXPECT_THAT(guest.inside().sh("dig +tcp +short +tries=1 +time=5 www.world.example @10.0.5.1").out,
              HasSubstr(Scene::kWorld));
  guest.inside().must("dhclient -r -lf /tmp/leases -pf /tmp/dhclient.pid eth0 2>&1; true", 20s);
  guest.inside().write_file("/tmp/dhclient.conf", "send vendor-class-identifier \"marked-vendor\";\n");
  guest.inside().must("dhclient -1 -cf /tmp/dhclient.conf -lf /tmp/leases -pf /tmp/dhclient.pid eth0 2>&1", 40s);
  EXPECT_THAT(scene.daemon->vrouter({"leases"}), HasSubstr("bound"));
  strace.signal(SIGINT);
  static_cast<void>(strace.wait(5s));
  const auto seen = scene.host.read_file("/tmp/trace");
  ASSERT_THAT(seen, HasSubstr("recv")) << "strace saw nothing at all";
  EXPECT_THAT(seen, Not(HasSubstr("marked-question")));
  EXPECT_THAT(seen, Not(HasSubstr("marked-vendor")));
  EXPECT_THAT(seen, Not(HasSubstr("<UDP")));
  EXPECT_THAT(seen, Not(HasSubstr("<TCP")));
}

TEST_F(Processes, AKilledServiceIsBackAndNobodyNotices) {
  for (const auto* name : {"vrouterd: dns", "vrouterd: dhcp"}) {
    const auto killed = family_of(scene.daemon->pid()).at(name);
    ASSERT_EQ(::kill(killed, SIGKILL), 0);
    const auto began = std::chrono::steady_clock::now();
    if (std::string_view{name} == "vrouterd: dns") {
      EXPECT_THAT(resolved(), HasSubstr(Scene::kWorld));
    } else {
      get_lease(guest);
    }
    const auto took = std::chrono::steady_clock::now() - began;
    std::cout << name << " killed: served again after "
              << std::chrono::duration_cast<std::chrono::milliseconds>(took).count()
              << " ms, the client's start included\n";
    EXPECT_NE(family_of(scene.daemon->pid()).at(name), killed);
  }
  EXPECT_THAT(scene.daemon->vrouter({"status"}), HasSubstr("started again 1 times"));
  EXPECT_EQ(fetch(guest.inside(), std::string{"http://"} + Scene::kWorld + "/"), "hello from the world");
}

// The spawner can't be replaced: a daemon without one ends, for its service manager to start it anew.
TEST_F(Processes, TheDaemonEndsWithItsSpawnerAndTheDataPlaneGoesOn) {
  const auto family = family_of(scene.daemon->pid());
  ASSERT_EQ(::kill(family.at("vrouterd: spawn"), SIGKILL), 0);
  for (int i = 0; i < 500 && scene.daemon->running(); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_FALSE(scene.daemon->running());
  EXPECT_EQ(fetch(guest.inside(), std::string{"http://"} + Scene::kWorld + "/"), "hello from the world");
  for (const auto* name : {"vrouterd: dhcp", "vrouterd: dns"}) {
    EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(family.at(name))))
        << name << " outlived its parents";
  }
  scene.daemon->start();
  EXPECT_THAT(resolved(), HasSubstr(Scene::kWorld));
}

TEST(SingleProcess, ServesTheSameWithoutChildren) {
  Scene scene{DaemonOptions{.more = {"--single-process"}}};
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  get_lease(guest);
  EXPECT_TRUE(family_of(scene.daemon->pid()).empty());
  EXPECT_THAT(guest.inside().sh("dig +short +tries=1 +time=5 www.world.example @10.0.5.1").out,
              HasSubstr(Scene::kWorld));
  EXPECT_THAT(scene.daemon->vrouter({"ruleset"}), Not(HasSubstr("skuid")));
}

}  // namespace
}  // namespace vrouter::lab
