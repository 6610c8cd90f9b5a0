// SPDX-License-Identifier: GPL-2.0-or-later
// A daemon with its spawner and services in a namespace: what the firewall there sees of their sockets, and what is
// left of them when the daemon is killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/lab/caged_child.h"
#include "tests/lab/lib/namespace.h"
#include "tests/lab/lib/paths.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;

class CagedDaemon : public ::testing::Test {
 protected:
  // Pids are the namespace's.
  std::vector<int> start(Arguments wrapper = {}) {
    wrapper.insert(wrapper.end(), {binary_directory() + "/tests/processes_daemon", "/run/empty", "127.0.0.1"});
    daemon_ = host_.spawn(wrapper);
    const bool told = wait_until([this] { return daemon_.output().find('\n') != std::string::npos; });
    std::istringstream words{daemon_.output()};
    std::vector<int> pids(3);
    for (auto& pid : pids) words >> pid;
    if (!told || !words) throw LabError{"the daemon said: " + daemon_.output()};
    return pids;
  }
  bool lives(int pid) { return host_.run({"test", "-d", "/proc/" + std::to_string(pid)}).ok(); }

  Namespace host_{"host"};
  Process daemon_;
};

TEST_F(CagedDaemon, IsFollowedByItsProcessesWhenItIsKilled) {
  const auto pids = start();
  for (const int pid : pids) EXPECT_TRUE(lives(pid)) << pid;
  daemon_.signal(SIGKILL);
  EXPECT_TRUE(wait_until([&] { return std::ranges::none_of(pids, [this](int pid) { return lives(pid); }); }))
      << host_.must("ps -ef");
}

// packaging/vrouterd.service: root without the rest of its powers.
TEST_F(CagedDaemon, NeedsNoMoreThanItsUnitGives) {
  const auto pids =
      start({"setpriv", "--bounding-set",
             "-all,+net_admin,+net_bind_service,+chown,+setuid,+setgid,+sys_chroot,+kill,+setpcap", "--no-new-privs"});
  for (const int pid : pids) EXPECT_TRUE(lives(pid)) << pid;
  daemon_.signal(SIGKILL);
  EXPECT_TRUE(wait_until([&] { return std::ranges::none_of(pids, [this](int pid) { return lives(pid); }); }));
}

TEST_F(CagedDaemon, GivesSocketsThatTheFirewallKnowsByTheirUser) {
  host_.must(
      "nft 'add table ip t; add counter ip t dhcp; add counter ip t dns; add counter ip t dns_group; "
      "add chain ip t c { type filter hook output priority 0; }; "
      "add rule ip t c meta skuid 7601 udp dport 9 counter name dhcp; "
      "add rule ip t c meta skuid 7602 udp dport 9 counter name dns; "
      "add rule ip t c meta skgid 7612 udp dport 9 counter name dns_group'");
  (void)start();
  EXPECT_THAT(host_.must("nft list counter ip t dhcp"), HasSubstr("packets 1 "));
  EXPECT_THAT(host_.must("nft list counter ip t dns"), HasSubstr("packets 1 "));
  EXPECT_THAT(host_.must("nft list counter ip t dns_group"), HasSubstr("packets 1 "));
}

}  // namespace
}  // namespace vrouter::lab
