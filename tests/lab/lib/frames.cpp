// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/frames.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/wire_reader.h"
#include "base/wire_writer.h"
#include "tests/lab/lib/error.h"

namespace vrouter::lab {
namespace {

constexpr std::size_t kMaxFrame = 9216;  // a jumbo frame; nothing here needs more
constexpr std::uint8_t kEchoRequest = 8;
constexpr std::uint8_t kEchoRequest6 = 128;
constexpr std::uint8_t kNeighbourAdvertisement = 136;
constexpr std::uint8_t kNeighbourHopLimit = 255;  // RFC 4861 7.1.2: others are dropped
constexpr std::size_t kUdpHeader = 8;
constexpr std::size_t kUdpChecksumAt = 6;
constexpr std::size_t kTcpChecksumAt = 16;
constexpr std::size_t kIcmpChecksumAt = 2;

struct Address {
  bool v6 = false;
  Bytes bytes;
};

Address parse(std::string_view text) {
  const std::string copy{text};
  Address address{.v6 = copy.find(':') != copy.npos, .bytes = {}};
  address.bytes.resize(address.v6 ? 16 : 4);
  if (::inet_pton(address.v6 ? AF_INET6 : AF_INET, copy.c_str(), address.bytes.data()) != 1) {
    throw LabError{"not an IP address: " + copy};
  }
  return address;
}

std::string print(std::span<const std::uint8_t> bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (bytes.size() != 4 && bytes.size() != 16) return {};
  ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

// The Internet checksum (RFC 1071) over several pieces; only the last may have an odd length.
class Checksum {
 public:
  Checksum& add(std::span<const std::uint8_t> bytes) {
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
      sum_ += static_cast<std::uint32_t>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0U);
    }
    return *this;
  }
  Checksum& add(std::size_t value) {
    sum_ += static_cast<std::uint32_t>(value >> 16) + static_cast<std::uint32_t>(value & 0xffff);
    return *this;
  }
  [[nodiscard]] std::uint16_t value() const {
    auto sum = sum_;
    while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
    return static_cast<std::uint16_t>(~sum);
  }

 private:
  std::uint32_t sum_ = 0;
};

void put_u16(Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
  bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}

std::size_t checksum_offset(std::uint8_t protocol) {
  switch (protocol) {
    case kProtocolUdp:
      return kUdpChecksumAt;
    case kProtocolTcp:
      return kTcpChecksumAt;
    case kProtocolIcmp:
    case kProtocolIcmp6:
      return kIcmpChecksumAt;
    default:
      return kMaxFrame;  // no checksum of its own
  }
}

// Fills in the transport's checksum; the field holds zero before.
void set_checksum(Bytes& payload, std::uint8_t protocol, const Address& from, const Address& to) {
  const auto at = checksum_offset(protocol);
  if (at + 2 > payload.size()) return;
  Checksum sum;
  // ICMP for IPv4 is the one that has no pseudo-header (RFC 792).
  if (protocol != kProtocolIcmp) sum.add(from.bytes).add(to.bytes).add(payload.size()).add(std::size_t{protocol});
  auto value = sum.add(payload).value();
  if (value == 0 && protocol == kProtocolUdp) value = 0xffff;  // 0 would mean none (RFC 768)
  put_u16(payload, at, value);
}

class Builder {
 public:
  WireWriter& operator*() { return writer_; }
  WireWriter* operator->() { return &writer_; }
  [[nodiscard]] Bytes finish() const {
    if (writer_.failed()) throw LabError{"frame too long"};
    return {writer_.written().begin(), writer_.written().end()};
  }

 private:
  std::array<std::uint8_t, kMaxFrame> buffer_{};
  WireWriter writer_{buffer_};
};

Bytes ip_with_ttl(const Ethernet& header, const Ip& addresses, std::uint8_t ttl, std::uint8_t protocol, Bytes payload) {
  const auto from = parse(addresses.from);
  const auto to = parse(addresses.to);
  set_checksum(payload, protocol, from, to);
  Builder packet;
  if (from.v6) {
    packet->u32(0x60000000);
    packet->u16(static_cast<std::uint16_t>(payload.size()));
    packet->u8(protocol);
    packet->u8(ttl);
  } else {
    packet->u16(0x4500);
    packet->u16(static_cast<std::uint16_t>(20 + payload.size()));
    packet->u32(0x00004000);  // don't fragment
    packet->u8(ttl);
    packet->u8(protocol);
    packet->u16(0);
  }
  packet->bytes(from.bytes);
  packet->bytes(to.bytes);
  if (!from.v6) packet->patch_u16(10, Checksum{}.add(packet->written()).value());
  packet->bytes(payload);
  return ethernet(header, from.v6 ? kEtherIpv6 : kEtherIpv4, packet.finish());
}

void dissect_transport(WireReader& reader, Seen& seen) {
  if (seen.protocol == kProtocolUdp || seen.protocol == kProtocolTcp) {
    seen.from_port = reader.u16();
    seen.to_port = reader.u16();
  }
  if (seen.protocol == kProtocolUdp) {
    reader.skip(4);
  } else if (seen.protocol == kProtocolTcp) {
    reader.skip(9);
    seen.tcp_flags = reader.u8();
    return;
  } else if (seen.protocol == kProtocolIcmp || seen.protocol == kProtocolIcmp6) {
    seen.icmp_type = reader.u8();
    reader.skip(7);
  } else {
    return;
  }
  const auto rest = reader.rest();
  seen.payload.assign(rest.begin(), rest.end());
}

void dissect_ipv4(WireReader& reader, Seen& seen) {
  const auto version = reader.u8();
  reader.skip(1);
  const std::size_t total = reader.u16();
  reader.skip(4);
  seen.ttl = reader.u8();
  seen.protocol = reader.u8();
  reader.skip(2);
  seen.from = print(reader.take(4));
  seen.to = print(reader.take(4));
  const std::size_t header = std::size_t{version & 0xfU} * 4;
  if (header < 20 || total < header) return;
  reader.skip(header - 20);
  // Ethernet pads short frames: the rest isn't the packet's.
  WireReader body{reader.rest().first(std::min(reader.rest().size(), total - header))};
  dissect_transport(body, seen);
}

void dissect_ipv6(WireReader& reader, Seen& seen) {
  reader.skip(4);
  const std::size_t length = reader.u16();
  seen.protocol = reader.u8();
  seen.ttl = reader.u8();
  seen.from = print(reader.take(16));
  seen.to = print(reader.take(16));
  WireReader body{reader.rest().first(std::min(reader.rest().size(), length))};
  dissect_transport(body, seen);
}

MacAddress read_mac(WireReader& reader) {
  MacAddress mac;
  std::ranges::copy(reader.take(mac.bytes.size()), mac.bytes.begin());
  return mac;
}

void dissect_arp(WireReader& reader, Seen& seen) {
  reader.skip(6);  // hardware, protocol and their lengths
  seen.arp_operation = reader.u16();
  seen.arp_sender_mac = read_mac(reader);
  seen.from = print(reader.take(4));
  reader.skip(6);
  seen.to = print(reader.take(4));
}

}  // namespace

Bytes ethernet(const Ethernet& header, std::uint16_t type, std::span<const std::uint8_t> payload) {
  Builder frame;
  frame->bytes(header.to.bytes);
  frame->bytes(header.from.bytes);
  frame->u16(type);
  frame->bytes(payload);
  return frame.finish();
}

Bytes arp(const Ethernet& header, const Arp& message) {
  Builder body;
  body->u16(1);  // Ethernet
  body->u16(kEtherIpv4);
  body->u8(6);
  body->u8(4);
  body->u16(message.operation);
  body->bytes(message.sender_mac.bytes);
  body->bytes(parse(message.sender).bytes);
  body->bytes(message.target_mac.bytes);
  body->bytes(parse(message.target).bytes);
  return ethernet(header, kEtherArp, body.finish());
}

Bytes ip(const Ethernet& header, const Ip& addresses, std::uint8_t protocol, std::span<const std::uint8_t> payload) {
  return ip_with_ttl(header, addresses, addresses.ttl, protocol, {payload.begin(), payload.end()});
}

Bytes udp(const Ethernet& header, const Ip& addresses, std::uint16_t from_port, std::uint16_t to_port,
          std::string_view payload) {
  Builder body;
  body->u16(from_port);
  body->u16(to_port);
  body->u16(static_cast<std::uint16_t>(kUdpHeader + payload.size()));
  body->u16(0);
  for (const char c : payload) body->u8(static_cast<std::uint8_t>(c));
  return ip(header, addresses, kProtocolUdp, body.finish());
}

Bytes tcp(const Ethernet& header, const Ip& addresses, std::uint16_t from_port, std::uint16_t to_port,
          std::uint8_t flags, std::uint32_t sequence) {
  Builder body;
  body->u16(from_port);
  body->u16(to_port);
  body->u32(sequence);
  body->u32(0);
  body->u8(0x50);  // a header of five words
  body->u8(flags);
  body->u16(0xffff);
  body->u32(0);
  return ip(header, addresses, kProtocolTcp, body.finish());
}

Bytes ping(const Ethernet& header, const Ip& addresses, std::uint16_t id, std::uint16_t sequence) {
  const bool v6 = addresses.from.find(':') != addresses.from.npos;
  Builder body;
  body->u8(v6 ? kEchoRequest6 : kEchoRequest);
  body->u8(0);
  body->u16(0);
  body->u16(id);
  body->u16(sequence);
  body->fill(16, 'v');
  return ip(header, addresses, v6 ? kProtocolIcmp6 : kProtocolIcmp, body.finish());
}

Bytes neighbour_advertisement(const Ethernet& header, const Ip& addresses, std::string_view target,
                              const MacAddress& target_mac) {
  Builder body;
  body->u8(kNeighbourAdvertisement);
  body->u8(0);
  body->u16(0);
  body->u32(0x60000000);  // solicited, override
  body->bytes(parse(target).bytes);
  body->u8(2);  // target link-layer address, in units of 8 bytes
  body->u8(1);
  body->bytes(target_mac.bytes);
  return ip_with_ttl(header, addresses, kNeighbourHopLimit, kProtocolIcmp6, body.finish());
}

std::optional<Seen> dissect(std::span<const std::uint8_t> frame) {
  WireReader reader{frame};
  Seen seen;
  seen.ethernet.to = read_mac(reader);
  seen.ethernet.from = read_mac(reader);
  seen.type = reader.u16();
  if (reader.failed()) return std::nullopt;
  if (seen.type == kEtherArp) dissect_arp(reader, seen);
  if (seen.type == kEtherIpv4) dissect_ipv4(reader, seen);
  if (seen.type == kEtherIpv6) dissect_ipv6(reader, seen);
  return seen;
}

}  // namespace vrouter::lab
