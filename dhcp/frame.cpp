// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/frame.h"

#include <array>

#include "base/wire_writer.h"

namespace vrouter::dhcp {
namespace {

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::size_t kEthernetHeader = 14, kIpHeader = 20, kUdpHeader = 8;
constexpr std::size_t kIpChecksumAt = kEthernetHeader + 10, kUdpChecksumAt = kEthernetHeader + kIpHeader + 6;
constexpr std::uint8_t kVersionAndHeaderLength = 0x45, kTimeToLive = 64, kUdp = 17;
constexpr std::uint16_t kDontFragment = 0x4000;  // an atomic datagram, whose identification means nothing (RFC 6864)

std::uint16_t complement(std::uint16_t sum) noexcept {
  return static_cast<std::uint16_t>(~sum);
}

// RFC 768: the sum covers addresses, protocol and length too.
std::uint16_t udp_checksum(const FrameHeader& header, std::span<const std::uint8_t> datagram) noexcept {
  std::array<std::uint8_t, 12> pseudo{};
  WireWriter out{pseudo};
  out.u32(header.source.to_uint());
  out.u32(header.destination.to_uint());
  out.u8(0);
  out.u8(kUdp);
  out.u16(static_cast<std::uint16_t>(datagram.size()));
  const auto checksum = complement(checksum_add(checksum_add(0, pseudo), datagram));
  return checksum == 0 ? std::uint16_t{0xffff} : checksum;  // 0 would say "no checksum"
}

}  // namespace

std::uint16_t checksum_add(std::uint16_t sum, std::span<const std::uint8_t> bytes) noexcept {
  std::uint32_t total = sum;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
    total += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  if (bytes.size() % 2 != 0) total += static_cast<std::uint32_t>(bytes.back() << 8);
  while (total > 0xffff) total = (total >> 16) + (total & 0xffff);
  return static_cast<std::uint16_t>(total);
}

std::size_t finish_frame(const FrameHeader& header, std::span<std::uint8_t> frame, std::size_t payload_size) noexcept {
  const auto size = kFrameHeaders + payload_size;
  WireWriter out{frame.first(kFrameHeaders)};
  out.bytes(header.destination_mac.bytes);
  out.bytes(header.source_mac.bytes);
  out.u16(kEtherTypeIpv4);
  out.u8(kVersionAndHeaderLength);
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(kIpHeader + kUdpHeader + payload_size));
  out.u16(0);
  out.u16(kDontFragment);
  out.u8(kTimeToLive);
  out.u8(kUdp);
  out.u16(0);
  out.u32(header.source.to_uint());
  out.u32(header.destination.to_uint());
  out.u16(kServerPort);
  out.u16(kClientPort);
  out.u16(static_cast<std::uint16_t>(kUdpHeader + payload_size));
  out.u16(0);
  out.patch_u16(kIpChecksumAt, complement(checksum_add(0, frame.subspan(kEthernetHeader, kIpHeader))));
  const auto datagram = frame.subspan(kEthernetHeader + kIpHeader, kUdpHeader + payload_size);
  out.patch_u16(kUdpChecksumAt, udp_checksum(header, datagram));
  return size;
}

}  // namespace vrouter::dhcp
