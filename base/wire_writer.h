// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vrouter {

// Writes network-order fields into a buffer of fixed size. What doesn't fit isn't written and sets failed(),
// which stays set; what was written before is whole.
class WireWriter {
 public:
  explicit WireWriter(std::span<std::uint8_t> buffer) noexcept : buffer_{buffer} {}

  void u8(std::uint8_t value) noexcept {
    if (auto* p = reserve(1)) p[0] = value;
  }
  void u16(std::uint16_t value) noexcept {
    if (auto* p = reserve(2)) {
      p[0] = static_cast<std::uint8_t>(value >> 8);
      p[1] = static_cast<std::uint8_t>(value);
    }
  }
  void u32(std::uint32_t value) noexcept {
    if (auto* p = reserve(4)) {
      for (int i = 0; i < 4; ++i) p[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
    }
  }
  void bytes(std::span<const std::uint8_t> data) noexcept {
    if (auto* p = reserve(data.size())) std::ranges::copy(data, p);
  }
  void fill(std::size_t n, std::uint8_t value = 0) noexcept {
    if (auto* p = reserve(n)) std::fill_n(p, n, value);
  }
  // Overwrites a field written before, such as a length known only now.
  void patch_u16(std::size_t offset, std::uint16_t value) noexcept {
    if (failed_ || used_ < 2 || offset > used_ - 2) {
      failed_ = true;
      return;
    }
    buffer_[offset] = static_cast<std::uint8_t>(value >> 8);
    buffer_[offset + 1] = static_cast<std::uint8_t>(value);
  }
  // Takes back what was written past `size`, and the failure with it.
  void truncate(std::size_t size) noexcept {
    if (size > used_) return;
    used_ = size;
    failed_ = false;
  }

  [[nodiscard]] std::size_t size() const noexcept { return used_; }
  [[nodiscard]] std::size_t room() const noexcept { return buffer_.size() - used_; }
  [[nodiscard]] std::span<const std::uint8_t> written() const noexcept { return buffer_.first(used_); }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  std::uint8_t* reserve(std::size_t n) noexcept {
    if (failed_ || n > room()) {
      failed_ = true;
      return nullptr;
    }
    auto* p = buffer_.data() + used_;
    used_ += n;
    return p;
  }

  std::span<std::uint8_t> buffer_;
  std::size_t used_ = 0;
  bool failed_ = false;
};

}  // namespace vrouter
