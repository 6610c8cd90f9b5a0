// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/cached_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "message.h"

namespace vrouter::dns {
namespace {

using testing::Message;
using namespace std::chrono_literals;

struct Upstream final : AnswerSource {
  std::vector<std::pair<QuestionKey, Done>> asked;
  void ask(const QuestionKey& key, unsigned, Done done) override { asked.emplace_back(key, std::move(done)); }
};

QuestionKey www() {
  return {.name = *Name::from_text("www.example"), .type = 1};
}
Bytes address_of_www(unsigned ttl, unsigned rcode = 0) {
  return Message{}.header(1, 0x8180 | rcode, 1, 1).question("www.example").pointer(12).record(1, "abcd", ttl).bytes;
}
Answer answer(Bytes message) {
  return {.message = std::make_shared<const Bytes>(std::move(message)), .reason = {}};
}

class DnsCachedSource : public ::testing::Test {
 protected:
  // What each asker was told so far.
  void ask() {
    const auto place = told.size();
    told.emplace_back();
    source.ask(www(), 7, [this, place](const Answer& a) { told.at(place) = a; });
  }
  void upstream_says(const Answer& a) {
    ASSERT_FALSE(upstream.asked.empty());
    const auto done = std::move(upstream.asked.back().second);
    upstream.asked.pop_back();
    done(a);
  }
  // As if it had been asked for so long ago.
  void keep_since(std::chrono::seconds ago, unsigned ttl) {
    const auto message = address_of_www(ttl);
    cache.put(CacheKey{www()}, message, freshness_of(message, www()).value(), 7, BootClock::now() - ago);
  }
  [[nodiscard]] std::optional<Answer> known() { return source.known(www(), BootClock::now()); }
  void run_for(std::chrono::milliseconds time) {
    io.restart();
    io.run_for(time);
  }

  boost::asio::io_context io;
  Upstream upstream;
  Cache cache{kMinCacheSize};
  CachedSource source{io, upstream, cache};
  std::vector<std::optional<Answer>> told;
};

TEST_F(DnsCachedSource, AsksOnceForAllAndThenKnows) {
  EXPECT_FALSE(known());
  ask();
  ask();
  ASSERT_EQ(upstream.asked.size(), 1U);
  upstream_says(answer(address_of_www(300)));
  for (const auto& one : told) {
    ASSERT_TRUE(one && one->message);
    EXPECT_EQ(*one->message, address_of_www(300));
  }
  ASSERT_TRUE(known());
  EXPECT_EQ(known()->message->size(), address_of_www(300).size());
}

TEST_F(DnsCachedSource, TheFirstIsToldWhatAllLaterOnesAre) {
  ask();
  upstream_says(answer(address_of_www(1'000'000)));
  EXPECT_EQ(*told[0]->message, address_of_www(86'400));
}

TEST_F(DnsCachedSource, TtlZeroIsSharedAndNotKept) {
  ask();
  ask();
  upstream_says(answer(address_of_www(0)));
  EXPECT_EQ(*told[1]->message, address_of_www(0));
  EXPECT_FALSE(known());
}

TEST_F(DnsCachedSource, AFailureIsRememberedForSeconds) {
  ask();
  upstream_says({.message = nullptr, .reason = Ede::no_reachable_authority});
  ASSERT_TRUE(told[0]);
  EXPECT_EQ(told[0]->message, nullptr);
  ASSERT_TRUE(known());
  EXPECT_EQ(known()->reason, Ede::no_reachable_authority);
  EXPECT_FALSE(source.known(www(), BootClock::now() + kFailureTtl));
  source.start_over();
  EXPECT_FALSE(known());
}

TEST_F(DnsCachedSource, AServersRefusalIsAFailureToo) {
  ask();
  upstream_says(answer(address_of_www(300, 5)));
  ASSERT_TRUE(told[0] && told[0]->message);
  EXPECT_EQ(cache.statistics().entries, 0U);
  EXPECT_TRUE(known());
  EXPECT_FALSE(source.known(www(), BootClock::now() + kFailureTtl));
}

// Thousands are remembered, and a server may fill each with 64 KiB.
TEST_F(DnsCachedSource, OfAFailureNothingIsKeptButItsCode) {
  ask();
  Message large;
  large.header(1, 0x8185, 1, 1000).question("www.example");
  for (int i = 0; i < 1000; ++i) large.pointer(12).record(1, "abcd", 0xffffffff);
  upstream_says(answer(large.bytes));
  const auto bare = Message{}.header(1, 0x8185, 1).question("www.example").bytes;
  EXPECT_EQ(*told[0]->message, bare);
  EXPECT_EQ(*known()->message, bare);
}

TEST_F(DnsCachedSource, WhatIsNotKeptIsToldForADayAtMost) {
  const auto two = [](unsigned first, unsigned second) {
    return Message{}
        .header(1, 0x8180, 1, 2)
        .question("www.example")
        .pointer(12)
        .record(1, "abcd", first)
        .pointer(12)
        .record(1, "abce", second)
        .bytes;
  };
  for (const bool changed : {false, true}) {
    ask();
    if (changed) source.start_over();
    upstream_says(answer(two(0, 0xffffffff)));
    EXPECT_EQ(*told.back()->message, two(0, 86'400)) << changed;
  }
  EXPECT_FALSE(known());
}

TEST_F(DnsCachedSource, FailuresAreBounded) {
  for (std::size_t i = 0; i < kMaxFailures + 100; ++i) {
    const QuestionKey key{.name = *Name::from_text(std::to_string(i) + ".example"), .type = 1};
    source.ask(key, 7, [](const Answer&) {});
    upstream_says({.message = nullptr, .reason = {}});
  }
  const QuestionKey first{.name = *Name::from_text("0.example"), .type = 1};
  EXPECT_FALSE(source.known(first, BootClock::now()));
}

TEST_F(DnsCachedSource, AFailureIsAnsweredWithWhatWasTrue) {
  keep_since(200s, 100);
  EXPECT_FALSE(known()) << "a better one may come";
  ask();
  upstream_says({.message = nullptr, .reason = Ede::no_reachable_authority});
  ASSERT_TRUE(told[0] && told[0]->message);
  EXPECT_EQ(told[0]->reason, Ede::stale_answer);
  EXPECT_EQ(*told[0]->message, address_of_www(kStaleTtl));
  ASSERT_TRUE(known()) << "nobody is asked again before the recheck";
  EXPECT_EQ(known()->reason, Ede::stale_answer);
  EXPECT_FALSE(source.known(www(), BootClock::now() + kStaleRecheck));
  EXPECT_GE(source.stale(), 2U);
}

TEST_F(DnsCachedSource, ASlowServerIsAnsweredForAndItsAnswerKept) {
  keep_since(200s, 100);
  ask();
  run_for(kStaleAfter - 300ms);
  EXPECT_FALSE(told[0]);
  run_for(600ms);
  ASSERT_TRUE(told[0]);
  EXPECT_EQ(told[0]->reason, Ede::stale_answer);
  ask();
  EXPECT_TRUE(told[1]) << "who asks meanwhile need not wait";
  ASSERT_EQ(upstream.asked.size(), 1U);
  upstream_says(answer(address_of_www(300)));
  ASSERT_TRUE(known());
  EXPECT_FALSE(known()->reason);
}

// A forward zone came, or a VPN's servers: what the old ones still say is no longer to be told.
TEST_F(DnsCachedSource, WhatWasAskedForBeforeAChangeIsToldAndNotKept) {
  ask();
  source.start_over();
  upstream_says(answer(address_of_www(300)));
  ASSERT_TRUE(told[0] && told[0]->message);
  EXPECT_FALSE(known());
  ask();
  source.start_over();
  upstream_says({.message = nullptr, .reason = Ede::no_reachable_authority});
  EXPECT_FALSE(known()) << "that the old servers failed says nothing of the new";
}

TEST_F(DnsCachedSource, WhoIsToldMayAskAgain) {
  source.ask(www(), 7, [this](const Answer&) { ask(); });
  upstream_says({.message = nullptr, .reason = {}});
  EXPECT_EQ(upstream.asked.size(), 1U);
}

TEST_F(DnsCachedSource, AnAnswerAfterItsEndFindsNobody) {
  auto other = std::make_unique<CachedSource>(io, upstream, cache);
  other->ask(www(), 7, [](const Answer&) { FAIL(); });
  other.reset();
  upstream_says(answer(address_of_www(300)));
}

}  // namespace
}  // namespace vrouter::dns
