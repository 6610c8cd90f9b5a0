// SPDX-License-Identifier: GPL-2.0-or-later
// The way of most questions to an answer that the cache has: nothing is copied but the answer, nothing allocated.
#include <algorithm>
#include <array>

#include "base/wire_writer.h"
#include "dns/codec.h"

namespace vrouter::dns {

namespace {

constexpr std::uint16_t kQr = 0x8000, kRd = 0x0100, kRa = 0x0080, kAd = 0x0020, kCd = 0x0010;
constexpr std::uint16_t kDnssecOk = 0x8000;

// The name in front: its labels and the root. Empty where it is anything else.
std::span<const std::uint8_t> take_name(WireReader& r) noexcept {
  const auto all = r.rest();
  std::size_t size = 0;
  for (;;) {
    if (size >= all.size() || size >= Name::kMaxSize) return {};
    const std::size_t label = all[size];
    if (label > Name::kMaxLabel) return {};
    size += label + 1;
    if (label == 0) break;
  }
  return size > Name::kMaxSize ? std::span<const std::uint8_t>{} : r.take(size);
}

bool read_plain_opt(WireReader& r, PlainQuery& query) noexcept {
  if (r.u8() != 0 || r.u16() != type::opt) return false;
  query.edns = true;
  query.udp_size = r.u16();
  if (r.u16() != 0) return false;  // an extended rcode makes no sense here, and other versions want BADVERS
  query.dnssec_ok = (r.u16() & kDnssecOk) != 0;
  WireReader options{r.take(r.u16())};
  for (unsigned count = 0; !options.empty(); ++count) {
    options.skip(2);
    options.skip(options.u16());
    if (options.failed() || count == kMaxEdnsOptions) return false;
  }
  return !r.failed();
}

}  // namespace

std::optional<PlainQuery> read_plain_query(std::span<const std::uint8_t> message) noexcept {
  WireReader r{message};
  PlainQuery query;
  query.id = r.u16();
  const auto flags = r.u16();
  if ((flags & ~(kAd | kCd)) != kRd) return std::nullopt;
  query.checking_disabled = (flags & kCd) != 0;
  const unsigned questions = r.u16(), records = r.u32(), additional = r.u16();
  if (questions != 1 || records != 0 || additional > 1) return std::nullopt;
  query.name = take_name(r);
  query.type = r.u16();
  if (query.name.empty() || r.u16() != kClassIn) return std::nullopt;
  if (additional == 1 && !read_plain_opt(r, query)) return std::nullopt;
  if (r.failed() || !r.empty()) return std::nullopt;
  return query;
}

std::size_t finish_forwarded(const PlainQuery& query, std::span<std::uint8_t> reply, std::size_t size) noexcept {
  const auto rcode = reply[3] & 0xf;
  WireWriter head{reply.first(4)};
  head.u16(query.id);
  head.u16(static_cast<std::uint16_t>(kQr | kRd | kRa | (query.checking_disabled ? kCd : 0) | rcode));
  // The first name of a message can't be compressed, so the client's spelling fits where the upstream's was.
  std::ranges::copy(query.name, reply.begin() + kHeaderSize);
  if (!query.edns) return size;
  WireWriter count{reply.subspan(10, 2)};
  count.u16(static_cast<std::uint16_t>((reply[10] << 8 | reply[11]) + 1));
  WireWriter opt{reply.subspan(size, kOptSize)};
  opt.u8(0);
  opt.u16(type::opt);
  opt.u16(kMaxUdpReply);
  opt.u32(query.dnssec_ok ? kDnssecOk : 0);
  opt.u16(0);
  return size + kOptSize;
}

}  // namespace vrouter::dns
