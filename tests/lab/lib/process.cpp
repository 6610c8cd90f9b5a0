// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/process.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace vrouter::lab {
namespace {

int exit_status(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

std::string read_all(int fd) {
  std::string text;
  if (fd < 0) return text;
  struct stat info{};
  if (::fstat(fd, &info) < 0) throw_errno("fstat");
  text.resize(static_cast<std::size_t>(info.st_size));
  std::size_t used = 0;
  while (used < text.size()) {
    const auto n = ::pread(fd, text.data() + used, text.size() - used, static_cast<off_t>(used));
    if (n < 0) throw_errno("pread");
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  text.resize(used);
  return text;
}

std::string Finished::to_string() const {
  return (timed_out ? "timed out\n" : "exit " + std::to_string(status) + "\n") + out + err;
}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    stop_now();
    pid_ = std::exchange(other.pid_, -1);
    status_ = std::exchange(other.status_, std::nullopt);
    out_ = std::move(other.out_);
    err_ = std::move(other.err_);
  }
  return *this;
}

bool Process::running() {
  return pid_ > 0 && !wait(0ms);
}

std::optional<int> Process::wait(Milliseconds limit) {
  if (status_ || pid_ <= 0) return status_;
  if (limit > 0ms) {
    // A pidfd turns readable when the process ends: no polling, no signal handler.
    const UniqueFd handle{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))};
    if (!handle) throw_errno("pidfd_open");
    pollfd ended{.fd = handle.get(), .events = POLLIN, .revents = 0};
    while (::poll(&ended, 1, static_cast<int>(limit.count())) < 0) {
      if (errno != EINTR) throw_errno("poll");
    }
  }
  int status = 0;
  const auto reaped = ::waitpid(pid_, &status, WNOHANG);
  if (reaped < 0) throw_errno("waitpid");
  if (reaped > 0) status_ = exit_status(status);
  return status_;
}

void Process::signal(int number) const {
  if (pid_ > 0 && !status_) ::kill(pid_, number);
}

void Process::stop_now() noexcept {
  if (pid_ <= 0) return;
  if (!status_) {
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    status_ = exit_status(status);
  }
}

int Process::terminate(Milliseconds limit) {
  signal(SIGTERM);
  if (!wait(limit)) stop_now();
  return status_.value_or(-1);
}

std::string Process::output() const {
  return read_all(out_.get());
}

std::string Process::errors() const {
  return read_all(err_.get());
}

}  // namespace vrouter::lab
