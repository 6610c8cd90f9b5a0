// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/cli/offline.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <system_error>

#include "base/unique_fd.h"

namespace vrouter::router::cli {
namespace {

namespace fs = std::filesystem;

// As installed (bin and sbin) and as built (side by side).
fs::path daemon_program() {
  std::error_code error;
  const auto here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& path : {here / "vrouterd", here.parent_path() / "sbin" / "vrouterd"}) {
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

struct Pipe {
  UniqueFd read, write;
};

std::expected<Pipe, std::string> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) return std::unexpected(std::string{"pipe: "} + std::strerror(errno));
  return Pipe{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

// Both until their ends: read one after the other, a full second pipe would stop the writer.
std::array<std::string, 2> read_both(const UniqueFd& first, const UniqueFd& second) {
  std::array<std::string, 2> texts;
  std::array<pollfd, 2> waiting{pollfd{first.get(), POLLIN, 0}, pollfd{second.get(), POLLIN, 0}};
  while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) break;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents == 0) continue;
      std::array<char, 4096> part{};
      const auto n = ::read(waiting[i].fd, part.data(), part.size());
      if (n > 0) texts[i].append(part.data(), static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EINTR)) waiting[i].fd = -1;
    }
  }
  return texts;
}

}  // namespace

std::expected<std::vector<std::string>, std::string> teardown_offline(const fs::path& config,
                                                                      const fs::path& state_dir) {
  const auto program = daemon_program();
  if (program.empty()) {
    return std::unexpected(
        "no daemon runs, and vrouterd, which would give the host back, is not beside vrouter; "
        "install it, or run `vrouterd --teardown` where it is");
  }
  auto out = make_pipe();
  auto err = make_pipe();
  if (!out || !err) return std::unexpected(!out ? out.error() : err.error());
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, out->write.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err->write.get(), STDERR_FILENO);
  std::array<std::string, 6> words{program.string(), "--teardown",  "--config",
                                   config.string(),  "--state-dir", state_dir.string()};
  std::array<char*, 7> arguments{};
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return std::unexpected(program.string() + ": " + std::strerror(failed));
  out->write.reset();
  err->write.reset();
  const auto [said, complained] = read_both(out->read, err->read);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const auto end = complained.find_last_not_of('\n');
    return std::unexpected(end == std::string::npos ? program.string() + " ended without a word"
                                                    : complained.substr(0, end + 1));
  }
  std::vector<std::string> done;
  std::istringstream lines{said};
  for (std::string line; std::getline(lines, line);) done.push_back(line);
  return done;
}

}  // namespace vrouter::router::cli
