// SPDX-License-Identifier: GPL-2.0-or-later
// Messages in a stream of bytes, each behind its length in two bytes (RFC 1035 4.2.2, RFC 7766 section 8). Pure: the
// wire may cut the stream wherever it likes, the messages are the same. No more is ever held than one buffer full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dns/codec.h"

namespace vrouter::dns {

inline constexpr std::size_t kFramePrefix = 2;

// One message after the other, and not a byte read beyond the one that is wanted: what is behind it stays in the
// socket, where it holds up whoever sent it.
class FrameReader {
 public:
  // What the frame still lacks, as far as is known yet. Empty: message() is whole.
  [[nodiscard]] std::span<std::uint8_t> room() noexcept;
  // So many bytes were read into room().
  void received(std::size_t size);
  [[nodiscard]] bool whole() const noexcept { return in_message_ && have_ == bytes_.size(); }
  [[nodiscard]] std::span<const std::uint8_t> message() const noexcept { return bytes_; }
  // To the next one.
  void restart();

 private:
  Bytes bytes_ = Bytes(kFramePrefix);  // the length, then the message
  std::size_t have_ = 0;               // in it
  bool in_message_ = false;
};

// As many messages as there are behind one another, from as few reads as may be: for a peer that was asked for them.
class FrameBuffer {
 public:
  // Where to read to; never empty once next() has said that there is no more. Moves what message()s lie in.
  [[nodiscard]] std::span<std::uint8_t> room() noexcept;
  void received(std::size_t size) noexcept { have_ += size; }
  // The next whole message, until room() is called.
  [[nodiscard]] std::optional<std::span<const std::uint8_t>> next() noexcept;

 private:
  Bytes bytes_ = Bytes(kFramePrefix + kMaxMessage);
  std::size_t taken_ = 0, have_ = 0;  // how far next() has come, and what was received
};

}  // namespace vrouter::dns
