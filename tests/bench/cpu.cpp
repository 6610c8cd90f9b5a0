// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/cpu.h"

#include <unistd.h>

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

}  // namespace

double cpu_seconds(const std::vector<pid_t>& processes) {
  double ticks = 0;
  for (const auto process : processes) ticks += ticks_of(process);
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace vrouter::bench
