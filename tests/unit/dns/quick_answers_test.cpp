// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/quick_answers.h"

#include <gtest/gtest.h>

#include <random>

#include "message.h"

namespace vrouter::dns {
namespace {

using testing::ask;
using testing::Message;
using namespace std::chrono_literals;

constexpr BootTime kNow{1h};

class DnsQuickAnswers : public ::testing::Test {
 protected:
  void keep(std::string_view name, std::size_t size = 4, bool dnssec_ok = false, bool checking_disabled = false) {
    const QuestionKey key{.name = Name::from_text(name)->lower(),
                          .type = 1,
                          .dnssec_ok = dnssec_ok,
                          .checking_disabled = checking_disabled};
    message_ = Message{}.header(9, 0x8180, 1, 1).question(name).pointer(12).record(1, std::string(size, 'x'), 50).bytes;
    cache_.put(CacheKey{key}, message_, freshness_of(message_, key).value(), 7, kNow);
  }
  // Empty: it is the QueryHandler's to answer.
  Bytes answer(const Bytes& query) {
    std::array<std::uint8_t, kMaxUdpReply> room{};
    const auto prepared = quick_.prepare(query);
    if (!prepared) return {};
    quick_.find_soon(*prepared);
    const auto size = quick_.answer(*prepared, kNow, room);
    return {room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size)};
  }
  // What the QueryHandler would send.
  [[nodiscard]] Bytes long_way(const Bytes& query) const {
    const auto decoded = decode_query(query).value();
    return write_forwarded(decoded, message_, udp_limit(decoded));
  }

  Cache cache_{kMinCacheSize};
  QuickAnswers quick_{cache_};
  Bytes message_;
};

Bytes with_opt(unsigned udp_size, unsigned ttl = 0, std::string_view options = {}, unsigned flags = 0x100) {
  return Message{}.header(5, flags, 1, 0, 0, 1).question("www.example").opt(udp_size, ttl, options).bytes;
}

TEST_F(DnsQuickAnswers, IsTheAnswerOfTheLongWay) {
  keep("www.example");
  for (const auto& query : {ask("www.example"), ask("wWw.EXAMPLE"), with_opt(1232), with_opt(0), with_opt(65535),
                            with_opt(1232, 0, std::string_view{"\0\x0a\0\2ab", 6}), ask("www.example", 1, 7, 0x120)}) {
    ASSERT_FALSE(answer(query).empty());
    EXPECT_EQ(answer(query), long_way(query));
  }
  EXPECT_GT(quick_.answered(), 0U);
}

TEST_F(DnsQuickAnswers, DnssecAndCheckingDisabledAreQuestionsOfTheirOwn) {
  keep("www.example");
  EXPECT_TRUE(answer(with_opt(1232, 0x8000)).empty());
  EXPECT_TRUE(answer(ask("www.example", 1, 7, 0x110)).empty());
  keep("www.example", 4, true, true);
  const auto both = with_opt(1232, 0x8000, {}, 0x110);
  EXPECT_EQ(answer(both), long_way(both));
}

TEST_F(DnsQuickAnswers, LeavesTheUnusualAlone) {
  keep("www.example");
  keep("web1");
  EXPECT_TRUE(answer(ask("web1")).empty()) << "may be a guest's name";
  EXPECT_TRUE(answer(ask("")).empty());
  for (const unsigned flags : {0x0000U, 0x8100U, 0x0900U, 0x0300U, 0x0140U})
    EXPECT_TRUE(answer(ask("www.example", 1, 7, flags)).empty()) << flags;
  EXPECT_TRUE(answer(Message{}.header(1, 0x100, 1).question("www.example", 1, 3).bytes).empty());
  EXPECT_TRUE(answer(with_opt(1232, 0x10000)).empty()) << "EDNS version 1 gets BADVERS";
  EXPECT_TRUE(answer(with_opt(1232, 0, "abc")).empty());
  EXPECT_TRUE(answer(Message{}.header(1, 0x100, 2).question("www.example").question("www.example").bytes).empty());
  EXPECT_TRUE(answer(Message{}.header(1, 0x100, 1).pointer(12).u16(1).u16(1).bytes).empty());
}

TEST_F(DnsQuickAnswers, WhatTheClientCannotTakeIsTruncatedElsewhere) {
  keep("www.example", 700);
  EXPECT_TRUE(answer(ask("www.example")).empty());
  EXPECT_TRUE(answer(with_opt(512)).empty());
  EXPECT_EQ(answer(with_opt(1232)), long_way(with_opt(1232)));
}

// The quick way and the long one read alike, whatever comes.
TEST_F(DnsQuickAnswers, ReadsAsTheDecoderDoes) {
  std::minstd_rand random{7};
  unsigned plain = 0;
  for (int i = 0; i < 200'000; ++i) {
    auto query = i % 2 == 0 ? ask("www.example") : with_opt(1232, 0x8000, std::string_view{"\0\x0a\0\2ab", 6});
    for (unsigned n = random() % 3; n > 0; --n) query[random() % query.size()] = static_cast<std::uint8_t>(random());
    if (random() % 4 == 0) query.resize(random() % query.size());
    const auto quick = read_plain_query(query);
    if (!quick) continue;
    ++plain;
    const auto whole = decode_query(query);
    if (!whole) {  // AXFR and other types that no cache ever holds
      EXPECT_EQ(whole.error().query.question.type, quick->type);
      continue;
    }
    EXPECT_TRUE(std::ranges::equal(whole->question.name.wire(), quick->name));
    EXPECT_EQ(whole->question.type, quick->type);
    EXPECT_EQ(whole->edns.has_value(), quick->edns);
    EXPECT_EQ(udp_limit(*whole), udp_limit(*quick));
    EXPECT_EQ(key_of(*whole), (QuestionKey{.name = whole->question.name.lower(),
                                           .type = quick->type,
                                           .dnssec_ok = quick->dnssec_ok,
                                           .checking_disabled = quick->checking_disabled}));
  }
  EXPECT_GT(plain, 10'000U);
}

}  // namespace
}  // namespace vrouter::dns
