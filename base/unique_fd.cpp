// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/unique_fd.h"

#include <unistd.h>

namespace vrouter {

void UniqueFd::reset(int fd) noexcept {
  // Never retried on EINTR: Linux has closed the descriptor by then, and another thread may own the number.
  if (const int old = std::exchange(fd_, fd); old >= 0) ::close(old);
}

}  // namespace vrouter
