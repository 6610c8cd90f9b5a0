// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/rebinding.h"

#include <algorithm>
#include <array>

#include "base/wire_writer.h"
#include "dns/names.h"

namespace vrouter::dns {

namespace {

constexpr std::uint16_t kHintV4 = 4, kHintV6 = 6;  // SvcParamKeys, RFC 9460 section 14.3.2

struct Prefix4 {
  std::uint32_t base;
  unsigned bits;
};
constexpr std::array kInside4{
    Prefix4{0x00000000, 8},   // this network: Linux takes 0.0.0.0 for itself
    Prefix4{0x0a000000, 8},   // RFC 1918
    Prefix4{0x64400000, 10},  // RFC 6598
    Prefix4{0x7f000000, 8},   // loopback
    Prefix4{0xa9fe0000, 16},  // link-local, and the metadata services there
    Prefix4{0xac100000, 12},  // RFC 1918
    Prefix4{0xc0a80000, 16},  // RFC 1918
    Prefix4{0xffffffff, 32},  // limited broadcast
};

template <typename Bytes>
bool same_bits(const Bytes& a, const Bytes& b, unsigned bits) {
  for (unsigned i = 0; i < bits; ++i) {
    if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
  }
  return true;
}

bool is_inside(const address_v4& a, const RebindPolicy& policy) {
  const auto value = a.to_uint();
  return std::ranges::any_of(kInside4, [&](const Prefix4& p) { return ((value ^ p.base) >> (32 - p.bits)) == 0; }) ||
         std::ranges::any_of(policy.inside4, [&](const network_v4& p) {
           return same_bits(a.to_bytes(), p.address().to_bytes(), p.prefix_length());
         });
}

bool is_inside(const address_v6& a, const RebindPolicy& policy) {
  const auto b = a.to_bytes();
  const auto zeros = [&](unsigned from, unsigned to) {
    return std::all_of(b.begin() + from, b.begin() + to, [](std::uint8_t x) { return x == 0; });
  };
  const address_v4 tail{{b[12], b[13], b[14], b[15]}};
  if ((b[0] & 0xfe) == 0xfc) return true;                           // unique local
  if (b[0] == 0xfe && (b[1] & 0x80) == 0x80) return true;           // link-local, and the site-local of old
  if (zeros(0, 10) && b[10] == 0xff && b[11] == 0xff) return true;  // mapped: nobody publishes these
  if (zeros(0, 12)) return true;  // loopback, unspecified, and the IPv4-compatible of old
  // A translator's prefix is the world's as long as what stands behind it is.
  if (b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b) {
    return (b[4] == 0 && b[5] == 1) || !zeros(4, 12) || is_inside(tail, policy);  // RFC 8215, RFC 6052
  }
  return std::ranges::any_of(
      policy.inside6, [&](const network_v6& p) { return same_bits(b, p.address().to_bytes(), p.prefix_length()); });
}

address_v4 take_v4(WireReader& r) {
  return address_v4{r.u32()};
}

address_v6 take_v6(WireReader& r) {
  address_v6::bytes_type bytes{};
  std::ranges::copy(r.take(bytes.size()), bytes.begin());
  return address_v6{bytes};
}

// Whether hints lead inside; what isn't well-formed does. The target's name comes uncompressed (RFC 9460 section 2.2).
bool hints_lead_inside(std::span<const std::uint8_t> rdata, const RebindPolicy& policy) {
  WireReader r{rdata};
  r.skip(2);
  for (unsigned length = r.u8(); length != 0; length = r.u8()) {
    if (length > Name::kMaxLabel) return true;
    r.skip(length);
  }
  while (!r.empty() && !r.failed()) {
    const auto key = r.u16();
    WireReader value{r.take(r.u16())};
    while (key == kHintV4 && !value.empty() && !value.failed()) {
      if (is_inside(take_v4(value), policy)) return true;
    }
    while (key == kHintV6 && !value.empty() && !value.failed()) {
      if (is_inside(take_v6(value), policy)) return true;
    }
    if (value.failed()) return true;
  }
  return r.failed();
}

bool leads_inside(const Record& record, const RebindPolicy& policy) {
  if (record.klass != kClassIn) return false;
  WireReader r{record.rdata};
  switch (record.type) {
    case type::a:
      return record.rdata.size() != 4 || is_inside(take_v4(r), policy);
    case type::aaaa:
      return record.rdata.size() != 16 || is_inside(take_v6(r), policy);
    case type::svcb:
    case type::https:
      return hints_lead_inside(record.rdata, policy);
    default:
      return false;
  }
}

void put_count(Bytes& message, std::size_t at, std::uint8_t count) {
  message[at] = 0;
  message[at + 1] = count;
}

Bytes without_additional(std::span<const std::uint8_t> rest) {
  Bytes message(rest.begin(), rest.end());
  put_count(message, 10, 0);
  return message;
}

// NXDOMAIN for the message's question, the first behind its header; nothing to send where there is none.
Bytes denial_of(std::span<const std::uint8_t> message) {
  WireReader r{message};
  r.skip(kHeaderSize);
  const auto name = Name::decode(message, r);
  r.skip(4);
  if (!name || r.failed()) return {};
  const auto end = message.size() - r.rest().size();
  Bytes denial(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(end));
  denial[3] = static_cast<std::uint8_t>((denial[3] & 0xf0) | static_cast<unsigned>(Rcode::nx_domain));
  put_count(denial, 6, 0);
  put_count(denial, 8, 1);
  put_count(denial, 10, 0);
  const auto soa = soa_record(*name);
  std::array<std::uint8_t, 96> buffer{};
  WireWriter w{buffer};
  w.u16(0xc000 | kHeaderSize);  // the question's name
  w.u16(soa.type);
  w.u16(kClassIn);
  w.u32(soa.ttl);
  w.u16(static_cast<std::uint16_t>(soa.rdata.size()));
  w.bytes(soa.rdata);
  denial.insert(denial.end(), w.written().begin(), w.written().end());
  return denial;
}

}  // namespace

bool leads_inside(const address& a, const RebindPolicy& policy) {
  return a.is_v4() ? is_inside(a.to_v4(), policy) : is_inside(a.to_v6(), policy);
}

std::optional<Bytes> instead_of_rebinding(std::span<const std::uint8_t> message, const Name& name,
                                          const RebindPolicy& policy) {
  if (!policy.protect) return std::nullopt;
  if (std::ranges::any_of(policy.allowed, [&](const Name& zone) { return name.is_within(zone); })) return std::nullopt;
  WireReader r{message};
  r.skip(4);
  const unsigned questions = r.u16();
  unsigned told = r.u16();  // answers
  told += r.u16();          // authority
  const unsigned additional = r.u16();
  if (questions != 1 || !Name::decode(message, r)) return denial_of(message);
  r.skip(4);
  if (r.failed()) return denial_of(message);
  for (unsigned i = 0; i < told; ++i) {
    const auto record = decode_record(message, r);
    if (!record || leads_inside(*record, policy)) return denial_of(message);
  }
  const auto end = message.size() - r.rest().size();
  for (unsigned i = 0; i < additional; ++i) {
    const auto record = decode_record(message, r);
    if (!record || leads_inside(*record, policy)) return without_additional(message.first(end));
  }
  return std::nullopt;
}

void RebindGuard::ask(const QuestionKey& key, unsigned asker, Done done) {
  if (!policy_->protect || table_.forward_labels(key.name) != 0) return source_.ask(key, asker, std::move(done));
  source_.ask(key, asker,
              [name = key.name, policy = policy_, refused = refused_, done = std::move(done)](const Answer& answer) {
                auto other = answer.message && !answer.message->empty()
                                 ? instead_of_rebinding(*answer.message, name, *policy)
                                 : std::nullopt;
                if (!other) return done(answer);
                ++*refused;
                done({.message = std::make_shared<const Bytes>(*std::move(other)), .reason = Ede::blocked});
              });
}

}  // namespace vrouter::dns
