// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace vrouter::torture {

// A process of vrouterd's, as /proc tells.
struct Counted {
  pid_t pid = 0;
  std::string name;  // "vrouterd", "vrouterd: dhcp"; what the kernel cuts to 15 characters
  int descriptors = 0;
  long rss_kilobytes = 0;
};

// The process and all that come of it, itself first; empty when it is gone.
[[nodiscard]] std::vector<Counted> census(pid_t daemon);

}  // namespace vrouter::torture
