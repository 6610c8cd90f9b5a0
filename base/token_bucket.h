// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace vrouter {

// Lets through kBurst at once and kPerSecond on average. Eight bytes and no timer, so that each guest can have one.
template <unsigned kBurst, unsigned kPerSecond>
class TokenBucket {
 public:
  // Takes one token; false when there is none. A `now` before the last one gives nothing back.
  [[nodiscard]] bool take(BootTime now) noexcept {
    full_at_ = std::max(full_at_, now);
    if (full_at_ - now > kInterval * (kBurst - 1)) return false;
    full_at_ += kInterval;
    return true;
  }

 private:
  static constexpr std::chrono::nanoseconds kInterval = std::chrono::nanoseconds{std::chrono::seconds{1}} / kPerSecond;
  BootTime full_at_{};  // when the bucket will be full again; the past: it is
};

}  // namespace vrouter
