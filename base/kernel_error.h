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
  // Of nf_tables what in the ruleset it was about, by which its origin is found (firewall/origin.h): a rule's comment,
  // or else the name of a chain, set or counter; empty: nothing in particular.
  std::string subject{};

  [[nodiscard]] std::string to_string() const {
    std::string text = what + ": " + ::strerrordesc_np(code);
    if (!extack.empty()) text += " (kernel: " + extack + ")";
    return text;
  }
};

}  // namespace vrouter
