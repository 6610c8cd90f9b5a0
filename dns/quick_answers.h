// SPDX-License-Identifier: GPL-2.0-or-later
// Answers that the cache has, told without a detour: from one buffer into another, with nothing allocated. Any thread.
#pragma once

#include <cstdint>
#include <span>

#include "dns/cache.h"
#include "dns/gate.h"

namespace vrouter::dns {

class QuickAnswers {
 public:
  explicit QuickAnswers(Cache& cache) : cache_{cache} {}

  // The reply to a datagram of a client that was admitted, written to `room` (kMaxUdpReply bytes); its size. 0: the
  // QueryHandler has to look at it. Whether a name is ours to say depends on its being a single label, and else on the
  // zones alone: the cache is to be cleared when those or the servers' zones change.
  [[nodiscard]] std::size_t answer(std::span<const std::uint8_t> message, BootTime now, std::span<std::uint8_t> room);

  [[nodiscard]] std::uint64_t answered() const noexcept { return answered_.value(); }

 private:
  Cache& cache_;
  Counter answered_;
};

}  // namespace vrouter::dns
