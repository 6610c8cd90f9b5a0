// SPDX-License-Identifier: GPL-2.0-or-later
// A reply made of the input: fields, options of any size and order, a relay's option, a cap. A reader written apart
// from the codec must get back every field, and exactly those options that fit, in their order, the relay's last.
#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/wire_reader.h"
#include "dhcp/codec.h"
#include "tests/unit/dhcp/packets.h"

using namespace vrouter;        // NOLINT(google-build-using-namespace)
using namespace vrouter::dhcp;  // NOLINT(google-build-using-namespace)

namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

struct Option {
  std::uint8_t code;
  testing::Bytes value;
};

// What a message needs for the option: a code and a length for each 255 bytes.
std::size_t wire_size(const testing::Bytes& value) {
  return value.size() + 2 * std::max<std::size_t>((value.size() + 254) / 255, 1);
}

testing::Bytes some(WireReader& in, std::size_t most) {
  const auto wanted = std::size_t{in.u16()} % (most + 1);
  const auto bytes = in.take(std::min(wanted, in.rest().size()));
  testing::Bytes value{bytes.begin(), bytes.end()};
  value.resize(wanted, 0x5a);  // the input needn't be as long as what it asks for
  return value;
}

std::vector<Option> options_from(WireReader& in) {
  std::bitset<256> seen;
  seen.set(0).set(82).set(255);
  std::vector<Option> options;
  std::size_t used = 0;
  while (!in.empty() && options.size() < 256) {
    const auto code = in.u8();
    auto value = some(in, 600);
    if (seen.test(code) || used + value.size() > kMaxReply) continue;
    seen.set(code);
    used += value.size();
    options.push_back({code, std::move(value)});
  }
  return options;
}

Reply fields_from(WireReader& in) {
  Reply reply;
  reply.transaction = in.u32();
  reply.flags = in.u16();
  reply.client_address = address_v4{in.u32()};
  reply.your_address = address_v4{in.u32()};
  reply.boot_server = address_v4{in.u32()};
  reply.relay_address = address_v4{in.u32()};
  reply.hardware = testing::kGuestMac;
  auto file = some(in, kMaxBootFile);
  std::ranges::replace(file, std::uint8_t{0}, std::uint8_t{'0'});
  require(reply.boot_file.append(file));
  require(reply.relay_agent.append(some(in, kMaxOption)));
  return reply;
}

void require_fields(const Reply& reply, const testing::ReplyView& view) {
  require(view.well_formed && view.op == 2 && view.xid == reply.transaction && view.flags == reply.flags);
  require(view.ciaddr == reply.client_address && view.yiaddr == reply.your_address);
  require(view.siaddr == reply.boot_server && view.giaddr == reply.relay_address);
  require(std::ranges::equal(view.file, reply.boot_file.span()));
  require(std::ranges::equal(std::span{view.chaddr}.first(6), testing::kGuestMac.bytes));
}

void require_options(const std::vector<Option>& options, const Reply& reply, std::size_t cap,
                     const testing::ReplyView& view) {
  const auto relay = reply.relay_agent.span();
  const std::size_t reserved = relay.empty() ? 0 : relay.size() + 2;
  std::size_t used = 240 + reserved + 1;  // the cookie is the header's end; one byte ends the options
  std::vector<std::uint8_t> order;
  for (const auto& [code, value] : options) {
    const bool fits = used + wire_size(value) <= cap;
    require(view.has(code) == fits);
    if (!fits) continue;
    require(view.at(code) == value);
    used += wire_size(value);
    order.push_back(code);
  }
  require(view.has(82) == !relay.empty() && std::ranges::equal(view.at(82), relay));
  if (!relay.empty()) order.push_back(82);
  require(view.order == order);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  WireReader in{{data, size}};
  const std::size_t cap = in.u16() % 1600;
  auto reply = fields_from(in);
  const auto options = options_from(in);
  for (const auto& [code, value] : options) reply.options.add(code, value);
  const auto copy = reply;  // only what is used is copied; it must be all
  std::array<std::uint8_t, kMaxReply> buffer;
  buffer.fill(0xcc);
  const auto written = encode_reply(copy, cap, buffer);
  const std::size_t least = kMinReply + (reply.relay_agent.empty() ? 0 : reply.relay_agent.size() + 2);
  const auto room = std::clamp(cap, least, kMaxReply);
  require(written >= kMinReply && written <= room);
  const auto view = testing::read_reply(std::span{buffer}.first(written));
  require_fields(reply, view);
  require_options(options, reply, room, view);
  return 0;
}
