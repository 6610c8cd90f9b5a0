// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>

namespace vrouter {

// CLOCK_BOOTTIME: goes on through suspend and knows no wall-clock jump, so a lease neither expires nor
// lives longer because somebody set the date. clock_gettime(2).
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
  [[nodiscard]] static time_point now() noexcept;
};

using BootTime = BootClock::time_point;

}  // namespace vrouter
