// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "tests/lab/lib/error.h"

namespace vrouter::lab {

using Arguments = std::vector<std::string>;

// How a command ended. A signal counts as 128 + its number, as in a shell.
struct Finished {
  int status = -1;
  bool timed_out = false;  // killed by the lab; status is 137 then
  std::string out;
  std::string err;

  [[nodiscard]] bool ok() const { return status == 0 && !timed_out; }
  // "exit 1\n" and both outputs: what a failed assertion should print.
  [[nodiscard]] std::string to_string() const;
};

// A started process. Its output (stdout and stderr together, unless they were given elsewhere) collects in memory, so
// that a killed test leaves no file. The destructor kills and reaps it.
class Process {
 public:
  Process() = default;
  Process(pid_t pid, UniqueFd out, UniqueFd err) : pid_{pid}, out_{std::move(out)}, err_{std::move(err)} {}
  Process(Process&& other) noexcept { *this = std::move(other); }
  Process& operator=(Process&& other) noexcept;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() { stop_now(); }

  [[nodiscard]] pid_t pid() const { return pid_; }  // as the test sees it, not as its own PID namespace does
  [[nodiscard]] bool running();
  // The exit status, or nothing when it still runs after `limit`.
  [[nodiscard]] std::optional<int> wait(Milliseconds limit = 10s);
  void signal(int number) const;
  void stop_now() noexcept;  // SIGKILL, then reap
  // SIGTERM, SIGKILL after `limit`; the exit status.
  int terminate(Milliseconds limit = 5s);

  [[nodiscard]] std::string output() const;  // stdout, and stderr where it wasn't split off
  [[nodiscard]] std::string errors() const;  // stderr where it was split off

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
  UniqueFd out_;
  UniqueFd err_;
};

inline constexpr int kInheritedAs = 3;

struct SpawnOptions {
  std::map<std::string, std::string> environment;  // added to the test's own
  std::string input;                               // stdin; /dev/null when empty
  bool split_errors = false;                       // keep stderr apart
  int inherited = -1;                              // given to the program as descriptor kInheritedAs
  int terminal = -1;                               // stdin, stdout and stderr all on this descriptor instead
};

// The whole of a memfd or regular file, from its beginning, without moving its offset.
[[nodiscard]] std::string read_all(int fd);

}  // namespace vrouter::lab
