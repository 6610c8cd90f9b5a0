// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace vrouter::dhcp {

// A whole client (firmware, boot loader, operating system) sends some 20 messages in its first seconds and then two
// an hour; ten times that is a flood. At 10,000 guests the sum is still what one thread can only drop, not answer,
// so the bucket stands before the parser.
inline constexpr unsigned kBurstPerInterface = 40;
inline constexpr unsigned kMessagesPerSecond = 20;

template <unsigned kBurst, unsigned kPerSecond>
class BasicTokenBucket {
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

using TokenBucket = BasicTokenBucket<kBurstPerInterface, kMessagesPerSecond>;

}  // namespace vrouter::dhcp
