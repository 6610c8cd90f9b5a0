// SPDX-License-Identifier: GPL-2.0-or-later
// Requests as a guest would send them, and replies as a client would read them: written apart from the codec, so that
// a shared mistake can't hide.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mac_address.h"
#include "config/networks.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp::testing {

using Bytes = std::vector<std::uint8_t>;

inline const MacAddress kGuestMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};
inline const MacAddress kOtherMac{{0x52, 0x54, 0x00, 0xaa, 0xbb, 0xcc}};

inline address_v4 ip(const char* text) {
  return boost::asio::ip::make_address_v4(text);
}

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
inline Bytes text(std::string_view s) {
  return {s.begin(), s.end()};
}
inline Bytes octets(const address_v4& a) {
  const auto b = a.to_bytes();
  return {b.begin(), b.end()};
}
inline Bytes tlv(std::uint8_t code, const Bytes& value) {
  return Bytes{code, static_cast<std::uint8_t>(value.size())} + value;
}

inline Binding binding() {
  Binding b;
  b.guest = "web1";
  b.tap = "tap0";
  b.ifindex = 7;
  b.address = ip("10.0.5.2");
  b.settings.own().gateway = ip("10.0.5.1");
  b.host_name = "web1";
  b.settings.own().domain = "guests.internal";
  return b;
}

// The fields of a request by their offsets in RFC 2131, figure 1.
struct RequestBytes {
  std::uint8_t op = 1, htype = 1, hlen = 6;
  std::uint32_t xid = 0x3903f326;
  std::uint16_t flags = 0;
  address_v4 ciaddr, giaddr;
  MacAddress chaddr = kGuestMac;
  Bytes sname, file;  // at most 64 and 128 bytes
  Bytes options;      // without the end option
  bool end = true;

  explicit RequestBytes(std::uint8_t type) { add(53, {type}); }
  RequestBytes() = default;
  RequestBytes& add(std::uint8_t code, const Bytes& value) {
    options = options + tlv(code, value);
    return *this;
  }
  RequestBytes& add_ip(std::uint8_t code, const char* address) { return add(code, octets(ip(address))); }

  [[nodiscard]] Bytes bytes() const {
    Bytes out(236, 0);
    out[0] = op;
    out[1] = htype;
    out[2] = hlen;
    for (int i = 0; i < 4; ++i) out[4 + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(xid >> (24 - 8 * i));
    out[10] = static_cast<std::uint8_t>(flags >> 8);
    out[11] = static_cast<std::uint8_t>(flags);
    std::ranges::copy(ciaddr.to_bytes(), out.begin() + 12);
    std::ranges::copy(giaddr.to_bytes(), out.begin() + 24);
    std::ranges::copy(chaddr.bytes, out.begin() + 28);
    std::ranges::copy(sname, out.begin() + 44);
    std::ranges::copy(file, out.begin() + 108);
    out = out + Bytes{0x63, 0x82, 0x53, 0x63} + options;
    if (end) out.push_back(255);
    return out;
  }
};

inline RequestBytes discover() {
  return RequestBytes{1};
}
inline RequestBytes selecting(const char* wanted, const char* server = "10.0.5.1") {
  return RequestBytes{3}.add_ip(50, wanted).add_ip(54, server);
}
inline RequestBytes init_reboot(const char* wanted) {
  return RequestBytes{3}.add_ip(50, wanted);
}
inline RequestBytes renewing(const char* address) {
  RequestBytes r{3};
  r.ciaddr = ip(address);
  return r;
}

// A reply, options joined and in order of their first appearance.
struct ReplyView {
  std::uint8_t op = 0;
  std::uint32_t xid = 0;
  std::uint16_t flags = 0;
  address_v4 ciaddr, yiaddr, siaddr, giaddr;
  Bytes chaddr, file;  // file: up to its first NUL
  std::vector<std::uint8_t> order;
  std::map<int, Bytes> options;
  bool well_formed = false;  // sizes, cookie, options up to an end option, zeroes behind it

  [[nodiscard]] int type() const { return options.contains(53) && options.at(53).size() == 1 ? options.at(53)[0] : -1; }
  [[nodiscard]] bool has(int code) const { return options.contains(code); }
  [[nodiscard]] Bytes at(int code) const { return has(code) ? options.at(code) : Bytes{}; }
};

inline ReplyView read_reply(std::span<const std::uint8_t> p) {
  ReplyView v;
  if (p.size() < 300) return v;
  const auto word = [&](std::size_t at) {
    return static_cast<std::uint32_t>(p[at]) << 24 | static_cast<std::uint32_t>(p[at + 1]) << 16 |
           static_cast<std::uint32_t>(p[at + 2]) << 8 | p[at + 3];
  };
  v.op = p[0];
  v.xid = word(4);
  v.flags = static_cast<std::uint16_t>(p[10] << 8 | p[11]);
  v.ciaddr = address_v4{word(12)};
  v.yiaddr = address_v4{word(16)};
  v.siaddr = address_v4{word(20)};
  v.giaddr = address_v4{word(24)};
  v.chaddr = Bytes(p.begin() + 28, p.begin() + 44);
  v.file = Bytes(p.begin() + 108, std::find(p.begin() + 108, p.begin() + 236, std::uint8_t{0}));
  if (word(236) != 0x63825363) return v;
  std::size_t i = 240;
  while (i < p.size() && p[i] != 255) {
    if (i + 2 > p.size() || i + 2 + p[i + 1] > p.size() || p[i] == 0) return v;
    const auto value = p.subspan(i + 2, p[i + 1]);
    if (!v.has(p[i])) v.order.push_back(p[i]);
    v.options[p[i]].insert(v.options[p[i]].end(), value.begin(), value.end());
    i += 2u + p[i + 1];
  }
  if (i == p.size()) return v;
  for (++i; i < p.size(); ++i) {
    if (p[i] != 0) return v;
  }
  v.well_formed = true;
  return v;
}

inline std::string hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i != 0) out += i % 32 == 0 ? '\n' : ' ';
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out + "\n";
}

}  // namespace vrouter::dhcp::testing
