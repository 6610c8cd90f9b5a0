// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/frames.h"

#include <gtest/gtest.h>

#include "tests/lab/lib/error.h"

namespace vrouter::lab {
namespace {

constexpr Ethernet kHeader{.to = kBroadcastMac, .from = {{2, 0, 0, 0, 0, 1}}};

Seen seen(const Bytes& frame) {
  auto found = dissect(frame);
  return found ? *found : Seen{};
}

TEST(Frames, AnArpRequestIsOfRfc826Shape) {
  const auto frame =
      arp(kHeader,
          {.operation = 1, .sender_mac = kHeader.from, .sender = "10.0.5.2", .target_mac = {}, .target = "10.0.5.1"});
  const Bytes expected{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 0, 0, 1, 8, 6, 0, 1, 8, 0,  6, 4, 0,
                       1,    2,    0,    0,    0,    0,    1, 10, 0, 5, 2, 0, 0, 0, 0, 0, 0, 10, 0, 5, 1};
  EXPECT_EQ(frame, expected);
}

TEST(Frames, AnIpv4HeaderSumsToZero) {
  const auto frame = udp(kHeader, {.from = "10.0.5.2", .to = "192.0.2.80"}, 1000, 53, "odd");
  std::uint32_t sum = 0;
  for (std::size_t i = 14; i < 34; i += 2) sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
  EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffU);
}

TEST(Frames, DissectReadsWhatWasBuilt) {
  const auto datagram = seen(udp(kHeader, {.from = "10.0.5.2", .to = "192.0.2.80", .ttl = 9}, 1000, 53, "text"));
  EXPECT_EQ(datagram.from, "10.0.5.2");
  EXPECT_EQ(datagram.to, "192.0.2.80");
  EXPECT_EQ(datagram.ttl, 9);
  EXPECT_EQ(datagram.from_port, 1000);
  EXPECT_EQ(datagram.to_port, 53);
  EXPECT_EQ(std::string(datagram.payload.begin(), datagram.payload.end()), "text");

  const auto segment = seen(tcp(kHeader, {.from = "fd00::2", .to = "fd00::1"}, 1, 22, 0x02));
  EXPECT_EQ(segment.type, kEtherIpv6);
  EXPECT_EQ(segment.from, "fd00::2");
  EXPECT_EQ(segment.tcp_flags, 0x02);

  EXPECT_EQ(seen(ping(kHeader, {.from = "10.0.5.2", .to = "10.0.5.1"}, 1, 1)).icmp_type, 8);
  EXPECT_EQ(seen(ping(kHeader, {.from = "fe80::2", .to = "fe80::1"}, 1, 1)).icmp_type, 128);
  const auto advertisement =
      seen(neighbour_advertisement(kHeader, {.from = "fe80::2", .to = "ff02::1"}, "fe80::2", kHeader.from));
  EXPECT_EQ(advertisement.icmp_type, 136);
  EXPECT_EQ(advertisement.ttl, 255);
  EXPECT_FALSE(dissect(Bytes(13)));
}

TEST(Frames, ABadAddressIsTheTestsMistake) {
  EXPECT_THROW(static_cast<void>(udp(kHeader, {.from = "10.0.5", .to = "10.0.5.1"}, 1, 2, "")), LabError);
}

}  // namespace
}  // namespace vrouter::lab
