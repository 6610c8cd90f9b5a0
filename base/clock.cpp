// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/clock.h"

#include <ctime>

namespace vrouter {

BootClock::time_point BootClock::now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return time_point{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

}  // namespace vrouter
