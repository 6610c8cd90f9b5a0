// SPDX-License-Identifier: GPL-2.0-or-later
// Upstreams that attack, over real sockets: what they send is never taken for more than the answer to the question that
// was asked, whoever else asks and whatever it costs them. docs/dns.md, "Attacks", has the list.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "dns_lab.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using testing::answer_to;
using testing::ask;
using testing::Bytes;
using testing::count_of;
using testing::FakeUpstream;
using testing::Message;
using testing::question_of;
using testing::rcode_of;
using testing::u16_at;
using namespace std::chrono_literals;

class DnsAttacks : public testing::DnsLab {};

constexpr std::string_view kEvil{"\xcb\x00\x71\x42", 4};  // 203.0.113.66

bool tells(const Bytes& message, std::string_view what) {
  const std::string_view all{reinterpret_cast<const char*>(message.data()), message.size()};
  return all.find(what) != std::string_view::npos;
}

// An answer's head: id, flags, counts and the question, as it was asked.
Message begun(const Bytes& question, unsigned answers, unsigned authority = 0, unsigned additional = 0) {
  Message m;
  m.header(u16_at(question, 0), 0x8180, 1, answers, authority, additional);
  const auto asked = question_of(question);
  m.bytes.insert(m.bytes.end(), asked.begin(), asked.end());
  return m;
}
Message with_edns(std::string_view name, std::string_view options = {}, unsigned id = 9, unsigned size = 1232) {
  return Message{}.header(id, 0x100, 1, 0, 0, 1).question(name).opt(size, 0, options);
}

std::uint32_t crc32(std::string_view text) {
  std::uint32_t crc = ~0U;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

// Two names of one length with one CRC32, which is all that dnsmasq compared (CVE-2020-25685).
std::pair<std::string, std::string> names_of_one_crc() {
  std::unordered_map<std::uint32_t, std::string> seen;
  std::uint32_t random = 20261123;
  for (;;) {
    std::string name(7, 'a');
    for (auto& c : name) c = static_cast<char>('a' + (random = random * 1664525 + 1013904223) / 256 % 26);
    name += ".example";
    const auto [known, fresh] = seen.emplace(crc32(name), name);
    if (!fresh && known->second != name) return {known->second, name};
  }
}

TEST_F(DnsAttacks, ANameWithTheSameChecksumIsAnotherName) {
  const auto [asked, other] = names_of_one_crc();
  ASSERT_EQ(crc32(asked), crc32(other));
  FakeUpstream forger{io_, "127.0.0.9", [&](const Bytes& q, bool, const auto& reply) {
                        reply(answer_to(ask(other, 1, u16_at(q, 0)), 3));
                        reply(answer_to(q, 1));
                      }};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask(asked)).value(), 1), 1U);
  EXPECT_EQ(server_->statistics().mismatched_replies, 1U);
}

TEST_F(DnsAttacks, ARightIdWithAnotherTypeOrClassIsAForgery) {
  FakeUpstream forger{io_, "127.0.0.9", [](const Bytes& q, bool, const auto& reply) {
                        for (const std::size_t from_end : {1U, 3U}) {
                          auto other = q;
                          other.resize(12 + question_of(q).size());
                          other[other.size() - from_end] ^= 2;
                          reply(answer_to(other, 3));
                        }
                        reply(answer_to(q, 1));
                      }};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
  EXPECT_EQ(server_->statistics().mismatched_replies, 2U);
}

TEST_F(DnsAttacks, EveryCutOfAnAnswerIsDroppedAndTheWaitGoesOn) {
  unsigned cuts = 0;
  FakeUpstream upstream{io_, "127.0.0.9", [&](const Bytes& q, bool, const auto& reply) {
                          const auto whole = begun(q, 2, 1, 1)
                                                 .pointer(12)
                                                 .record(5, std::string_view{"\1b\xc0\x0e", 4})
                                                 .name("b.example")
                                                 .record(15, std::string_view{"\0\12\xc0\x0c", 4})
                                                 .name("example")
                                                 .record(2, std::string_view{"\2ns\xc0\x0e", 5})
                                                 .opt(1232, 0, std::string_view{"\0\12\0\10abcdefgh", 12})
                                                 .bytes;
                          // Behind the id, since a wrong one is another matter.
                          for (std::size_t size = 2; size < whole.size(); ++size, ++cuts)
                            reply({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
                          reply(answer_to(q, 1));
                        }};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("a.example", 15)).value(), 1), 1U);
  EXPECT_EQ(server_->statistics().mismatched_replies, cuts);
}

TEST_F(DnsAttacks, OptsThatAreTwoOrManyOrElsewhereMakeNoAnswer) {
  std::string flood;
  for (int i = 0; i < 33; ++i) flood += std::string_view{"\xff\x01\0\0", 4};
  FakeUpstream upstream{
      io_, "127.0.0.9", [&](const Bytes& q, bool, const auto& reply) {
        reply(begun(q, 1, 0, 2).pointer(12).record(1, kEvil).opt().opt().bytes);
        reply(begun(q, 2).pointer(12).record(1, kEvil).opt().bytes);
        reply(begun(q, 1, 1).pointer(12).record(1, kEvil).opt().bytes);
        reply(begun(q, 1, 0, 1).pointer(12).record(1, kEvil).opt(1232, 0, flood).bytes);
        reply(begun(q, 1, 0, 1).pointer(12).record(1, kEvil).opt(1232, 0, "abc").bytes);
        reply(begun(q, 1, 0, 1).pointer(12).record(1, kEvil).name("x").u16(41).u16(1).u32(0).u16(0).bytes);
        reply(answer_to(q, 2));
      }};
  start({make_address("127.0.0.9")});
  const auto told = exchange(with_edns("a.example").bytes).value();
  EXPECT_EQ(count_of(told, 1), 2U);
  EXPECT_FALSE(tells(told, kEvil));
  EXPECT_EQ(server_->statistics().mismatched_replies, 6U);
}

TEST_F(DnsAttacks, NoOptionOfOneHopReachesTheOther) {
  const std::string_view subnet{"\0\10\0\7\0\1\30\0\12\0\5", 11}, other_subnet{"\0\10\0\7\0\1\30\0\12\0\6", 11};
  FakeUpstream upstream{io_, "127.0.0.9", [&](const Bytes& q, bool, const auto& reply) {
                          reply(begun(q, 1, 0, 1).pointer(12).record(1, "abcd").opt(4096, 0, subnet).bytes);
                        }};
  start({make_address("127.0.0.9")});
  const auto told = exchange(with_edns("a.example", subnet).bytes).value();
  EXPECT_EQ(count_of(told, 1), 1U);
  EXPECT_EQ(u16_at(told, told.size() - 2), 0U) << "an OPT without options";
  EXPECT_FALSE(tells(upstream.questions.at(0), subnet.substr(4)));
  // Another subnet is no other question: who could ask the same a thousand times would guess a thousand times as well.
  EXPECT_EQ(count_of(exchange(with_edns("a.example", other_subnet).bytes).value(), 1), 1U);
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
  EXPECT_EQ(upstream.questions.size(), 1U);
}

TEST_F(DnsAttacks, SubnetsAndSizesDoNotKeepEqualQuestionsApart) {
  testing::HeldUpstream slow{io_, "127.0.0.9"};
  start({make_address("127.0.0.9")});
  boost::asio::ip::udp::socket client{io_};
  client.connect({make_address("10.0.5.1"), 53});
  for (unsigned i = 0; i < 40; ++i) {
    const std::string subnet{'\0', '\10', '\0', '\7', '\0', '\1', '\30', '\0', '\12', '\0', static_cast<char>(i)};
    client.send(boost::asio::buffer(with_edns("a.example", subnet, i, 512 + i * 16).bytes));
  }
  ASSERT_TRUE(run_until([&] { return server_->statistics().forwarded == 40; }));
  ASSERT_TRUE(run_until([&] { return !slow.questions().empty(); }));
  slow.answer_the_first();
  unsigned heard = 0;
  EXPECT_TRUE(run_until([&] {
    for (Bytes buffer(512); client.available() > 0; ++heard) client.receive(boost::asio::buffer(buffer));
    return heard == 40;
  }));
  EXPECT_EQ(slow.questions().size(), 1U);
}

// What a fragment or a loose server puts beside the answer is nobody's answer.
TEST_F(DnsAttacks, WhatStandsBesideAnAnswerAnswersNothing) {
  FakeUpstream upstream{io_, "127.0.0.9", [](const Bytes& q, bool, const auto& reply) {
                          if (q.at(13) != 'p') return reply(answer_to(q));
                          Message m = begun(q, 11, 1, 1);
                          m.pointer(12).record(5, std::string_view{"\2c0\7example\0", 12});
                          for (int i = 0; i < 9; ++i)  // a chain that is long for the sake of it
                            m.name("c" + std::to_string(i) + ".example")
                                .record(
                                    5, std::string{"\2c"} + static_cast<char>('1' + i) + std::string{"\7example\0", 9});
                          m.name("bank.example").record(1, kEvil);
                          m.name("example").record(2, std::string_view{"\4evil\7example\0", 14});
                          m.name("gold.example").record(1, kEvil);
                          reply(m.bytes);
                        }};
  start({make_address("127.0.0.9")});
  const auto padded = exchange(with_edns("p.example").bytes).value();
  EXPECT_EQ(count_of(padded, 1), 10U);
  EXPECT_FALSE(tells(padded, kEvil));
  for (const auto* name : {"bank.example", "gold.example", "c5.example", "evil.example"}) {
    const auto told = exchange(ask(name)).value();
    EXPECT_EQ(count_of(told, 1), 1U) << name;
    EXPECT_FALSE(tells(told, kEvil)) << name;
  }
  EXPECT_EQ(upstream.questions.size(), 5U);
}

// MaginotDNS: a server of one zone speaks of all others.
TEST_F(DnsAttacks, AServerOfOneZoneSaysNothingOfOthers) {
  FakeUpstream world{io_, "127.0.0.9", testing::good};
  FakeUpstream inside{io_, "127.0.0.10", [](const Bytes& q, bool, const auto& reply) {
                        reply(begun(q, 1, 2, 1)
                                  .pointer(12)
                                  .record(1, "abcd")
                                  .name("")
                                  .record(2, std::string_view{"\4evil\4corp\7example\0", 19})
                                  .name("www.example")
                                  .record(1, kEvil)
                                  .name("www.example")
                                  .record(1, kEvil)
                                  .bytes);
                      }};
  start({make_address("127.0.0.9")}, {{.domain = "corp.example", .servers = {make_address("127.0.0.10")}}});
  EXPECT_TRUE(exchange(ask("a.corp.example")));
  const auto told = exchange(ask("www.example")).value();
  EXPECT_EQ(count_of(told, 1), 1U);
  EXPECT_FALSE(tells(told, kEvil));
  EXPECT_EQ(world.questions.size(), 1U);
  EXPECT_EQ(inside.questions.size(), 1U);
}

TEST_F(DnsAttacks, FromADnameNothingIsMade) {
  FakeUpstream upstream{
      io_, "127.0.0.9", [](const Bytes& q, bool, const auto& reply) {
        const std::string_view evil{"\4evil\7example\0", 14};
        if (q.at(13) == 'o')  // not above the name that was asked for
          return reply(begun(q, 2).name("bank.example").record(39, evil).pointer(12).record(1, kEvil).bytes);
        if (q.at(13) == 'g') return reply(answer_to(q));
        reply(begun(q, 1).name("sub.example").record(39, evil, 3600).bytes);
      }};
  start({make_address("127.0.0.9")});
  const auto told = exchange(ask("a.sub.example")).value();
  EXPECT_EQ(count_of(told, 1), 1U) << "the DNAME, and no CNAME that says more than the server did";
  EXPECT_EQ(count_of(exchange(ask("b.sub.example")).value(), 1), 1U);
  EXPECT_EQ(count_of(exchange(ask("good.sub.example")).value(), 1), 1U);
  EXPECT_EQ(upstream.questions.size(), 3U) << "each was asked for";
  EXPECT_EQ(rcode_of(exchange(ask("o.example")).value()), 2U);
}

TEST_F(DnsAttacks, EdnsIsNotGivenUpForGood) {
  FakeUpstream forger{io_, "127.0.0.9", [](const Bytes& q, bool, const auto& reply) {
                        if (count_of(q, 3) == 0) return reply(answer_to(q));
                        if (q.at(13) == 'f') return reply(Message{}.header(u16_at(q, 0), 0x8181, 0).bytes);
                        reply(answer_to(q, 2));
                      }};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("f.example")).value(), 1), 1U);
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 2U) << "asked with EDNS again";
  EXPECT_EQ(forger.questions.size(), 3U);
}

// As large as a message can be, over TCP: `spare` bytes are left.
Bytes largest(const Bytes& question, std::size_t spare) {
  constexpr std::size_t kMost = 65'535, kRestOfHead = 10, kMostData = 60'000;
  Message m = begun(question, 2);
  m.pointer(12).record(16, std::string(kMostData, '\0'));
  m.pointer(12).record(16, std::string(kMost - spare - m.bytes.size() - kRestOfHead, '\0'));
  return m.bytes;
}

TEST_F(DnsAttacks, AMessageOf64KDoesNotGrowPastItsBounds) {
  FakeUpstream upstream{io_, "127.0.0.9", [](const Bytes& q, bool tcp, const auto& reply) {
                          reply(tcp ? largest(q, q.at(13) == 's' ? 11 : 0) : begun(q, 0).bytes);
                        }};
  start({{make_address("127.0.0.9"), 53, config::DnsTransport::tcp}});
  // 65,535 bytes as they came; with an OPT they would be more, so that there is nothing but question and OPT.
  const auto over_tcp = [&](Bytes query) {
    boost::asio::ip::tcp::socket client{io_};
    client.connect({make_address("10.0.5.1"), 53});
    query.insert(query.begin(),
                 {static_cast<std::uint8_t>(query.size() >> 8), static_cast<std::uint8_t>(query.size())});
    boost::asio::write(client, boost::asio::buffer(query));
    Bytes all;
    EXPECT_TRUE(run_until([&] {
      Bytes more(client.available());
      all.insert(all.end(), more.begin(),
                 more.begin() + static_cast<std::ptrdiff_t>(client.receive(boost::asio::buffer(more))));
      return all.size() >= 2 && all.size() >= 2 + u16_at(all, 0);
    }));
    all.erase(all.begin(), all.begin() + 2);
    return all;
  };
  EXPECT_EQ(over_tcp(ask("a.example", 16)).size(), 65'535U);
  auto query = Message{}.header(9, 0x100, 1, 0, 0, 1).question("a.example", 16).opt(65'535).bytes;
  const auto cut = over_tcp(query);
  EXPECT_EQ(cut.size(), 12U + question_of(query).size() + 11U);
  EXPECT_NE(u16_at(cut, 2) & 0x0200, 0U);
  query[13] = 's';
  EXPECT_EQ(over_tcp(query).size(), 65'535U);
  EXPECT_NE(u16_at(exchange(ask("a.example", 16)).value(), 2) & 0x0200, 0U);
}

// 64 KiB of CNAMEs, each name behind a hundred pointers, the chain spelled backwards among them.
TEST_F(DnsAttacks, ABombOfPointersIsReadAndTheRestServed) {
  FakeUpstream upstream{io_, "127.0.0.9", [](const Bytes& q, bool, const auto& reply) {
                          if (q.at(13) != 'b') return reply(answer_to(q));
                          Message m = begun(q, 0);
                          constexpr std::size_t kDeep = 100, kRecordHead = 12;
                          std::string nested{"\1x\0", 3};
                          auto at = m.bytes.size() + kRecordHead;
                          for (std::size_t i = 0, before = at; i < kDeep; ++i) {
                            const auto next = at + nested.size();
                            nested += {'\1', 'x', static_cast<char>(0xc0 | before >> 8), static_cast<char>(before)};
                            before = next;
                          }
                          const auto deepest = static_cast<unsigned>(at + nested.size() - 4);
                          unsigned records = 2;
                          m.pointer(12).record(999, nested);
                          m.pointer(12).u16(5).u16(1).u32(60).u16(2).pointer(deepest);
                          for (; m.bytes.size() < 65'500; ++records)
                            m.pointer(deepest).u16(5).u16(1).u32(60).u16(2).pointer(deepest);
                          m.bytes[6] = static_cast<std::uint8_t>(records >> 8);
                          m.bytes[7] = static_cast<std::uint8_t>(records);
                          reply(m.bytes);
                        }};
  start({{make_address("127.0.0.9"), 53, config::DnsTransport::tcp}});
  for (int i = 0; i < 10; ++i) {
    EXPECT_NE(u16_at(exchange(ask("b" + std::to_string(i) + ".example")).value(), 2) & 0x0200, 0U);
    EXPECT_EQ(count_of(exchange(ask("a" + std::to_string(i) + ".example")).value(), 1), 1U);
  }
}

}  // namespace
}  // namespace vrouter::dns
