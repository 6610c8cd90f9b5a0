// SPDX-License-Identifier: GPL-2.0-or-later
#include <sys/prctl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <span>
#include <sstream>
#include <string>

#include "router/processes/spawner_process.h"

namespace vrouter::router {
namespace {

// Where the kernel finds what /proc/PID/cmdline shows: fields 48 and 49 of /proc/PID/stat (proc(5)).
std::span<char> argument_area() {
  std::ifstream file{"/proc/self/stat"};
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');  // the name may hold anything
  if (name_end == line.npos) return {};
  std::istringstream rest{line.substr(name_end + 1)};
  std::string skipped;
  for (int field = 3; field < 48; ++field) rest >> skipped;
  std::uintptr_t begin = 0, end = 0;
  rest >> begin >> end;
  if (!rest || begin == 0 || end <= begin) return {};
  // NOLINTNEXTLINE(*-reinterpret-cast,performance-no-int-to-ptr): the kernel tells it as a number
  return {reinterpret_cast<char*>(begin), end - begin};
}

}  // namespace

void set_process_title(std::string_view title) noexcept {
  const std::string text{title};
  ::prctl(PR_SET_NAME, text.c_str());
  // The arguments themselves are overwritten: our copy of them, which nobody reads after main has parsed them.
  const auto area = argument_area();
  if (area.size() <= text.size()) return;
  std::ranges::fill(area, '\0');
  std::ranges::copy(text, area.begin());
}

}  // namespace vrouter::router
