// SPDX-License-Identifier: GPL-2.0-or-later
// Messages for tests, written byte by byte here and not by the codec under test.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vrouter::dns::testing {

using Bytes = std::vector<std::uint8_t>;

struct Message {
  Bytes bytes;

  Message& u8(unsigned v) {
    bytes.push_back(static_cast<std::uint8_t>(v));
    return *this;
  }
  Message& u16(unsigned v) { return u8(v >> 8 & 0xff).u8(v & 0xff); }
  Message& u32(unsigned v) { return u16(v >> 16).u16(v & 0xffff); }
  Message& raw(std::string_view data) {
    for (const char c : data) u8(static_cast<unsigned char>(c));
    return *this;
  }
  Message& header(unsigned id, unsigned flags, unsigned qd, unsigned an = 0, unsigned ns = 0, unsigned ar = 0) {
    return u16(id).u16(flags).u16(qd).u16(an).u16(ns).u16(ar);
  }
  Message& name(std::string_view text) {
    while (!text.empty()) {
      const auto label = text.substr(0, text.find('.'));
      u8(static_cast<unsigned>(label.size())).raw(label);
      text.remove_prefix(std::min(text.size(), label.size() + 1));
    }
    return u8(0);
  }
  Message& question(std::string_view text, unsigned type = 1, unsigned klass = 1) {
    return name(text).u16(type).u16(klass);
  }
  Message& pointer(unsigned offset) { return u16(0xc000 | offset); }
  // What follows an owner name.
  Message& record(unsigned type, std::string_view rdata, unsigned ttl = 60) {
    return u16(type).u16(1).u32(ttl).u16(static_cast<unsigned>(rdata.size())).raw(rdata);
  }
  Message& opt(unsigned size = 1232, unsigned ttl = 0, std::string_view options = {}) {
    return u8(0).u16(41).u16(size).u32(ttl).u16(static_cast<unsigned>(options.size())).raw(options);
  }
};

inline Bytes ask(std::string_view name, unsigned type = 1, unsigned id = 0x1234, unsigned flags = 0x0100) {
  return Message{}.header(id, flags, 1).question(name, type).bytes;
}

inline unsigned u16_at(const Bytes& b, std::size_t at) {
  return unsigned{b.at(at)} << 8 | b.at(at + 1);
}
inline unsigned rcode_of(const Bytes& b) {
  return u16_at(b, 2) & 0xf;
}
inline unsigned count_of(const Bytes& b, int section) {
  return u16_at(b, 4 + 2 * static_cast<std::size_t>(section));
}

}  // namespace vrouter::dns::testing
