// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/codec.h"

#include <algorithm>
#include <utility>

#include "base/wire_writer.h"
#include "dns/chain.h"
#include "dns/pointers.h"

namespace vrouter::dns {

namespace {

// Header flags, RFC 1035 4.1.1 and RFC 2535 6.1.
constexpr std::uint16_t kQr = 0x8000, kAa = 0x0400, kTc = 0x0200, kRd = 0x0100, kRa = 0x0080, kCd = 0x0010;
constexpr std::uint32_t kDnssecOk = 0x8000;  // in the OPT's TTL, RFC 3225
constexpr std::uint16_t kUpstreamUdpSize = kMaxUdpReply;
constexpr std::uint16_t kOptionCookie = 10, kOptionEde = 15;
constexpr std::size_t kEdeSize = 6;  // with code and length, without a text
constexpr std::uint16_t kQuestionPointer = 0xc000 | kHeaderSize;
// Meta types that are no question (IANA "QTYPE only" apart): OPT, and NXNAME to TSIG of the range 128..250.
constexpr bool is_meta_type(std::uint16_t t) {
  return t == 0 || t == type::opt || (t >= 128 && t <= 250);
}
constexpr std::size_t kTtlBeforeData = 6;

struct Header {
  std::uint16_t id, flags, questions, answers, authority, additional;
};

Header read_header(WireReader& r) {
  Header h{};
  h.id = r.u16();
  h.flags = r.u16();
  h.questions = r.u16();
  h.answers = r.u16();
  h.authority = r.u16();
  h.additional = r.u16();
  return h;
}

std::optional<Question> read_question(std::span<const std::uint8_t> message, WireReader& r) {
  const auto name = Name::decode(message, r);
  if (!name) return std::nullopt;
  Question q{.name = *name};
  q.type = r.u16();
  q.klass = r.u16();
  if (r.failed()) return std::nullopt;
  return q;
}

std::optional<Edns> read_opt(const Record& record) {
  if (!record.owner.is_root()) return std::nullopt;
  WireReader options{record.rdata};
  unsigned count = 0;
  while (!options.empty()) {
    options.skip(2);
    options.skip(options.u16());
    if (options.failed() || ++count > kMaxEdnsOptions) return std::nullopt;
  }
  return Edns{.udp_size = record.klass,
              .extended_rcode = static_cast<std::uint8_t>(record.ttl >> 24),
              .version = static_cast<std::uint8_t>(record.ttl >> 16),
              .dnssec_ok = (record.ttl & kDnssecOk) != 0};
}

// Names inside the data of RFC 1035's types may be compressed, so they are data of ours to check: a client behind us
// may follow a pointer that leads nowhere. `lead` bytes stand before the names, `tail` behind them.
struct NamesInside {
  std::uint16_t type;
  unsigned lead, names, tail;
};
constexpr std::array kNamesInside{
    NamesInside{type::ns, 0, 1, 0},    NamesInside{type::cname, 0, 1, 0}, NamesInside{type::ptr, 0, 1, 0},
    NamesInside{type::dname, 0, 1, 0}, NamesInside{type::mx, 2, 1, 0},    NamesInside{type::soa, 0, 2, 20},
};

bool names_inside_are_sound(std::span<const std::uint8_t> message, const Record& record, TtlFields& ttls) {
  const auto* inside = std::ranges::find(kNamesInside, record.type, &NamesInside::type);
  if (inside == kNamesInside.end()) return true;
  WireReader r{message.first(record.rdata_start + record.rdata.size()).subspan(record.rdata_start)};
  const auto known = message.first(record.rdata_start + record.rdata.size());
  r.skip(inside->lead);
  for (unsigned i = 0; i < inside->names; ++i) {
    const auto start = known.size() - r.rest().size();
    if (!Name::decode(known, r) || ttls.are_in_name(known, start)) return false;
  }
  r.skip(inside->tail);
  return r.empty() && !r.failed();
}

struct Opt {
  std::optional<Edns> edns;
  std::optional<std::size_t> start;  // offset in the message
  std::span<const std::uint8_t> options{};
  unsigned before = 0;  // records of the additional section in front of it
};

// The records behind the question: each whole, at most one OPT and only in the additional section, nothing behind the
// last.
std::optional<Opt> walk_records(std::span<const std::uint8_t> message, WireReader& r, const Header& h,
                                std::vector<Record>* answers) {
  Opt opt;
  TtlFields ttls;
  const unsigned total = unsigned{h.answers} + h.authority + h.additional;
  for (unsigned i = 0; i < total; ++i) {
    auto record = decode_record(message, r);
    if (!record || ttls.are_in_name(message, record->start)) return std::nullopt;
    if (answers != nullptr) ttls.add(record->rdata_start - kTtlBeforeData);
    if (record->type == type::opt) {
      if (opt.start || i < unsigned{h.answers} + h.authority) return std::nullopt;
      opt.edns = read_opt(*record);
      if (!opt.edns) return std::nullopt;
      opt.start = record->start;
      opt.options = record->rdata;
      opt.before = i - h.answers - h.authority;
    } else if (!names_inside_are_sound(message, *record, ttls)) {
      return std::nullopt;
    }
    if (answers != nullptr && i < h.answers) answers->push_back(*record);
  }
  if (!r.empty()) return std::nullopt;
  return opt;
}

// The first COOKIE, which is the one that counts; nothing where its length is illegal (RFC 7873 section 5.3).
std::optional<Bytes> read_cookie(std::span<const std::uint8_t> options) {
  WireReader r{options};
  while (!r.empty() && !r.failed()) {
    const auto code = r.u16();
    const auto data = r.take(r.u16());
    if (code != kOptionCookie) continue;
    if (data.size() != kClientCookieSize && (data.size() < 16 || data.size() > 40)) return std::nullopt;
    return Bytes(data.begin(), data.end());
  }
  return Bytes{};
}

void put_u16(std::span<std::uint8_t> message, std::size_t offset, unsigned value) {
  message[offset] = static_cast<std::uint8_t>(value >> 8);
  message[offset + 1] = static_cast<std::uint8_t>(value);
}

void write_opt(WireWriter& w, unsigned rcode, bool dnssec_ok, std::optional<Ede> ede,
               std::span<const std::uint8_t> cookie = {}) {
  w.u8(0);
  w.u16(type::opt);
  w.u16(kUpstreamUdpSize);
  w.u32((rcode >> 4) << 24 | (dnssec_ok ? kDnssecOk : 0));
  w.u16(static_cast<std::uint16_t>((ede ? 6 : 0) + (cookie.empty() ? 0 : 4 + cookie.size())));
  if (ede) {
    w.u16(kOptionEde);
    w.u16(2);
    w.u16(static_cast<std::uint16_t>(*ede));
  }
  if (!cookie.empty()) {
    w.u16(kOptionCookie);
    w.u16(static_cast<std::uint16_t>(cookie.size()));
    w.bytes(cookie);
  }
}

std::uint16_t reply_flags(const Query& query, unsigned rcode) {
  // AD stays clear: no upstream path is trusted (RFC 6840 5.7 lets us), and local data is signed by nobody.
  const unsigned rd = query.recursion_desired ? kRd : 0U;
  const unsigned cd = query.checking_disabled ? kCd : 0U;
  return static_cast<std::uint16_t>(kQr | unsigned{query.opcode} << 11 | rd | kRa | cd | (rcode & 0xf));
}

void write_head(WireWriter& w, const Query& query, std::uint16_t flags, std::size_t answers, std::size_t authority) {
  w.u16(query.id);
  w.u16(flags);
  w.u16(query.has_question ? 1 : 0);
  w.u16(static_cast<std::uint16_t>(answers));
  w.u16(static_cast<std::uint16_t>(authority));
  w.u16(query.edns ? 1 : 0);
  if (!query.has_question) return;
  w.bytes(query.question.name.wire());
  w.u16(query.question.type);
  w.u16(query.question.klass);
}

Bytes write_bare(const Query& query, std::uint16_t flags, unsigned rcode, std::optional<Ede> ede) {
  std::array<std::uint8_t, kPlainUdpLimit> buffer{};  // header, one name and an OPT: at most 294 bytes
  WireWriter w{buffer};
  write_head(w, query, flags, 0, 0);
  if (query.edns) write_opt(w, rcode, query.edns->dnssec_ok, ede);
  return {w.written().begin(), w.written().end()};
}

void write_record(WireWriter& w, const Query& query, const LocalRecord& record) {
  if (query.question.name.is_within(record.owner) && !record.owner.is_root()) {
    w.u16(static_cast<std::uint16_t>(kQuestionPointer + query.question.name.size() - record.owner.size()));
  } else {
    w.bytes(record.owner.wire());
  }
  w.u16(record.type);
  w.u16(kClassIn);
  w.u32(record.ttl);
  w.u16(static_cast<std::uint16_t>(record.rdata.size()));
  w.bytes(record.rdata);
}

Bytes write_answer(const Query& query, const LocalAnswer& answer, unsigned more_flags, std::size_t limit,
                   std::optional<Ede> ede) {
  const auto rcode = static_cast<unsigned>(answer.rcode);
  const auto flags = static_cast<std::uint16_t>(reply_flags(query, rcode) | more_flags);
  Bytes buffer(std::min(limit, kMaxMessage));
  WireWriter w{buffer};
  write_head(w, query, flags, answer.answers.size(), answer.authority.size());
  for (const auto& record : answer.answers) write_record(w, query, record);
  for (const auto& record : answer.authority) write_record(w, query, record);
  if (query.edns) write_opt(w, rcode, query.edns->dnssec_ok, ede);
  if (w.failed()) return write_bare(query, flags | kTc, rcode, std::nullopt);
  buffer.resize(w.size());
  return buffer;
}

// A record's data with its names whole, which may point anywhere in the message where RFC 1035 defines the type; in
// those of later ones nothing is compressed (RFC 3597 section 4), SRV's apart, which servers did. Nothing: broken.
std::optional<Bytes> whole_rdata(std::span<const std::uint8_t> message, const Record& record) {
  std::size_t before = 0;
  unsigned names = 1;
  switch (record.type) {
    case type::cname:
    case type::ns:
    case type::ptr:
    case type::dname:
      break;
    case type::mx:
      before = 2;
      break;
    case type::srv:
      before = 6;
      break;
    case type::soa:
      names = 2;
      break;
    default:
      return Bytes{record.rdata.begin(), record.rdata.end()};
  }
  const auto end = record.rdata_start + record.rdata.size();
  WireReader r{message.first(end)};
  r.skip(record.rdata_start);
  const auto head = r.take(before);
  Bytes whole{head.begin(), head.end()};
  for (; names > 0; --names) {
    const auto name = Name::decode(message.first(end), r);
    if (!name) return std::nullopt;
    whole.insert(whole.end(), name->wire().begin(), name->wire().end());
  }
  whole.insert(whole.end(), r.rest().begin(), r.rest().end());
  return r.failed() ? std::nullopt : std::optional{std::move(whole)};
}

}  // namespace

std::optional<Record> decode_record(std::span<const std::uint8_t> message, WireReader& reader) {
  Record record;
  record.start = message.size() - reader.rest().size();
  const auto owner = Name::decode(message, reader);
  if (!owner) return std::nullopt;
  record.owner = *owner;
  record.type = reader.u16();
  record.klass = reader.u16();
  record.ttl = reader.u32();
  const auto length = reader.u16();
  record.rdata_start = message.size() - reader.rest().size();
  record.rdata = reader.take(length);
  if (reader.failed()) return std::nullopt;
  return record;
}

std::expected<Query, Rejection> decode_query(std::span<const std::uint8_t> message) {
  WireReader r{message};
  const Header h = read_header(r);
  if (r.failed() || (h.flags & kQr) != 0 || message.size() > kMaxMessage)
    return std::unexpected(Rejection{.silent = true});
  Query query{.id = h.id,
              .opcode = static_cast<std::uint8_t>(h.flags >> 11 & 0xf),
              .recursion_desired = (h.flags & kRd) != 0,
              .checking_disabled = (h.flags & kCd) != 0};
  const auto reject = [&](Rcode rcode) { return std::unexpected(Rejection{.rcode = rcode, .query = query}); };
  if (query.opcode != 0) return reject(Rcode::not_imp);
  if (h.questions != 1) return reject(Rcode::form_err);  // RFC 9619
  const auto question = read_question(message, r);
  if (!question) return reject(Rcode::form_err);
  query.question = *question;
  query.has_question = true;
  const auto opt = walk_records(message, r, h, nullptr);
  if (!opt) return reject(Rcode::form_err);
  query.edns = opt->edns;
  if (query.edns && query.edns->version != 0) return reject(Rcode::bad_vers);
  if (question->type == type::axfr || question->type == type::ixfr) return reject(Rcode::refused);
  if (is_meta_type(question->type)) return reject(Rcode::form_err);
  return query;
}

QuestionKey key_of(const Query& query) {
  return {.name = query.question.name.lower(),
          .type = query.question.type,
          .klass = query.question.klass,
          .dnssec_ok = query.edns && query.edns->dnssec_ok,
          .checking_disabled = query.checking_disabled};
}

Bytes write_query(const QuestionKey& key, std::uint16_t id, bool with_edns, std::span<const std::uint8_t> cookie) {
  std::array<std::uint8_t, kPlainUdpLimit> buffer{};
  WireWriter w{buffer};
  Query query{.id = id, .has_question = true, .question = {key.name, key.type, key.klass}};
  if (with_edns) query.edns = Edns{};
  write_head(w, query, static_cast<std::uint16_t>(kRd | (key.checking_disabled ? kCd : 0)), 0, 0);
  if (with_edns) write_opt(w, 0, key.dnssec_ok, std::nullopt, cookie);
  return {w.written().begin(), w.written().end()};
}

void pad_query(Bytes& query, std::size_t block) {
  constexpr std::uint16_t kPaddingOption = 12;
  constexpr std::size_t kOptionHead = 4, kLengthInOpt = 9;
  std::size_t opt = kHeaderSize;
  while (query[opt] != 0) opt += query[opt] + std::size_t{1};  // ours, so without pointers
  opt += 1 + 4;
  if (opt + kOptSize > query.size()) return;
  const std::size_t padding = (block - (query.size() + kOptionHead) % block) % block;
  const std::size_t options = query.size() - opt - kOptSize + kOptionHead + padding;
  query[opt + kLengthInOpt] = static_cast<std::uint8_t>(options >> 8);
  query[opt + kLengthInOpt + 1] = static_cast<std::uint8_t>(options);
  for (const auto half : {static_cast<std::size_t>(kPaddingOption), padding}) {
    query.push_back(static_cast<std::uint8_t>(half >> 8));
    query.push_back(static_cast<std::uint8_t>(half));
  }
  query.resize(query.size() + padding);
}

std::expected<Reply, ReplyError> decode_reply(std::span<const std::uint8_t> message, const QuestionKey& key,
                                              std::uint16_t id) {
  WireReader r{message};
  const Header h = read_header(r);
  if (r.failed() || message.size() > kMaxMessage) return std::unexpected(ReplyError::malformed);
  if (h.id != id) return std::unexpected(ReplyError::wrong_id);
  if ((h.flags & kQr) == 0 || (h.flags >> 11 & 0xf) != 0) return std::unexpected(ReplyError::malformed);
  const auto rcode = static_cast<Rcode>(h.flags & 0xf);
  if (h.questions == 0 && rcode == Rcode::form_err) return Reply{.rcode = rcode};
  if (h.questions != 1) return std::unexpected(ReplyError::malformed);
  const auto question = read_question(message, r);
  if (!question) return std::unexpected(ReplyError::malformed);
  if (question->type != key.type || question->klass != key.klass || !question->name.same_as(key.name)) {
    return std::unexpected(ReplyError::wrong_question);
  }
  const bool truncated = (h.flags & kTc) != 0;
  if (truncated) return Reply{.rcode = rcode, .truncated = true};  // what is in it may end anywhere, and isn't used
  std::vector<Record> answers;
  const auto opt = walk_records(message, r, h, &answers);
  if (!opt) return std::unexpected(ReplyError::malformed);
  const unsigned high = opt->edns ? opt->edns->extended_rcode : 0U;

  auto cookie = read_cookie(opt->options);
  if (!cookie) return std::unexpected(ReplyError::malformed);
  Reply reply{.rcode = static_cast<Rcode>(high << 4 | static_cast<unsigned>(rcode)), .cookie = std::move(*cookie)};
  reply.message.assign(message.begin(),
                       message.begin() + static_cast<std::ptrdiff_t>(opt->start.value_or(message.size())));
  if (opt->start) put_u16(reply.message, 10, opt->before);
  const auto first_stray = [&] {
    const Chain chain{message, key.name, answers};
    return std::ranges::find_if_not(answers, [&](const Record& a) { return chain.admits(a); });
  };
  if (const auto stray = first_stray(); stray != answers.end()) {
    reply.message.resize(stray->start);
    answers.erase(stray, answers.end());
    put_u16(reply.message, 6, static_cast<unsigned>(answers.size()));
    put_u16(reply.message, 8, 0);
    put_u16(reply.message, 10, 0);
    // What is left may hang on what was cut off: no honest server's.
    if (answers.empty() || first_stray() != answers.end()) return std::unexpected(ReplyError::malformed);
  }
  return reply;
}

std::size_t udp_limit(const Query& query) {
  return query.edns ? std::clamp<std::size_t>(query.edns->udp_size, kPlainUdpLimit, kMaxUdpReply) : kPlainUdpLimit;
}

std::size_t udp_limit(const PlainQuery& query) noexcept {
  return query.edns ? std::clamp<std::size_t>(query.udp_size, kPlainUdpLimit, kMaxUdpReply) : kPlainUdpLimit;
}

Bytes write_error(const Query& query, Rcode rcode, std::optional<Ede> ede) {
  // Without EDNS there is no room for more than four bits; BADVERS can't happen then.
  const auto number = static_cast<unsigned>(rcode);
  return write_bare(query, reply_flags(query, number), number, ede);
}

Bytes write_local(const Query& query, const LocalAnswer& answer, std::size_t limit, std::optional<Ede> ede) {
  return write_answer(query, answer, kAa, limit, ede);
}

Bytes write_continued(const Query& query, const LocalAnswer& before, std::span<const std::uint8_t> message,
                      std::size_t limit, std::optional<Ede> ede) {
  WireReader r{message};
  const Header h = read_header(r);
  LocalAnswer all{.rcode = static_cast<Rcode>(h.flags & 0xf), .answers = before.answers};
  const auto read = [&](unsigned count, std::vector<LocalRecord>& into) {
    for (; count > 0; --count) {
      const auto record = decode_record(message, r);
      auto rdata = record ? whole_rdata(message, *record) : std::nullopt;
      if (!rdata) return false;
      into.push_back({record->owner, record->type, record->ttl, std::move(*rdata)});
    }
    return true;
  };
  if (!read_question(message, r) || !read(h.answers, all.answers) || !read(h.authority, all.authority))
    return write_error(query, Rcode::serv_fail);
  return write_answer(query, all, 0, limit, ede);
}

Bytes write_forwarded(const Query& query, std::span<const std::uint8_t> message, std::size_t limit,
                      std::optional<Ede> ede) {
  WireReader r{message};
  const Header h = read_header(r);
  const std::uint16_t flags = reply_flags(query, h.flags & 0xf);
  std::array<std::uint8_t, kOptSize + kEdeSize> opt{};
  WireWriter w{opt};
  if (query.edns) write_opt(w, h.flags & 0xf, query.edns->dnssec_ok, ede);
  if (r.failed() || message.size() + w.size() > std::min(limit, kMaxMessage))
    return write_bare(query, flags | kTc, h.flags & 0xf, std::nullopt);
  Bytes reply;
  reply.reserve(message.size() + w.size());
  reply.assign(message.begin(), message.end());
  put_u16(reply, 0, query.id);
  put_u16(reply, 2, flags);
  // The first name of a message can't be compressed, so the client's spelling fits where the upstream's was.
  const auto name = query.question.name.wire();
  if (reply.size() < kHeaderSize + name.size()) return write_error(query, Rcode::serv_fail);
  std::ranges::copy(name, reply.begin() + kHeaderSize);
  if (!query.edns) return reply;
  put_u16(reply, 10, h.additional + 1U);
  reply.insert(reply.end(), w.written().begin(), w.written().end());
  return reply;
}

Bytes write_truncated(std::span<const std::uint8_t> reply) {
  WireReader r{reply};
  const Header h = read_header(r);
  if (!read_question(reply, r)) return {};
  const auto head = reply.first(reply.size() - r.rest().size());
  const auto opt = walk_records(reply, r, h, nullptr);
  if (!opt) return {};
  std::array<std::uint8_t, kOptSize> bare{};
  WireWriter w{bare};
  if (opt->edns) write_opt(w, unsigned{opt->edns->extended_rcode} << 4, opt->edns->dnssec_ok, std::nullopt);
  Bytes cut(head.begin(), head.end());
  put_u16(cut, 2, h.flags | kTc);
  put_u16(cut, 6, 0);
  put_u16(cut, 8, 0);
  put_u16(cut, 10, opt->edns ? 1 : 0);
  cut.insert(cut.end(), w.written().begin(), w.written().end());
  return cut;
}

}  // namespace vrouter::dns
