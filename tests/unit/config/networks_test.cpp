// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/networks.h"

#include <gtest/gtest.h>

#include <map>

namespace vrouter::config {
namespace {

network_v4 net4(const char* text) {
  return boost::asio::ip::make_network_v4(text);
}
network_v6 net6(const char* text) {
  return boost::asio::ip::make_network_v6(text);
}
address_v4 host4(const char* text) {
  return boost::asio::ip::make_address_v4(text);
}
address_v6 host6(const char* text) {
  return boost::asio::ip::make_address_v6(text);
}

TEST(Networks, ContainTheirFirstAndLastAddressAndNoneBeside) {
  EXPECT_TRUE(contains(net4("10.0.5.0/24"), host4("10.0.5.0")));
  EXPECT_TRUE(contains(net4("10.0.5.0/24"), host4("10.0.5.255")));
  EXPECT_FALSE(contains(net4("10.0.5.0/24"), host4("10.0.6.0")));
  EXPECT_FALSE(contains(net4("10.0.5.0/24"), host4("10.0.4.255")));
  EXPECT_TRUE(contains(net4("0.0.0.0/0"), host4("255.255.255.255")));
  EXPECT_TRUE(contains(net4("10.0.5.1/32"), host4("10.0.5.1")));
  EXPECT_FALSE(contains(net4("10.0.5.1/32"), host4("10.0.5.0")));
  EXPECT_TRUE(contains(net6("fd00::/61"), host6("fd00:0:0:7::1")));
  EXPECT_FALSE(contains(net6("fd00::/61"), host6("fd00:0:0:8::1")));
  EXPECT_TRUE(contains(net6("::/0"), host6("ff02::1")));
  EXPECT_TRUE(contains(net6("fd00::1/128"), host6("fd00::1")));
  EXPECT_FALSE(contains(net6("fd00::1/128"), host6("fd00::2")));
}

TEST(Networks, OverlapWhereOneHoldsTheOther) {
  EXPECT_TRUE(overlap(net4("10.0.0.0/8"), net4("10.0.5.0/24")));
  EXPECT_TRUE(overlap(net4("10.0.5.0/24"), net4("10.0.0.0/8")));
  EXPECT_TRUE(overlap(net4("10.0.5.0/24"), net4("10.0.5.0/24")));
  EXPECT_FALSE(overlap(net4("10.0.4.0/24"), net4("10.0.5.0/24")));
  EXPECT_TRUE(overlap(net6("fd00::/8"), net6("fd76:7274:5::/64")));
  EXPECT_FALSE(overlap(net6("fd76:7274:4::/64"), net6("fd76:7274:5::/64")));
}

TEST(Networks, SortAContainingPrefixFirst) {
  const std::map<network_v4, int, NetworkLess> sorted{
      {net4("10.0.5.0/24"), 2}, {net4("10.0.0.0/8"), 1}, {net4("10.0.5.0/25"), 3}, {net4("9.0.0.0/8"), 0}};
  int expected = 0;
  for (const auto& [prefix, place] : sorted) EXPECT_EQ(place, expected++) << prefix.to_string();
}

TEST(Networks, TheFirstHostFollowsThePrefixsOwnAddress) {
  EXPECT_EQ(first_host(net4("10.0.5.0/24")), host4("10.0.5.1"));
  EXPECT_EQ(first_host(net6("fd76:7274:5::/64")), host6("fd76:7274:5::1"));
}

}  // namespace
}  // namespace vrouter::config
