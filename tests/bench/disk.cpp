// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/disk.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <sstream>

#include "tests/lab/lib/paths.h"

namespace vrouter::bench {

namespace fs = std::filesystem;

StateDisk::StateDisk(const lab::Namespace& where, const fs::path& inside)
    : directory_{lab::binary_directory() + "/bench-state-" + std::to_string(::getpid()) + "-" +
                 std::to_string(where.holder())} {
  fs::create_directories(directory_);
  where.must("mkdir -p " + inside.string() + " && mount --bind " + directory_.string() + " " + inside.string());
  std::istringstream words{where.must("findmnt -n -o FSTYPE,SOURCE -T " + directory_.string())};
  std::string kind, source;
  words >> kind >> source;
  file_system_ = kind + " on " + source;
}

StateDisk::~StateDisk() {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

bool StateDisk::durable() const {
  struct statfs found{};
  if (::statfs(directory_.c_str(), &found) < 0) lab::throw_errno("statfs " + directory_.string());
  return found.f_type != TMPFS_MAGIC && found.f_type != RAMFS_MAGIC;
}

}  // namespace vrouter::bench
