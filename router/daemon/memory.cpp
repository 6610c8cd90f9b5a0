// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/memory.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>

namespace vrouter::router {
namespace {

constexpr std::chrono::seconds kLookEvery{2};
// Asking walks the heap, some milliseconds for a hundred megabytes: not for less than this.
constexpr std::size_t kWorthAsking = 4U << 20U;

}  // namespace

MemoryKeeper::MemoryKeeper(boost::asio::io_context& io) : timer_{io} {
  look_later();
}

void MemoryKeeper::look_later() {
  timer_.expires_after(kLookEvery);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look();
  });
}

void MemoryKeeper::look() {
  const auto free = ::mallinfo2().fordblks;
  left_ = std::min(left_, free);
  if (free > left_ + kWorthAsking) {
    ::malloc_trim(0);
    // It keeps the pages that are still used in part; those need no second asking.
    left_ = ::mallinfo2().fordblks;
  }
  look_later();
}

}  // namespace vrouter::router
