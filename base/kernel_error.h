// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstring>
#include <string>
#include <utility>

namespace vrouter {

// What the kernel refused: the operation in words, a positive errno, and the kernel's own sentence
// (NLMSGERR_ATTR_MSG, linux/netlink.h), empty when it said nothing more.
struct KernelError {
  std::string what;  // "add route 10.0.5.2/32 dev tap0"
  int code = 0;
  std::string extack;

  [[nodiscard]] std::string to_string() const {
    std::string text = what + ": " + ::strerrordesc_np(code);
    if (!extack.empty()) text += " (kernel: " + extack + ")";
    return text;
  }
};

}  // namespace vrouter
