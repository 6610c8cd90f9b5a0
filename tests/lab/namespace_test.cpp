// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/namespace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "tests/lab/lib/paths.h"
#include "tests/lab/lib/tap.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Namespace, HasInterfacesMountsAndProcessesOfItsOwn) {
  const Namespace host{"host"};
  EXPECT_EQ(host.must("ls /sys/class/net"), "lo\n");
  EXPECT_THAT(host.must("ip -o link"), Not(HasSubstr("\n2:")));
  EXPECT_THAT(host.must("ip addr show lo"), HasSubstr("127.0.0.1/8"));
  EXPECT_EQ(host.must("hostname"), "host\n");
  // The held child and the shell: no process of the machine's.
  EXPECT_EQ(host.must("set -- /proc/[0-9]*; echo $#"), "2\n");
  EXPECT_EQ(host.must("ls /run"), "lock\n");
  EXPECT_TRUE(host.must("cat /etc/resolv.conf").empty());
  EXPECT_THAT(host.must("cat /etc/passwd"), HasSubstr("root:"));
}

TEST(Namespace, KeepsItsFilesFromTheMachine) {
  const Namespace host{"host"};
  const auto before = std::filesystem::exists("/etc/resolv.conf") ? std::filesystem::file_size("/etc/resolv.conf") : 0;
  // As a DHCP client does: write beside it, rename over it.
  host.must("echo nameserver 192.0.2.53 > /etc/resolv.conf.new && mv -f /etc/resolv.conf.new /etc/resolv.conf");
  EXPECT_EQ(host.read_file("/etc/resolv.conf"), "nameserver 192.0.2.53\n");
  EXPECT_FALSE(host.sh("test -w /etc/group").ok()) << "by a link it would be the machine's";
  const auto after = std::filesystem::exists("/etc/resolv.conf") ? std::filesystem::file_size("/etc/resolv.conf") : 0;
  EXPECT_EQ(before, after);

  host.write_file("/run/a/b", "text");
  EXPECT_EQ(host.must("cat /run/a/b"), "text");
  EXPECT_FALSE(std::filesystem::exists("/run/a/b"));
}

TEST(Namespace, SeesTheBuildWhereverItLies) {
  const Namespace host{"host"};
  EXPECT_TRUE(host.run({"test", "-d", source_directory() + "/tests"}).ok());
  EXPECT_TRUE(host.run({"test", "-d", binary_directory()}).ok());
}

TEST(Namespace, TellsHowACommandEnded) {
  const Namespace host{"host"};
  const auto finished = host.sh("echo out; echo err >&2; exit 3");
  EXPECT_EQ(finished.status, 3);
  EXPECT_EQ(finished.out, "out\n");
  EXPECT_EQ(finished.err, "err\n");
  EXPECT_FALSE(finished.timed_out);

  EXPECT_EQ(host.sh("kill -TERM $$").status, 128 + SIGTERM);
  EXPECT_TRUE(host.run({"sleep", "60"}, 50ms).timed_out);
  EXPECT_EQ(host.run({"cat"}, 10s, {.environment = {}, .input = "typed"}).out, "typed");
  EXPECT_EQ(host.run({"sh", "-c", "echo $WORD"}, 10s, {.environment = {{"WORD", "x"}}, .input = {}}).out, "x\n");
  EXPECT_THROW(host.must("false"), LabError);
  EXPECT_THROW(static_cast<void>(host.run({"no-such-program"})), LabError);
}

TEST(Namespace, SpawnsAProcessThatCanBeSignalledAndRead) {
  const Namespace host{"host"};
  auto process = host.spawn({"sh", "-c", "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done"});
  ASSERT_TRUE(wait_until([&] { return process.output() == "up\n"; }));
  EXPECT_TRUE(process.running());
  EXPECT_EQ(process.terminate(), 7);
  EXPECT_EQ(process.output(), "up\nbye\n");
  EXPECT_FALSE(process.running());
}

TEST(Namespace, HasSysctlsOfItsOwn) {
  const Namespace one{"one"};
  const Namespace two{"two"};
  one.set_sysctl("net/ipv4/conf/lo/forwarding", "1");
  two.set_sysctl("net/ipv4/conf/lo/forwarding", "0");
  EXPECT_EQ(one.sysctl("net/ipv4/conf/lo/forwarding"), "1");
  EXPECT_EQ(two.sysctl("net/ipv4/conf/lo/forwarding"), "0");
}

TEST(Namespace, ConnectsToAnother) {
  Namespace host{"host"};
  Namespace world{"world"};
  connect({host, "eth0", "198.51.100.1/24"}, {world, "uplink", "198.51.100.2/24"});
  EXPECT_TRUE(host.sh("ping -c1 -W5 198.51.100.2").ok());
  EXPECT_TRUE(world.sh("ping -c1 -W5 198.51.100.1").ok());
  EXPECT_FALSE(world.sh("ping -c1 -W1 198.51.100.3").ok());
}

// The namespaces' ids and the PIDs that a test had, told before it was killed.
struct Remains {
  std::atomic<bool> ready;
  ino_t network;
  pid_t holder;
  pid_t daemon;
};

ino_t network_of(const std::string& pid) {
  struct stat info{};
  return ::stat(("/proc/" + pid + "/ns/net").c_str(), &info) == 0 ? info.st_ino : 0;
}

std::vector<std::string> processes_in(ino_t network) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") == name.npos && network_of(name) == network) found.push_back(name);
  }
  return found;
}

// What the killed test does: namespaces, a guest, a daemon that has forked away from its parent.
[[noreturn]] void make_things_and_hang(Remains& remains) {
  Namespace host{"host"};
  TapGuest guest{host, "tap0"};
  host.must("setsid sh -c 'sleep 600 & echo $! > /run/daemon' >/dev/null 2>&1");
  remains.holder = host.holder();
  remains.network = network_of(std::to_string(host.holder()));
  remains.ready = true;
  for (;;) ::pause();
}

TEST(Namespace, LeavesNothingBehindWhenTheTestIsKilled) {
  void* shared = ::mmap(nullptr, sizeof(Remains), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto& remains = *new (shared) Remains{};
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    make_things_and_hang(remains);
  }
  const bool ready = wait_until([&] { return remains.ready.load(); });
  const auto before = ready ? processes_in(remains.network) : std::vector<std::string>{};
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(ready);
  ASSERT_NE(remains.network, 0U);
  EXPECT_EQ(before.size(), 2U);  // the held child and the daemon
  EXPECT_TRUE(wait_until([&] { return processes_in(remains.network).empty(); }));
  EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(remains.holder) + "/root/run/daemon"));
  ::munmap(shared, sizeof(Remains));
}

}  // namespace
}  // namespace vrouter::lab
