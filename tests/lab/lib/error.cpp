// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/error.h"

#include <cerrno>
#include <cstring>
#include <thread>

namespace vrouter::lab {

void throw_errno(const std::string& what) {
  throw LabError{what + ": " + ::strerrordesc_np(errno)};
}

bool wait_until(const std::function<bool()>& done, Milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    if (done()) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(5ms);
  }
}

}  // namespace vrouter::lab
