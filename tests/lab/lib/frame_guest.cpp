// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/frame_guest.h"

#include <array>

#include "base/wire_reader.h"
#include "base/wire_writer.h"

namespace vrouter::lab {
namespace {

constexpr MacAddress kEveryone{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
constexpr std::uint16_t kDhcpClient = 68, kDhcpServer = 67, kDns = 53;
constexpr std::uint8_t kDiscover = 1, kOffer = 2, kRequest = 3, kAck = 5;  // RFC 2132, 9.6
constexpr std::uint8_t kRouter = 3, kResolver = 6, kWanted = 50, kMessageType = 53, kServer = 54, kEnd = 255;
constexpr std::size_t kOptionsAt = 240;  // RFC 2131, 2: after the fixed fields and the magic cookie
constexpr std::size_t kShortest = 300;   // BOOTP's size: some servers drop shorter ones
constexpr std::uint8_t kTypeA = 1;

std::string text_of(std::span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

std::string dotted(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const auto byte : bytes.first(std::min<std::size_t>(bytes.size(), 4))) {
    text += (text.empty() ? "" : ".") + std::to_string(byte);
  }
  return bytes.size() < 4 ? std::string{} : text;
}

std::array<std::uint8_t, 4> bytes_of(const std::string& dotted_address) {
  std::array<std::uint8_t, 4> bytes{};
  std::size_t at = 0;
  for (auto& byte : bytes) {
    byte = static_cast<std::uint8_t>(std::stoi(dotted_address.substr(at)));
    at = dotted_address.find('.', at) + 1;
  }
  return bytes;
}

struct Answer {
  std::uint8_t type = 0;
  std::string address, server, router, resolver;
};

std::string dhcp_question(std::uint8_t type, const MacAddress& mac, std::uint32_t transaction, const Answer& offer) {
  std::array<std::uint8_t, 512> buffer{};
  WireWriter message{buffer};
  for (const int value : {1, 1, 6, 0}) message.u8(static_cast<std::uint8_t>(value));  // request, Ethernet
  message.u32(transaction);
  message.fill(20);
  message.bytes(mac.bytes);
  message.fill(kOptionsAt - 4 - message.size());
  message.u32(0x63825363);
  const auto option = [&](std::uint8_t code, std::span<const std::uint8_t> value) {
    message.u8(code);
    message.u8(static_cast<std::uint8_t>(value.size()));
    message.bytes(value);
  };
  option(kMessageType, std::array{type});
  if (!offer.address.empty()) option(kWanted, bytes_of(offer.address));
  if (!offer.server.empty()) option(kServer, bytes_of(offer.server));
  message.u8(kEnd);
  if (message.size() < kShortest) message.fill(kShortest - message.size());
  return text_of(message.written());
}

std::optional<Answer> read_dhcp(const Seen& seen, const MacAddress& mac, std::uint32_t transaction) {
  if (seen.protocol != kProtocolUdp || seen.from_port != kDhcpServer || seen.to_port != kDhcpClient)
    return std::nullopt;
  WireReader reader{seen.payload};
  reader.skip(4);
  const auto asked = reader.u32();
  reader.skip(8);
  Answer answer;
  answer.address = dotted(reader.take(4));
  reader.skip(8);
  const auto hardware = reader.take(mac.bytes.size());
  if (reader.failed() || asked != transaction || !std::ranges::equal(hardware, mac.bytes)) return std::nullopt;
  reader.skip(kOptionsAt - 34);
  while (!reader.empty() && !reader.failed()) {
    const auto code = reader.u8();
    if (code == kEnd) break;
    if (code == 0) continue;
    const auto value = reader.take(reader.u8());
    if (code == kMessageType && !value.empty()) answer.type = value[0];
    if (code == kServer) answer.server = dotted(value);
    if (code == kRouter) answer.router = dotted(value);
    if (code == kResolver) answer.resolver = dotted(value);
  }
  return answer;
}

std::string dns_question(std::uint16_t id, const std::string& name) {
  std::array<std::uint8_t, 512> buffer{};
  WireWriter message{buffer};
  message.u16(id);
  message.u16(0x0100);  // recursion desired
  message.u16(1);
  message.fill(6);
  for (std::size_t at = 0; at < name.size();) {
    const auto dot = std::min(name.find('.', at), name.size());
    message.u8(static_cast<std::uint8_t>(dot - at));
    for (const char c : name.substr(at, dot - at)) message.u8(static_cast<std::uint8_t>(c));
    at = dot + 1;
  }
  message.u8(0);
  message.u16(kTypeA);
  message.u16(1);
  return text_of(message.written());
}

// The first A record of an answer to a question of one name; compressed owner names, as every server writes them.
std::string read_address(const Bytes& message) {
  WireReader reader{message};
  reader.skip(6);
  auto answers = reader.u16();
  reader.skip(4);
  const auto skip_name = [&] {
    for (auto length = reader.u8(); length != 0 && !reader.failed(); length = reader.u8()) {
      if (length >= 0xc0) return reader.skip(1);
      reader.skip(length);
    }
  };
  skip_name();
  reader.skip(4);
  for (; answers > 0 && !reader.failed(); --answers) {
    skip_name();
    const auto type = reader.u16();
    reader.skip(6);
    const auto data = reader.take(reader.u16());
    if (type == kTypeA && data.size() == 4) return dotted(data);
  }
  return {};
}

}  // namespace

std::optional<Seen> FrameGuest::await(Milliseconds limit, const std::function<bool(const Seen&)>& wanted) const {
  return tap_.receive(limit, [&](const Seen& seen) {
    if (seen.type == kEtherArp && seen.arp_operation == 1 && seen.to == address_ && !address_.empty()) {
      tap_.send(arp({seen.ethernet.from, mac_}, {2, mac_, address_, seen.arp_sender_mac, seen.from}));
    }
    return wanted(seen);
  });
}

std::optional<Seen> FrameGuest::ask(const Bytes& frame, Milliseconds limit, Milliseconds again,
                                    const std::function<bool(const Seen&)>& wanted) const {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::duration_cast<Milliseconds>(end - std::chrono::steady_clock::now());
    if (left <= 0ms) return std::nullopt;
    tap_.send(frame);
    if (auto seen = await(std::min(left, again), wanted)) return seen;
  }
}

std::string FrameGuest::get_lease(Milliseconds limit, Milliseconds again) {
  const auto end = std::chrono::steady_clock::now() + limit;
  const auto transaction = 0x76720000U + ++number_;
  const auto ask_server = [&](std::uint8_t question, std::uint8_t wanted, const Answer& about) {
    Answer answer;
    const auto left = std::chrono::duration_cast<Milliseconds>(end - std::chrono::steady_clock::now());
    ask(udp({kEveryone, mac_}, {"0.0.0.0", "255.255.255.255"}, kDhcpClient, kDhcpServer,
            dhcp_question(question, mac_, transaction, about)),
        left, again, [&](const Seen& seen) {
          const auto read = read_dhcp(seen, mac_, transaction);
          if (read && read->type == wanted) answer = *read;
          return answer.type == wanted;
        });
    return answer;
  };
  Answer offer;
  offer.address = address_;
  if (address_.empty()) offer = ask_server(kDiscover, kOffer, {});
  const auto lease = offer.address.empty() ? Answer{} : ask_server(kRequest, kAck, offer);
  if (lease.type != kAck) return {};
  address_ = lease.address;
  gateway_ = lease.router;
  resolver_ = lease.resolver;
  return address_;
}

bool FrameGuest::find_gateway(Milliseconds limit) {
  if (gateway_mac_) return true;
  if (address_.empty() || gateway_.empty()) return false;
  const auto answer =
      ask(arp({kEveryone, mac_}, {1, mac_, address_, {}, gateway_}), limit, 100ms,
          [&](const Seen& seen) { return seen.type == kEtherArp && seen.arp_operation == 2 && seen.from == gateway_; });
  if (answer) gateway_mac_ = answer->arp_sender_mac;
  return answer.has_value();
}

std::string FrameGuest::look_up(const std::string& name, Milliseconds limit, Milliseconds again) {
  if (!find_gateway(limit)) return {};
  const auto id = ++number_;
  const auto port = static_cast<std::uint16_t>(40000 + id % 20000);
  std::string found;
  ask(udp({*gateway_mac_, mac_}, {address_, resolver_}, port, kDns, dns_question(id, name)), limit, again,
      [&](const Seen& seen) {
        if (seen.protocol == kProtocolUdp && seen.from_port == kDns && seen.to_port == port) {
          found = read_address(seen.payload);
        }
        return !found.empty();
      });
  return found;
}

bool FrameGuest::ping(const std::string& address, Milliseconds limit, Milliseconds again) {
  if (!find_gateway(limit)) return false;
  const auto request = lab::ping({*gateway_mac_, mac_}, {address_, address}, 1, ++number_);
  return ask(request, limit, again,
             [&](const Seen& seen) {
               return seen.protocol == kProtocolIcmp && seen.icmp_type == 0 && seen.from == address;
             })
      .has_value();
}

}  // namespace vrouter::lab
