// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/frame.h"

#include <gtest/gtest.h>

#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

Bytes framed(const FrameHeader& header, const Bytes& payload) {
  Bytes frame = Bytes(kFrameHeaders, 0xcc) + payload;
  EXPECT_EQ(finish_frame(header, frame, payload.size()), frame.size());
  return frame;
}

TEST(ChecksumAdd, GivesTheSumsOfRfc1071) {
  EXPECT_EQ(checksum_add(0, Bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}), 0xddf2);  // RFC 1071, 3
  EXPECT_EQ(checksum_add(0, Bytes{}), 0);
  EXPECT_EQ(checksum_add(0, Bytes{0x12}), 0x1200);        // an odd byte is the high one
  EXPECT_EQ(checksum_add(0xffff, Bytes{0x00, 0x01}), 1);  // the carry comes round
  EXPECT_EQ(checksum_add(0, Bytes(4096, 0xff)), 0xffff);
}

TEST(FinishFrame, MatchesBytesWorkedOutByHand) {
  const auto frame = framed({kTapMac, kGuestMac, ip("10.0.5.1"), ip("10.0.5.2")}, {'h', 'i', '!'});
  // IP: 4500 + 001f + 4000 + 4011 + 0a00 + 0501 + 0a00 + 0502 = e333, complemented 1ccc.
  const Bytes expected{0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0xfe, 0x54, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x45,
                       0x00, 0x00, 0x1f, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x1c, 0xcc, 0x0a, 0x00, 0x05, 0x01,
                       0x0a, 0x00, 0x05, 0x02, 0x00, 0x43, 0x00, 0x44, 0x00, 0x0b, 0x00, 0x00, 'h',  'i',  '!'};
  auto sums_cleared = frame;
  sums_cleared[40] = sums_cleared[41] = 0;
  EXPECT_EQ(hex(sums_cleared), hex(expected));
  // UDP: 0a00 + 0501 + 0a00 + 0502 + 0011 + 000b, 0043 + 0044 + 000b, 6869 + 2100 = a81a, complemented 57e5.
  EXPECT_EQ(frame[40], 0x57);
  EXPECT_EQ(frame[41], 0xe5);
}

TEST(FinishFrame, IsSoundForEverySizeAndParity) {
  for (std::size_t n = 0; n <= 1472; ++n) {
    Bytes payload(n);
    for (std::size_t i = 0; i < n; ++i) payload[i] = static_cast<std::uint8_t>(i * 131 + n);
    ASSERT_TRUE(frame_is_sound(framed({kTapMac, kBroadcastMac, ip("10.0.5.1"), ip("255.255.255.255")}, payload))) << n;
  }
}

TEST(FinishFrame, NeverSendsTheChecksumThatSaysNone) {
  // Of all two-byte payloads exactly those that make the sum come out as 0 must go as 0xffff (RFC 768).
  int ones = 0;
  for (unsigned v = 0; v <= 0xffff; ++v) {
    Bytes frame = Bytes(kFrameHeaders, 0) + Bytes{static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)};
    static_cast<void>(finish_frame({kTapMac, kGuestMac, ip("10.0.5.1"), ip("10.0.5.2")}, frame, 2));
    ASSERT_FALSE(frame[40] == 0 && frame[41] == 0) << v;
    if (frame[40] == 0xff && frame[41] == 0xff) ++ones;
  }
  EXPECT_EQ(ones, 1);
}

}  // namespace
}  // namespace vrouter::dhcp
