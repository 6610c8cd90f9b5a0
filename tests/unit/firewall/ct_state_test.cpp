// SPDX-License-Identifier: GPL-2.0-or-later
// What conntrack thinks of a packet that begins.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "firewall/evaluate.h"

namespace vrouter::firewall {
namespace {

Packet of(std::uint8_t protocol, bool v6 = false) {
  Packet packet;
  packet.source = boost::asio::ip::make_address(v6 ? "fd00::1" : "10.0.0.1");
  packet.destination = boost::asio::ip::make_address(v6 ? "fd00::2" : "10.0.0.2");
  packet.protocol = protocol;
  return packet;
}

TEST(FirstCtState, IsNewForWhatBeginsAConnection) {
  EXPECT_EQ(first_ct_state(of(IPPROTO_UDP)), kCtNew);
  EXPECT_EQ(first_ct_state(of(IPPROTO_GRE)), kCtNew);
  auto tcp = of(IPPROTO_TCP);
  EXPECT_EQ(first_ct_state(tcp), kCtNew);
  tcp.tcp_flags = 0x10;
  EXPECT_EQ(first_ct_state(tcp), kCtNew) << "picked up in its middle";
  for (const auto flags : std::initializer_list<std::uint8_t>{0x12, 0x04, 0x14, 0x11, 0x00}) {
    tcp.tcp_flags = flags;
    EXPECT_EQ(first_ct_state(tcp), kCtInvalid) << int{flags};
  }
}

TEST(FirstCtState, OfIcmpGoesByTheType) {
  const auto state = [](std::uint8_t protocol, bool v6, std::uint8_t type) {
    auto packet = v6 ? of(protocol, true) : of(protocol);
    packet.icmp_type = type;
    return first_ct_state(packet);
  };
  EXPECT_EQ(state(IPPROTO_ICMP, false, 8), kCtNew);
  EXPECT_EQ(state(IPPROTO_ICMP, false, 0), kCtInvalid);
  EXPECT_EQ(state(IPPROTO_ICMP, false, 5), kCtInvalid);
  EXPECT_EQ(state(IPPROTO_ICMP, true, 8), kCtInvalid);
  EXPECT_EQ(state(IPPROTO_ICMPV6, true, 128), kCtNew);
  EXPECT_EQ(state(IPPROTO_ICMPV6, true, 135), kCtUntracked);
  EXPECT_EQ(state(IPPROTO_ICMPV6, true, 1), kCtInvalid);
  EXPECT_EQ(state(IPPROTO_ICMPV6, false, 128), kCtInvalid);
}

}  // namespace
}  // namespace vrouter::firewall
