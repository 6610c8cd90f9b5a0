// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/siphash.h"

#include <gtest/gtest.h>

#include <numeric>

namespace vrouter {
namespace {

// The paper's own example (appendix A) and the authors' vectors.h: key 00 01 .. 0f, message 00 01 .. n-1.
TEST(SipHash, AgreesWithItsAuthors) {
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::array<std::uint8_t, 15> message{};
  std::iota(message.begin(), message.end(), std::uint8_t{0});
  EXPECT_EQ((siphash<2, 4>(key, message)), 0xa129ca6149be45e5);
  EXPECT_EQ((siphash<2, 4>(key, {})), 0x726fdb47dd0e0e31);
  EXPECT_EQ((siphash<2, 4>(key, std::span{message}.first(8))), 0x93f5f5799a932462);
}

TEST(SipHash, AnotherKeyIsAnotherFunction) {
  const std::array<std::uint8_t, 3> message{1, 2, 3};
  EXPECT_NE((siphash<1, 3>({1, 2}, message)), (siphash<1, 3>({1, 3}, message)));
}

}  // namespace
}  // namespace vrouter
