// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/frames.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace vrouter::dns {
namespace {

// The longest message, an empty one and a short one, in pieces of so many bytes: a fuzzer's inputs are shorter.
const std::array<std::size_t, 3> kLengths{kMaxMessage, 0, 3};
const std::array<std::size_t, 6> kPieces{1, 2, 3, 1000, 65'536, 200'000};

Bytes stream() {
  Bytes all;
  for (const auto length : kLengths) {
    all.push_back(static_cast<std::uint8_t>(length >> 8));
    all.push_back(static_cast<std::uint8_t>(length));
    all.resize(all.size() + length, static_cast<std::uint8_t>(length + 7));
  }
  return all;
}

// Takes from the front of `rest`, as a read from a socket does.
std::size_t read(std::span<const std::uint8_t>& rest, std::span<std::uint8_t> into, std::size_t most) {
  const auto size = std::min({rest.size(), into.size(), most});
  std::ranges::copy(rest.first(size), into.begin());
  rest = rest.subspan(size);
  return size;
}

bool is_whole(std::span<const std::uint8_t> message, std::size_t length) {
  return message.size() == length &&
         std::ranges::all_of(message, [&](auto byte) { return byte == static_cast<std::uint8_t>(length + 7); });
}

TEST(DnsFrames, AReaderTakesOneMessageAndNothingBehindIt) {
  const auto all = stream();
  for (const auto piece : kPieces) {
    std::span<const std::uint8_t> rest{all};
    auto left = rest.size();
    FrameReader reader;
    for (const auto length : kLengths) {
      while (!reader.whole()) {
        ASSERT_FALSE(reader.room().empty());
        reader.received(read(rest, reader.room(), piece));
      }
      EXPECT_TRUE(is_whole(reader.message(), length)) << length;
      EXPECT_EQ(left - rest.size(), kFramePrefix + length);
      left = rest.size();
      reader.restart();
    }
  }
}

TEST(DnsFrames, ABufferHoldsTheLongestAndGivesAllThereAre) {
  const auto all = stream();
  for (const auto piece : kPieces) {
    std::span<const std::uint8_t> rest{all};
    FrameBuffer buffer;
    std::size_t taken = 0;
    while (!rest.empty()) {
      const auto room = buffer.room();
      ASSERT_FALSE(room.empty());
      buffer.received(read(rest, room, piece));
      while (const auto message = buffer.next()) EXPECT_TRUE(is_whole(*message, kLengths.at(taken++)));
    }
    EXPECT_EQ(taken, kLengths.size());
  }
}

}  // namespace
}  // namespace vrouter::dns
