// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <filesystem>
#include <string>

#include "tests/lab/lib/namespace.h"

namespace vrouter::bench {

// A directory on the disk that this program was built on, mounted in a namespace whose own files are all in memory:
// there a write that is to last takes what it takes. It goes with this object.
class StateDisk {
 public:
  // At `inside`, which is made; it hides what is there.
  StateDisk(const lab::Namespace& where, const std::filesystem::path& inside);
  StateDisk(const StateDisk&) = delete;
  StateDisk& operator=(const StateDisk&) = delete;
  ~StateDisk();

  // "ext4 on /dev/vda"
  [[nodiscard]] const std::string& file_system() const { return file_system_; }
  // Whether a write that is to last costs something.
  [[nodiscard]] bool durable() const;

 private:
  std::filesystem::path directory_;
  std::string file_system_;
};

}  // namespace vrouter::bench
