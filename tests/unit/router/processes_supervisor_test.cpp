// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <map>

#include "router/processes/packet.h"
#include "router/processes/supervisor.h"

namespace vrouter::router {
namespace {

using namespace std::chrono_literals;
using Fault = RestartDelay::Fault;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RestartDelay, IsNoneAtFirstThenDoublesUpToItsBound) {
  RestartDelay delay;
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 10; ++i) waits.push_back(delay.next(1s, Fault::died).count());
  EXPECT_THAT(waits, ElementsAre(0, 100, 200, 400, 800, 1600, 3200, 6400, 10'000, 10'000));
}

TEST(RestartDelay, ForgetsTheYoungDeadAfterOneThatGrewUp) {
  RestartDelay delay;
  for (int i = 0; i < 5; ++i) (void)delay.next(1s, Fault::died);
  EXPECT_EQ(delay.next(10s, Fault::died), 0ms);
  EXPECT_EQ(delay.next(9'999ms, Fault::died), 100ms);
}

TEST(RestartDelay, IsNeverNoneForWhoBrokeTheRules) {
  RestartDelay delay;
  EXPECT_EQ(delay.next(1h, Fault::misbehaved), 100ms);
  EXPECT_EQ(delay.next(1h, Fault::misbehaved), 100ms);
  EXPECT_EQ(delay.next(1s, Fault::misbehaved), 200ms);
  EXPECT_EQ(delay.next(1s, Fault::died), 400ms);
}

// A spawner of a map: its children are the lines that it was given.
class FakeSpawner final : public Spawner {
 public:
  std::map<pid_t, UniqueFd> children;
  std::vector<pid_t> killed;
  std::optional<KernelError> fail_next;
  pid_t next = 100;

  std::expected<UniqueFd, KernelError> make_socket(Service, int, int) override {
    return std::unexpected(KernelError{"open a socket", EPERM, ""});
  }
  std::expected<pid_t, KernelError> launch(Service, UniqueFd channel) override {
    if (auto failed = std::exchange(fail_next, std::nullopt)) return std::unexpected(*failed);
    children.emplace(++next, std::move(channel));
    return next;
  }
  std::expected<void, KernelError> kill(pid_t child) override {
    killed.push_back(child);
    if (children.erase(child) == 0) return std::unexpected(KernelError{"end a child", ESRCH, ""});
    return {};
  }
  void watch(boost::asio::io_context&, std::function<void(const ChildGone&)>, std::function<void()>) override {}
  [[nodiscard]] pid_t pid() const override { return 99; }
};

class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest()
      : supervisor_{Supervisor::open(
            io_, spawner_, Service::dhcp,
            {[this] { ++started_; }, [this](std::span<const std::uint8_t> message) { return judge(message); },
             [this] { ++drained_; }})} {}

  std::expected<void, std::string> judge(std::span<const std::uint8_t> message) {
    ++messages_;
    if (message.front() == kGoodVerb) return {};
    if (message.front() == kFatalVerb) supervisor_.reset();
    return std::unexpected("verb 77 is none");
  }
  bool run_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      io_.restart();
      io_.run_one_for(5ms);
    }
    return true;
  }
  void child_says(std::uint8_t verb) {
    ASSERT_TRUE(send_packet(spawner_.children.at(supervisor_->pid()).get(), {&verb, 1}));
  }
  ChildGone gone(pid_t pid, int status = SIGSEGV) { return {Service::dhcp, pid, status}; }

  static constexpr std::uint8_t kGoodVerb = 1, kFatalVerb = 66, kBadVerb = 77;
  boost::asio::io_context io_;
  FakeSpawner spawner_;
  int started_ = 0, drained_ = 0, messages_ = 0;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(SupervisorTest, LaunchesFromTheLoop) {
  EXPECT_EQ(supervisor_->pid(), 0);
  EXPECT_EQ(supervisor_->problem(), "vrouterd: dhcp is being started");
  EXPECT_FALSE(supervisor_->send({{1}, {}}));
  ASSERT_TRUE(run_until([this] { return started_ == 1; }));
  EXPECT_EQ(supervisor_->pid(), 101);
  EXPECT_EQ(supervisor_->problem(), "");
  EXPECT_TRUE(supervisor_->send({{1, 2, 3}, {}}));
  std::array<std::uint8_t, 8> got{};
  const auto packet = receive_packet(spawner_.children.at(101).get(), got, Descriptors::none);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->size, 3U);
  child_says(kGoodVerb);
  ASSERT_TRUE(run_until([this] { return messages_ == 1; }));
  EXPECT_EQ(supervisor_->restarts(), 0U);
}

TEST_F(SupervisorTest, RestartsOneThatDiedAtOnceAndTheNextLater) {
  ASSERT_TRUE(run_until([this] { return started_ == 1; }));
  spawner_.children.clear();  // its line closes
  ASSERT_TRUE(run_until([this] { return supervisor_->pid() == 0; }));
  EXPECT_EQ(started_, 1) << "never two of a kind: the first has not ended yet";
  EXPECT_THAT(supervisor_->problem(), HasSubstr("it is being ended"));
  supervisor_->on_gone(gone(101));
  EXPECT_EQ(supervisor_->problem(),
            "vrouterd: dhcp (pid 101) was killed by signal 11 (Segmentation fault): it is started again at once");
  ASSERT_TRUE(run_until([this] { return started_ == 2; }));
  EXPECT_EQ(supervisor_->pid(), 102);

  const auto begin = std::chrono::steady_clock::now();
  supervisor_->on_gone(gone(102));  // the news came before the line's end was read
  EXPECT_THAT(supervisor_->problem(), HasSubstr("in 100 ms"));
  ASSERT_TRUE(run_until([this] { return started_ == 3; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
  EXPECT_EQ(supervisor_->restarts(), 2U);
}

TEST_F(SupervisorTest, HeedsNewsOfItsOwnChildOnly) {
  ASSERT_TRUE(run_until([this] { return started_ == 1; }));
  supervisor_->on_gone(gone(100));
  supervisor_->on_gone({Service::dns, 101, SIGSEGV});
  EXPECT_EQ(supervisor_->pid(), 101);
  supervisor_->on_gone(gone(101));
  supervisor_->on_gone(gone(101));  // told twice
  ASSERT_TRUE(run_until([this] { return started_ == 2; }));
  supervisor_->on_gone(gone(0));
  EXPECT_EQ(supervisor_->pid(), 102);
  EXPECT_EQ(supervisor_->restarts(), 1U);
}

TEST_F(SupervisorTest, KillsOneThatBreaksTheVerbsAndWaitsBeforeTheNext) {
  ASSERT_TRUE(run_until([this] { return started_ == 1; }));
  child_says(kBadVerb);
  child_says(kGoodVerb);
  ASSERT_TRUE(run_until([this] { return supervisor_->pid() == 0; }));
  EXPECT_THAT(spawner_.killed, ElementsAre(101));
  EXPECT_EQ(messages_, 1) << "heard after it was cut off";
  EXPECT_EQ(supervisor_->problem(), "vrouterd: dhcp (pid 101) broke the rules: verb 77 is none: it is being ended");
  supervisor_->on_gone(gone(101, SIGKILL));
  EXPECT_EQ(supervisor_->problem(),
            "vrouterd: dhcp (pid 101) broke the rules: verb 77 is none: it is started again in 100 ms");
  ASSERT_TRUE(run_until([this] { return started_ == 2; }));
}

TEST_F(SupervisorTest, CutsOffOneThatBreaksTheRulesOfTheLine) {
  ASSERT_TRUE(run_until([this] { return started_ == 1; }));
  const std::uint8_t verb = kGoodVerb;
  ASSERT_TRUE(send_packet(spawner_.children.at(101).get(), {&verb, 1}, STDERR_FILENO));
  ASSERT_TRUE(run_until([this] { return supervisor_->pid() == 0; }));
  EXPECT_EQ(messages_, 0);
  EXPECT_THAT(spawner_.killed, ElementsAre(101));
  supervisor_->on_gone(gone(101, SIGKILL));
  EXPECT_THAT(supervisor_->problem(), HasSubstr("was cut off: it sent a descriptor"));
  EXPECT_THAT(supervisor_->problem(), HasSubstr("in 100 ms"));
}

TEST_F(SupervisorTest, TriesAgainWhenALaunchIsRefused) {
  spawner_.fail_next = KernelError{"start vrouterd: dhcp", EAGAIN, ""};
  ASSERT_TRUE(run_until([this] { return !spawner_.fail_next; }));
  EXPECT_EQ(supervisor_->problem(),
            "start vrouterd: dhcp: Resource temporarily unavailable: it is started again in 100 ms");
  ASSERT_TRUE(run_until([this] { return started_ == 1; }));
}

TEST_F(SupervisorTest, TellsWhenAChildThatWasBehindReadsAgain) {
  ASSERT_TRUE(run_until([this] { return started_ == 1; }));
  const std::vector<std::uint8_t> large(60'000, 1);
  int sent = 0;
  while (supervisor_->send({large, {}})) ASSERT_LT(++sent, 1000);
  EXPECT_EQ(supervisor_->pid(), 101);
  std::vector<std::uint8_t> buffer(kMaxMessage);
  for (int i = 0; i < sent;) {
    if (receive_packet(spawner_.children.at(101).get(), buffer, Descriptors::none)) {
      ++i;
      continue;
    }
    io_.restart();
    io_.run_one_for(5ms);
  }
  ASSERT_TRUE(run_until([this] { return drained_ == 1; }));
  EXPECT_TRUE(supervisor_->send({large, {}}));
}

TEST_F(SupervisorTest, EndsTheChildWithItself) {
  ASSERT_TRUE(run_until([this] { return started_ == 1; }));
  supervisor_.reset();
  EXPECT_THAT(spawner_.killed, ElementsAre(101));
}

TEST_F(SupervisorTest, MayBeDestroyedByAHandler) {
  ASSERT_TRUE(run_until([this] { return started_ == 1; }));
  child_says(kFatalVerb);
  ASSERT_TRUE(run_until([this] { return supervisor_ == nullptr; }));
  EXPECT_THAT(spawner_.killed, ElementsAre(101));
}

TEST_F(SupervisorTest, DestroyedBeforeItsLaunchLaunchesNothing) {
  supervisor_.reset();
  io_.run();
  EXPECT_TRUE(spawner_.children.empty());
}

TEST(ChildGone, SaysHowAChildEnded) {
  EXPECT_EQ((ChildGone{Service::dns, 7, SIGSYS}.to_string()),
            "vrouterd: dns (pid 7) was killed by signal 31 (Bad system call)");
  EXPECT_EQ((ChildGone{Service::dhcp, 8, 3 << 8}.to_string()), "vrouterd: dhcp (pid 8) ended with status 3");
}

TEST(UserOf, SaysHowToMakeAUserThatIsMissing) {
  const auto user = user_of(Service::dhcp);
  if (user) GTEST_SKIP() << "this machine has the user";
  EXPECT_THAT(user.error(), HasSubstr("there is no user _vrouter-dhcp"));
  EXPECT_THAT(user.error(), HasSubstr("systemd-sysusers"));
}

}  // namespace
}  // namespace vrouter::router
