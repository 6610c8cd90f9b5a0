// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/pointers.h"

#include <algorithm>

namespace vrouter::dns {

bool TtlFields::are_in_name(std::span<const std::uint8_t> message, std::size_t start) noexcept {
  constexpr std::size_t kTtlSize = 4;
  const auto touch = [&](std::size_t from, std::size_t to) {
    const auto next = std::ranges::upper_bound(at_, from, {}, [](std::size_t at) { return at + kTtlSize; });
    return next != at_.end() && *next < to;
  };
  // What wasn't pointed to stands where the names stand.
  for (std::size_t at = start, run = start;;) {
    const unsigned length = message[at];
    if (length >= 0xc0) {
      if (run != start && touch(run, at)) return true;
      run = at = (length & 0x3fU) << 8 | message[at + 1];
      if (seen_.test(at)) return false;
      seen_.set(at);
    } else if (length == 0) {
      return run != start && touch(run, at + 1);
    } else {
      at += length + std::size_t{1};
    }
  }
}

}  // namespace vrouter::dns
