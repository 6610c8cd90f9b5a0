// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>

#include "base/wire_writer.h"
#include "dns/names.h"

namespace vrouter::dns {

namespace {

constexpr std::uint32_t kSoaRefresh = 3600, kSoaRetry = 1200, kSoaExpire = 604800;  // as RFC 6303 section 3

Name literal(std::string_view text) {
  return Name::from_text(text).value_or(Name{});
}

// Reverse zones of addresses that mean something else elsewhere: RFC 6303 section 4, RFC 7793 section 2.2 (100.64/10),
// as prefixes.
struct PrivatePrefix {
  std::array<std::uint8_t, 4> bytes;
  unsigned bits;
};
constexpr std::array kPrivate4{
    PrivatePrefix{{0, 0, 0, 0}, 8},      PrivatePrefix{{10, 0, 0, 0}, 8},         PrivatePrefix{{127, 0, 0, 0}, 8},
    PrivatePrefix{{169, 254, 0, 0}, 16}, PrivatePrefix{{172, 16, 0, 0}, 12},      PrivatePrefix{{192, 0, 2, 0}, 24},
    PrivatePrefix{{192, 168, 0, 0}, 16}, PrivatePrefix{{198, 51, 100, 0}, 24},    PrivatePrefix{{203, 0, 113, 0}, 24},
    PrivatePrefix{{100, 64, 0, 0}, 10},  PrivatePrefix{{255, 255, 255, 255}, 32},
};

bool is_private(const ReverseName& reverse) {
  if (reverse.base.is_v4()) {
    const auto base = reverse.base.to_v4();
    return std::ranges::any_of(kPrivate4, [&](const PrivatePrefix& p) {
      return reverse.prefix_bits >= p.bits &&
             network_v4(base, static_cast<unsigned short>(p.bits)).network() ==
                 network_v4(address_v4{p.bytes}, static_cast<unsigned short>(p.bits)).network();
    });
  }
  const auto base = reverse.base.to_v6();
  const auto bytes = base.to_bytes();
  if (reverse.prefix_bits >= 8 && bytes[0] == 0xfd) return true;                                // unique local
  if (reverse.prefix_bits >= 12 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return true;  // link-local
  if (reverse.prefix_bits >= 32 && bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0d && bytes[3] == 0xb8)
    return true;
  return reverse.is_whole() && (base.is_loopback() || base.is_unspecified());
}

std::optional<std::uint8_t> decimal_octet(std::string_view label) {
  if (label.empty() || label.size() > 3 || (label.size() > 1 && label[0] == '0')) return std::nullopt;
  unsigned value = 0;
  for (const char c : label) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  if (value > 255) return std::nullopt;
  return static_cast<std::uint8_t>(value);
}

std::optional<std::uint8_t> hex_digit(std::string_view label) {
  if (label.size() != 1) return std::nullopt;
  const auto c = ascii_lower(static_cast<std::uint8_t>(label[0]));
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

// The labels of `name` above `zone`, nearest to the zone first.
std::vector<std::string> labels_above(Name name, const Name& zone) {
  std::vector<std::string> labels;
  for (; name.size() > zone.size(); name = name.parent()) labels.emplace_back(name.first_label());
  std::ranges::reverse(labels);
  return labels;
}

LocalAnswer localhost_answer(const Question& question, const Name& zone) {
  LocalAnswer answer = no_such_type(zone);
  if (question.type == type::a) answer = {.answers = {address_record(question.name, address_v4::loopback())}};
  if (question.type == type::aaaa) answer = {.answers = {address_record(question.name, address_v6::loopback())}};
  return answer;
}

LocalAnswer private_reverse_answer(const Question& question, const ReverseName& reverse) {
  Name apex = question.name;
  const unsigned deepest = reverse.base.is_v4() ? 3 : 4;  // 10.in-addr.arpa, d.f.ip6.arpa: where RFC 6303 cuts
  while (apex.labels() > deepest) apex = apex.parent();
  if (reverse.is_whole() && reverse.base.is_loopback() && question.type == type::ptr) {
    return {.answers = {name_record(question.name, type::ptr, literal("localhost"))}};
  }
  return question.name.same_as(apex) ? no_such_type(apex) : no_such_name(apex);
}

}  // namespace

std::optional<ReverseName> parse_reverse(const Name& name) {
  static const Name zone4 = literal("in-addr.arpa"), zone6 = literal("ip6.arpa");
  if (name.is_within(zone4)) {
    const auto labels = labels_above(name, zone4);
    if (labels.empty() || labels.size() > 4) return std::nullopt;
    address_v4::bytes_type bytes{};
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto octet = decimal_octet(labels[i]);
      if (!octet) return std::nullopt;
      bytes[i] = *octet;
    }
    return ReverseName{address_v4{bytes}, static_cast<unsigned>(labels.size()) * 8};
  }
  if (!name.is_within(zone6)) return std::nullopt;
  const auto labels = labels_above(name, zone6);
  if (labels.empty() || labels.size() > 32) return std::nullopt;
  address_v6::bytes_type bytes{};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto digit = hex_digit(labels[i]);
    if (!digit) return std::nullopt;
    bytes[i / 2] = static_cast<std::uint8_t>(bytes[i / 2] | (i % 2 == 0 ? *digit << 4 : *digit));
  }
  return ReverseName{address_v6{bytes}, static_cast<unsigned>(labels.size()) * 4};
}

LocalRecord address_record(const Name& owner, const address& value) {
  if (value.is_v4()) {
    const auto bytes = value.to_v4().to_bytes();
    return {owner, type::a, kLocalTtl, Bytes(bytes.begin(), bytes.end())};
  }
  const auto bytes = value.to_v6().to_bytes();
  return {owner, type::aaaa, kLocalTtl, Bytes(bytes.begin(), bytes.end())};
}

LocalRecord name_record(const Name& owner, std::uint16_t type, const Name& value) {
  return {owner, type, kLocalTtl, Bytes(value.wire().begin(), value.wire().end())};
}

LocalRecord soa_record(const Name& zone) {
  static const Name mailbox = literal("nobody.invalid"), server = literal("localhost");
  std::array<std::uint8_t, 64> buffer{};
  WireWriter w{buffer};
  w.bytes(server.wire());
  w.bytes(mailbox.wire());
  w.u32(1);  // serial: nobody transfers these zones
  w.u32(kSoaRefresh);
  w.u32(kSoaRetry);
  w.u32(kSoaExpire);
  w.u32(kLocalTtl);  // how long a denial lives, RFC 2308 section 5
  return {zone, type::soa, kLocalTtl, Bytes(w.written().begin(), w.written().end())};
}

LocalAnswer no_such_name(const Name& zone) {
  return {.rcode = Rcode::nx_domain, .authority = {soa_record(zone)}};
}
LocalAnswer no_such_type(const Name& zone) {
  return {.rcode = Rcode::no_error, .authority = {soa_record(zone)}};
}

std::optional<LocalAnswer> special_answer(const Question& question) {
  static const std::array unknown{literal("test"), literal("invalid"), literal("onion"), literal("local"),
                                  literal("alt")};
  static const std::array ours_alone{literal("home.arpa"), literal("internal")};
  static const Name localhost = literal("localhost"), resolver = literal("resolver.arpa");
  if (question.name.is_within(localhost)) return localhost_answer(question, localhost);
  for (const auto& zone : unknown) {
    if (question.name.is_within(zone)) return no_such_name(zone);
  }
  for (const auto& zone : ours_alone) {
    if (question.name.same_as(zone)) return no_such_type(zone);
    if (question.name.is_within(zone)) return no_such_name(zone);
  }
  if (question.name.is_within(resolver)) return no_such_type(resolver);
  if (const auto reverse = parse_reverse(question.name); reverse && is_private(*reverse)) {
    return private_reverse_answer(question, *reverse);
  }
  if (question.type != type::any) return std::nullopt;
  static constexpr std::string_view kHinfo{"\7RFC8482\0", 9};
  return LocalAnswer{.answers = {{question.name, type::hinfo, kLocalTtl, Bytes(kHinfo.begin(), kHinfo.end())}}};
}

}  // namespace vrouter::dns
