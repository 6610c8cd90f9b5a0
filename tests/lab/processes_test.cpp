// SPDX-License-Identifier: GPL-2.0-or-later
// The spawner and its caged children as the kernel shows them, and what the children get done when they turn hostile.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "tests/lab/caged_child.h"

namespace vrouter::lab {
namespace {

constexpr auto kNoCapability = "0000000000000000";

class Cage : public CageTest {};

std::string ids(unsigned id) {
  const auto text = std::to_string(id);
  return text + "\t" + text + "\t" + text + "\t" + text;
}

TEST_F(Cage, LeavesAChildNothingButItsChannel) {
  for (const auto& [service, user] : {std::pair{Service::dhcp, kDhcpUser}, {Service::dns, kDnsUser}}) {
    Hostile child{*spawner_, service};
    ASSERT_TRUE(child.attempt(Attempt::nothing)) << "no child in its cage";
    const pid_t pid = child.pid();
    for (const auto* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
      EXPECT_EQ(status_line(pid, set), kNoCapability) << set;
    }
    EXPECT_EQ(status_line(pid, "NoNewPrivs"), "1");
    EXPECT_EQ(status_line(pid, "Seccomp"), "2");
    EXPECT_EQ(status_line(pid, "Uid"), ids(user.uid));
    EXPECT_EQ(status_line(pid, "Gid"), ids(user.gid));
    EXPECT_EQ(status_line(pid, "Groups"), "");
    EXPECT_EQ(status_line(pid, "Threads"), "1");
    EXPECT_EQ(status_line(pid, "Name"), "vrouterd: " + std::string{name(service)});
    const auto proc = "/proc/" + std::to_string(pid);
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/root"), root_.path());
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/cwd"), root_.path());
    EXPECT_TRUE(std::filesystem::is_empty(proc + "/root/"));
    const auto open = open_descriptors(pid);
    EXPECT_EQ(open.size(), 4U);
    for (const int standard : {0, 1, 2}) EXPECT_TRUE(open.contains(standard)) << standard;
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/fd/0"), "/dev/null");
    struct stat found{};
    ASSERT_EQ(::stat((proc + "/mem").c_str(), &found), 0);
    EXPECT_EQ(found.st_uid, 0U) << "a process that may be dumped owns its files in /proc";
  }
}

}  // namespace
}  // namespace vrouter::lab
