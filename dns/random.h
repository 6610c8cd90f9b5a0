// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace vrouter::dns {

// From the kernel: what a forger would have to guess.
void fill_random(std::span<std::uint8_t> out);  // at most 256 bytes
[[nodiscard]] std::uint16_t random_id();

// The same where they are needed by the thousand: drawn from the kernel many at a time.
class RandomIds {
 public:
  [[nodiscard]] std::uint16_t next();

 private:
  std::array<std::uint8_t, 256> drawn_{};
  std::size_t used_ = drawn_.size();
};

}  // namespace vrouter::dns
