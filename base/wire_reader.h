// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vrouter {

// Reads network-order fields from bytes somebody else chose. It can't overrun: a read past the end gives zeroes
// (or an empty span) and sets failed(), which stays set. Read straight through, test once.
class WireReader {
 public:
  explicit WireReader(std::span<const std::uint8_t> bytes) noexcept : rest_{bytes} {}

  [[nodiscard]] std::span<const std::uint8_t> take(std::size_t n) noexcept {
    if (failed_ || n > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const auto head = rest_.first(n);
    rest_ = rest_.subspan(n);
    return head;
  }
  void skip(std::size_t n) noexcept { static_cast<void>(take(n)); }

  [[nodiscard]] std::uint8_t u8() noexcept {
    const auto b = take(1);
    return b.empty() ? std::uint8_t{0} : b[0];
  }
  [[nodiscard]] std::uint16_t u16() noexcept {
    const auto b = take(2);
    return b.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(b[0] << 8 | b[1]);
  }
  [[nodiscard]] std::uint32_t u32() noexcept {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }

  [[nodiscard]] std::span<const std::uint8_t> rest() const noexcept { return rest_; }
  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  std::span<const std::uint8_t> rest_;
  bool failed_ = false;
};

}  // namespace vrouter
