// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/freshness.h"

#include <gtest/gtest.h>

#include "message.h"

namespace vrouter::dns {
namespace {

using testing::Message;
using namespace std::chrono_literals;

constexpr unsigned kReply = 0x8180;

QuestionKey key(std::string_view name, std::uint16_t type = 1) {
  return {.name = *Name::from_text(name), .type = type};
}

std::string soa_data(std::uint32_t minimum) {
  std::string data(2 + 16, '\0');  // root as server and mailbox, then serial, refresh, retry, expire
  for (int i = 3; i >= 0; --i) data += static_cast<char>(minimum >> (8 * i));
  return data;
}

Freshness of(const Message& message, const QuestionKey& question) {
  const auto freshness = freshness_of(message.bytes, question);
  EXPECT_TRUE(freshness);
  return freshness.value_or(Freshness{});
}

TEST(DnsFreshness, AMessageLivesAsLongAsItsShortestRecord) {
  const auto message = Message{}
                           .header(1, kReply, 1, 2, 1)
                           .question("www.example")
                           .pointer(12)
                           .record(1, "abcd", 300)
                           .pointer(12)
                           .record(1, "abce", 60)
                           .pointer(16)
                           .record(2, std::string_view{"\0", 1}, 20);
  const auto freshness = of(message, key("www.example"));
  EXPECT_EQ(freshness.lifetime, 20s);
  EXPECT_FALSE(freshness.denies);
  ASSERT_EQ(freshness.ttls.size(), 3U);
  auto bytes = message.bytes;
  set_ttls(bytes, freshness.ttls, 7);
  EXPECT_EQ(of({bytes}, key("www.example")).lifetime, 7s);
}

TEST(DnsFreshness, LargeOnesAreCutAndTheTopBitIsLarge) {
  for (const unsigned ttl : {86'401U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    const auto message = Message{}.header(1, kReply, 1, 1).question("a.example").pointer(12).record(1, "abcd", ttl);
    EXPECT_EQ(of(message, key("a.example")).lifetime, kMaxTtl) << ttl;
  }
}

TEST(DnsFreshness, ZeroIsForThoseWhoAskedAlready) {
  const auto message = Message{}.header(1, kReply, 1, 1).question("a.example").pointer(12).record(1, "abcd", 0);
  EXPECT_EQ(of(message, key("a.example")).lifetime, 0s);
}

// RFC 2308 section 5, RFC 6604 section 3.
TEST(DnsFreshness, ADenialLivesAsItsSoaSays) {
  for (const unsigned rcode : {0U, 3U}) {
    const auto denial = [&](std::uint32_t ttl, std::uint32_t minimum) {
      const auto message = Message{}
                               .header(1, kReply | rcode, 1, 0, 1)
                               .question("no.example")
                               .pointer(15)
                               .record(6, soa_data(minimum), ttl);
      const auto freshness = of(message, key("no.example"));
      EXPECT_TRUE(freshness.denies);
      return freshness.lifetime;
    };
    EXPECT_EQ(denial(60, 300), 60s);
    EXPECT_EQ(denial(300, 30), 30s);
    EXPECT_EQ(denial(86'400, 86'400), kMaxNegativeTtl);
    const auto without = Message{}.header(1, kReply | rcode, 1).question("no.example");
    EXPECT_EQ(of(without, key("no.example")).lifetime, 0s) << "no SOA: not to be kept";
  }
}

TEST(DnsFreshness, AChainThatEndsInNothingDenies) {
  const auto cname = Message{}
                         .header(1, kReply, 1, 1, 1)
                         .question("www.example")
                         .pointer(12)
                         .record(5, std::string_view{"\1a\xc0\x10", 4}, 500)
                         .pointer(16)
                         .record(6, soa_data(40), 400);
  EXPECT_TRUE(of(cname, key("www.example")).denies);
  EXPECT_EQ(of(cname, key("www.example")).lifetime, 40s);
  EXPECT_FALSE(of(cname, key("www.example", type::cname)).denies) << "the CNAME was what was asked for";
}

TEST(DnsFreshness, WhatFailedIsNotKept) {
  const auto message = Message{}.header(1, kReply | 2, 1, 1).question("a.example").pointer(12).record(1, "abcd", 300);
  EXPECT_EQ(of(message, key("a.example")).lifetime, 0s);
}

TEST(DnsFreshness, GarbageIsNoAnswer) {
  const auto whole = Message{}.header(1, kReply, 1, 1).question("a.example").pointer(12).record(1, "abcd").bytes;
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(freshness_of(std::span{whole}.first(size), key("a.example"))) << size;
}

}  // namespace
}  // namespace vrouter::dns
