// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/census.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace vrouter::torture {
namespace {

namespace fs = std::filesystem;

// Parent and name by /proc/PID/stat: "PID (NAME) STATE PPID ...", where a name may hold anything.
struct Stat {
  pid_t parent = 0;
  std::string name;
};

Stat read_stat(const fs::path& directory) {
  std::ifstream file{directory / "stat"};
  std::string line;
  std::getline(file, line);
  const auto open = line.find('(');
  const auto close = line.rfind(')');
  if (open == line.npos || close == line.npos) return {};
  std::istringstream rest{line.substr(close + 1)};
  char state = 0;
  Stat stat{.name = line.substr(open + 1, close - open - 1)};
  rest >> state >> stat.parent;
  return stat;
}

Counted count(pid_t pid, std::string name) {
  const fs::path directory = "/proc/" + std::to_string(pid);
  Counted counted{.pid = pid, .name = std::move(name)};
  std::error_code gone;
  for (auto entry = fs::directory_iterator{directory / "fd", gone}; !gone && entry != fs::directory_iterator{};
       entry.increment(gone)) {
    ++counted.descriptors;
  }
  std::ifstream statm{directory / "statm"};
  long size = 0, resident = 0;
  statm >> size >> resident;
  counted.rss_kilobytes = resident * (::sysconf(_SC_PAGESIZE) / 1024);
  return counted;
}

}  // namespace

std::vector<Counted> census(pid_t daemon) {
  std::multimap<pid_t, std::pair<pid_t, std::string>> children;
  std::error_code gone;
  for (auto entry = fs::directory_iterator{"/proc", gone}; !gone && entry != fs::directory_iterator{};
       entry.increment(gone)) {
    const auto pid = static_cast<pid_t>(std::atoi(entry->path().filename().c_str()));
    if (pid <= 0) continue;
    auto stat = read_stat(entry->path());
    if (pid == daemon) {
      children.emplace(-1, std::pair{pid, stat.name});
    } else {
      children.emplace(stat.parent, std::pair{pid, stat.name});
    }
  }
  std::vector<Counted> found;
  for (std::vector<pid_t> parents{-1}; !parents.empty();) {
    const auto parent = parents.back();
    parents.pop_back();
    for (auto [child, end] = children.equal_range(parent); child != end; ++child) {
      found.push_back(count(child->second.first, child->second.second));
      parents.push_back(child->second.first);
    }
  }
  return found;
}

}  // namespace vrouter::torture
