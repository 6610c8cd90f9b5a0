// SPDX-License-Identifier: GPL-2.0-or-later
// Draws that are the same for the same seed, whatever the library.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace vrouter::truth {

class Chance {
 public:
  // Streams of one seed have nothing to do with each other.
  Chance(std::uint32_t seed, std::uint32_t stream) {
    std::seed_seq sequence{seed, stream};
    generator_.seed(sequence);
  }

  [[nodiscard]] std::uint32_t below(std::size_t count) {
    return static_cast<std::uint32_t>(generator_() % static_cast<std::uint32_t>(count));
  }
  [[nodiscard]] bool once_in(std::uint32_t count) { return below(count) == 0; }
  template <typename Item>
  [[nodiscard]] const Item& one_of(const std::vector<Item>& items) {
    return items[below(items.size())];
  }

 private:
  std::mt19937 generator_;
};

}  // namespace vrouter::truth
