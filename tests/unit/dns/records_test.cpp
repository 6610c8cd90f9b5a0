// SPDX-License-Identifier: GPL-2.0-or-later
// Records that an operator wrote down, alone and among guests' names, special ones and the world's.
#include "dns/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/query_handler.h"
#include "message.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using testing::ask;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::rcode_of;
using namespace std::chrono_literals;

// "name type" of each record of the answer section, in order.
std::vector<std::string> answers_of(const Bytes& reply) {
  std::vector<std::string> all;
  WireReader r{reply};
  r.skip(6);
  const auto count = r.u16();
  r.skip(4);
  static_cast<void>(Name::decode(reply, r));
  r.skip(4);
  for (unsigned i = 0; i < count; ++i) {
    const auto record = decode_record(reply, r);
    if (!record) return {"broken"};
    all.push_back(record->owner.to_text() + " " + std::to_string(record->type));
  }
  return all;
}

config::DnsRecords named(const std::string& name) {
  config::DnsRecords records;
  records.name = name;
  return records;
}

std::vector<config::DnsRecords> written() {
  auto db = named("db.corp.example");
  db.addresses = {make_address("10.0.5.9"), make_address("2001:db8::9")};
  db.txt = {std::string(300, 'x')};
  db.mx = {{10, "mail.corp.example"}};
  auto service = named("_ldap._tcp.corp.example");
  service.srv = {{1, 2, 389, "db.corp.example"}};
  std::vector all{db, service};
  for (const auto& [name, target] : {std::pair{"www.corp.example", "alias.corp.example"},
                                     {"alias.corp.example", "db.corp.example"},
                                     {"cdn.corp.example", "www.example"},
                                     {"web.corp.example", "web1.guests.internal"},
                                     {"gone.corp.example", "nobody.guests.internal"},
                                     {"here.corp.example", "localhost"},
                                     {"loop1.corp.example", "loop2.corp.example"},
                                     {"loop2.corp.example", "loop1.corp.example"}}) {
    all.push_back(named(name));
    all.back().cname = target;
  }
  all.push_back(named("9.0.168.192.in-addr.arpa"));
  all.back().ptr = {"nas.corp.example"};
  all.push_back(named("pc7.guests.internal"));
  all.back().addresses = {make_address("10.9.9.9")};
  return all;
}

struct HeldSource final : AnswerSource {
  std::vector<std::pair<QuestionKey, Done>> asked;
  void ask(const QuestionKey& key, unsigned, Done done) override { asked.emplace_back(key, std::move(done)); }
};

class DnsRecordsHere : public ::testing::Test {
 protected:
  DnsRecordsHere() {
    names.apply({.snapshot = true,
                 .zones = {{"default",
                            "guests.internal",
                            {boost::asio::ip::make_network_v4("10.0.5.0/24")},
                            {},
                            {make_address("10.0.5.1")}}},
                 .upserts = {{"default", "web1", 7, {make_address("10.0.5.2")}},
                             {"default", "pc7", 8, {make_address("10.0.5.77")}}},
                 .removed = {},
                 .records = static_records(written())});
  }
  std::optional<Bytes> send(const Bytes& query) {
    const auto reply = std::make_shared<std::optional<Bytes>>();
    handler.handle(query, {7, make_address("10.0.5.2")}, Transport::tcp, BootTime{1h},
                   [reply](Bytes bytes) { *reply = std::move(bytes); });
    last_ = reply;
    return *reply;
  }
  std::string text_of(const std::string& name, unsigned type) {
    const auto reply = send(ask(name, type));
    if (!reply) return "asked elsewhere";
    std::string text = std::to_string(rcode_of(*reply));
    for (const auto& one : answers_of(*reply)) text += ", " + one;
    return text;
  }
  Names names;
  UpstreamTable table;
  HeldSource source;
  Statistics counts;
  QueryHandler handler{names, table, source, counts};
  std::shared_ptr<std::optional<Bytes>> last_;
};

TEST_F(DnsRecordsHere, AnswerEveryTypeOfTheirName) {
  EXPECT_EQ(text_of("DB.corp.example", 1), "0, DB.corp.example. 1");
  EXPECT_EQ(text_of("db.corp.example", 28), "0, db.corp.example. 28");
  EXPECT_EQ(text_of("db.corp.example", 15), "0, db.corp.example. 15");
  EXPECT_EQ(text_of("db.corp.example", 16), "0, db.corp.example. 16");
  EXPECT_EQ(text_of("db.corp.example", 33), "0") << "NODATA";
  EXPECT_EQ(text_of("db.corp.example", 255), "0, db.corp.example. 13");
  EXPECT_EQ(text_of("_ldap._tcp.corp.example", 33), "0, _ldap._tcp.corp.example. 33");
  EXPECT_EQ(text_of("9.0.168.192.in-addr.arpa", 12), "0, 9.0.168.192.in-addr.arpa. 12");
  EXPECT_EQ(text_of("8.0.168.192.in-addr.arpa", 12), "3") << "RFC 6303";
  EXPECT_EQ(text_of("0.168.192.in-addr.arpa", 12), "0") << "a branch to one that exists";
  EXPECT_TRUE(source.asked.empty());
  EXPECT_EQ(text_of("other.corp.example", 1), "asked elsewhere");
}

TEST_F(DnsRecordsHere, NoGuestTakesTheirName) {
  EXPECT_EQ(text_of("pc7.guests.internal", 1), "0, pc7.guests.internal. 1");
  EXPECT_THAT(std::string(last_->value().end() - 4, last_->value().end()), std::string("\x0a\x09\x09\x09"));
}

TEST_F(DnsRecordsHere, AliasesAreFollowedThroughAllThatIsKnownHere) {
  EXPECT_EQ(text_of("www.corp.example", 1), "0, www.corp.example. 5, alias.corp.example. 5, db.corp.example. 1");
  EXPECT_EQ(text_of("www.corp.example", 33), "0, www.corp.example. 5, alias.corp.example. 5");
  EXPECT_EQ(text_of("www.corp.example", 5), "0, www.corp.example. 5");
  EXPECT_EQ(text_of("web.corp.example", 1), "0, web.corp.example. 5, web1.guests.internal. 1");
  EXPECT_EQ(text_of("gone.corp.example", 1), "3, gone.corp.example. 5") << "RFC 6604";
  EXPECT_EQ(text_of("here.corp.example", 1), "0, here.corp.example. 5, localhost. 1");
  EXPECT_EQ(text_of("loop1.corp.example", 1), "2");
  EXPECT_TRUE(source.asked.empty());
}

TEST_F(DnsRecordsHere, AnAliasOfTheWorldIsGoneOnWithThere) {
  EXPECT_EQ(text_of("Cdn.corp.example", 1), "asked elsewhere");
  ASSERT_EQ(source.asked.size(), 1U);
  EXPECT_EQ(source.asked[0].first.name.to_text(), "www.example.");
  // www.example CNAME a.www.example (compressed), which has an address.
  testing::Message message;
  message.header(0, 0x8180, 1, 2).question("www.example", 1);
  Bytes bytes = message.bytes;
  const Bytes tail{0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1,   'a', 0xc0, 12,  // CNAME
                   0xc0, 41, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0,   2,    1};  // A
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  source.asked[0].second({.message = std::make_shared<const Bytes>(bytes), .reason = {}});
  ASSERT_TRUE(last_->has_value());
  EXPECT_EQ(rcode_of(last_->value()), 0U);
  EXPECT_THAT(answers_of(last_->value()), ElementsAre("Cdn.corp.example. 5", "www.example. 5", "a.www.example. 1"));
  EXPECT_EQ(last_->value()[2] & 0x04, 0) << "not all of it is ours to say";
}

TEST_F(DnsRecordsHere, WhatTheWorldDeniesIsDenied) {
  EXPECT_EQ(text_of("cdn.corp.example", 28), "asked elsewhere");
  testing::Message message;
  message.header(0, 0x8183, 1).question("www.example", 28);
  source.asked.at(0).second({.message = std::make_shared<const Bytes>(message.bytes), .reason = {}});
  EXPECT_EQ(rcode_of(last_->value()), 3U);
  EXPECT_THAT(answers_of(last_->value()), ElementsAre("cdn.corp.example. 5"));
  EXPECT_EQ(text_of("cdn.corp.example", 1), "asked elsewhere");
  source.asked.at(1).second({});
  EXPECT_EQ(rcode_of(last_->value()), 2U) << "nobody answered";
}

TEST_F(DnsRecordsHere, WithoutRdOnlyTheAliasIsTold) {
  const auto reply = send(ask("cdn.corp.example", 1, 1, 0));
  ASSERT_TRUE(reply);
  EXPECT_THAT(answers_of(*reply), ElementsAre("cdn.corp.example. 5"));
}

TEST(DnsStaticRecords, LongTextsAreCutIntoStrings) {
  auto text = named("a.example");
  text.txt = {std::string(300, 'x'), ""};
  const auto all = static_records({text});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].rdata.size(), 302U);
  EXPECT_EQ(all[0].rdata[0], 255);
  EXPECT_EQ(all[0].rdata[256], 45);
  EXPECT_EQ(all[1].rdata, std::vector<std::uint8_t>{0});
}

// Whatever a server says: an answer or SERVFAIL, never more than the limit.
TEST(DnsStaticRecords, BrokenAnswersBehindAnAliasDoNoHarm) {
  const auto query = decode_query(ask("cdn.corp.example"));
  ASSERT_TRUE(query);
  LocalAnswer before;
  before.answers = {name_record(query->question.name, 5, Name::from_text("www.example").value())};
  testing::Message message;
  message.header(0, 0x8180, 1, 2).question("www.example", 1);
  Bytes whole = message.bytes;
  const Bytes tail{0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 9, 0, 4, 0, 5,   0xc0, 12,
                   0xc0, 12, 0, 6,  0, 1, 0, 0, 0, 9, 0, 4, 1, 'a', 0xc0, 12};
  whole.insert(whole.end(), tail.begin(), tail.end());
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    for (std::size_t limit : {std::size_t{12}, std::size_t{512}}) {
      const auto reply = write_continued(*query, before, std::span{whole}.first(size), limit);
      EXPECT_LE(reply.size(), 512U);
    }
  }
  for (std::size_t at = 12; at < whole.size(); ++at) {
    for (const std::uint8_t value : Bytes{0, 0xff, 0xc0, 0x3f}) {
      auto broken = whole;
      broken[at] = value;
      EXPECT_LE(write_continued(*query, before, broken, 512).size(), 512U);
    }
  }
}

}  // namespace
}  // namespace vrouter::dns
