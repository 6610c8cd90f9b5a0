// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <memory>
#include <string>

#include "router/kernel/types.h"

namespace vrouter::router {

// The kernel's switches as files. A key is a path below /proc/sys, "net/ipv4/conf/eth0/forwarding": slashes, since
// interface names may hold dots. Values come without the final newline.
class Sysctls {
 public:
  virtual ~Sysctls() = default;
  [[nodiscard]] virtual Result<std::string> read(
      const std::string& key) const = 0;  // ENOENT: this kernel has no such switch
  [[nodiscard]] virtual Result<void> write(const std::string& key, const std::string& value) = 0;
};

// `base` is /proc/sys, or a directory of a test's. Keys with "..", or absolute ones, are refused (EINVAL).
[[nodiscard]] Result<std::unique_ptr<Sysctls>> open_sysctls(const std::string& base = "/proc/sys");

}  // namespace vrouter::router
