// SPDX-License-Identifier: GPL-2.0-or-later
// The quick way beside the long one. Two clients' messages, the first as long as the first two bytes say: what the
// quick way takes for a question, the decoder takes for the same one; both make the same key of it; two questions have
// one key if they are one question, whatever the case, and only then; and what the cache has is told alike.
#include <algorithm>

#include "base/wire_reader.h"
#include "dns/quick_answers.h"

namespace {

using namespace vrouter::dns;
using vrouter::BootTime;
using namespace std::chrono_literals;

constexpr BootTime kNow{1h};

void require(bool holds) {
  if (!holds) __builtin_trap();
}

// Not the code's own folding: bytes of labels, one by one.
bool same_name(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return std::ranges::equal(a, b, [](unsigned x, unsigned y) {
    const bool letter = (x >= 'A' && x <= 'Z') || (x >= 'a' && x <= 'z');
    return x == y || (letter && (x ^ y) == 0x20);
  });
}

bool same_question(const Query& a, const Query& b) {
  const auto dnssec = [](const Query& q) { return q.edns && q.edns->dnssec_ok; };
  return a.question.type == b.question.type && a.question.klass == b.question.klass && dnssec(a) == dnssec(b) &&
         a.checking_disabled == b.checking_disabled && same_name(a.question.name.wire(), b.question.name.wire());
}

bool same_bytes(const CacheKey& a, const CacheKey& b) {
  return std::ranges::equal(a.bytes(), b.bytes());
}

void check_reading(std::span<const std::uint8_t> message, const PlainQuery& quick) {
  const auto whole = decode_query(message);
  const auto& query = whole ? *whole : whole.error().query;
  // Types that nobody may ask for are the decoder's to refuse: no cache ever has one.
  require(whole || (!whole.error().silent && whole.error().rcode != Rcode::bad_vers && query.has_question));
  require(std::ranges::equal(query.question.name.wire(), quick.name) && query.question.type == quick.type);
  require(query.question.klass == kClassIn && query.recursion_desired && query.opcode == 0 && query.id == quick.id);
  require(query.edns.has_value() == quick.edns && udp_limit(query) == udp_limit(quick));
  const CacheKey key{quick.name, quick.type, kClassIn, quick.dnssec_ok, quick.checking_disabled};
  require(same_bytes(key, CacheKey{key_of(query)}));
}

// An answer with one record, as the upstreams' are kept.
Bytes some_answer(const Query& query) {
  return write_local({.has_question = true, .question = query.question},
                     {.answers = {{query.question.name, query.question.type, 300, Bytes{192, 0, 2, 1}}}}, kMaxMessage);
}

void check_cache(std::span<const std::uint8_t> message, const Query& a, const Query& b) {
  static Cache cache{kMinCacheSize};
  const CacheKey first{key_of(a)}, second{key_of(b)};
  require(same_bytes(first, second) == same_question(a, b));
  const auto answer = some_answer(a);
  const auto freshness = freshness_of(answer, key_of(a));
  require(freshness.has_value());
  cache.put(first, answer, *freshness, 7, kNow);
  std::array<std::uint8_t, kMaxUdpReply> room{};
  require((cache.find(second, kNow, room).state == Cache::State::fresh) == (same_question(a, b) && !freshness->denies));
  QuickAnswers quick{cache};
  if (const auto prepared = quick.prepare(message)) {
    if (const auto size = quick.answer(*prepared, kNow, room)) {
      const auto told = std::span{room}.first(size);
      require(std::ranges::equal(told, write_forwarded(a, answer, udp_limit(a))) && size <= udp_limit(a));
    }
  }
  require(cache.clear() <= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vrouter::WireReader r{{data, size}};
  const auto first = r.take(r.u16());
  const auto second = r.rest();
  if (r.failed()) return 0;
  for (const auto message : {first, second}) {
    if (const auto quick = read_plain_query(message)) check_reading(message, *quick);
  }
  const auto a = decode_query(first), b = decode_query(second);
  if (a) check_cache(first, *a, b ? *b : *a);
  return 0;
}
