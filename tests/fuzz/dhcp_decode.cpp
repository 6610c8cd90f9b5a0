// SPDX-License-Identifier: GPL-2.0-or-later
// The first byte chooses the reply's cap, the rest is a datagram. What decodes must be as the header promises, must
// decode again to the same from bytes written apart from the codec, and must echo in a reply that a client can read.
#include <cstddef>
#include <cstdint>

#include "dhcp/codec.h"
#include "tests/unit/dhcp/packets.h"

using namespace vrouter;        // NOLINT(google-build-using-namespace)
using namespace vrouter::dhcp;  // NOLINT(google-build-using-namespace)

namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

void add_bytes(testing::RequestBytes& request, std::uint8_t code, std::span<const std::uint8_t> value) {
  if (!value.empty()) request.add(code, {value.begin(), value.end()});
}

testing::Bytes big_endian(std::uint32_t value) {
  return testing::octets(address_v4{value});
}

void add_rom_and_relay(testing::RequestBytes& request, const Request& r) {
  if (r.subnet_selection) request.add(118, testing::octets(*r.subnet_selection));
  if (r.lease_time) request.add(51, big_endian(*r.lease_time));
  if (r.network_interface) request.add(94, {1, 3, 16});
  add_bytes(request, 82, r.relay_agent.span());
  add_bytes(request, 93, r.architectures.span());
  add_bytes(request, 97, r.machine.span());
  if (r.fqdn_flags) request.add(81, {*r.fqdn_flags, 0, 0});
}

testing::RequestBytes written_again(const Request& r) {
  testing::RequestBytes request;
  if (r.type != MessageType::bootp) request.add(53, {static_cast<std::uint8_t>(r.type)});
  request.xid = r.transaction;
  request.flags = r.flags;
  request.ciaddr = r.client_address;
  request.giaddr = r.relay_address;
  request.chaddr = r.hardware;
  if (r.requested_address) request.add(50, testing::octets(*r.requested_address));
  if (r.server_identifier) request.add(54, testing::octets(*r.server_identifier));
  if (r.max_message_size) {
    request.add(57,
                {static_cast<std::uint8_t>(*r.max_message_size >> 8), static_cast<std::uint8_t>(*r.max_message_size)});
  }
  if (r.rapid_commit) request.add(80, {});
  add_bytes(request, 61, r.client_id.span());
  add_bytes(request, 60, r.vendor_class.span());
  add_bytes(request, 77, r.user_class.span());
  add_bytes(request, 12, r.host_name.span());
  add_rom_and_relay(request, r);
  testing::Bytes codes;
  for (unsigned code = 0; code < 256 && codes.size() < 255; ++code) {
    if (r.parameters.test(code)) codes.push_back(static_cast<std::uint8_t>(code));
  }
  add_bytes(request, 55, codes);
  return request;
}

void require_promises(const Request& r) {
  require(!r.hardware.is_group() && !r.hardware.is_zero());
  require(r.type == MessageType::bootp || r.type == MessageType::discover || r.type == MessageType::request ||
          r.type == MessageType::decline || r.type == MessageType::release || r.type == MessageType::inform);
  require(r.client_id.size() != 1);
  require(r.architectures.size() % 2 == 0);
  require(r.machine.empty() || r.machine.size() == kMachineSize);
  require(!r.relay_agent.empty() || !(r.link_selection || r.server_override || r.relay_source_port));
  const auto host = r.host_name.text();
  require(host.size() <= 63);
  for (const char c : host) require((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
  require(host.empty() || (host.front() != '-' && host.back() != '-'));
}

void require_echo(const Request& r, std::size_t cap) {
  Reply reply;
  reply.transaction = r.transaction;
  reply.flags = r.flags;
  reply.hardware = r.hardware;
  reply.options.add_u8(option::kMessageType, 5);
  reply.options.add(option::kClientIdentifier, r.client_id.span());
  reply.options.add(option::kVendorClass, r.vendor_class.span());
  std::array<std::uint8_t, kMaxReply> buffer{};
  const auto size = encode_reply(reply, cap, buffer);
  require(size >= kMinReply && size <= std::max(cap, kMinReply) && size <= kMaxReply);
  const auto view = testing::read_reply(std::span{buffer}.first(size));
  require(view.well_formed && view.xid == r.transaction && view.flags == r.flags && view.type() == 5);
  for (const auto& [code, value] : {std::pair{61, r.client_id.span()}, std::pair{60, r.vendor_class.span()}}) {
    require(!view.has(code) || std::ranges::equal(view.at(code), value));
  }
  if (cap >= 240 + 3 + 2 * 257 + 1) require(view.has(61) && view.has(60));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t cap = std::size_t{data[0]} * 6;
  const auto first = decode_request({data + 1, size - 1});
  if (!first) return 0;
  require_promises(*first);
  auto expected = *first;
  expected.seconds = 0;  // RequestBytes has neither
  expected.hops = 0;
  const auto again = decode_request(written_again(*first).bytes());
  require(again.has_value());
  require(*again == expected || first->parameters.count() == 256);  // all 256 codes don't fit into one option
  require_echo(*first, cap);
  return 0;
}
