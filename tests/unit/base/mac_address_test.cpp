// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mac_address.h"

#include <gtest/gtest.h>

namespace vrouter {
namespace {

TEST(MacAddress, ReadsWhatItWrites) {
  const auto mac = parse_mac_address("52:54:00:aB:cd:0f");
  ASSERT_TRUE(mac.has_value());
  EXPECT_EQ(mac->to_string(), "52:54:00:ab:cd:0f");
  EXPECT_EQ(parse_mac_address("52-54-00-ab-cd-0f"), mac);
}

TEST(MacAddress, RefusesWhatIsNone) {
  for (const auto* text : {"", "52:54:00:ab:cd", "52:54:00:ab:cd:0g", "52:54-00:ab:cd:0f",
                           "5254:00:ab:cd:0f:", "52:54:00:ab:cd:0f:", "+2:54:00:ab:cd:0f", "52.54.00.ab.cd.0f"}) {
    const auto mac = parse_mac_address(text);
    ASSERT_FALSE(mac.has_value()) << text;
    EXPECT_NE(mac.error().find("52:54:00:12:34:56"), std::string::npos) << "the remedy is missing";
  }
}

TEST(MacAddress, KnowsGroupAddresses) {
  EXPECT_TRUE(kBroadcastMac.is_group());
  EXPECT_FALSE((MacAddress{{0x52, 0x54, 0, 0, 0, 1}}).is_group());
  EXPECT_TRUE(MacAddress{}.is_zero());
}

TEST(MacAddress, TellsOfNonsenseWithoutItsControlCharacters) {
  const auto mac = parse_mac_address("\x1b[2J" + std::string(100, 'x'));
  ASSERT_FALSE(mac);
  EXPECT_TRUE(mac.error().starts_with("'?[2Jxxxx")) << mac.error();
  EXPECT_LT(mac.error().size(), 120U);
}

}  // namespace
}  // namespace vrouter
