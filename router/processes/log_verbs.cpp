// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/log_verbs.h"

#include "router/processes/verb_wire.h"

namespace vrouter::router::log_verbs {
namespace {

enum class Number : std::uint8_t { read = 1, want = 2, packet = 3, lost = 4 };
// What follows the addresses of a packet.
enum class Detail : std::uint8_t { none, ports, icmp };

VerbEncoder begin(Number number, std::size_t variable_bytes = 0) {
  return VerbEncoder{static_cast<std::uint8_t>(number), variable_bytes};
}

std::vector<std::uint8_t> encode_packet(const LoggedPacket& logged) {
  auto out = begin(Number::packet, logged.prefix.size());
  const auto& packet = logged.packet;
  out.text(logged.prefix);
  out.u32(logged.in);
  out.u32(logged.out);
  out.address(packet.source);
  out.address(packet.destination);
  out.u8(packet.protocol);
  if (packet.ports) {
    out.u8(static_cast<std::uint8_t>(Detail::ports));
    out.u16(packet.ports->source);
    out.u16(packet.ports->destination);
  } else if (packet.icmp) {
    out.u8(static_cast<std::uint8_t>(Detail::icmp));
    out.u8(packet.icmp->type);
    out.u8(packet.icmp->code);
  } else {
    out.u8(static_cast<std::uint8_t>(Detail::none));
  }
  return out.take();
}

std::expected<Report, std::string> decode_packet(VerbDecoder& in) {
  LoggedPacket logged;
  logged.prefix = in.text(kMaxPrefix, "the length of a prefix");
  logged.in = in.u32();
  logged.out = in.u32();
  auto& packet = logged.packet;
  packet.source = in.address();
  packet.destination = in.address();
  packet.protocol = in.u8();
  switch (in.up_to(Detail::icmp, "what a packet has behind its addresses:")) {
    case Detail::none:
      break;
    case Detail::ports: {
      const auto source = in.u16();
      packet.ports = PacketPorts{source, in.u16()};
      break;
    }
    case Detail::icmp: {
      const auto type = in.u8();
      packet.icmp = PacketIcmp{type, in.u8()};
      break;
    }
  }
  if (!in.failed() && packet.source.is_v4() != packet.destination.is_v4()) {
    return std::unexpected("packet: its addresses are of two families");
  }
  return in.finish(Report{std::move(logged)}, "packet");
}

}  // namespace

std::vector<std::uint8_t> encode(const Order& order) {
  if (const auto* want = std::get_if<Want>(&order)) {
    auto out = begin(Number::want);
    out.u8(want->wanted ? 1 : 0);
    return out.take();
  }
  return begin(Number::read).take();
}

std::vector<std::uint8_t> encode(const Report& report) {
  if (const auto* packet = std::get_if<LoggedPacket>(&report)) return encode_packet(*packet);
  auto out = begin(Number::lost);
  out.u64(std::get<Lost>(report).packets);
  return out.take();
}

std::expected<Order, std::string> decode_order(std::span<const std::uint8_t> bytes) {
  VerbDecoder in{bytes};
  switch (static_cast<Number>(in.u8())) {
    case Number::read:
      return in.finish(Order{Read{}}, "read");
    case Number::want: {
      const bool wanted = in.up_to(std::uint8_t{1}, "a yes or no of") != 0;
      return in.finish(Order{Want{wanted}}, "want");
    }
    case Number::packet:
    case Number::lost:
      break;
  }
  return std::unexpected("there is no such order");
}

std::expected<Report, std::string> decode_report(std::span<const std::uint8_t> bytes) {
  VerbDecoder in{bytes};
  switch (static_cast<Number>(in.u8())) {
    case Number::packet:
      return decode_packet(in);
    case Number::lost: {
      const Lost lost{in.u64()};
      return in.finish(Report{lost}, "lost");
    }
    case Number::read:
    case Number::want:
      break;
  }
  return std::unexpected("there is no such report");
}

}  // namespace vrouter::router::log_verbs
