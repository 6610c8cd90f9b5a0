// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/logged_packet.h"

#include <netinet/in.h>

#include <array>

#include "base/wire_reader.h"

namespace vrouter::router {
namespace {

constexpr std::size_t kIpv4Header = 20, kIpv6Header = 40;  // RFC 791, RFC 8200
// A guest may string together as many as it likes; honest packets have two or three.
constexpr int kMaxExtensions = 8;
constexpr std::uint8_t kUdpLite = 136, kDccp = 33;

bool has_ports(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP || protocol == kUdpLite ||
         protocol == kDccp;
}

// What follows the last IP header.
void read_transport(WireReader& rest, bool v6, PacketSummary& summary) {
  if (has_ports(summary.protocol)) {
    const PacketPorts ports{rest.u16(), rest.u16()};
    if (!rest.failed()) summary.ports = ports;
  } else if (summary.protocol == (v6 ? std::uint8_t{IPPROTO_ICMPV6} : std::uint8_t{IPPROTO_ICMP})) {
    const PacketIcmp icmp{rest.u8(), rest.u8()};
    if (!rest.failed()) summary.icmp = icmp;
  }
}

std::optional<PacketSummary> summarize4(std::span<const std::uint8_t> packet) {
  WireReader in{packet};
  const std::size_t header = (in.u8() & 0x0fU) * 4UL;
  static_cast<void>(in.take(5));  // type of service, length, identification
  const std::uint16_t fragment = in.u16();
  static_cast<void>(in.u8());  // time to live
  PacketSummary summary;
  summary.protocol = in.u8();
  static_cast<void>(in.u16());  // checksum
  summary.source = address_v4{in.u32()};
  summary.destination = address_v4{in.u32()};
  if (in.failed() || header < kIpv4Header) return std::nullopt;
  static_cast<void>(in.take(header - kIpv4Header));
  constexpr std::uint16_t kOffset = 0x1fff;  // only the first fragment has what follows
  if ((fragment & kOffset) == 0 && !in.failed()) read_transport(in, false, summary);
  return summary;
}

address_v6 read_address6(WireReader& in) {
  address_v6::bytes_type bytes{};
  const auto taken = in.take(bytes.size());
  for (std::size_t i = 0; i < taken.size(); ++i) bytes[i] = taken[i];
  return address_v6{bytes};
}

// Past one extension header; false where what follows can't be read.
bool skip_extension(WireReader& in, std::uint8_t& protocol) {
  const bool fragment = protocol == IPPROTO_FRAGMENT, authentication = protocol == IPPROTO_AH;
  const auto next = in.u8();
  const auto length = in.u8();
  constexpr std::uint16_t kOffset = 0xfff8;
  if (fragment) {
    const auto offset = in.u16();
    static_cast<void>(in.take(4));
    if (in.failed() || (offset & kOffset) != 0) return false;
  } else {
    // RFC 4302 counts in words of four bytes, less two; the others in eight, less one.
    const std::size_t size = authentication ? (length + 2UL) * 4 : (length + 1UL) * 8;
    static_cast<void>(in.take(size - 2));
    if (in.failed()) return false;
  }
  protocol = next;
  return true;
}

std::optional<PacketSummary> summarize6(std::span<const std::uint8_t> packet) {
  WireReader in{packet};
  static_cast<void>(in.take(6));  // version, class, flow, length
  PacketSummary summary;
  summary.protocol = in.u8();
  static_cast<void>(in.u8());  // hop limit
  summary.source = read_address6(in);
  summary.destination = read_address6(in);
  if (in.failed()) return std::nullopt;
  static_assert(kIpv6Header == 6 + 1 + 1 + 16 + 16);
  const auto is_extension = [](std::uint8_t p) {
    return p == IPPROTO_HOPOPTS || p == IPPROTO_ROUTING || p == IPPROTO_FRAGMENT || p == IPPROTO_DSTOPTS ||
           p == IPPROTO_AH;
  };
  for (int n = 0; is_extension(summary.protocol); ++n) {
    if (n == kMaxExtensions || !skip_extension(in, summary.protocol)) return summary;
  }
  read_transport(in, true, summary);
  return summary;
}

}  // namespace

std::optional<PacketSummary> summarize(std::span<const std::uint8_t> packet) {
  if (packet.empty()) return std::nullopt;
  constexpr unsigned kVersionBits = 4;
  switch (packet.front() >> kVersionBits) {
    case 4:
      return summarize4(packet);
    case 6:
      return summarize6(packet);
    default:
      return std::nullopt;
  }
}

}  // namespace vrouter::router
