// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/kills/wire.h"

#include <array>

#include "base/wire_reader.h"
#include "base/wire_writer.h"

namespace vrouter::kills {
namespace {

constexpr std::uint32_t kMagic = 0x63825363;
constexpr std::size_t kShortest = 300;  // of a message, as BOOTP has it
constexpr std::size_t kNamesAndFile = 192;
enum Option : std::uint8_t {
  kPad = 0,
  kWanted = 50,
  kSeconds = 51,
  kMessageType = 53,
  kServer = 54,
  kClientId = 61,
  kRapidCommit = 80,
  kEnd = 255
};

void put(WireWriter& message, Option code, std::uint32_t value) {
  if (value == 0) return;
  message.u8(code);
  message.u8(sizeof value);
  message.u32(value);
}

void read_options(WireReader& reader, Heard& heard) {
  while (!reader.empty() && !reader.failed()) {
    const auto code = reader.u8();
    if (code == kEnd) return;
    if (code == kPad) continue;
    WireReader value{reader.take(reader.u8())};
    if (code == kMessageType) heard.type = static_cast<Message>(value.u8());
    if (code == kServer) heard.server = value.u32();
    if (code == kSeconds) heard.seconds = value.u32();
  }
}

}  // namespace

std::vector<std::uint8_t> encode(const Said& said) {
  std::array<std::uint8_t, 576> buffer{};
  WireWriter message{buffer};
  const std::uint8_t hops = said.relay == 0 ? 0 : 1;
  for (const std::uint8_t value : {std::uint8_t{1}, std::uint8_t{1}, std::uint8_t{6}, hops}) message.u8(value);
  message.u32(said.transaction);
  message.fill(4);  // secs, flags
  message.u32(said.own);
  message.fill(8);
  message.u32(said.relay);
  message.bytes(said.mac.bytes);
  message.fill(10 + kNamesAndFile);
  message.u32(kMagic);
  message.u8(kMessageType);
  message.u8(1);
  message.u8(static_cast<std::uint8_t>(said.type));
  put(message, kServer, said.server);
  put(message, kWanted, said.wanted);
  put(message, kSeconds, said.seconds);
  if (!said.client_id.empty()) {
    message.u8(kClientId);
    message.u8(static_cast<std::uint8_t>(said.client_id.size()));
    message.bytes(said.client_id);
  }
  if (said.rapid) {
    message.u8(kRapidCommit);
    message.u8(0);
  }
  message.u8(kEnd);
  if (message.size() < kShortest) message.fill(kShortest - message.size());
  return {message.written().begin(), message.written().end()};
}

std::optional<Heard> decode(std::span<const std::uint8_t> bytes) {
  WireReader reader{bytes};
  if (reader.u8() != 2) return std::nullopt;
  reader.skip(3);
  Heard heard{.transaction = reader.u32()};
  reader.skip(8);
  heard.address = reader.u32();
  reader.skip(8);
  for (auto& byte : heard.mac.bytes) byte = reader.u8();
  reader.skip(10 + kNamesAndFile);
  if (reader.u32() != kMagic) return std::nullopt;
  read_options(reader, heard);
  if (reader.failed()) return std::nullopt;
  return heard;
}

}  // namespace vrouter::kills
