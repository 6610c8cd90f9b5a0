// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "message.h"

namespace vrouter::dns {
namespace {

using testing::ask;
using testing::count_of;
using testing::Message;
using testing::rcode_of;
using testing::u16_at;

Name name(std::string_view text) {
  return Name::from_text(text).value();
}
QuestionKey key(std::string_view text, std::uint16_t type = 1) {
  return {.name = name(text), .type = type};
}

Rejection rejection(const Bytes& bytes) {
  const auto query = decode_query(bytes);
  EXPECT_FALSE(query);
  return query ? Rejection{.silent = false, .rcode = Rcode::no_error} : query.error();
}

TEST(DnsName, TextGoesThereAndBack) {
  EXPECT_EQ(name("web1.Guests.internal").to_text(), "web1.Guests.internal.");
  EXPECT_EQ(name("web1.guests.internal.").to_text(), "web1.guests.internal.");
  EXPECT_EQ(name(".").to_text(), ".");
  EXPECT_FALSE(Name::from_text(""));
  EXPECT_FALSE(Name::from_text("a..b"));
  EXPECT_TRUE(Name::from_text(std::string(63, 'a')));
  EXPECT_FALSE(Name::from_text(std::string(64, 'a')));
}

TEST(DnsName, HoldsAtMost255Bytes) {
  const std::string label(61, 'x');  // 62 on the wire
  const auto four = label + "." + label + "." + label + "." + label;
  EXPECT_EQ(name(four + ".abcde").size(), 255);
  EXPECT_FALSE(Name::from_text(four + ".abcdef"));
  EXPECT_TRUE(name("abcde").below(name(four)));
  EXPECT_FALSE(name("abcdef").below(name(four)));
}

TEST(DnsName, ZonesAreComparedByLabelsAndWithoutCase) {
  EXPECT_TRUE(name("WEB1.guests.INTERNAL").is_within(name("Guests.internal")));
  EXPECT_TRUE(name("guests.internal").is_within(name("guests.internal")));
  EXPECT_FALSE(name("xguests.internal").is_within(name("guests.internal")));
  EXPECT_FALSE(name("internal").is_within(name("guests.internal")));
  EXPECT_TRUE(name("a").is_within(Name{}));
  EXPECT_EQ(name("a.b.c").parent().to_text(), "b.c.");
  EXPECT_EQ(name("A.b").lower().to_text(), "a.b.");
}

TEST(DnsName, APointerMustLeadBackwards) {
  const auto decode = [](const Bytes& bytes, std::size_t at) {
    WireReader r{std::span{bytes}.subspan(at)};
    return Name::decode(bytes, r);
  };
  auto m = Message{}.header(0, 0, 0).name("b.c").u8(1).raw("a").pointer(12);  // "a" at 17
  EXPECT_EQ(decode(m.bytes, 17).value().to_text(), "a.b.c.");
  EXPECT_FALSE(decode(Message{}.header(0, 0, 0).pointer(12).bytes, 12));                 // itself
  EXPECT_FALSE(decode(Message{}.header(0, 0, 0).u8(1).raw("a").pointer(12).bytes, 12));  // its own start: endless
  EXPECT_FALSE(decode(Message{}.header(0, 0, 0).pointer(14).name("a").bytes, 12));       // forwards
  EXPECT_FALSE(decode(Message{}.header(0, 0, 0).pointer(4).bytes, 12));                  // the header
  EXPECT_FALSE(decode(Message{}.header(0, 0, 0).u8(0x41).raw("a").u8(0).bytes, 12));     // withdrawn label type
  EXPECT_FALSE(decode(Message{}.header(0, 0, 0).u8(5).raw("ab").bytes, 12));             // cut off
}

TEST(DnsName, WhatIsPointedToEndsBeforeThePointer) {
  // At 13 a label of three bytes begins whose end lies behind the pointer at 14.
  const auto m = Message{}.header(0, 0, 0).u8(0).u8(3).pointer(13).u8('x').u8(0);
  WireReader r{std::span{m.bytes}.subspan(14)};
  EXPECT_FALSE(Name::decode(m.bytes, r));
}

TEST(DnsName, LongChainsOfPointersAreRefused) {
  auto m = Message{}.header(0, 0, 0).name("a");  // 12..14
  unsigned target = 12;
  for (int i = 0; i < 200; ++i) {
    const auto at = static_cast<unsigned>(m.bytes.size());
    m.pointer(target);
    target = at;
  }
  WireReader r{std::span{m.bytes}.subspan(target)};
  EXPECT_FALSE(Name::decode(m.bytes, r));
}

TEST(DnsQuery, ReadsQuestionAndEdns) {
  const auto bytes = Message{}.header(7, 0x0110, 1, 0, 0, 1).question("WWW.example", 28).opt(4096, 0x8000).bytes;
  const auto query = decode_query(bytes).value();
  EXPECT_EQ(query.id, 7);
  EXPECT_TRUE(query.recursion_desired && query.checking_disabled);
  EXPECT_EQ(query.question.name.to_text(), "WWW.example.");
  EXPECT_EQ(query.question.type, type::aaaa);
  ASSERT_TRUE(query.edns);
  EXPECT_TRUE(query.edns->dnssec_ok);
  EXPECT_EQ(udp_limit(query), 1232U);
  EXPECT_EQ(key_of(query).name.to_text(), "www.example.");
}

TEST(DnsQuery, RepliesAndScrapsAreDroppedSilently) {
  EXPECT_TRUE(rejection(ask("a.b", 1, 1, 0x8100)).silent);
  EXPECT_TRUE(rejection(Bytes(11)).silent);
  EXPECT_TRUE(rejection({}).silent);
}

TEST(DnsQuery, FormErrors) {
  const auto form_err = [](const Bytes& bytes) {
    const auto r = rejection(bytes);
    return !r.silent && r.rcode == Rcode::form_err;
  };
  EXPECT_TRUE(form_err(Message{}.header(1, 0x100, 0).bytes));
  EXPECT_TRUE(form_err(Message{}.header(1, 0x100, 2).question("a").question("b").bytes));
  EXPECT_TRUE(form_err(Message{}.header(1, 0x100, 1, 0, 0, 2).question("a").opt().opt().bytes));
  EXPECT_TRUE(
      form_err(Message{}.header(1, 0x100, 1, 0, 0, 1).question("a").name("b").u16(41).u16(512).u32(0).u16(0).bytes));
  EXPECT_TRUE(form_err(Message{}.header(1, 0x100, 1, 1).question("a").opt().bytes));  // an OPT among the answers
  EXPECT_TRUE(form_err(Message{}.header(1, 0x100, 1).question("a").u8(0).bytes));     // something behind the end
  EXPECT_TRUE(form_err(Message{}.header(1, 0x100, 1, 0, 0, 1).question("a").bytes));  // a record that isn't there
  EXPECT_TRUE(form_err(ask("a", 41)));
  EXPECT_TRUE(form_err(
      Message{}.header(1, 0x100, 1, 0, 0, 1).question("a").opt(512, 0, std::string_view{"\0\3\0\5x", 5}).bytes));
}

TEST(DnsQuery, AFloodOfEdnsOptionsIsRefused) {
  const auto with = [](int options) {
    std::string data;
    for (int i = 0; i < options; ++i) data.append("\xfd\xe9\0\0", 4);
    return Message{}.header(1, 0x100, 1, 0, 0, 1).question("a").opt(1232, 0, data).bytes;
  };
  EXPECT_TRUE(decode_query(with(32)));
  EXPECT_EQ(rejection(with(33)).rcode, Rcode::form_err);
}

TEST(DnsQuery, OtherRefusals) {
  EXPECT_EQ(rejection(ask("a", 1, 1, 0x2100)).rcode, Rcode::not_imp);  // NOTIFY
  EXPECT_EQ(rejection(ask("a", 252)).rcode, Rcode::refused);
  EXPECT_EQ(rejection(ask("a", 251)).rcode, Rcode::refused);
  const auto version1 = rejection(Message{}.header(1, 0x100, 1, 0, 0, 1).question("a").opt(512, 0x00010000).bytes);
  EXPECT_EQ(version1.rcode, Rcode::bad_vers);
  const auto reply = write_error(version1.query, version1.rcode);
  EXPECT_EQ(rcode_of(reply), 0U);  // BADVERS is 16: all of it in the OPT
  EXPECT_EQ(reply.at(reply.size() - 6), 1);
  EXPECT_EQ(reply.at(reply.size() - 5), 0);  // our version
}

TEST(DnsQuery, GoesUpstreamInLowerCaseWithEdns1232AndNoOption) {
  const auto bytes = write_query({.name = name("www.example"), .type = 65, .dnssec_ok = true}, 0xbeef, true);
  EXPECT_EQ(bytes, Message{}.header(0xbeef, 0x0100, 1, 0, 0, 1).question("www.example", 65).opt(1232, 0x8000).bytes);
  const auto plain = write_query({.name = name("www.example"), .type = 1, .checking_disabled = true}, 1, false);
  EXPECT_EQ(plain, Message{}.header(1, 0x0110, 1).question("www.example").bytes);
}

TEST(DnsReply, IdAndQuestionMustMatch) {
  const auto bytes = Message{}.header(5, 0x8180, 1, 1).question("a.b").pointer(12).record(1, "abcd").bytes;
  EXPECT_TRUE(decode_reply(bytes, key("a.b"), 5));
  EXPECT_EQ(decode_reply(bytes, key("a.b"), 6).error(), ReplyError::wrong_id);
  EXPECT_EQ(decode_reply(bytes, key("a.c"), 5).error(), ReplyError::wrong_question);
  EXPECT_EQ(decode_reply(bytes, key("a.b", 28), 5).error(), ReplyError::wrong_question);
  auto query = bytes;
  query[2] = 1;
  EXPECT_EQ(decode_reply(query, key("a.b"), 5).error(), ReplyError::malformed);
  auto cut = bytes;
  cut.pop_back();
  EXPECT_EQ(decode_reply(cut, key("a.b"), 5).error(), ReplyError::malformed);
}

TEST(DnsReply, EndsAtItsOptRecord) {
  const auto bytes = Message{}
                         .header(5, 0x8180, 1, 1, 0, 3)
                         .question("a.b")
                         .pointer(12)
                         .record(1, "abcd")
                         .name("ns.b")
                         .record(1, "efgh")
                         .opt(4096)
                         .name("x.b")
                         .record(1, "ijkl")
                         .bytes;
  const auto reply = decode_reply(bytes, key("a.b"), 5).value();
  EXPECT_EQ(reply.message, (Message{}
                                .header(5, 0x8180, 1, 1, 0, 1)
                                .question("a.b")
                                .pointer(12)
                                .record(1, "abcd")
                                .name("ns.b")
                                .record(1, "efgh")
                                .bytes));
}

TEST(DnsReply, TwoOptsOrNamesThatLeadNowhereAreMalformed) {
  EXPECT_FALSE(decode_reply(Message{}.header(5, 0x8180, 1, 0, 0, 2).question("a").opt().opt().bytes, key("a"), 5));
  const std::string forward{"\xc0\xff"};
  EXPECT_FALSE(
      decode_reply(Message{}.header(5, 0x8180, 1, 1).question("a").pointer(12).record(5, forward).bytes, key("a"), 5));
  const std::string longer{"\1b\0x", 4};
  EXPECT_FALSE(
      decode_reply(Message{}.header(5, 0x8180, 1, 1).question("a").pointer(12).record(5, longer).bytes, key("a"), 5));
}

TEST(DnsReply, FollowsAChainInAnyOrderAndDropsWhatIsNotOnIt) {
  const std::string target{"\1c\1d\0", 5};
  auto m = Message{}
               .header(5, 0x8180, 1, 3, 0, 0)
               .question("a.b")
               .name("c.d")
               .record(1, "abcd")
               .pointer(12)
               .record(5, target);
  const auto size = m.bytes.size();
  m.name("bank.example").record(1, "evil");
  const auto reply = decode_reply(m.bytes, key("a.b"), 5).value();
  EXPECT_EQ(reply.message.size(), size);
  EXPECT_EQ(count_of(reply.message, 1), 2U);
  const auto stray = Message{}.header(5, 0x8180, 1, 1).question("a.b").name("bank.example").record(1, "evil").bytes;
  EXPECT_FALSE(decode_reply(stray, key("a.b"), 5));
  // The link that made the first record one of ours stands behind the stray, and is cut off with it.
  const auto torn = Message{}
                        .header(5, 0x8180, 1, 3)
                        .question("a.b")
                        .name("c.d")
                        .record(1, "abcd")
                        .name("bank.example")
                        .record(1, "evil")
                        .pointer(12)
                        .record(5, target)
                        .bytes;
  EXPECT_FALSE(decode_reply(torn, key("a.b"), 5));
}

// The TTL is told anew with every answer.
TEST(DnsReply, NamesDoNotLeadThroughATtl) {
  const QuestionKey key{.name = *Name::from_text("www.example"), .type = type::a};
  const auto reply = [](unsigned from_ttl, bool inside) {
    Message m;
    m.header(7, 0x8180, 1, 1, 1).question("www.example").pointer(12);
    const auto ttl = m.bytes.size() + 4;
    m.record(type::a, std::string_view{"\1x\0\0", 4}, 0x01410142);  // the labels A and B
    const auto pointer = static_cast<unsigned>(ttl + from_ttl);
    if (!inside) return m.pointer(pointer).record(type::txt, "abc").bytes;
    return m.name("example").u16(type::ns).u16(1).u32(9).u16(2).pointer(pointer).bytes;
  };
  for (const bool inside : {false, true}) {
    for (const unsigned from_ttl : {0U, 2U}) EXPECT_FALSE(decode_reply(reply(from_ttl, inside), key, 7));
    EXPECT_TRUE(decode_reply(reply(6, inside), key, 7)) << "a name in the data";
  }
  Message own;
  own.header(7, 0x8180, 1, 1).question("www.example").pointer(12);
  const auto ttl = static_cast<unsigned>(own.bytes.size() + 4);
  own.u16(type::cname).u16(1).u32(0x00014100).u16(2).pointer(ttl + 1);  // the label A and the root
  EXPECT_FALSE(decode_reply(own.bytes, key, 7)) << "its own";
}

// The work on an answer grows with its length and no faster: a chain is looked for among few records.
TEST(DnsReply, AliasesWithoutEndAreCut) {
  const auto with_copies = [](unsigned copies) {
    Message m;
    m.header(7, 0x8180, 1, copies + 2).question("www.example");
    for (unsigned i = 0; i < copies; ++i) m.pointer(12).record(type::cname, std::string_view{"\1a\7example\0", 11});
    m.name("a.example").record(type::cname, std::string_view{"\1b\7example\0", 11});
    return m.name("b.example").record(type::a, "abcd").bytes;
  };
  const QuestionKey key{.name = *Name::from_text("www.example"), .type = type::a};
  EXPECT_EQ(decode_reply(with_copies(31), key, 7)->message, with_copies(31));
  EXPECT_EQ(count_of(decode_reply(with_copies(32), key, 7)->message, 1), 33U);
}

TEST(DnsReply, AServerThatDoesNotKnowEdnsMaySendTheHeaderOnly) {
  const auto reply = decode_reply(Message{}.header(5, 0x8181, 0).bytes, key("a"), 5).value();
  EXPECT_EQ(reply.rcode, Rcode::form_err);
  EXPECT_FALSE(decode_reply(Message{}.header(5, 0x8180, 0).bytes, key("a"), 5));
}

Query client(std::string_view spelled, std::optional<Edns> edns = std::nullopt) {
  return {.id = 0x4242,
          .recursion_desired = true,
          .has_question = true,
          .question = {.name = name(spelled), .type = 1},
          .edns = edns};
}

TEST(DnsForwarded, EchoesTheClientsSpellingAndBits) {
  const auto upstream =
      Message{}.header(5, 0x85a0, 1, 1).question("a.b").pointer(12).record(1, "abcd").bytes;  // AA, AD
  const auto reply = write_forwarded(client("A.b"), upstream, 512);
  EXPECT_EQ(reply, Message{}.header(0x4242, 0x8180, 1, 1).question("A.b").pointer(12).record(1, "abcd").bytes);
  const auto with_edns = write_forwarded(client("A.b", Edns{.udp_size = 4096, .dnssec_ok = true}), upstream, 512);
  EXPECT_EQ(with_edns, (Message{}
                            .header(0x4242, 0x8180, 1, 1, 0, 1)
                            .question("A.b")
                            .pointer(12)
                            .record(1, "abcd")
                            .opt(1232, 0x8000)
                            .bytes));
}

TEST(DnsForwarded, WhatIsTooLongBecomesQuestionAndOptWithTc) {
  auto upstream = Message{}.header(5, 0x8180, 1, 40).question("a.b");
  for (int i = 0; i < 40; ++i) upstream.pointer(12).record(1, "abcd");
  const auto reply = write_forwarded(client("a.b"), upstream.bytes, 512);
  EXPECT_EQ(reply, Message{}.header(0x4242, 0x8380, 1).question("a.b").bytes);
  const auto edns = client("a.b", Edns{.udp_size = 512});
  EXPECT_EQ(write_forwarded(edns, upstream.bytes, udp_limit(edns)),
            Message{}.header(0x4242, 0x8380, 1, 0, 0, 1).question("a.b").opt().bytes);
  EXPECT_EQ(count_of(write_forwarded(client("a.b"), upstream.bytes, kMaxMessage), 1), 40U);
}

TEST(DnsForwarded, LimitsAreClamped) {
  EXPECT_EQ(udp_limit(client("a")), 512U);
  EXPECT_EQ(udp_limit(client("a", Edns{.udp_size = 0})), 512U);
  EXPECT_EQ(udp_limit(client("a", Edns{.udp_size = 900})), 900U);
  EXPECT_EQ(udp_limit(client("a", Edns{.udp_size = 65535})), 1232U);
}

TEST(DnsTruncated, KeepsQuestionAndOptOfWhatWasWritten) {
  const auto reply = [](const std::optional<Edns>& edns, std::optional<Ede> ede = std::nullopt) {
    auto upstream = Message{}.header(1, 0x8583, 1, 40).question("a.b");
    for (int i = 0; i < 40; ++i) upstream.pointer(12).record(1, "abcd");
    return write_forwarded(client("A.b", edns), upstream.bytes, kMaxUdpReply, ede);
  };
  EXPECT_EQ(write_truncated(reply(std::nullopt)), Message{}.header(0x4242, 0x8383, 1).question("A.b").bytes);
  const Edns edns{.udp_size = 1232, .dnssec_ok = true};
  const auto whole = reply(edns, Ede::stale_nxdomain);
  const auto cut = write_truncated(whole);
  EXPECT_EQ(cut, Message{}.header(0x4242, 0x8383, 1, 0, 0, 1).question("A.b").opt(1232, 0x8000).bytes);
  EXPECT_EQ(write_truncated(cut), cut);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_LE(write_truncated(std::span{whole}.first(size)).size(), size);
}

TEST(DnsLocal, WritesRecordsUnderTheQuestionsSpelling) {
  const LocalAnswer answer{.answers = {{name("web1.x"), 1, 30, {10, 0, 5, 2}}}};
  EXPECT_EQ(write_local(client("Web1.x"), answer, 512), Message{}
                                                            .header(0x4242, 0x8580, 1, 1)
                                                            .question("Web1.x")
                                                            .pointer(12)
                                                            .record(1, std::string_view{"\x0a\0\5\2", 4}, 30)
                                                            .bytes);
}

}  // namespace
}  // namespace vrouter::dns
