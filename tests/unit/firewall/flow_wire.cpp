// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/firewall/flow_wire.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>

#include "base/wire_writer.h"
#include "tests/unit/firewall/checksum.h"

namespace vrouter::firewall::testing {
namespace {

constexpr std::size_t kEther = 14, kIp4 = 20, kIp6 = 40;
constexpr std::uint32_t kMagic = 0x7672666c;  // "vrfl", before the number
constexpr std::uint8_t kHopLimit = 255;       // neighbour discovery wants it (RFC 4861, 6.1.1)

void write_address(WireWriter& out, const address& a) {
  if (a.is_v4()) return out.bytes(a.to_v4().to_bytes());
  out.bytes(a.to_v6().to_bytes());
}

void write_tcp(WireWriter& out, const firewall::Packet& p) {
  out.u16(p.source_port);
  out.u16(p.destination_port);
  out.u32(1);
  out.u32(0);
  out.u8(5 << 4);
  out.u8(p.tcp_flags);
  out.u16(8192);
  out.u32(0);
}

// An INIT chunk alone: with anything beside it conntrack calls it invalid.
void write_sctp(WireWriter& out, const firewall::Packet& p, std::uint32_t number) {
  out.u16(p.source_port);
  out.u16(p.destination_port);
  out.u32(0);  // verification tag
  out.u32(0);  // checksum
  out.u32(0x01000014);
  out.u32(kMagic);  // initiate tag
  out.u32(number);  // window
  out.u32(0x00010001);
  out.u32(1);
}

// A request (RFC 4340, 5.1), of eight bytes of data.
void write_dccp(WireWriter& out, const firewall::Packet& p) {
  out.u16(p.source_port);
  out.u16(p.destination_port);
  out.u8(5);  // words until the data
  out.u8(0);
  out.u16(0);       // checksum
  out.u16(0x0100);  // a request, with a long sequence number
  out.u16(0);
  out.u32(1);  // sequence
  out.u32(0);  // service code
}

// Where in the transport header its checksum is. The kernel answers nobody whose packet's sum isn't right, and takes
// all protocols that it doesn't know for such with an Internet checksum (nf_reject_verify_csum()): each has one here.
std::size_t checksum_at(std::uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return 16;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return 2;
    default:
      return 6;
  }
}

std::uint32_t pseudo_header(const firewall::Packet& p, std::size_t length) {
  constexpr std::array kWith{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE};  // not DCCP: Linux 6.18 takes it for unknown
  if (p.source.is_v4() && std::ranges::find(kWith, p.protocol) == kWith.end()) return 0;
  std::array<std::uint8_t, 32> addresses{};
  WireWriter out{addresses};
  write_address(out, p.source);
  write_address(out, p.destination);
  return sum_of(out.written(), p.protocol + static_cast<std::uint32_t>(length));
}

Octets transport_of(const firewall::Packet& p, std::uint32_t number) {
  Octets bytes(64);
  WireWriter out{bytes};
  if (p.protocol == IPPROTO_SCTP) {
    write_sctp(out, p, number);
    bytes.resize(out.size());
    return bytes;
  }
  if (p.protocol == IPPROTO_TCP) {
    write_tcp(out, p);
  } else if (p.protocol == IPPROTO_DCCP) {
    write_dccp(out, p);
  } else if (p.protocol == IPPROTO_ICMP || p.protocol == IPPROTO_ICMPV6) {
    out.u16(static_cast<std::uint16_t>(p.icmp_type << 8));
    out.u16(0);
    out.u32(number << 16);  // identifier, sequence
  } else {
    out.u16(p.source_port);
    out.u16(p.destination_port);
    out.u16(16);  // UDP's length, and what UDP-Lite's checksum covers
    out.u16(0);
  }
  out.u32(kMagic);
  out.u32(number);
  bytes.resize(out.size());
  const auto sum = fold(sum_of(bytes, pseudo_header(p, bytes.size())));
  out.patch_u16(checksum_at(p.protocol), sum == 0 ? std::uint16_t{0xffff} : sum);  // 0 would say that there is none
  return bytes;
}

std::array<std::uint8_t, 6> group_mac(const address& group) {
  if (group.is_v4()) {
    const auto b = group.to_v4().to_bytes();
    return {0x01, 0x00, 0x5e, static_cast<std::uint8_t>(b[1] & 0x7f), b[2], b[3]};
  }
  const auto b = group.to_v6().to_bytes();
  return {0x33, 0x33, b[12], b[13], b[14], b[15]};
}

std::uint16_t u16_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

std::uint32_t number_in(std::span<const std::uint8_t> bytes) {
  constexpr std::array<std::uint8_t, 4> kPattern{kMagic >> 24, kMagic >> 16 & 0xff, kMagic >> 8 & 0xff, kMagic & 0xff};
  const auto found = std::ranges::search(bytes, kPattern);
  const auto at = static_cast<std::size_t>(found.begin() - bytes.begin());
  if (found.empty() || at + 8 > bytes.size()) return 0;
  return std::uint32_t{u16_at(bytes, at + 4)} << 16 | u16_at(bytes, at + 6);
}

}  // namespace

Octets ip_packet(const firewall::Packet& p, std::uint32_t number) {
  const auto transport = transport_of(p, number);
  const bool v4 = p.source.is_v4();
  Octets bytes((v4 ? kIp4 : kIp6) + transport.size());
  WireWriter out{bytes};
  if (v4) {
    out.u16(0x4500);
    out.u16(static_cast<std::uint16_t>(bytes.size()));
    out.u32(0);
    out.u8(kHopLimit);
    out.u8(p.protocol);
    out.u16(0);
  } else {
    out.u32(0x60000000);
    out.u16(static_cast<std::uint16_t>(transport.size()));
    out.u8(p.protocol);
    out.u8(kHopLimit);
  }
  write_address(out, p.source);
  write_address(out, p.destination);
  if (v4) out.patch_u16(10, fold(sum_of(out.written())));
  out.bytes(transport);
  return bytes;
}

Octets ether_frame(const firewall::Packet& p, std::uint32_t number, const MacAddress& to) {
  const auto packet = ip_packet(p, number);
  Octets frame(kEther + packet.size());
  WireWriter out{frame};
  if (p.destination.is_multicast()) {
    out.bytes(group_mac(p.destination));
  } else if (p.destination.is_v4() && p.destination.to_v4() == address_v4::broadcast()) {
    out.bytes(kBroadcastMac.bytes);
  } else {
    out.bytes(to.bytes);
  }
  out.bytes(p.ether_saddr.value_or(MacAddress{}).bytes);
  out.u16(p.source.is_v4() ? 0x0800 : 0x86dd);
  out.bytes(packet);
  return frame;
}

std::optional<Sighting> see_frame(std::span<const std::uint8_t> frame) {
  if (frame.size() < kEther) return std::nullopt;
  const auto type = u16_at(frame, 12);
  return type == 0x0800 || type == 0x86dd ? see_packet(frame.subspan(kEther)) : std::nullopt;
}

std::optional<Sighting> see_packet(std::span<const std::uint8_t> packet) {
  if (packet.size() < kIp4) return std::nullopt;
  const bool v4 = packet[0] >> 4 == 4;
  const std::size_t header = v4 ? std::size_t{packet[0] & 0xfU} * 4 : kIp6;
  if (packet.size() < header) return std::nullopt;
  auto seen = see_payload(v4 ? packet[9] : packet[6], packet.subspan(header));
  if (v4) {
    address_v4::bytes_type source, destination;
    std::copy_n(packet.begin() + 12, 4, source.begin());
    std::copy_n(packet.begin() + 16, 4, destination.begin());
    seen.source = address_v4{source};
    seen.destination = address_v4{destination};
  } else {
    address_v6::bytes_type source, destination;
    std::copy_n(packet.begin() + 8, 16, source.begin());
    std::copy_n(packet.begin() + 24, 16, destination.begin());
    seen.source = address_v6{source};
    seen.destination = address_v6{destination};
  }
  return seen;
}

Sighting see_payload(std::uint8_t protocol, std::span<const std::uint8_t> payload) {
  Sighting seen;
  seen.number = number_in(payload);
  seen.protocol = protocol;
  if (payload.size() < 8) return seen;
  const auto type = payload[0], code = payload[1];
  if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) seen.icmp_type = type;
  if (protocol == IPPROTO_ICMP) {
    seen.error = type == 3 || type == 5 || type == 11 || type == 12;  // RFC 792
    seen.prohibited = type == 3 && code == 13;                        // RFC 1812, 5.2.7.1
  } else if (protocol == IPPROTO_ICMPV6) {
    seen.error = type < 128 || type == 137;  // RFC 4443, and redirects
    seen.prohibited = type == 1 && code == 1;
  } else if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP) {
    seen.source_port = u16_at(payload, 0);
    seen.destination_port = u16_at(payload, 2);
    seen.reset = protocol == IPPROTO_TCP && payload.size() >= 20 && (payload[13] & 0x04) != 0;
  }
  return seen;
}

}  // namespace vrouter::firewall::testing
