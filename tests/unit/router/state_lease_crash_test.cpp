// SPDX-License-Identifier: GPL-2.0-or-later
// A process that commits leases is killed at a random moment, again and again on the same file: what it was answered
// is there, to the byte. VROUTER_LEASE_KILLS says how often (20).
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <random>

#include "base/unique_fd.h"
#include "lease_fixture.h"

namespace vrouter::router::state {
namespace {

// Commit `n` puts two leases, which both say so, or erases them.
constexpr std::uint32_t kPairs = 250;
constexpr std::uint32_t kInFlight = 32;

bool erases(std::uint32_t n) {
  return n % 11 == 10;
}

std::vector<dhcp::Lease> pair_of(std::uint32_t n) {
  auto one = lease_of(n, at(1000h + 1ns * n));
  one.address = address_v4{0x0a000000U + 2 * (n % kPairs)};
  auto other = one;
  other.address = address_v4{one.address.to_uint() + 1};
  return {one, other};
}

std::uint32_t number_of(const dhcp::Lease& lease) {
  std::uint32_t n = 0;
  for (std::size_t i = 0; i < 4; ++i) n |= std::uint32_t{lease.client.hardware.bytes[i]} << (8 * i);
  return n;
}

class Committer {
 public:
  Committer(std::unique_ptr<LeaseStore> store, int tell, std::uint32_t first)
      : store_{std::move(store)}, tell_{tell}, next_{first} {}

  [[noreturn]] void run_until_killed() {
    for (std::uint32_t i = 0; i < kInFlight; ++i) hand_over();
    io_.run();
    ::_exit(4);
  }

 private:
  void hand_over() {
    const std::uint32_t n = next_++;
    auto put = pair_of(n);
    std::vector<address_v4> erase;
    if (erases(n)) {
      erase = {put[0].address, put[1].address};
      put.clear();
    }
    store_->commit(std::move(put), std::move(erase), io_, [this, n](const Committed& done) {
      if (!done) ::_exit(2);
      if (::write(tell_, &n, sizeof n) != sizeof n) ::_exit(3);
      hand_over();
    });
  }

  std::unique_ptr<LeaseStore> store_;
  int tell_;
  std::uint32_t next_;
  boost::asio::io_context io_;
};

class KilledCommitter : public LeaseStoreTest {
 protected:
  struct Known {
    std::uint32_t n = 0;
    bool erased = true;
  };

  void SetUp() override {
    const char* seed = std::getenv("VROUTER_SEED");
    const auto number = seed != nullptr ? static_cast<unsigned>(std::stoul(seed)) : std::random_device{}();
    RecordProperty("seed", std::to_string(number));
    chance_.seed(number);
  }

  // Returns once the child is dead and all that it said is heard.
  void kill_at_any_moment() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd hear{ends[0]}, tell{ends[1]};
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto often = options();
      often.checkpoint_at = 100;  // so that many die in a checkpoint
      auto store = LeaseStore::open_anyhow(file_, often);
      if (!store || !(*store)->aside().empty()) ::_exit(1);
      Committer{std::move(*store), tell.get(), next_}.run_until_killed();
    }
    tell.reset();
    const auto answers = std::uniform_int_distribution{0, 1000}(chance_);
    for (int i = 0; i < answers && hear_one(hear.get()); ++i) {
    }
    ::usleep(std::uniform_int_distribution<useconds_t>{0, 5000}(chance_));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
    while (hear_one(hear.get())) {
    }
  }

  bool hear_one(int fd) {
    std::uint32_t n = 0;
    if (::read(fd, &n, sizeof n) != sizeof n) return false;
    EXPECT_EQ(n, next_);
    known_[n % kPairs] = {n, erases(n)};
    next_ = n + 1;
    ++answered_;
    return true;
  }

  void check() {
    const auto store = open();
    ASSERT_TRUE(store);
    ASSERT_EQ(store->aside(), "");
    std::map<address_v4, dhcp::Lease> found;
    for (auto& lease : store->take_loaded()) found.emplace(lease.address, lease);
    const std::uint32_t bound = next_ + kInFlight;  // nothing from here on was handed over
    for (std::uint32_t pair = 0; pair < kPairs; ++pair) {
      auto& known = known_[pair];
      const auto one = found.find(address_v4{0x0a000000U + 2 * pair});
      if (one == found.end()) {
        EXPECT_FALSE(found.contains(address_v4{0x0a000001U + 2 * pair})) << pair << " is half";
        EXPECT_TRUE(known.erased || may_be_erased(pair, known.n, bound)) << known.n << " was answered and is gone";
        known = {std::max(known.n, bound), true};
        continue;
      }
      const std::uint32_t n = number_of(one->second);
      EXPECT_EQ(n % kPairs, pair);
      EXPECT_TRUE(n >= known.n && n < bound) << n << " is there, " << known.n << " was answered";
      EXPECT_FALSE(known.erased && n == known.n);
      EXPECT_FALSE(erases(n));
      const auto whole = pair_of(n);
      EXPECT_EQ(one->second, whole[0]) << n << " is torn";
      EXPECT_EQ(found[whole[1].address], whole[1]) << n << " is half";
      known = {n, false};
    }
    next_ = bound;
  }

  static bool may_be_erased(std::uint32_t pair, std::uint32_t after, std::uint32_t bound) {
    for (std::uint32_t n = after + 1; n < bound; ++n) {
      if (n % kPairs == pair && erases(n)) return true;
    }
    return false;
  }

  std::mt19937 chance_;
  std::uint32_t next_ = 1;
  std::uint64_t answered_ = 0;
  std::array<Known, kPairs> known_{};
};

TEST_F(KilledCommitter, LosesNothingThatItWasAnswered) {
  const char* wanted = std::getenv("VROUTER_LEASE_KILLS");
  const int rounds = wanted != nullptr ? std::stoi(wanted) : 20;
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    ASSERT_NO_FATAL_FAILURE(kill_at_any_moment());
    ASSERT_NO_FATAL_FAILURE(check());
  }
  RecordProperty("answered", std::to_string(answered_));
  EXPECT_GT(answered_, static_cast<std::uint64_t>(rounds) * 50);
}

}  // namespace
}  // namespace vrouter::router::state
