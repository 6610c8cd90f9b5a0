// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "base/unique_fd.h"
#include "router/state/store.h"
#include "temporary_directory.h"

namespace vrouter::router::state {
namespace {

// Commits guests and leases in pairs until it is killed, and tells each number once its commit was answered.
[[noreturn]] void write_until_killed(const std::filesystem::path& file, int tell, std::uint32_t first) {
  auto store = Store::open(file, {.boot_id = "boot", .before_commit = {}});
  if (!store) ::_exit(1);
  for (std::uint32_t number = first;; ++number) {
    config::Guest guest;
    guest.tap = "tap" + std::to_string(number);
    guest.name = guest.tap;
    guest.network = "default";
    KnownLease lease;
    lease.tap = guest.tap;
    if (!(*store)->commit_now({.put_guests = {guest}, .put_leases = {lease}})) ::_exit(2);
    if (::write(tell, &number, sizeof number) != sizeof number) ::_exit(3);
  }
}

TEST(StoreCrash, KeepsEveryAnsweredChangeWholeThroughKills) {
  const TemporaryDirectory directory;
  const auto file = directory / "state.db";
  std::uint32_t next = 0;
  for (std::uint32_t round = 1; round <= 8; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd hear{ends[0]};
    UniqueFd tell{ends[1]};
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_until_killed(file, tell.get(), next);
    tell.reset();
    std::uint32_t answered = 0;
    // Another moment in each round, and the child goes on between the read and the kill.
    for (std::uint32_t i = 0; i < 3 * round; ++i) {
      ASSERT_EQ(::read(hear.get(), &answered, sizeof answered), static_cast<ssize_t>(sizeof answered));
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
    while (::read(hear.get(), &answered, sizeof answered) == sizeof answered) {
    }
    const auto store = Store::open(file, {.boot_id = "boot", .before_commit = {}});
    ASSERT_TRUE(store) << store.error().message;
    const auto& stored = (*store)->loaded();
    for (std::uint32_t number = 0; number <= answered; ++number) {
      EXPECT_TRUE(stored.guests.contains("tap" + std::to_string(number))) << number << " was answered";
    }
    EXPECT_LE(stored.guests.size(), answered + 2U) << "at most one was committed and not yet answered";
    for (const auto& [tap, guest] : stored.guests) EXPECT_TRUE(stored.leases.contains(tap)) << tap << " is half";
    EXPECT_EQ(stored.guests.size(), stored.leases.size());
    next = static_cast<std::uint32_t>(stored.guests.size());
  }
}

}  // namespace
}  // namespace vrouter::router::state
