// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/freshness.h"

#include <algorithm>

namespace vrouter::dns {

namespace {

using std::chrono::seconds;

constexpr std::size_t kTtlBeforeData = 6;  // the TTL's four bytes and the two of the length stand before the data
constexpr std::size_t kMinimumSize = 4;    // the last field of a SOA, RFC 1035 3.3.13
constexpr std::uint32_t kTopBit = 0x80000000;

// RFC 8767 section 4: with the top bit set it is a large number, not zero as RFC 2181 section 8 had it.
seconds lasts(std::uint32_t ttl) {
  return (ttl & kTopBit) != 0 ? kMaxTtl : std::min(seconds{ttl}, kMaxTtl);
}

std::optional<seconds> minimum_of(const Record& soa) {
  if (soa.rdata.size() < kMinimumSize) return std::nullopt;
  WireReader minimum{soa.rdata.last(kMinimumSize)};
  return lasts(minimum.u32());
}

}  // namespace

std::optional<Freshness> freshness_of(std::span<const std::uint8_t> message, const QuestionKey& key) {
  WireReader r{message};
  r.skip(2);
  const auto rcode = static_cast<Rcode>(r.u16() & 0xf);
  const unsigned questions = r.u16(), answers = r.u16(), authority = r.u16(), additional = r.u16();
  if (questions != 1 || !Name::decode(message, r)) return std::nullopt;
  r.skip(4);
  Freshness fresh{.lifetime = kMaxTtl, .denies = true};
  std::optional<seconds> soa_minimum;
  for (unsigned i = 0; i < answers + authority + additional; ++i) {
    const auto record = decode_record(message, r);
    if (!record) return std::nullopt;
    fresh.ttls.push_back(static_cast<std::uint16_t>(record->rdata_start - kTtlBeforeData));
    fresh.lifetime = std::min(fresh.lifetime, lasts(record->ttl));
    if (i < answers && record->type == key.type) fresh.denies = false;
    if (i >= answers && i < answers + authority && record->type == type::soa) soa_minimum = minimum_of(*record);
  }
  if (r.failed() || !r.empty()) return std::nullopt;
  // Of the last name of a chain, RFC 6604 section 3: the CNAMEs before it don't make it exist.
  fresh.denies = fresh.denies || rcode == Rcode::nx_domain;
  if (fresh.denies) {
    fresh.lifetime = soa_minimum ? std::min({fresh.lifetime, *soa_minimum, kMaxNegativeTtl}) : seconds{0};
  }
  if (rcode != Rcode::no_error && rcode != Rcode::nx_domain) fresh.lifetime = seconds{0};
  return fresh;
}

void set_ttls(std::span<std::uint8_t> message, std::span<const std::uint16_t> offsets, std::uint32_t ttl) noexcept {
  for (const std::size_t at : offsets) {
    for (unsigned i = 0; i < 4; ++i) message[at + i] = static_cast<std::uint8_t>(ttl >> (24 - 8 * i));
  }
}

void cap_ttls(std::span<std::uint8_t> message, std::span<const std::uint16_t> offsets) noexcept {
  constexpr auto kMost = static_cast<std::uint32_t>(kMaxTtl.count());
  for (const auto& at : offsets) {
    WireReader told{message.subspan(at, 4)};
    if (told.u32() > kMost) set_ttls(message, {&at, 1}, kMost);
  }
}

}  // namespace vrouter::dns
