// SPDX-License-Identifier: GPL-2.0-or-later
// A server's bytes on their whole way to guests: taken for the reply to a question or not, kept or not, and told over
// UDP and TCP, at once and from the cache, behind an alias of ours too. What is told is always a reply to what was
// asked, of bounded size, with nothing of the server's OPT and no TTL beyond a day.
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>

#include "base/wire_reader.h"
#include "dns/cached_source.h"
#include "dns/query_handler.h"
#include "dns/quick_answers.h"
#include "dns/rebinding.h"

namespace {

using namespace vrouter::dns;
using boost::asio::ip::make_address;
using vrouter::BootClock;

constexpr unsigned kGuest = 7;
constexpr std::uint16_t kId = 0x5a5a, kEdeOption = 15;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

// Has one answer, which its server gave to whatever it is asked.
struct OneReply final : AnswerSource {
  std::shared_ptr<const Bytes> message;
  void ask(const QuestionKey& /*key*/, unsigned /*asker*/, Done done) override { done({message, std::nullopt}); }
};

struct Told {
  unsigned rcode = 0, answers = 0;
  bool truncated = false;
};

// Nothing but our own EDE may stand in it.
void check_opt(const Record& opt) {
  require(opt.owner.is_root() && opt.klass == kMaxUdpReply && (opt.ttl & ~0x8000U) == 0);
  vrouter::WireReader options{opt.rdata};
  if (options.empty()) return;
  require(options.u16() == kEdeOption && options.u16() == 2);
  options.skip(2);
  require(options.empty() && !options.failed());
}

Told check_told(const Bytes& told, const Query& asked, std::size_t limit) {
  require(told.size() >= kHeaderSize && told.size() <= limit);
  vrouter::WireReader r{told};
  require(r.u16() == asked.id);
  const auto flags = r.u16();
  constexpr unsigned kQrOpcodeAaRdRaAdCd = 0xfdb0, kQrRdRa = 0x8180;
  require((flags & kQrOpcodeAaRdRaAdCd) == kQrRdRa && r.u16() == 1);
  const unsigned answers = r.u16(), authority = r.u16(), additional = r.u16();
  require(std::ranges::equal(r.take(asked.question.name.size()), asked.question.name.wire()));
  require(r.u16() == asked.question.type && r.u16() == asked.question.klass);
  const unsigned records = answers + authority + additional;
  unsigned opts = 0;
  for (unsigned i = 0; i < records; ++i) {
    const auto record = decode_record(told, r);
    require(record.has_value());
    if (record->type == type::opt) {
      require(++opts == 1 && i + 1 == records);
      check_opt(*record);
    } else {
      require(record->ttl <= kMaxTtl.count());
    }
  }
  require(r.empty() && !r.failed() && opts == (asked.edns ? 1U : 0U));
  const bool truncated = (flags & 0x0200U) != 0;
  require(!truncated || records == opts);
  return {.rcode = flags & 0xfU, .answers = answers, .truncated = truncated};
}

Bytes ask(const Query& query) {
  auto bytes = write_query({query.question.name, query.question.type, query.question.klass}, query.id, false);
  if (!query.edns) return bytes;
  bytes[11] = 1;
  const auto size = query.edns->udp_size;
  // With a client subnet, which is the client's business and nobody else's.
  const Bytes opt{0,
                  0,
                  41,
                  static_cast<std::uint8_t>(size >> 8),
                  static_cast<std::uint8_t>(size),
                  0,
                  0,
                  0,
                  0,
                  0,
                  11,
                  0,
                  8,
                  0,
                  7,
                  0,
                  1,
                  24,
                  0,
                  10,
                  0,
                  5};
  bytes.insert(bytes.end(), opt.begin(), opt.end());
  return bytes;
}

// The question's name with every letter the other way round: what the server echoed must not be what is told.
Name respelt(const Name& name) {
  Bytes bytes(kHeaderSize);
  for (const unsigned c : name.wire()) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    bytes.push_back(static_cast<std::uint8_t>(letter ? c ^ 0x20U : c));
  }
  vrouter::WireReader r{bytes};
  r.skip(kHeaderSize);
  return Name::decode(bytes, r).value();
}

class World {
 public:
  World() {
    names_.apply({.snapshot = true,
                  .zones = {{"default", "guests.internal", {}, {}, {make_address("10.0.5.1")}}},
                  .upserts = {{"default", "web1", kGuest, {make_address("10.0.5.2")}}},
                  .removed = {}});
  }

  void tell(const Reply& reply, const Query& asked) {
    source_.message = std::make_shared<const Bytes>(reply.message);
    // Answers are kept under the question, so a cache with no room to speak of is enough; none outlives the input.
    CachedSource cached{io_, source_, cache_};
    QueryHandler handler{names_, table_, cached, counts_};
    QuickAnswers quick{cache_};
    for (const bool again : {false, true}) {
      for (const unsigned size : {0U, 512U, 700U, 65535U}) {
        auto query = asked;
        if (size != 0) query.edns = Edns{.udp_size = static_cast<std::uint16_t>(size)};
        const auto over_udp = told_to(handler, query, Transport::udp),
                   over_tcp = told_to(handler, query, Transport::tcp);
        const auto brief = check_told(over_udp, query, udp_limit(query));
        const auto whole = check_told(over_tcp, query, kMaxMessage);
        require(brief.rcode == whole.rcode && (brief.truncated || brief.answers == whole.answers));
        if (again) check_quick(quick, query, over_udp);
      }
    }
    cache_.clear();
  }

 private:
  Bytes told_to(QueryHandler& handler, const Query& query, Transport transport) {
    Bytes told;
    unsigned times = 0;
    now_ = BootClock::now();
    handler.answer(ask(query), {kGuest, make_address("10.0.5.2")}, transport, now_, [&](const Bytes& reply) {
      told = reply;
      ++times;
    });
    require(times == 1);
    return told;
  }

  void check_quick(QuickAnswers& quick, const Query& query, const Bytes& told) {
    std::array<std::uint8_t, kMaxUdpReply> room{};
    const auto question = ask(query);
    const auto prepared = quick.prepare(question, kGuest);
    if (!prepared) return;
    const auto size = quick.answer(*prepared, now_, room);
    if (size == 0) return;
    // TTLs may have passed a second's edge between the two.
    const auto brief =
        check_told(Bytes{room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size)}, query, udp_limit(query));
    require(size == told.size() && !brief.truncated);
  }

  boost::asio::io_context io_;
  Names names_;
  UpstreamTable table_;
  Statistics counts_;
  Cache cache_{kMinCacheSize};
  OneReply source_;
  vrouter::BootTime now_{};
};

void behind_an_alias(const Query& asked, const Reply& reply) {
  const auto alias = Name::from_text("alias.of.ours").value();
  Query query{.id = kId, .recursion_desired = true, .has_question = true, .question = asked.question};
  query.question.name = alias;
  query.edns = Edns{.udp_size = 1232};
  Bytes target{asked.question.name.wire().begin(), asked.question.name.wire().end()};
  const LocalAnswer before{.answers = {{alias, type::cname, 60, target}}, .next = asked.question.name};
  for (const std::size_t limit : {udp_limit(query), kMaxMessage}) {
    const auto told = write_continued(query, before, reply.message, limit);
    require(told.size() <= limit && told.size() >= kHeaderSize + alias.size() && (told[2] & 0x80) != 0);
  }
}

void rebinding(const Query& asked, const Reply& reply) {
  const RebindPolicy policy;
  const auto instead = instead_of_rebinding(reply.message, asked.question.name, policy);
  const auto& message = instead ? *instead : reply.message;
  for (const auto& one : told_by(message).addresses) require(!leads_inside(one, policy));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  const std::span input{data, size};
  vrouter::WireReader r{input};
  const std::uint16_t id = r.u16();
  r.skip(10);
  const auto name = Name::decode(input, r);
  const auto type = r.u16(), klass = r.u16();
  if (!name || r.failed()) return 0;
  const QuestionKey key{.name = name->lower(), .type = type, .klass = klass};
  // Somebody who guesses: only the one id, name, type and class will do.
  const auto stranger = Name::from_text(name->labels() == 1 ? "an.other" : "another").value();
  const auto refused = [&](std::uint16_t asked_id, const QuestionKey& other) {
    const auto guessed = decode_reply(input, other, asked_id);
    return !guessed || guessed->message.empty();  // without a question it says nothing of a name
  };
  require(refused(id ^ 1U, key) && refused(id, {.name = stranger, .type = type, .klass = klass}));
  require(refused(id, {.name = key.name, .type = static_cast<std::uint16_t>(type ^ 1U), .klass = klass}));
  require(refused(id, {.name = key.name, .type = type, .klass = static_cast<std::uint16_t>(klass ^ 1U)}));
  const auto reply = decode_reply(input, key, id);
  if (!reply || reply->message.empty()) return 0;
  require(reply->message.size() <= input.size() && reply->cookie.size() <= 40);
  Query asked{.id = kId, .recursion_desired = true, .has_question = true, .question = {respelt(*name), type, klass}};
  rebinding(asked, *reply);
  behind_an_alias(asked, *reply);
  // The rest is for questions that leave the house.
  if (decode_query(ask(asked)) && klass == kClassIn && !special_answer(asked.question) && name->labels() > 1 &&
      !name->is_within(Name::from_text("guests.internal").value()))
    world.tell(*reply, asked);
  return 0;
}
