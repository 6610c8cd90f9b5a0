// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/presentation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/address.hpp>

#include "message.h"

namespace vrouter::dns {
namespace {

using ::testing::IsEmpty;
using testing::Message;
using ::testing::SizeIs;

constexpr std::uint16_t kId = 7;

QuestionKey question(std::string_view name, std::uint16_t type) {
  return {.name = *Name::from_text(name), .type = type};
}

// What is said of a record of `type` with `rdata`, of a name that the question's place is pointed at.
std::string text_of(std::uint16_t type, std::string_view rdata) {
  Message message;
  message.header(kId, 0x8180, 1, 1).question("www.example", type);
  message.u16(0xc00c).u16(type).u16(1).u32(300).u16(static_cast<unsigned>(rdata.size())).raw(rdata);
  const auto reply = read_reply(message.bytes, question("www.example", type), kId);
  if (!reply || reply->answers.size() != 1) return "no such reply";
  EXPECT_EQ(reply->answers[0].owner, "www.example.");
  EXPECT_EQ(reply->answers[0].ttl, 300U);
  return reply->answers[0].data;
}

std::string_view operator""_b(const char* text, std::size_t size) {
  return {text, size};
}

TEST(Presentation, TypesByNameAndNumber) {
  EXPECT_EQ(parse_type("aaaa"), 28);
  EXPECT_EQ(parse_type("HTTPS"), 65);
  EXPECT_EQ(parse_type("TYPE65280"), 65280);
  EXPECT_EQ(parse_type("type1"), 1);
  for (const auto* wrong : {"", "AAA", "TYPE", "TYPE65536", "TYPE-1", "TYPE1x", "28"})
    EXPECT_FALSE(parse_type(wrong)) << wrong;
  EXPECT_EQ(type_text(15), "MX");
  EXPECT_EQ(type_text(65280), "TYPE65280");
  EXPECT_EQ(rcode_text(3), "NXDOMAIN");
  EXPECT_EQ(ede_text(15), "Blocked");
}

TEST(Presentation, AddressesHaveNamesOfTheirOwn) {
  const auto of = [](const char* text) { return reverse_name(boost::asio::ip::make_address(text)).to_text(); };
  EXPECT_EQ(of("10.0.5.2"), "2.5.0.10.in-addr.arpa.");
  EXPECT_EQ(of("2001:db8::9"), "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.");
}

TEST(Presentation, DataOfEachType) {
  EXPECT_EQ(text_of(type::a, "\xc0\x00\x02\x50"_b), "192.0.2.80");
  EXPECT_EQ(text_of(type::aaaa, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"_b), "2001:db8::1");
  EXPECT_EQ(text_of(type::cname, "\x03web\xc0\x10"_b), "web.example.");
  EXPECT_EQ(text_of(type::mx, "\0\x0a\x04mail\xc0\x10"_b), "10 mail.example.");
  EXPECT_EQ(text_of(type::srv,
                    "\0\x01\0\x02\x01\x85\x02"
                    "dc\xc0\x10"_b),
            "1 2 389 dc.example.");
  EXPECT_EQ(text_of(type::txt,
                    "\x03"
                    "a\"b\x02\x07\\"_b),
            R"("a\"b" "\007\\")");
  EXPECT_EQ(text_of(type::soa, "\x02ns\xc0\x10\x01h\xc0\x10\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05"_b),
            "ns.example. h.example. 1 2 3 4 5");
}

TEST(Presentation, WhatIsUnknownOrMalformedIsShownByByte) {
  EXPECT_EQ(text_of(65280, "\x0a\xff"_b), "\\# 2 0aff");
  EXPECT_EQ(text_of(65280, {}), "\\# 0");
  EXPECT_EQ(text_of(type::https, "\0\x01\0"_b), "\\# 3 000100");
  EXPECT_EQ(text_of(type::a, "\x01\x02\x03"_b), "\\# 3 010203") << "too short";
  EXPECT_EQ(text_of(type::a, "\x01\x02\x03\x04\x05"_b), "\\# 5 0102030405") << "too long";
  EXPECT_EQ(text_of(type::cname, "\xc0\xff"_b), "\\# 2 c0ff") << "a pointer to nowhere";
  EXPECT_EQ(text_of(type::txt,
                    "\x05"
                    "ab"_b),
            "\\# 3 056162");
}

TEST(Presentation, OfTheReplyAndItsErrors) {
  Message message;
  message.header(kId, 0x8183, 1, 0, 1, 1).question("WWW.example");
  message.u16(0xc010).u16(6).u16(1).u32(60).u16(22).u16(0).raw("\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"_b);
  message.u8(0).u16(41).u16(1232).u32(0x01000000).u16(15);
  message.u16(10).u16(2).u16(0).u16(15).u16(5).u16(15).raw("ads");
  const auto reply = read_reply(message.bytes, question("www.example", 1), kId);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->rcode, 0x13U) << "with the OPT record's part";
  EXPECT_FALSE(reply->truncated);
  EXPECT_THAT(reply->answers, IsEmpty());
  ASSERT_THAT(reply->authority, SizeIs(1));
  EXPECT_EQ(reply->authority[0].owner, "example.");
  ASSERT_THAT(reply->errors, SizeIs(1));
  EXPECT_EQ(reply->errors[0], (ReadError{15, "ads"}));
}

TEST(Presentation, NothingOfAnotherQuestionsReply) {
  Message message;
  message.header(kId, 0x8180, 1, 0).question("www.example");
  EXPECT_TRUE(read_reply(message.bytes, question("www.example", 1), kId));
  EXPECT_FALSE(read_reply(message.bytes, question("www.example", 1), kId + 1));
  EXPECT_FALSE(read_reply(message.bytes, question("www.example", 28), kId));
  EXPECT_FALSE(read_reply(message.bytes, question("ww.example", 1), kId));
  for (std::size_t size = 0; size < message.bytes.size(); ++size)
    EXPECT_FALSE(read_reply(std::span{message.bytes}.first(size), question("www.example", 1), kId)) << size;
  message.bytes[2] = 0x01;
  EXPECT_FALSE(read_reply(message.bytes, question("www.example", 1), kId)) << "a question";
  message.bytes[2] = 0x81;
  message.bytes[7] = 1;
  EXPECT_FALSE(read_reply(message.bytes, question("www.example", 1), kId)) << "an answer that isn't there";
}

}  // namespace
}  // namespace vrouter::dns
