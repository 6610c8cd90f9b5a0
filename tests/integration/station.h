// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "tests/lab/lib/tap.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::lab {

using dhcp::testing::operator+;
using dhcp::testing::Bytes;
using dhcp::testing::ReplyView;
using dhcp::testing::RequestBytes;

// One station behind a TAP, which speaks DHCP byte by byte: what it hears is what is on the wire.
class Station {
 public:
  explicit Station(const RawTap& tap, MacAddress mac = kQemuMac) : tap_{tap}, mac_{mac} {}

  // Broadcast as 0.0.0.0, again every half second until it is answered. Without an answer within `limit` the reply is
  // not well-formed.
  ReplyView ask(RequestBytes request, Milliseconds limit = 5s) {
    request.chaddr = mac_;
    request.xid = ++last_;
    for (auto waited = 0ms; waited < limit; waited += 500ms) {
      send(request);
      const auto seen = tap_.receive(500ms, [&](const Seen& s) { return s.to_port == 68 && is_mine(s.payload); });
      if (seen) return dhcp::testing::read_reply(seen->payload);
    }
    return {};
  }
  // Once, for what has no answer.
  void tell(RequestBytes request) {
    request.chaddr = mac_;
    request.xid = ++last_;
    send(request);
  }
  // The ACK to a REQUEST for what a DISCOVER with the same options is offered.
  ReplyView lease(const RequestBytes& options = RequestBytes{}) {
    const auto offer = ask(with_type(1, options));
    if (offer.type() != 2) return {};
    return ask(with_type(3, options).add(50, dhcp::testing::octets(offer.yiaddr)).add(54, offer.at(54)));
  }
  static RequestBytes with_type(std::uint8_t type, const RequestBytes& options) {
    RequestBytes request{type};
    request.options = request.options + options.options;
    return request;
  }

 private:
  void send(const RequestBytes& request) const {
    const auto bytes = request.bytes();
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
    const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    tap_.send(udp({.to = kEveryone, .from = mac_}, {.from = "0.0.0.0", .to = "255.255.255.255"}, 68, 67, text));
  }
  [[nodiscard]] bool is_mine(const Bytes& message) const {
    const auto reply = dhcp::testing::read_reply(message);
    return reply.well_formed && reply.xid == last_ &&
           std::equal(mac_.bytes.begin(), mac_.bytes.end(), reply.chaddr.begin());
  }

  static constexpr MacAddress kEveryone{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  const RawTap& tap_;
  MacAddress mac_;
  std::uint32_t last_ = 0x1000;
};

}  // namespace vrouter::lab
