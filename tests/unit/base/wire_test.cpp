// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "base/wire_reader.h"
#include "base/wire_writer.h"

namespace vrouter {
namespace {

TEST(WireReader, ReadsNetworkOrder) {
  constexpr std::array<std::uint8_t, 7> kBytes{1, 2, 3, 4, 5, 6, 7};
  WireReader reader{kBytes};
  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u32(), 0x04050607U);
  EXPECT_TRUE(reader.empty());
  EXPECT_FALSE(reader.failed());
}

TEST(WireReader, StaysFailedAndGivesNothingMore) {
  constexpr std::array<std::uint8_t, 3> kBytes{1, 2, 3};
  WireReader reader{kBytes};
  EXPECT_EQ(reader.u32(), 0x01020000U);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_TRUE(reader.take(0).empty());
  EXPECT_TRUE(reader.failed());
}

TEST(WireReader, ComparesWithTheRestSoHugeLengthsDoNotWrap) {
  constexpr std::array<std::uint8_t, 3> kBytes{1, 2, 3};
  WireReader reader{kBytes};
  reader.skip(1);
  EXPECT_TRUE(reader.take(static_cast<std::size_t>(-1)).empty());
  EXPECT_TRUE(reader.failed());
}

TEST(WireWriter, WritesNetworkOrderAndPatches) {
  std::array<std::uint8_t, 16> buffer{};
  WireWriter writer{buffer};
  writer.u8(1);
  writer.u16(0);
  writer.u32(0x04050607);
  writer.bytes(std::array<std::uint8_t, 2>{8, 9});
  writer.fill(2, 0xff);
  writer.patch_u16(1, 0x0203);
  const std::vector<std::uint8_t> expected{1, 2, 3, 4, 5, 6, 7, 8, 9, 0xff, 0xff};
  EXPECT_EQ(std::vector(writer.written().begin(), writer.written().end()), expected);
}

TEST(WireWriter, KeepsWhatFitsAndRemembersFailure) {
  std::array<std::uint8_t, 3> buffer{};
  WireWriter writer{buffer};
  writer.u16(0x0102);
  writer.u16(0x0304);
  EXPECT_TRUE(writer.failed());
  writer.u8(9);
  EXPECT_EQ(writer.size(), 2U);
  writer.truncate(1);
  EXPECT_FALSE(writer.failed());
  writer.u16(0x0506);
  EXPECT_EQ(buffer, (std::array<std::uint8_t, 3>{1, 5, 6}));
}

TEST(WireWriter, RefusesAPatchBeyondWhatWasWritten) {
  std::array<std::uint8_t, 8> buffer{};
  WireWriter writer{buffer};
  writer.u8(1);
  writer.patch_u16(0, 7);
  EXPECT_TRUE(writer.failed());
}

}  // namespace
}  // namespace vrouter
