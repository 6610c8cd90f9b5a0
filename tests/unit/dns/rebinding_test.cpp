// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/rebinding.h"

#include <gtest/gtest.h>

#include "message.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using testing::count_of;
using testing::Message;
using testing::rcode_of;
using namespace std::string_literals;

Name name(std::string_view text) {
  return Name::from_text(text).value();
}
Bytes reply(unsigned type, std::string_view rdata) {
  return Message{}.header(1, 0x8180, 1, 1).question("evil.example", type).pointer(12).record(type, rdata).bytes;
}
bool denied(const Bytes& message, const RebindPolicy& policy = {}, std::string_view asked = "evil.example") {
  const auto other = instead_of_rebinding(message, name(asked), policy);
  return other && rcode_of(*other) == 3 && count_of(*other, 1) == 0 && count_of(*other, 2) == 1;
}
std::string hints(unsigned key, std::string_view value) {
  const auto bytes = Message{}
                         .u16(1)
                         .name("t.example")
                         .u16(1)
                         .u16(3)
                         .raw("\2h2")
                         .u16(key)
                         .u16(static_cast<unsigned>(value.size()))
                         .raw(value)
                         .bytes;
  return {bytes.begin(), bytes.end()};
}

TEST(DnsRebinding, AddressesThatLeadInside) {
  const RebindPolicy policy{.inside4 = {boost::asio::ip::make_network_v4("198.51.100.0/24")},
                            .inside6 = {boost::asio::ip::make_network_v6("2001:db8:5::/64")}};
  for (const auto* text :
       {"0.0.0.0",    "10.0.0.1",       "100.64.0.1",        "100.127.255.255",    "127.0.0.2",    "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.168.0.1",       "255.255.255.255",    "198.51.100.9", "::",
        "::1",        "::10.0.0.1",     "::ffff:8.8.8.8",    "::ffff:127.0.0.1",   "fe80::1",      "fec0::1",
        "fc00::1",    "fd76:7274:5::1", "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "2001:db8:5::9"}) {
    EXPECT_TRUE(leads_inside(make_address(text), policy)) << text;
  }
  for (const auto* text : {"8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255",
                           "172.32.0.0", "192.167.255.255", "192.169.0.0", "169.253.0.1", "198.51.101.1",
                           "2606:4700::1", "64:ff9b::8.8.8.8", "2001:db8:6::9"}) {
    EXPECT_FALSE(leads_inside(make_address(text), policy)) << text;
  }
}

TEST(DnsRebinding, RecordsOfEveryTypeThatHoldsAddresses) {
  EXPECT_TRUE(denied(reply(1, "\x0a\0\0\1"s)));
  EXPECT_FALSE(denied(reply(1, "\x08\x08\x08\x08"s)));
  EXPECT_TRUE(denied(reply(28, std::string(15, '\0') + '\1')));
  EXPECT_FALSE(denied(reply(28, "\x26\x06\x47\0\0\0\0\0\0\0\0\0\0\0\0\1"s)));
  for (const unsigned type : {64U, 65U}) {
    EXPECT_TRUE(denied(reply(type, hints(4, "\x08\x08\x08\x08\xc0\xa8\0\1"s)))) << type;
    EXPECT_FALSE(denied(reply(type, hints(4, "\x08\x08\x08\x08"s)))) << type;
    EXPECT_TRUE(denied(reply(type, hints(6, "\xfe\x80"s + std::string(14, '\1'))))) << type;
    EXPECT_TRUE(denied(reply(type, hints(4, "\x08\x08\x08"s)))) << type;   // cut off
    EXPECT_FALSE(denied(reply(type, hints(5, "\xc0\xa8\0\1"s)))) << type;  // no address
  }
  EXPECT_FALSE(denied(reply(16, "\x0a\0\0\1"s)));
  EXPECT_TRUE(denied(reply(1, "\x08\x08\x08"s)));
}

TEST(DnsRebinding, OneAddressOfManyAndBehindACname) {
  const auto message = Message{}
                           .header(1, 0x8180, 1, 3)
                           .question("evil.example")
                           .pointer(12)
                           .record(5, "\1a\xc0\x11"s)
                           .pointer(42)
                           .record(1, "\x08\x08\x08\x08")
                           .pointer(42)
                           .record(1, "\x7f\0\0\1"s)
                           .bytes;
  ASSERT_TRUE(denied(message));
  const auto other = instead_of_rebinding(message, name("evil.example"), {}).value();
  const auto question = Message{}.question("evil.example").bytes;
  EXPECT_TRUE(std::equal(question.begin(), question.end(), other.begin() + 12));
  const QuestionKey key{.name = name("evil.example"), .type = 1};
  EXPECT_TRUE(decode_reply(other, key, 1));  // well-formed: it goes where replies go
}

TEST(DnsRebinding, GlueThatLeadsInsideCostsTheAdditionalSectionAlone) {
  const auto message = Message{}
                           .header(1, 0x8180, 1, 1, 0, 1)
                           .question("good.example")
                           .pointer(12)
                           .record(1, "\x08\x08\x08\x08")
                           .name("ns.good.example")
                           .record(1, "\x0a\0\0\1"s)
                           .bytes;
  const auto other = instead_of_rebinding(message, name("good.example"), {}).value();
  EXPECT_EQ(rcode_of(other), 0U);
  EXPECT_EQ(count_of(other, 1), 1U);
  EXPECT_EQ(count_of(other, 3), 0U);
  EXPECT_TRUE(decode_reply(other, {.name = name("good.example"), .type = 1}, 1));
}

TEST(DnsRebinding, WhatTheOperatorAllows) {
  const auto message = reply(1, "\x0a\0\0\1"s);
  RebindPolicy policy{.allowed = {name("corp.example")}};
  EXPECT_FALSE(denied(message, policy, "a.CORP.example"));
  EXPECT_FALSE(denied(message, policy, "corp.example"));
  EXPECT_TRUE(denied(message, policy, "notcorp.example"));
  policy = {.protect = false};
  EXPECT_FALSE(denied(message, policy));
}

TEST(DnsRebinding, CutMessagesAreNeverPassedOn) {
  const auto whole = reply(1, "\x08\x08\x08\x08");
  EXPECT_FALSE(instead_of_rebinding(whole, name("evil.example"), {}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(instead_of_rebinding(std::span{whole}.first(size), name("evil.example"), {})) << size;
  }
}

struct FixedSource final : AnswerSource {
  Answer answer;
  void ask(const QuestionKey&, unsigned, Done done) override { done(answer); }
};

TEST(DnsRebinding, TheGuardLetsForwardZonesLeadInside) {
  UpstreamTable table;
  table.set({.servers = {}, .forward = {{"corp.example", {make_address("192.0.2.1")}}}}, {});
  FixedSource source;
  source.answer.message = std::make_shared<const Bytes>(reply(1, "\x0a\0\0\1"s));
  RebindGuard guard{source, table};
  Answer got;
  const auto ask = [&](std::string_view asked) {
    guard.ask({.name = name(asked), .type = 1}, 7, [&](const Answer& answer) { got = answer; });
    return rcode_of(*got.message);
  };
  EXPECT_EQ(ask("a.corp.example"), 0U);
  EXPECT_EQ(guard.refused(), 0U);
  EXPECT_EQ(ask("evil.example"), 3U);
  EXPECT_EQ(got.reason, Ede::blocked);
  EXPECT_EQ(guard.refused(), 1U);
  guard.set({.allowed = {name("evil.example")}});
  EXPECT_EQ(ask("evil.example"), 0U);
  source.answer = {.message = nullptr, .reason = Ede::network_error};
  guard.ask({.name = name("evil2.example"), .type = 1}, 7, [&](const Answer& answer) { got = answer; });
  EXPECT_FALSE(got.message);
  EXPECT_EQ(got.reason, Ede::network_error);
}

}  // namespace
}  // namespace vrouter::dns
