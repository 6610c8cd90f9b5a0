// SPDX-License-Identifier: GPL-2.0-or-later
// The spawner and its caged children as the kernel shows them, and how they live and end.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "router/processes/spawner_process.h"
#include "router/processes/spawner_wire.h"
#include "router/processes/supervisor.h"
#include "tests/lab/caged_child.h"

namespace vrouter::lab {
namespace {

using router::Channel;
using router::Supervisor;
using ::testing::HasSubstr;

constexpr auto kNoCapability = "0000000000000000";

using Cage = CageTest;

std::string ids(unsigned id) {
  const auto text = std::to_string(id);
  return text + "\t" + text + "\t" + text + "\t" + text;
}

std::string text_of(const std::string& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// "Max open files            64                   64                   files" -> "64"
std::string limit_of(pid_t pid, const std::string& name) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/limits"};
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const auto begin = line.find_first_not_of(' ', name.size());
    return line.substr(begin, line.find(' ', begin) - begin);
  }
  return "";
}

TEST_F(Cage, LeavesAChildNothingButItsChannel) {
  for (const auto& [service, user] :
       {std::pair{Service::dhcp, kDhcpUser}, {Service::dns, kDnsUser}, {Service::log, kLogUser}}) {
    const Hostile child{*spawner_, service};
    ASSERT_TRUE(child.attempt(Attempt::nothing)) << wait_gone().to_string();
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
    EXPECT_EQ(status_line(pid, "PPid"), std::to_string(spawner_->pid()));
    const auto proc = "/proc/" + std::to_string(pid);
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/root"), root_.path());
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/cwd"), root_.path());
    EXPECT_TRUE(std::filesystem::is_empty(proc + "/root/"));
    EXPECT_THAT(open_descriptors(pid), ::testing::SizeIs(4));
    EXPECT_THAT(open_descriptors(pid), ::testing::IsSupersetOf({0, 1, 2}));
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/fd/0"), "/dev/null");
    struct stat found{};
    ASSERT_EQ(::stat((proc + "/mem").c_str(), &found), 0);
    EXPECT_EQ(found.st_uid, 0U) << "a process that may be dumped owns its files in /proc";
  }
}

TEST_F(Cage, LimitsWhatAChildMayTake) {
  const auto to_file = [](int fd) {
    struct stat found{};
    return ::fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
  };
  const Hostile dhcp{*spawner_, Service::dhcp}, dns{*spawner_, Service::dns};
  ASSERT_TRUE(dhcp.attempt(Attempt::nothing));
  ASSERT_TRUE(dns.attempt(Attempt::nothing));
  EXPECT_EQ(limit_of(dhcp.pid(), "Max open files"), "64");
  EXPECT_EQ(limit_of(dns.pid(), "Max open files"), "16384");
  EXPECT_EQ(limit_of(dhcp.pid(), "Max processes"), "0");
  EXPECT_EQ(limit_of(dns.pid(), "Max processes"), "1024");  // it has threads
  for (const auto pid : {dhcp.pid(), dns.pid()}) {
    EXPECT_EQ(limit_of(pid, "Max core file size"), "0");
    EXPECT_EQ(limit_of(pid, "Max locked memory"), "0");
    EXPECT_EQ(limit_of(pid, "Max file size"), to_file(STDOUT_FILENO) || to_file(STDERR_FILENO) ? "unlimited" : "0");
  }
}

TEST_F(Cage, LeavesTheSpawnerWhatStartingChildrenNeeds) {
  const pid_t pid = spawner_->pid();
  // CAP_KILL 5, CAP_SETGID 6, CAP_SETUID 7, CAP_SYS_CHROOT 18
  EXPECT_EQ(status_line(pid, "CapPrm"), "00000000000400e0");
  EXPECT_EQ(status_line(pid, "CapEff"), "00000000000400e0");
  for (const auto* set : {"CapInh", "CapBnd", "CapAmb"}) EXPECT_EQ(status_line(pid, set), kNoCapability) << set;
  EXPECT_EQ(status_line(pid, "NoNewPrivs"), "1");
  EXPECT_EQ(status_line(pid, "Threads"), "1");
  // 0-2, its two lines, SIGCHLD's.
  EXPECT_THAT(open_descriptors(pid), ::testing::SizeIs(6));
  EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/fd/0"), "/dev/null");
}

TEST_F(Cage, ShowsWhoIsWho) {
  const Hostile dhcp{*spawner_, Service::dhcp}, dns{*spawner_, Service::dns};
  ASSERT_TRUE(dhcp.attempt(Attempt::nothing));
  ASSERT_TRUE(dns.attempt(Attempt::nothing));
  for (const auto& [pid, title] : {std::pair{spawner_->pid(), std::string{"vrouterd: spawn"}},
                                   {dhcp.pid(), "vrouterd: dhcp"},
                                   {dns.pid(), "vrouterd: dns"}}) {
    EXPECT_EQ(status_line(pid, "Name"), title);
    const auto line = text_of("/proc/" + std::to_string(pid) + "/cmdline");
    EXPECT_EQ(line.c_str(), title);
    EXPECT_EQ(line.find_first_not_of('\0', title.size()), line.npos) << "something of the old arguments is left";
  }
}

TEST_F(Cage, MakesSocketsOfTheServicesUser) {
  for (const auto& [service, user] : {std::pair{Service::dhcp, kDhcpUser}, {Service::dns, kDnsUser}}) {
    for (const int domain : {AF_INET, AF_INET6}) {
      for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        const auto made = spawner_->make_socket(service, domain, type);
        ASSERT_TRUE(made) << made.error().to_string();
        struct stat found{};
        ASSERT_EQ(::fstat(made->get(), &found), 0);
        EXPECT_EQ(found.st_uid, user.uid);
        int actual = 0;
        socklen_t size = sizeof actual;
        ASSERT_EQ(::getsockopt(made->get(), SOL_SOCKET, SO_DOMAIN, &actual, &size), 0);
        EXPECT_EQ(actual, domain);
        ASSERT_EQ(::getsockopt(made->get(), SOL_SOCKET, SO_TYPE, &actual, &size), 0);
        EXPECT_EQ(actual, type);
        EXPECT_NE(::fcntl(made->get(), F_GETFL) & O_NONBLOCK, 0);
        EXPECT_NE(::fcntl(made->get(), F_GETFD) & FD_CLOEXEC, 0);
      }
    }
  }
  for (const auto& [domain, type] :
       {std::pair{AF_UNIX, SOCK_STREAM}, {AF_NETLINK, SOCK_DGRAM}, {AF_INET, SOCK_RAW}, {AF_PACKET, SOCK_DGRAM}}) {
    const auto made = spawner_->make_socket(Service::dns, domain, type);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, EINVAL);
  }
  EXPECT_TRUE(spawner_->make_socket(Service::dns, AF_INET, SOCK_DGRAM)) << "it went on after a refusal";
}

TEST_F(Cage, TellsHowAChildEnded) {
  const auto ended_by = [this](Attempt attempt) {
    const Hostile child{*spawner_, Service::dns};
    child.command(attempt);
    const auto gone = wait_gone();
    EXPECT_EQ(gone.pid, child.pid());
    EXPECT_EQ(gone.service, Service::dns);
    return gone.to_string();
  };
  EXPECT_THAT(ended_by(Attempt::exit_status_7), HasSubstr("ended with status 7"));
  EXPECT_THAT(ended_by(Attempt::crash), HasSubstr("was killed by signal 6 (Aborted)"));
  EXPECT_THAT(ended_by(Attempt::throw_exception), HasSubstr("failed: its own line in the log says why"));

  Hostile honest{*spawner_, Service::dhcp};
  ASSERT_TRUE(honest.attempt(Attempt::nothing));
  honest.line().reset();
  EXPECT_EQ(wait_gone().status, 0) << "a child ends with its line";
}

TEST_F(Cage, RunsNoJobHalfCaged) {
  std::filesystem::remove(root_.path());
  const Hostile child{*spawner_, Service::dhcp};
  EXPECT_THAT(wait_gone().to_string(), HasSubstr("could not give up its privileges"));
  EXPECT_FALSE(child.answer());
}

TEST_F(Cage, EndsOnlyChildrenOfItsOwn) {
  const Hostile child{*spawner_, Service::dhcp};
  for (const pid_t other : {1, ::getpid(), spawner_->pid(), -1, 0}) {
    const auto killed = spawner_->kill(other);
    ASSERT_FALSE(killed) << other;
    EXPECT_EQ(killed.error().code, ESRCH);
  }
  ASSERT_TRUE(spawner_->kill(child.pid()));
  EXPECT_EQ(wait_gone().status, SIGKILL);
  const auto again = spawner_->kill(child.pid());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ESRCH);
}

TEST_F(Cage, BoundsTheNumberOfChildren) {
  std::vector<Hostile> children;
  for (std::size_t i = 0; i < 2 * router::kServices; ++i) children.emplace_back(*spawner_, Service::dns);
  auto pair = router::open_channel_pair();
  ASSERT_TRUE(pair);
  const auto too_many = spawner_->launch(Service::dns, std::move(pair->second));
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().code, EAGAIN);
}

TEST_F(Cage, OutlivesTheSignalsOfATerminalAndAServiceManager) {
  const Hostile child{*spawner_, Service::dns};
  ASSERT_TRUE(child.attempt(Attempt::nothing));
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    ASSERT_EQ(::kill(spawner_->pid(), number), 0);
    ASSERT_EQ(::kill(child.pid(), number), 0);
  }
  EXPECT_TRUE(child.attempt(Attempt::nothing));
  EXPECT_TRUE(spawner_->make_socket(Service::dns, AF_INET, SOCK_DGRAM));
}

TEST_F(Cage, EndsWithTheSpawnersOwner) {
  const Hostile dhcp{*spawner_, Service::dhcp}, dns{*spawner_, Service::dns};
  ASSERT_TRUE(dhcp.attempt(Attempt::nothing));
  dns.command(Attempt::never_read);  // it won't see its line close
  const auto pid = spawner_->pid();
  const auto begin = std::chrono::steady_clock::now();
  spawner_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s) << "it had to be killed";
  for (const pid_t ended : {pid, dhcp.pid(), dns.pid()}) EXPECT_FALSE(is_running(ended)) << ended;
}

TEST_F(Cage, TellsOfTheSpawnersEnd) {
  const Hostile dhcp{*spawner_, Service::dhcp}, dns{*spawner_, Service::dns};
  ASSERT_TRUE(dhcp.attempt(Attempt::nothing));
  dns.command(Attempt::never_read);
  ASSERT_EQ(::kill(spawner_->pid(), SIGKILL), 0);
  ASSERT_TRUE(run_until([this] { return lost_; }));
  EXPECT_TRUE(wait_until([&] { return !is_running(dhcp.pid()) && !is_running(dns.pid()); }));
  const auto made = spawner_->make_socket(Service::dns, AF_INET, SOCK_DGRAM);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().to_string(), HasSubstr("the spawner doesn't answer"));
  EXPECT_FALSE(spawner_->make_socket(Service::dns, AF_INET, SOCK_DGRAM));
}

TEST_F(Cage, BringsAKilledChildBackWithin200Ms) {
  int started = 0;
  std::uint64_t answers = 0;
  const auto supervisor = Supervisor::open(io_, *spawner_, Service::dhcp,
                                           {[&] { ++started; },
                                            [&](auto) {
                                              ++answers;
                                              return std::expected<void, std::string>{};
                                            },
                                            {}});
  const auto alive = [&] {
    const auto wanted = answers + 1;
    return supervisor->send({{static_cast<std::uint8_t>(Attempt::nothing)}, {}}) &&
           run_until([&] { return answers == wanted; });
  };
  ASSERT_TRUE(run_until([&] { return started == 1; }));
  ASSERT_TRUE(alive());
  const auto first = supervisor->pid();
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  supervisor->on_gone(wait_gone());
  EXPECT_EQ(supervisor->problem(), "vrouterd: dhcp (pid " + std::to_string(first) +
                                       ") was killed by signal 9 (Killed): it is started again at once");
  ASSERT_TRUE(run_until([&] { return started == 2; }));
  ASSERT_TRUE(alive());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 200ms);
  EXPECT_EQ(supervisor->problem(), "");

  // The second in a row waits: a child that dies of what it is told would do nothing but start.
  ASSERT_EQ(::kill(supervisor->pid(), SIGKILL), 0);
  supervisor->on_gone(wait_gone());
  EXPECT_THAT(supervisor->problem(), HasSubstr("it is started again in 100 ms"));
  ASSERT_TRUE(run_until([&] { return started == 3; }));
  EXPECT_EQ(supervisor->restarts(), 2U);
}

TEST(Spawner, RefusesARootThatSomebodyMayFill) {
  const EmptyRoot root;
  std::ofstream{root.path() / "file"} << "x";
  auto spawner = Spawner::fork(hostile_options(root.path()));
  ASSERT_FALSE(spawner);
  EXPECT_EQ(spawner.error().code, ENOTEMPTY);
  std::filesystem::remove(root.path() / "file");
  ASSERT_EQ(::chmod(root.path().c_str(), 0777), 0);
  spawner = Spawner::fork(hostile_options(root.path()));
  ASSERT_FALSE(spawner);
  EXPECT_EQ(spawner.error().code, EPERM);
  ASSERT_EQ(::chmod(root.path().c_str(), 0755), 0);
  EXPECT_TRUE(Spawner::fork(hostile_options(root.path())));
  EXPECT_TRUE(Spawner::fork(hostile_options(root.path() / "made")));
}

TEST(Spawner, SaysWhichCapabilitiesItLacks) {
  const EmptyRoot root;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // No users but its own from here on, so the capabilities are gone with root.
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(100);
    const auto spawner = Spawner::fork(hostile_options(root.path()));
    const bool told = !spawner && spawner.error().code == EPERM && spawner.error().what.contains("CAP_SYS_CHROOT");
    ::_exit(told ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// The process itself, with words that its daemon would never say.
class SpawnerProcess : public ::testing::Test {
 protected:
  void SetUp() override {
    auto requests = router::open_line("requests", 0);
    auto news = router::open_line("news", 0);
    ASSERT_TRUE(requests && news);
    const pid_t daemon = ::getpid();
    pid_ = ::fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      router::run_spawner(hostile_options(root_.path()), {std::move(requests->second), std::move(news->second)},
                          daemon);
    }
    line_ = std::move(requests->first);
    news_ = std::move(news->first);
    router::Answer answer;
    ASSERT_TRUE(router::receive_packet(line_.get(), router::bytes_of(answer), router::Descriptors::none));
    ASSERT_EQ(answer.error, 0) << answer.what.data();
  }
  void TearDown() override {
    line_.reset();
    int status = -1;
    ASSERT_EQ(::waitpid(pid_, &status, 0), pid_);
    EXPECT_EQ(status, 0);
  }
  // What it answers: 0 bytes when it has ended instead.
  std::size_t say(std::span<const std::uint8_t> bytes, int fd = -1) {
    EXPECT_TRUE(router::send_packet(line_.get(), bytes, fd));
    router::Answer answer;
    const auto packet = router::receive_packet(line_.get(), router::bytes_of(answer), router::Descriptors::one);
    return packet ? packet->size : 0;
  }

  EmptyRoot root_;
  pid_t pid_ = -1;
  UniqueFd line_, news_;
};

constexpr std::uint32_t kDns = 1;

TEST_F(SpawnerProcess, AnswersAWholeRequest) {
  router::Request request{router::Verb::make_socket, kDns, AF_INET, SOCK_DGRAM, 0};
  EXPECT_EQ(say(router::bytes_of(request)), sizeof(router::Answer));
}
TEST_F(SpawnerProcess, EndsOnAShortRequest) {
  router::Request request{router::Verb::make_socket, kDns, AF_INET, SOCK_DGRAM, 0};
  EXPECT_EQ(say(router::bytes_of(request).first(sizeof request - 1)), 0U);
}
TEST_F(SpawnerProcess, EndsOnALongRequest) {
  std::array<router::Request, 2> requests{};
  EXPECT_EQ(say(router::bytes_of(requests)), 0U);
}
TEST_F(SpawnerProcess, EndsOnAnUnknownVerb) {
  router::Request request{static_cast<router::Verb>(77), kDns, AF_INET, SOCK_DGRAM, 0};
  EXPECT_EQ(say(router::bytes_of(request)), 0U);
}
TEST_F(SpawnerProcess, EndsOnAnUnknownService) {
  router::Request request{router::Verb::make_socket, router::kServices, AF_INET, SOCK_DGRAM, 0};
  EXPECT_EQ(say(router::bytes_of(request)), 0U);
}
TEST_F(SpawnerProcess, EndsOnALaunchWithoutALine) {
  router::Request request{router::Verb::launch, kDns, 0, 0, 0};
  EXPECT_EQ(say(router::bytes_of(request)), 0U);
}
TEST_F(SpawnerProcess, EndsOnADescriptorThatNobodyAskedFor) {
  router::Request request{router::Verb::make_socket, kDns, AF_INET, SOCK_DGRAM, 0};
  EXPECT_EQ(say(router::bytes_of(request), STDERR_FILENO), 0U);
}

}  // namespace
}  // namespace vrouter::lab
