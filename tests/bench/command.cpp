// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/command.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lab/lib/error.h"
#include "tests/scale/crowd.h"

namespace vrouter::bench {

double command_time(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  int status = 0;
  const auto took = lab::timed([&] {
    pid_t pid = -1;
    if (::posix_spawn(&pid, command.front().c_str(), &actions, nullptr, arguments.data(), environ) != 0) {
      lab::throw_errno("start " + command.front());
    }
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
  });
  ::posix_spawn_file_actions_destroy(&actions);
  if (status != 0) throw lab::LabError{command.front() + " " + command.back() + " failed"};
  return took;
}

}  // namespace vrouter::bench
