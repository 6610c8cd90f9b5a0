// SPDX-License-Identifier: GPL-2.0-or-later
// What caged children get done when they turn hostile: nothing, and their daemon goes on.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <boost/asio/steady_timer.hpp>
#include <csignal>

#include "router/processes/cage.h"
#include "router/processes/cage_filter.h"
#include "router/processes/supervisor.h"
#include "tests/lab/caged_child.h"

namespace vrouter::lab {
namespace {

using router::Channel;
using router::Message;
using router::Supervisor;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::array kServices{Service::dhcp, Service::dns, Service::log};

// What DNS needs of the kernel that DHCP doesn't: fresh sockets to upstreams, which the firewall limits.
bool needed_by_dns(Attempt attempt) {
  return attempt == Attempt::socket_tcp || attempt == Attempt::socket_tcp6 || attempt == Attempt::socket_udp ||
         attempt == Attempt::socket_udp_named || attempt == Attempt::connect_given;
}

// What the attempt is tried on: a directory above all, or a fresh socket.
UniqueFd given_for(Attempt attempt) {
  if (attempt == Attempt::go_up_from_descriptor) return UniqueFd{::open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (attempt == Attempt::setns) return UniqueFd{::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)};
  return UniqueFd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
}

std::vector<std::uint8_t> bytes(Attempt attempt) {
  return {static_cast<std::uint8_t>(attempt)};
}

class HostileChild : public CageTest {
 protected:
  // The test's end of a new child's line, as the daemon has it.
  struct Open {
    std::unique_ptr<Channel> channel;
    pid_t pid = 0;
    std::string closed;
    std::uint64_t messages = 0;
  };
  std::unique_ptr<Open> open_child(Service service) {
    auto open = std::make_unique<Open>();
    auto pair = router::open_channel_pair();
    if (!pair) throw LabError{pair.error().to_string()};
    open->channel = Channel::open(io_, std::move(pair->first), Channel::Accepts::messages,
                                  {[raw = open.get()](const Message&) { ++raw->messages; },
                                   [raw = open.get()](const std::string& why) {
                                     EXPECT_THAT(raw->closed, IsEmpty()) << "told twice";
                                     raw->closed = why;
                                   }});
    const auto pid = spawner_->launch(service, std::move(pair->second));
    if (!pid) throw LabError{pid.error().to_string()};
    open->pid = *pid;
    return open;
  }
};

TEST_F(HostileChild, CanDoWhatAnHonestOneMust) {
  for (const auto service : kServices) {
    const Hostile child{*spawner_, service};
    const auto outcome = child.attempt(Attempt::allocate_and_log);
    ASSERT_TRUE(outcome) << name(service) << " was ended: " << wait_gone().to_string();
    EXPECT_EQ(outcome->error, 0) << ::strerrordesc_np(outcome->error);
  }
}

TEST_F(HostileChild, IsRefusedFilesSocketsSignalsAndPrivileges) {
  for (const auto service : kServices) {
    const Hostile child{*spawner_, service};
    for (int i = static_cast<int>(Attempt::open_file); i <= static_cast<int>(Attempt::last_that_returns); ++i) {
      const auto attempt = static_cast<Attempt>(i);
      SCOPED_TRACE(std::string{name(service)} + ", attempt " + std::to_string(i));
      const auto given = given_for(attempt);
      const auto outcome = child.attempt(attempt, given.get());
      ASSERT_TRUE(outcome) << wait_gone().to_string();
      if (service == Service::dns && needed_by_dns(attempt)) {
        EXPECT_EQ(outcome->error, attempt == Attempt::connect_given ? ECONNREFUSED : 0);
      } else {
        EXPECT_EQ(outcome->error, EPERM) << "returned " << outcome->result;
      }
    }
    EXPECT_TRUE(is_running(child.pid()));
  }
  EXPECT_TRUE(is_running(spawner_->pid()));
  EXPECT_TRUE(std::filesystem::is_empty(root_.path()));
}

TEST_F(HostileChild, IsKilledForWhatNobodyDoesByAccident) {
  for (const auto service : kServices) {
    for (int i = static_cast<int>(Attempt::execve); i <= static_cast<int>(Attempt::last_that_kills); ++i) {
      const auto attempt = static_cast<Attempt>(i);
      SCOPED_TRACE(std::string{name(service)} + ", attempt " + std::to_string(i));
      const auto given = given_for(attempt);
      const Hostile child{*spawner_, service};
      const auto outcome = child.attempt(attempt, given.get());
      ASSERT_FALSE(outcome) << "returned " << outcome->result << ", errno " << outcome->error;
      const auto gone = wait_gone();
      EXPECT_EQ(gone.pid, child.pid());
      ASSERT_TRUE(WIFSIGNALED(gone.status)) << gone.to_string();
      // A kernel without 32-bit emulation has no int 0x80: the CPU faults before the filter is asked.
      if (attempt == Attempt::call_of_32_bits && WTERMSIG(gone.status) == SIGSEGV) continue;
      EXPECT_EQ(WTERMSIG(gone.status), SIGSYS) << gone.to_string();
    }
  }
  EXPECT_THAT(ChildGone(Service::dhcp, 4711, SIGSYS).to_string(),
              "vrouterd: dhcp (pid 4711) was killed by signal 31 (Bad system call)");
}

TEST_F(HostileChild, TakesNoMoreMemoryThanItsBound) {
  if (router::kSanitized) GTEST_SKIP() << "a sanitizer reserves more than that";
  const Hostile child{*spawner_, Service::dns};
  const auto outcome = child.attempt(Attempt::reserve_memory);
  ASSERT_TRUE(outcome);
  EXPECT_LE(outcome->result, static_cast<std::int32_t>(router::most_memory(Service::dns) >> 20));
  EXPECT_GE(outcome->result, 512) << "too little is left for its work";
}

TEST_F(HostileChild, CanNeitherReadNorStopItsSpawnerOrDaemon) {
  const Hostile child{*spawner_, Service::dns};
  ASSERT_TRUE(child.attempt(Attempt::kill_parent));
  EXPECT_TRUE(is_running(spawner_->pid()));
  const Hostile second{*spawner_, Service::dhcp};
  EXPECT_TRUE(second.attempt(Attempt::nothing)) << "the spawner doesn't work any more";
}

TEST_F(HostileChild, IsCutOffWhenItBreaksTheRulesOfItsLine) {
  const auto before = open_descriptors(::getpid()).size();
  for (const auto attempt :
       {Attempt::send_descriptor, Attempt::send_two_descriptors, Attempt::send_empty, Attempt::send_too_long}) {
    SCOPED_TRACE(static_cast<int>(attempt));
    const auto child = open_child(Service::dhcp);
    ASSERT_EQ(child->channel->send({bytes(attempt), {}}), Channel::Sent::yes);
    ASSERT_TRUE(run_until([&] { return !child->closed.empty(); }));
    EXPECT_THAT(child->closed, HasSubstr("it sent "));
    EXPECT_EQ(child->messages, 0U);
    // Nothing of what it sent lies in our table.
    EXPECT_EQ(open_descriptors(::getpid()).size(), before);
    EXPECT_EQ(wait_gone().pid, child->pid) << "its line has closed";
  }
}

TEST_F(HostileChild, ThatFloodsItsLineLeavesTheLoopToOthers) {
  const auto flooding = open_child(Service::dhcp);
  ASSERT_EQ(flooding->channel->send({bytes(Attempt::flood), {}}), Channel::Sent::yes);
  ASSERT_TRUE(run_until([&] { return flooding->messages > 10'000; }));
  // A timer stands for everything else that the loop does.
  boost::asio::steady_timer timer{io_};
  std::vector<std::chrono::microseconds> late;
  for (int i = 0; i < 51; ++i) {
    timer.expires_after(1ms);
    bool fired = false;
    timer.async_wait([&](const boost::system::error_code&) { fired = true; });
    const auto wanted = timer.expiry();
    ASSERT_TRUE(run_until([&] { return fired; }));
    late.push_back(std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - wanted));
  }
  std::ranges::nth_element(late, late.begin() + 25);
  // A batch takes some 100 µs; a loop that served the flood to its end would never come back.
  EXPECT_LT(late[25], 100ms);
  ASSERT_TRUE(spawner_->kill(flooding->pid));
  EXPECT_EQ(wait_gone().pid, flooding->pid);
}

TEST_F(HostileChild, ThatNeverReadsCostsABoundedQueue) {
  const auto deaf = open_child(Service::dhcp);
  ASSERT_EQ(deaf->channel->send({bytes(Attempt::never_read), {}}), Channel::Sent::yes);
  std::uint64_t taken = 0;
  const std::vector<std::uint8_t> large(60'000, 'x');
  while (deaf->channel->send({large, {}}) == Channel::Sent::yes) {
    ASSERT_LT(++taken, 1000U) << "60 MB and no end";
    EXPECT_LE(deaf->channel->queued_bytes(), Channel::kMaxQueued);
  }
  EXPECT_GT(deaf->channel->queued_bytes(), Channel::kMaxQueued - 100'000);
  EXPECT_THAT(deaf->closed, IsEmpty());
}

TEST_F(HostileChild, ThatClosesItsLineAndStaysIsEnded) {
  int started = 0;
  Supervisor* supervisor = nullptr;
  const auto owner = Supervisor::open(
      io_, *spawner_, Service::dhcp, {[&] { ++started; }, [](auto) { return std::expected<void, std::string>{}; }, {}});
  supervisor = owner.get();
  ASSERT_TRUE(run_until([&] { return started == 1; }));
  const auto first = supervisor->pid();
  ASSERT_TRUE(supervisor->send({bytes(Attempt::close_line_and_stay), {}}));
  ASSERT_TRUE(run_until([&] { return !gone_.empty(); }));
  EXPECT_EQ(gone_.front().pid, first);
  EXPECT_EQ(supervisor->pid(), 0);
  supervisor->on_gone(wait_gone());
  ASSERT_TRUE(run_until([&] { return started == 2; }));
  EXPECT_NE(supervisor->pid(), first);
  EXPECT_EQ(supervisor->restarts(), 1U);
}

// What the filter refuses, refused without it: each by the wall behind.
class WithoutFilter : public ::testing::TestWithParam<Service> {
 protected:
  // What each attempt came to in a process of its own that is caged but for the filter; -1: it ended.
  int error_of(Attempt attempt) {
    auto pair = router::open_channel_pair();
    if (!pair) throw LabError{pair.error().to_string()};
    const auto given = given_for(attempt);
    const pid_t child = ::fork();
    if (child < 0) throw_errno("fork");
    if (child == 0) run(attempt, pair->second, given);
    int status = -1;
    if (::waitpid(child, &status, 0) != child) throw_errno("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  [[noreturn]] void run(Attempt attempt, const UniqueFd& channel, const UniqueFd& given) {
    // The cage closes all but the channel's number: what is to be tried on takes its place.
    if (given && ::dup2(given.get(), channel.get()) < 0) ::_exit(201);
    // As the spawner does, so that the bounding set is empty.
    for (int capability = 0; capability < 64; ++capability) ::prctl(PR_CAPBSET_DROP, capability);
    const auto user = std::array{kDhcpUser, kDnsUser, kLogUser}.at(static_cast<std::size_t>(GetParam()));
    if (!router::enter_cage_without_filter(GetParam(), user, root_.path(), channel.get())) ::_exit(200);
    ::_exit(try_on(attempt, channel.get()).error);
  }

  EmptyRoot root_;
};

TEST_P(WithoutFilter, OtherWallsStand) {
  ASSERT_EQ(error_of(Attempt::nothing), 0);
  const std::pair<Attempt, std::vector<int>> expected[] = {
      {Attempt::open_file, {EACCES, ENOENT}},  // an empty root, and Landlock
      {Attempt::open_proc_self, {EACCES, ENOENT}},
      {Attempt::create_file, {EACCES}},
      {Attempt::open_parent_directory, {EACCES, ENOENT}},
      {Attempt::socket_packet, {EPERM}},  // capabilities
      {Attempt::socket_raw, {EPERM}},
      {Attempt::mark_given, {EPERM}},
      {Attempt::kill_init, {EPERM}},  // another user
      {Attempt::kill_parent, {EPERM}},
      {Attempt::raise_ambient, {EPERM}},
      {Attempt::raise_limit, {EPERM}},
      {Attempt::priority, {EACCES, EPERM}},
      {Attempt::execve, {EACCES, ENOENT, EAGAIN}},
      {Attempt::setuid_root, {EPERM}},
      {Attempt::setresuid_root, {EPERM}},
      {Attempt::setgroups, {EPERM}},
      {Attempt::capset, {EPERM}},
      {Attempt::chroot, {EPERM}},
      {Attempt::mount, {EPERM}},
      {Attempt::umount, {EPERM}},
      {Attempt::setns, {EPERM}},
      {Attempt::unshare, {EPERM}},  // no user namespace within a chroot
      {Attempt::ptrace_parent, {EPERM}},
      {Attempt::read_parent, {EPERM}},
      {Attempt::load_module, {EPERM, ENOSYS}},
      {Attempt::kexec, {EPERM, ENOSYS}},
  };
  // No process more for this user. One that has threads may make them: there the filter is alone.
  if (router::allowed(GetParam()).threads == 0) EXPECT_EQ(error_of(Attempt::fork), EAGAIN);
  for (const auto& [attempt, errors] : expected) {
    EXPECT_THAT(errors, ::testing::Contains(error_of(attempt))) << "attempt " << static_cast<int>(attempt);
  }
}
INSTANTIATE_TEST_SUITE_P(Cage, WithoutFilter, ::testing::ValuesIn(kServices),
                         [](const auto& service) { return std::string{name(service.param)}; });

}  // namespace
}  // namespace vrouter::lab
