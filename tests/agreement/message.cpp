// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/agreement/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dns/codec.h"

namespace vrouter::agreement {
namespace {

constexpr std::uint16_t kQr = 0x8000, kAa = 0x0400, kRd = 0x0100, kRa = 0x0080, kAd = 0x0020, kCd = 0x0010;
constexpr std::uint16_t kTypeOpt = 41, kTypeHinfo = 13;
constexpr std::size_t kOptSize = 11;  // without options
constexpr std::uint16_t kNoError = 0, kRefused = 5, kNxDomain = 3;

void put16(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

std::string text_of(std::span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

// How many bytes stand before the names in the data of a type that may compress them (RFC 3597, 4), and how many names.
struct Shape {
  std::size_t before = 0;
  int names = 0;
};
Shape shape_of(std::uint16_t type) {
  switch (type) {
    case 2:   // NS
    case 5:   // CNAME
    case 12:  // PTR
    case 39:  // DNAME
      return {.before = 0, .names = 1};
    case 6:  // SOA
      return {.before = 0, .names = 2};
    case 15:  // MX
      return {.before = 2, .names = 1};
    case 33:  // SRV
      return {.before = 6, .names = 1};
    default:
      return {};
  }
}

// With every name whole and in lower case.
std::optional<std::string> data_of(std::span<const std::uint8_t> message, const dns::Record& record) {
  const auto shape = shape_of(record.type);
  if (shape.names == 0) return text_of(record.rdata);
  WireReader reader{message.first(record.rdata_start + record.rdata.size())};
  reader.skip(record.rdata_start);
  auto data = text_of(reader.take(shape.before));
  for (int i = 0; i < shape.names; ++i) {
    const auto name = dns::Name::decode(message, reader);
    if (!name) return std::nullopt;
    data += text_of(name->lower().wire());
  }
  return data + text_of(reader.rest());
}

bool read_section(std::span<const std::uint8_t> message, WireReader& reader, unsigned count, Records& records,
                  Reply& reply) {
  for (unsigned i = 0; i < count; ++i) {
    const auto record = dns::decode_record(message, reader);
    if (!record) return false;
    if (record->type == kTypeOpt) {
      if (reply.edns) return false;
      reply.edns = Edns{.udp_size = record->klass,
                        .dnssec_ok = (record->ttl & 0x8000) != 0,
                        .options = {record->rdata.begin(), record->rdata.end()}};
      reply.rcode = static_cast<std::uint16_t>(reply.rcode | (record->ttl >> 24) << 4);
      continue;
    }
    const auto data = data_of(message, *record);
    if (!data) return false;
    records.emplace(Record{record->owner.lower().to_text(), record->type, record->klass, *data}, record->ttl);
  }
  return true;
}

std::string describe(const Records& records) {
  std::string text;
  for (const auto& [record, ttl] : records)
    text += fmt::format(" [{} {} TYPE{} {} bytes]", std::get<0>(record), ttl, std::get<1>(record),
                        std::get<3>(record).size());
  return text.empty() ? " nothing" : text;
}

// Of `ours`, all of which must be in `truth`.
std::string wrong_subset(const char* section, const Records& ours, const Records& truth) {
  for (const auto& [record, ttl] : ours) {
    const auto found = truth.find(record);
    if (found == truth.end())
      return fmt::format("{}: [{} TYPE{}] is not upstream's", section, std::get<0>(record), std::get<1>(record));
    if (ttl > found->second || (ttl == 0 && found->second > 0))
      return fmt::format("{}: TTL {} where upstream has {}", section, ttl, found->second);
  }
  return {};
}

std::string wrong_header(const Question& question, const Reply& ours) {
  if (!std::ranges::equal(ours.name.wire(), question.name.wire()) || ours.type != question.type)
    return "another question, or in another case: " + ours.name.to_text();
  const auto flag = [&](std::uint16_t bit) { return (ours.flags & bit) != 0; };
  if (!flag(kQr) || !flag(kRa)) return "QR or RA is not set";
  if (flag(kRd) != question.recursion_desired) return "RD is not the query's";
  if (flag(kCd) != question.checking_disabled) return "CD is not the query's";
  if (flag(kAd)) return "AD is set, and nobody validated";
  if (ours.edns.has_value() != question.edns.has_value()) return "OPT is there and should not, or is missing";
  if (ours.edns && ours.edns->dnssec_ok != question.edns->dnssec_ok) return "DO is not the query's";
  return {};
}

std::size_t limit_of(const Question& question) {
  return question.edns ? std::clamp<std::size_t>(question.edns->udp_size, dns::kPlainUdpLimit, dns::kMaxUdpReply)
                       : dns::kPlainUdpLimit;
}

std::string wrong_truncation(const Question& question, const Reply& ours, const Reply& truth, Over over) {
  if (over == Over::tcp) return "TC is set over TCP";
  if (!ours.answers.empty() || !ours.authority.empty()) return "a truncated reply holds records";
  // Ours has no more to say than upstream has, and an OPT of its own.
  if (truth.size + kOptSize <= limit_of(question))
    return fmt::format("truncated, where upstream says it in {} bytes", truth.size);
  return {};
}

// RFC 8482: one HINFO that says so.
std::string wrong_any(const Reply& ours) {
  if (ours.rcode == kNoError && ours.answers.size() == 1 && std::get<1>(ours.answers.begin()->first) == kTypeHinfo)
    return {};
  return "ANY is not answered with one HINFO:" + describe(ours.answers);
}

}  // namespace

std::string Question::to_text() const {
  auto text = fmt::format("{} TYPE{}{}{}", name.to_text(), type, recursion_desired ? "" : " RD=0",
                          checking_disabled ? " CD" : "");
  if (edns)
    text += fmt::format(" EDNS {}{}{}", edns->udp_size, edns->dnssec_ok ? " DO" : "",
                        edns->options.empty() ? "" : " with options");
  return text;
}

Bytes write(const Question& question, std::uint16_t id) {
  Bytes out;
  put16(out, id);
  put16(out, (question.recursion_desired ? kRd : 0U) | (question.checking_disabled ? kCd : 0U));
  for (const unsigned count : {1U, 0U, 0U, question.edns ? 1U : 0U}) put16(out, count);
  const auto name = question.name.wire();
  out.insert(out.end(), name.begin(), name.end());
  put16(out, question.type);
  put16(out, 1);
  if (!question.edns) return out;
  out.push_back(0);
  put16(out, kTypeOpt);
  put16(out, question.edns->udp_size);
  put16(out, 0);
  put16(out, question.edns->dnssec_ok ? 0x8000 : 0);
  put16(out, static_cast<unsigned>(question.edns->options.size()));
  out.insert(out.end(), question.edns->options.begin(), question.edns->options.end());
  return out;
}

std::optional<Reply> read(std::span<const std::uint8_t> message) {
  WireReader reader{message};
  Reply reply{.size = message.size()};
  reply.id = reader.u16();
  reply.flags = reader.u16();
  reply.rcode = reply.flags & 0xf;
  std::array<unsigned, 4> counts{};
  for (auto& count : counts) count = reader.u16();
  if (reader.failed() || counts[0] != 1) return std::nullopt;
  const auto name = dns::Name::decode(message, reader);
  if (!name) return std::nullopt;
  reply.name = *name;
  reply.type = reader.u16();
  reader.skip(2);
  const bool whole = read_section(message, reader, counts[1], reply.answers, reply) &&
                     read_section(message, reader, counts[2], reply.authority, reply) &&
                     read_section(message, reader, counts[3], reply.additional, reply);
  if (!whole || reader.failed() || !reader.empty()) return std::nullopt;
  return reply;
}

std::string disagreement(const Question& question, const Reply& ours, const Reply& truth, Over over) {
  if (auto wrong = wrong_header(question, ours); !wrong.empty()) return wrong;
  if (over == Over::udp && ours.size > limit_of(question))
    return fmt::format("{} bytes over UDP, where {} are allowed", ours.size, limit_of(question));
  if (question.type == kTypeAny) return wrong_any(ours);
  // What a cache holds is nobody's business but of who asked for it.
  if (!question.recursion_desired)
    return ours.rcode == kRefused && ours.answers.empty() ? "" : fmt::format("rcode {} without RD", ours.rcode);
  if ((ours.flags & kAa) != 0) return "AA is set, and this is no answer of ours";
  if (ours.rcode != truth.rcode) return fmt::format("rcode {}, upstream's is {}", ours.rcode, truth.rcode);
  if (ours.truncated()) return wrong_truncation(question, ours, truth, over);
  if (auto wrong = wrong_subset("answers", ours.answers, truth.answers); !wrong.empty()) return wrong;
  if (ours.answers.size() != truth.answers.size())
    return "answers:" + describe(ours.answers) + ", upstream's are" + describe(truth.answers);
  // RFC 2308: without the SOA a client can't know for how long there is no such name or type.
  const bool negative = truth.rcode == kNxDomain || truth.answers.empty();
  if (negative && ours.authority.size() != truth.authority.size())
    return "authority of no answer:" + describe(ours.authority) + ", upstream's is" + describe(truth.authority);
  if (auto wrong = wrong_subset("authority", ours.authority, truth.authority); !wrong.empty()) return wrong;
  return wrong_subset("additional", ours.additional, truth.additional);
}

}  // namespace vrouter::agreement
