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

struct PrivatePrefix6 {
  std::array<std::uint8_t, 4> bytes;
  unsigned bits;
};
constexpr std::array kPrivate6{
    PrivatePrefix6{{0xfd, 0, 0, 0}, 8},
    PrivatePrefix6{{0xfe, 0x80, 0, 0}, 10},
    PrivatePrefix6{{0x20, 0x01, 0x0d, 0xb8}, 32},
};

template <typename Bytes, typename Prefix>
bool begins_with(const Bytes& bytes, const Prefix& prefix) {
  for (unsigned i = 0; i < prefix.bits; ++i) {
    if (((bytes[i / 8] ^ prefix.bytes[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
  }
  return true;
}

// How many labels the zone served here has: cut at the octet or digit at or below the prefix's end, as RFC 6303 lists
// them (16.172.in-addr.arpa to 31.172.in-addr.arpa). What is above belongs to the world.
std::optional<unsigned> private_apex_labels(const ReverseName& reverse) {
  const auto cut = [&](const auto& bytes, const auto& prefixes, unsigned step) -> std::optional<unsigned> {
    for (const auto& prefix : prefixes) {
      if (reverse.prefix_bits >= prefix.bits && begins_with(bytes, prefix)) return 2 + (prefix.bits + step - 1) / step;
    }
    return std::nullopt;
  };
  if (reverse.base.is_v4()) return cut(reverse.base.to_v4().to_bytes(), kPrivate4, 8);
  const auto base = reverse.base.to_v6();
  if (reverse.is_whole() && (base.is_loopback() || base.is_unspecified())) return 2 + 32;
  return cut(base.to_bytes(), kPrivate6, 4);
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

// What is at the top of a zone served here, RFC 6303 section 3: SOA and NS.
LocalAnswer apex_answer(const Question& question, const Name& apex) {
  if (question.type == type::soa) return {.answers = {soa_record(apex)}};
  if (question.type == type::ns) return {.answers = {name_record(apex, type::ns, literal("localhost"))}};
  return no_such_type(apex);
}

LocalAnswer private_reverse_answer(const Question& question, const ReverseName& reverse, unsigned apex_labels) {
  Name apex = question.name;
  while (apex.labels() > apex_labels) apex = apex.parent();
  const bool loopback = reverse.base.is_v4() ? reverse.base.to_v4().to_bytes()[0] == 127 : reverse.base.is_loopback();
  if (loopback && reverse.is_whole() && question.type == type::ptr) {
    return {.answers = {name_record(question.name, type::ptr, literal("localhost"))}};
  }
  if (question.name.same_as(apex)) return apex_answer(question, apex);
  // All of 127/8 has names, so branches to them exist.
  return loopback ? no_such_type(apex) : no_such_name(apex);
}

std::optional<LocalAnswer> special_zone_answer(const Question& question) {
  static const std::array unknown{literal("test"), literal("invalid"), literal("onion"), literal("local"),
                                  literal("alt")};
  static const std::array ours_alone{literal("home.arpa"), literal("internal")};
  static const Name localhost = literal("localhost"), resolver = literal("resolver.arpa");
  if (question.name.is_within(localhost)) return localhost_answer(question, localhost);
  for (const auto& zone : unknown) {
    if (question.name.is_within(zone)) return no_such_name(zone);
  }
  // That the world's home.arpa is delegated without a signature is what lets a guest that validates believe us: the
  // one question about it that goes out (RFC 8375 section 4).
  if (question.type == type::ds && question.name.same_as(ours_alone[0])) return std::nullopt;
  for (const auto& zone : ours_alone) {
    if (question.name.same_as(zone)) return apex_answer(question, zone);
    if (question.name.is_within(zone)) return no_such_name(zone);
  }
  if (question.name.same_as(resolver)) return apex_answer(question, resolver);
  if (question.name.is_within(resolver)) return no_such_type(resolver);
  const auto reverse = parse_reverse(question.name);
  const auto apex_labels = reverse ? private_apex_labels(*reverse) : std::nullopt;
  if (!apex_labels) return std::nullopt;
  return private_reverse_answer(question, *reverse, *apex_labels);
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

LocalAnswer answer_to_any(const Name& name) {
  static constexpr std::string_view kHinfo{"\7RFC8482\0", 9};
  return {.answers = {{name, type::hinfo, kLocalTtl, Bytes(kHinfo.begin(), kHinfo.end())}}};
}

std::optional<LocalAnswer> special_answer(const Question& question) {
  auto answer = special_zone_answer(question);
  if (question.type != type::any || (answer && answer->rcode == Rcode::nx_domain)) return answer;
  return answer_to_any(question.name);
}

}  // namespace vrouter::dns
