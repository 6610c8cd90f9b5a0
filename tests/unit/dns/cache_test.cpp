// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/cache.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "message.h"

namespace vrouter::dns {
namespace {

using testing::Message;
using namespace std::chrono_literals;

constexpr BootTime kNow{1h};

QuestionKey question(std::string_view name, std::uint16_t type = 1) {
  return {.name = *Name::from_text(name), .type = type};
}

class DnsCache : public ::testing::Test {
 protected:
  Bytes put(Cache& to, std::string_view name, unsigned owner = 7, unsigned ttl = 100, BootTime now = kNow,
            std::size_t size = 4) {
    const auto message =
        Message{}.header(1, 0x8180, 1, 1).question(name).pointer(12).record(1, std::string(size, 'x'), ttl).bytes;
    const auto key = question(name);
    to.put(CacheKey{key}, message, freshness_of(message, key).value(), owner, now);
    return message;
  }
  Cache::State state(Cache& of, std::string_view name, BootTime now = kNow) {
    return of.find(CacheKey{question(name)}, now, room_).state;
  }
  std::uint32_t ttl(const Bytes& message) const {
    WireReader r{std::span{room_}.subspan(message.size() - 4 - 6)};
    return r.u32();
  }

  std::array<std::uint8_t, 2048> room_{};
  Cache cache{kMinCacheSize};
};

TEST_F(DnsCache, TellsWhatItWasGivenWithWhatIsLeftOfItsTime) {
  const auto message = put(cache, "www.example");
  const auto found = cache.find(CacheKey{question("www.example")}, kNow + 30s + 1ms, room_);
  EXPECT_EQ(found.state, Cache::State::fresh);
  ASSERT_EQ(found.size, message.size());
  EXPECT_EQ(ttl(message), 70U);
  auto expected = message;
  set_ttls(expected, freshness_of(message, question("www.example"))->ttls, 70);
  EXPECT_TRUE(std::ranges::equal(std::span{room_}.first(found.size), expected));
}

TEST_F(DnsCache, AnotherQuestionIsAnotherAnswer) {
  put(cache, "www.example");
  auto key = question("www.example");
  EXPECT_EQ(cache.find(CacheKey{question("www.example", 28)}, kNow, room_).state, Cache::State::none);
  key.dnssec_ok = true;
  EXPECT_EQ(cache.find(CacheKey{key}, kNow, room_).state, Cache::State::none);
  key = question("www.example");
  key.checking_disabled = true;
  EXPECT_EQ(cache.find(CacheKey{key}, kNow, room_).state, Cache::State::none);
  EXPECT_EQ(state(cache, "ww.example"), Cache::State::none);
  const auto upper = *Name::from_text("WWW.eXample");
  EXPECT_EQ(cache.find(CacheKey{upper.wire(), 1, 1, false, false}, kNow, room_).state, Cache::State::fresh);
}

TEST_F(DnsCache, PastItsTimeItIsStaleForADay) {
  const auto message = put(cache, "www.example");
  EXPECT_EQ(state(cache, "www.example", kNow + 99s), Cache::State::fresh);
  EXPECT_EQ(state(cache, "www.example", kNow + 100s), Cache::State::stale);
  EXPECT_EQ(ttl(message), kStaleTtl);
  EXPECT_EQ(state(cache, "www.example", kNow + 100s + kMaxStale), Cache::State::none);
}

TEST_F(DnsCache, TheNewerAnswerTakesTheOldOnesPlace) {
  put(cache, "www.example", 7, 100);
  put(cache, "www.example", 8, 50);
  EXPECT_EQ(cache.statistics().entries, 1U);
  EXPECT_EQ(state(cache, "www.example", kNow + 60s), Cache::State::stale);
  put(cache, "www.example", 8, 0);
  EXPECT_EQ(cache.statistics().entries, 0U) << "an answer that may not be kept says that the old one is wrong";
}

TEST_F(DnsCache, ARoomTooSmallIsSaid) {
  put(cache, "www.example", 7, 100, kNow, 1000);
  const auto found = cache.find(CacheKey{question("www.example")}, kNow, std::span{room_}.first(512));
  EXPECT_EQ(found.state, Cache::State::too_long);
  EXPECT_GT(found.size, 1000U);
}

TEST_F(DnsCache, WhatIsTooLongIsNotKept) {
  put(cache, "www.example", 7, 100, kNow, kMaxCached);
  EXPECT_EQ(cache.statistics().entries, 0U);
}

TEST_F(DnsCache, StaysWithinItsBytes) {
  for (int i = 0; i < 20'000; ++i) put(cache, std::to_string(i) + ".example", static_cast<unsigned>(i % 50));
  const auto all = cache.statistics();
  EXPECT_LE(all.bytes, kMinCacheSize);
  EXPECT_GT(all.bytes, kMinCacheSize * 9 / 10);
  EXPECT_EQ(all.entries + all.evicted, 20'000U);
}

TEST_F(DnsCache, WhoAsksForEverythingLosesHisOwn) {
  for (int i = 0; i < 100; ++i) put(cache, std::to_string(i) + ".honest", 1);
  for (int i = 0; i < 50'000; ++i) put(cache, std::to_string(i) + ".flood", 2);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(state(cache, std::to_string(i) + ".honest"), Cache::State::fresh) << i;
  EXPECT_EQ(state(cache, "0.flood"), Cache::State::none);
  EXPECT_EQ(state(cache, "49999.flood"), Cache::State::fresh);
}

TEST_F(DnsCache, WhatIsAskedForStays) {
  put(cache, "popular.example", 2);
  for (int i = 0; i < 50'000; ++i) {
    put(cache, std::to_string(i) + ".flood", 2);
    if (i % 100 == 0) ASSERT_EQ(state(cache, "popular.example"), Cache::State::fresh) << i;
  }
}

TEST_F(DnsCache, ANameIsForgottenWithAllItsTypes) {
  put(cache, "www.example");
  put(cache, "www2.example");
  const auto key = question("www.example", 28);
  const auto message = Message{}.header(1, 0x8180, 1, 1).question("www.example", 28).pointer(12).record(28, "x").bytes;
  cache.put(CacheKey{key}, message, freshness_of(message, key).value(), 7, kNow);
  EXPECT_EQ(cache.erase(key.name.wire()), 2U);
  EXPECT_EQ(state(cache, "www.example"), Cache::State::none);
  EXPECT_EQ(state(cache, "www2.example"), Cache::State::fresh);
  EXPECT_EQ(cache.clear(), 1U);
  EXPECT_EQ(cache.statistics().entries, 0U);
}

// The table is part of what is bounded: that of the largest cache would leave the smallest no room.
TEST_F(DnsCache, AnotherLimitHasATableOfItsOwn) {
  Cache large{config::kMaxDnsCache};
  put(large, "www.example");
  large.set_limit(kMinCacheSize);
  EXPECT_EQ(large.statistics().entries, 0U);
  for (int i = 0; i < 10'000; ++i) {
    put(large, std::to_string(i) + ".example");
    put(cache, std::to_string(i) + ".example");
  }
  EXPECT_LE(large.statistics().bytes, kMinCacheSize);
  EXPECT_EQ(large.statistics().entries, cache.statistics().entries);
  EXPECT_GT(large.statistics().entries, 1000U);
  large.set_limit(kMinCacheSize);
  EXPECT_EQ(state(large, "9999.example"), Cache::State::fresh) << "nothing changed";
}

// Under TSan this says more.
TEST_F(DnsCache, IsReadWhileItIsWritten) {
  std::atomic<bool> over = false;
  std::atomic<unsigned> wrong = 0;
  const auto read = [&](unsigned seed) {
    std::minstd_rand random{seed};
    std::array<std::uint8_t, 512> room{};
    while (!over) {
      const auto name = std::to_string(random() % 3000) + ".example";
      const auto key = question(name);
      const auto found = cache.find(CacheKey{key}, kNow, room);
      if (found.state != Cache::State::fresh) continue;
      const auto message = std::span{room}.first(found.size);
      if (!std::ranges::equal(message.subspan(12, key.name.size()), key.name.wire())) ++wrong;
    }
  };
  std::thread one{read, 1U}, two{read, 2U};
  for (unsigned i = 0; i < 40'000; ++i) put(cache, std::to_string(i * 7 % 3000) + ".example", i % 5, 100, kNow, i % 90);
  over = true;
  one.join();
  two.join();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace vrouter::dns
