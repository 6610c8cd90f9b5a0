// SPDX-License-Identifier: GPL-2.0-or-later
// The program itself, as a person or a script runs it, against a daemon of the test's own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fake_service.h"

extern char** environ;

namespace vrouter::router::cli {

struct Ran {
  int status = -1;
  std::string out, err;
};

inline std::string read_file(const std::filesystem::path& file) {
  std::ifstream stream{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{stream}, {}};
}

// The program with its output where a test looks while it runs.
class Started {
 public:
  // A session of its own makes the first terminal that it opens the one that interrupts it.
  Started(std::vector<std::string> words, const std::filesystem::path& out, const std::filesystem::path& err) {
    words.insert(words.begin(), VROUTER_PROGRAM);
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const auto& [fd, file] : {std::pair{1, out}, std::pair{2, err}}) {
      // A terminal that is only written to interrupts nobody.
      const int flags = std::filesystem::is_character_file(file) ? O_RDWR : O_WRONLY | O_CREAT | O_TRUNC;
      posix_spawn_file_actions_addopen(&actions, fd, file.c_str(), flags, 0600);
    }
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    if (::posix_spawn(&child_, VROUTER_PROGRAM, &actions, &attributes, argv.data(), environ) != 0) child_ = -1;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Started() {
    if (child_ > 0) ::kill(child_, SIGKILL);
    wait();
  }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;

  void signal(int number) const { ::kill(child_, number); }
  // The exit status; less than 0: it didn't exit, but was ended by that signal. SIGKILL ends what ends by nothing else.
  int wait() {
    if (child_ <= 0) return -1;
    int status = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (::waitpid(child_, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > deadline) ::kill(child_, SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t child_ = -1;
};

class Program : public ::testing::Test {
 protected:
  Ran run(std::vector<std::string> words) {
    const auto out = directory_ / "out";
    const auto err = directory_ / "err";
    const int status = Started{std::move(words), out, err}.wait();
    return {status, read_file(out), read_file(err)};
  }
  Ran ask(std::vector<std::string> words) {
    words.insert(words.begin(), {"--socket", server_.socket.string()});
    return run(std::move(words));
  }

  TemporaryDirectory directory_;
  control::RunningServer server_;
};

}  // namespace vrouter::router::cli
