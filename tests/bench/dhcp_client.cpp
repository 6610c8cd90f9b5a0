// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/dhcp_client.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/wire_reader.h"
#include "base/wire_writer.h"
#include "tests/lab/lib/frames.h"

namespace vrouter::bench {
namespace {

constexpr std::uint16_t kServerPort = 67, kClientPort = 68;
constexpr std::size_t kVirtioHeader = 10;  // all zeroes: no offload
constexpr std::uint32_t kMagic = 0x63825363;
constexpr std::size_t kShortest = 300;  // of a message, as BOOTP has it
constexpr std::size_t kNamesAndFile = 192;
enum Option : std::uint8_t {
  kPad = 0,
  kHostName = 12,
  kWanted = 50,
  kMessageType = 53,
  kServer = 54,
  kParameters = 55,
  kMaxSize = 57,
  kClientId = 61,
  kEnd = 255
};
// What dhclient asks for.
constexpr std::array<std::uint8_t, 13> kAskedFor{1, 28, 2, 121, 249, 3, 15, 6, 119, 12, 44, 47, 26};

class OptionWriter {
 public:
  explicit OptionWriter(WireWriter& message) : message_{message} {}
  void put(std::uint8_t code, std::span<const std::uint8_t> value) {
    message_.u8(code);
    message_.u8(static_cast<std::uint8_t>(value.size()));
    message_.bytes(value);
  }
  void put(std::uint8_t code, std::uint32_t value) {
    message_.u8(code);
    message_.u8(sizeof value);
    message_.u32(value);
  }

 private:
  WireWriter& message_;
};

void write_options(WireWriter& message, const MacAddress& mac, Message type, const Reply* offer) {
  OptionWriter options{message};
  options.put(kMessageType, std::array{static_cast<std::uint8_t>(type)});
  if (offer != nullptr) {
    options.put(kServer, offer->server);
    options.put(kWanted, offer->address);
  }
  std::array<std::uint8_t, 7> id{1};
  std::ranges::copy(mac.bytes, id.begin() + 1);
  options.put(kClientId, id);
  options.put(kMaxSize, std::array<std::uint8_t, 2>{0x05, 0xdc});
  options.put(kHostName, std::array<std::uint8_t, 5>{'g', 'u', 'e', 's', 't'});
  options.put(kParameters, kAskedFor);
  message.u8(kEnd);
}

void read_options(WireReader& reader, Reply& reply) {
  while (!reader.empty() && !reader.failed()) {
    const auto code = reader.u8();
    if (code == kEnd) return;
    if (code == kPad) continue;
    WireReader value{reader.take(reader.u8())};
    if (code == kMessageType) reply.type = static_cast<Message>(value.u8());
    if (code == kServer) reply.server = value.u32();
  }
}

}  // namespace

std::vector<std::uint8_t> DhcpClient::frame(Message type, const Reply* offer) const {
  std::array<std::uint8_t, 576> buffer{};
  WireWriter message{buffer};
  for (const auto value : std::array<std::uint8_t, 4>{1, 1, 6, 0})
    message.u8(value);  // a request, Ethernet, its length, no hops
  message.u32(transaction_);
  message.fill(20);  // secs, flags, four addresses
  message.bytes(mac_.bytes);
  message.fill(10 + kNamesAndFile);
  message.u32(kMagic);
  write_options(message, mac_, type, offer);
  if (message.size() < kShortest) message.fill(kShortest - message.size());
  const auto written = message.written();
  auto framed = lab::udp({.to = kBroadcastMac, .from = mac_}, {.from = "0.0.0.0", .to = "255.255.255.255"}, kClientPort,
                         kServerPort, std::string{written.begin(), written.end()});
  framed.insert(framed.begin(), kVirtioHeader, 0);
  return framed;
}

std::vector<std::uint8_t> DhcpClient::discover() const {
  return frame(Message::discover, nullptr);
}

std::vector<std::uint8_t> DhcpClient::request(const Reply& offer) const {
  return frame(Message::request, &offer);
}

std::optional<Reply> DhcpClient::read(std::span<const std::uint8_t> frame) const {
  WireReader reader{frame};
  reader.skip(kVirtioHeader + 12);
  if (reader.u16() != lab::kEtherIpv4) return std::nullopt;
  const auto header_length = static_cast<std::size_t>(reader.u8() & 0x0f) * 4;
  reader.skip(8);
  if (reader.u8() != lab::kProtocolUdp || header_length < 20) return std::nullopt;
  reader.skip(header_length - 10);
  if (reader.u16() != kServerPort || reader.u16() != kClientPort) return std::nullopt;
  reader.skip(4);                             // UDP's length and checksum
  if (reader.u8() != 2) return std::nullopt;  // BOOTREPLY
  reader.skip(3);
  Reply reply{.transaction = reader.u32()};
  reader.skip(8);
  reply.address = reader.u32();
  reader.skip(8);
  const auto hardware = reader.take(mac_.bytes.size());
  if (reply.transaction != transaction_ || !std::ranges::equal(hardware, mac_.bytes)) return std::nullopt;
  reader.skip(10 + kNamesAndFile);
  if (reader.u32() != kMagic) return std::nullopt;
  read_options(reader, reply);
  if (reader.failed()) return std::nullopt;
  return reply;
}

}  // namespace vrouter::bench
