// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/frames.h"

#include <algorithm>

namespace vrouter::dns {

namespace {

std::size_t length_at(std::span<const std::uint8_t> prefix) noexcept {
  return static_cast<std::size_t>(prefix[0] << 8 | prefix[1]);
}

}  // namespace

std::span<std::uint8_t> FrameReader::room() noexcept {
  return std::span{bytes_}.subspan(have_);
}

void FrameReader::received(std::size_t size) {
  have_ += size;
  if (in_message_ || have_ < kFramePrefix) return;
  in_message_ = true;
  have_ = 0;
  bytes_.resize(length_at(bytes_));
}

void FrameReader::restart() {
  in_message_ = false;
  have_ = 0;
  bytes_.resize(kFramePrefix);
}

std::span<std::uint8_t> FrameBuffer::room() noexcept {
  if (taken_ != 0) {
    const auto rest = std::span{bytes_}.subspan(taken_, have_ - taken_);
    std::ranges::copy(rest, bytes_.begin());
    have_ = rest.size();
    taken_ = 0;
  }
  return std::span{bytes_}.subspan(have_);
}

std::optional<std::span<const std::uint8_t>> FrameBuffer::next() noexcept {
  const auto rest = std::span{bytes_}.subspan(taken_, have_ - taken_);
  if (rest.size() < kFramePrefix) return std::nullopt;
  const auto length = length_at(rest);
  if (rest.size() - kFramePrefix < length) return std::nullopt;
  taken_ += kFramePrefix + length;
  return rest.subspan(kFramePrefix, length);
}

}  // namespace vrouter::dns
