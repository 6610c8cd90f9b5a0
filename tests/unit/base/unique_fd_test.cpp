// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace vrouter {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(UniqueFd, ClosesOnceAndHandsOver) {
  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  UniqueFd read_end{pipe_fds[0]};
  {
    const UniqueFd write_end{pipe_fds[1]};
    EXPECT_TRUE(is_open(pipe_fds[1]));
  }
  EXPECT_FALSE(is_open(pipe_fds[1]));
  UniqueFd taken{std::move(read_end)};
  EXPECT_FALSE(read_end);  // NOLINT(bugprone-use-after-move): the moved-from state is the point
  taken.reset();
  EXPECT_FALSE(is_open(pipe_fds[0]));
}

}  // namespace
}  // namespace vrouter
