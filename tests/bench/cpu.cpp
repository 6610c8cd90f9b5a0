// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/cpu.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/lab/lib/error.h"

namespace vrouter::bench {
namespace {

constexpr int kFieldsBefore = 11;  // utime, counted from the one behind the name (proc(5): 14 and 3)

double ticks_of(pid_t process) {
  const auto path = "/proc/" + std::to_string(process) + "/stat";
  std::ifstream file{path};
  std::string text;
  std::getline(file, text);
  // The name may hold anything, a parenthesis too.
  const auto name_end = text.rfind(')');
  if (name_end == text.npos) throw lab::LabError{"cannot read " + path};
  std::istringstream fields{text.substr(name_end + 1)};
  std::string skipped;
  for (int i = 0; i < kFieldsBefore; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return user + system;
}

// The first field of each thread's schedstat (Documentation/scheduler/sched-stats.rst).
double nanoseconds_of(pid_t process) {
  double sum = 0;
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator{"/proc/" + std::to_string(process) + "/task", gone}) {
    std::ifstream file{thread.path() / "schedstat"};
    double nanoseconds = 0;
    if (!(file >> nanoseconds)) throw lab::LabError{"cannot read " + (thread.path() / "schedstat").string()};
    sum += nanoseconds;
  }
  if (gone) throw lab::LabError{"process " + std::to_string(process) + " is gone"};
  return sum;
}

}  // namespace

double cpu_seconds(const std::vector<pid_t>& processes) {
  double ticks = 0;
  for (const auto process : processes) ticks += ticks_of(process);
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double exact_cpu_seconds(const std::vector<pid_t>& processes) {
  double nanoseconds = 0;
  for (const auto process : processes) nanoseconds += nanoseconds_of(process);
  return nanoseconds / 1e9;
}

}  // namespace vrouter::bench
