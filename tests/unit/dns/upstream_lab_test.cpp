// SPDX-License-Identifier: GPL-2.0-or-later
// Upstreams that are dead, slow, wrong or hostile, over real sockets.
#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "dns_lab.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using testing::answer_to;
using testing::ask;
using testing::Bytes;
using testing::count_of;
using testing::DnsLab;
using testing::FakeUpstream;
using testing::rcode_of;
using testing::u16_at;
using namespace std::chrono_literals;

TEST_F(DnsLab, ADeadFirstServerCostsOnlyOneQuestionItsDelay) {
  FakeUpstream dead{io_, "127.0.0.8", testing::dead}, live{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.8"), make_address("127.0.0.9")});
  for (int i = 0; i < 10; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const auto reply = exchange(ask("n" + std::to_string(i) + ".example"));
    ASSERT_TRUE(reply);
    EXPECT_EQ(count_of(*reply, 1), 1U);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, i == 0 ? 300ms : 100ms) << i;
  }
  EXPECT_LE(dead.questions.size(), 4U);  // the first, and at most a probe a second
  EXPECT_EQ(live.questions.size(), 10U);
}

TEST_F(DnsLab, ASlowFirstServerIsOvertakenAndThenPutBehind) {
  std::vector<std::shared_ptr<boost::asio::steady_timer>> timers;
  FakeUpstream slow{io_, "127.0.0.8", [&](const Bytes& q, bool, const auto& reply) {
                      timers.push_back(std::make_shared<boost::asio::steady_timer>(io_, 400ms));
                      timers.back()->async_wait([q, reply](const auto& error) {
                        if (!error) reply(answer_to(q, 2));
                      });
                    }};
  FakeUpstream fast{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.8"), make_address("127.0.0.9")});
  for (int i = 0; i < 5; ++i) {  // each hears the slow one out, whose word says that it lives
    EXPECT_EQ(count_of(exchange(ask("n" + std::to_string(i) + ".example")).value(), 1), 1U);
    run_until([] { return false; }, 250ms);
  }
  const auto status = server_->statistics().upstreams;
  EXPECT_EQ(status.at(0).timeouts, 0U);
  EXPECT_GT(status.at(0).rtt_ms, 390);
  const auto before = slow.questions.size();
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(exchange(ask("m" + std::to_string(i) + ".example")));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 100ms) << i;
  }
  EXPECT_EQ(slow.questions.size(), before);
}

TEST_F(DnsLab, WithAllServersDeadAFloodOfQuestionsMakesNoStorm) {
  FakeUpstream one{io_, "127.0.0.8", testing::dead}, two{io_, "127.0.0.9", testing::dead};
  start({make_address("127.0.0.8"), make_address("127.0.0.9")});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(rcode_of(exchange(ask("n" + std::to_string(i) + ".example")).value()), 2U);
  const auto before = one.questions.size() + two.questions.size();
  const auto begin = std::chrono::steady_clock::now();
  boost::asio::ip::udp::socket client{io_};
  client.connect({make_address("10.0.5.1"), 53});
  for (int i = 0; i < 100; ++i) client.send(boost::asio::buffer(ask("m" + std::to_string(i) + ".example")));
  unsigned heard = 0;
  run_until(
      [&] {
        for (Bytes buffer(512); client.available() > 0; ++heard) client.receive(boost::asio::buffer(buffer));
        return heard >= 99;
      },
      1s);
  EXPECT_GE(heard, 99U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 500ms);
  EXPECT_LE(one.questions.size() + two.questions.size(), before + 4);
}

TEST_F(DnsLab, AServerIsAskedAtItsPortAndOverTcpIfItIsWrittenSo) {
  unsigned datagrams = 0, streams = 0;
  const auto count = [&](const Bytes& q, bool tcp, const auto& reply) {
    ++(tcp ? streams : datagrams);
    reply(answer_to(q, tcp ? 2 : 3));
  };
  FakeUpstream other{io_, "127.0.0.9", testing::good}, here{io_, "127.0.0.9", count, 5353};
  start({{make_address("127.0.0.9"), 5353}},
        {{.domain = "corp.example", .servers = {{make_address("127.0.0.9"), 5353, config::DnsTransport::tcp}}}});
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 3U);
  EXPECT_EQ(count_of(exchange(ask("a.corp.example")).value(), 1), 2U);
  EXPECT_EQ(datagrams, 1U);
  EXPECT_EQ(streams, 1U);
  EXPECT_TRUE(other.questions.empty());
}

TEST_F(DnsLab, AServerThatIsNotThereIsLeftAtOnce) {
  FakeUpstream live{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.8"), make_address("127.0.0.9")});  // nobody on .8: ICMP port unreachable
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
}

TEST_F(DnsLab, WithoutAnyLiveServerTheAnswerIsServfailBeforeTheClientGivesUp) {
  FakeUpstream dead{io_, "127.0.0.8", testing::dead};
  start({make_address("127.0.0.8")});
  const auto reply =
      exchange(testing::Message{}.header(9, 0x100, 1, 0, 0, 1).question("a.example").opt().bytes, 4900ms);
  ASSERT_TRUE(reply);
  EXPECT_EQ(rcode_of(*reply), 2U);
  EXPECT_EQ(u16_at(*reply, reply->size() - 2), 22U);  // EDE: no reachable authority
}

TEST_F(DnsLab, ServfailAndRefusedGoToTheNextServerAndNxdomainIsFinal) {
  FakeUpstream first{io_, "127.0.0.8", [](const Bytes& q, bool, const auto& reply) {
                       const auto flags = q.at(13) == 'n' ? 0x8183U : q.at(13) == 's' ? 0x8182U : 0x8185U;
                       reply(answer_to(q, 0, flags));
                     }};
  FakeUpstream second{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.8"), make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("s.example")).value(), 1), 1U);
  EXPECT_EQ(count_of(exchange(ask("r.example")).value(), 1), 1U);
  EXPECT_EQ(rcode_of(exchange(ask("n.example")).value()), 3U);
  EXPECT_EQ(second.questions.size(), 2U);
}

TEST_F(DnsLab, AWrongIdIsCountedAndTheQuestionGoesOverTcp) {
  FakeUpstream forger{io_, "127.0.0.9", [](Bytes q, bool tcp, const auto& reply) {
                        if (tcp) return reply(answer_to(q, 2));
                        const auto right = answer_to(q);
                        q[0] ^= 0xff;
                        reply(answer_to(q));
                        reply(right);  // too late: the datagram's word no longer counts
                      }};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 2U);
  EXPECT_EQ(server_->statistics().mismatched_replies, 1U);
}

TEST_F(DnsLab, WrongQuestionsAndRubbishEndNoWait) {
  FakeUpstream forger{io_, "127.0.0.9", [](const Bytes& q, bool, const auto& reply) {
                        auto other = answer_to(q);
                        other[13] = 'x';
                        reply(other);
                        reply({other[0]});
                        auto cut = answer_to(q);
                        cut.pop_back();
                        reply(cut);
                        reply(answer_to(q));
                      }};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
  EXPECT_EQ(server_->statistics().mismatched_replies, 3U);
}

TEST_F(DnsLab, AnswersFromAnotherPortOrAddressAreNotHeard) {
  boost::asio::ip::udp::socket elsewhere{io_, {make_address("127.0.0.9"), 5353}},
      other{io_, {make_address("127.0.0.10"), 53}};
  FakeUpstream* self = nullptr;
  FakeUpstream upstream{io_, "127.0.0.9", [&](const Bytes& q, bool, const auto& reply) {
                          elsewhere.send_to(boost::asio::buffer(answer_to(q, 3)), self->peers.back());
                          other.send_to(boost::asio::buffer(answer_to(q, 3)), self->peers.back());
                          reply(answer_to(q, 1));
                        }};
  self = &upstream;
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
  EXPECT_EQ(server_->statistics().mismatched_replies, 0U);  // the kernel kept them off the connected socket
}

TEST_F(DnsLab, FormerrOnEdnsIsAskedAgainWithoutIt) {
  FakeUpstream old{io_, "127.0.0.9", [](const Bytes& q, bool, const auto& reply) {
                     if (count_of(q, 3) == 0) return reply(answer_to(q));
                     reply(testing::Message{}.header(u16_at(q, 0), 0x8181, 0).bytes);
                   }};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
  EXPECT_EQ(old.questions.size(), 2U);
}

TEST_F(DnsLab, ConditionalZonesFailClosed) {
  FakeUpstream outside{io_, "127.0.0.9", testing::good};
  FakeUpstream inside{io_, "127.0.0.10", [](const Bytes& q, bool, const auto& reply) { reply(answer_to(q, 2)); }};
  start({make_address("127.0.0.9")}, {{.domain = "corp.example", .servers = {make_address("127.0.0.10")}},
                                      {.domain = "down.corp.example", .servers = {make_address("127.0.0.11")}}});
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
  EXPECT_EQ(count_of(exchange(ask("a.corp.example")).value(), 1), 2U);
  EXPECT_EQ(rcode_of(exchange(ask("a.down.corp.example")).value()), 2U);
  EXPECT_EQ(outside.questions.size(), 1U);
}

// The data of a question's COOKIE, which is its only option.
Bytes cookie_in(const Bytes& question) {
  const auto at = 12 + testing::question_of(question).size() + 11 + 4;
  return {question.begin() + static_cast<std::ptrdiff_t>(at), question.end()};
}
Bytes with_cookie(Bytes answer, const Bytes& cookie, unsigned extended = 0) {
  answer[11] = 1;
  testing::Message m{answer};
  m.opt(1232, extended << 24,
        std::string{"\0\x0a\0", 3} + static_cast<char>(cookie.size()) + std::string(cookie.begin(), cookie.end()));
  return m.bytes;
}
Bytes joined(Bytes client, std::uint8_t server) {
  client.resize(8);
  client.resize(16, server);
  return client;
}

TEST_F(DnsLab, AServersCookieIsSentBackToItAndForgedOnesAreDropped) {
  FakeUpstream upstream{io_, "127.0.0.9", [](const Bytes& q, bool, const auto& reply) {
                          auto wrong = joined(cookie_in(q), 7);
                          wrong[0] ^= 1;
                          reply(with_cookie(answer_to(q, 3), wrong));
                          reply(with_cookie(answer_to(q, 1), joined(cookie_in(q), 5)));
                        }};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
  EXPECT_EQ(count_of(exchange(ask("b.example")).value(), 1), 1U);
  EXPECT_EQ(server_->statistics().mismatched_replies, 2U);
  ASSERT_EQ(upstream.questions.size(), 2U);
  EXPECT_EQ(cookie_in(upstream.questions[0]).size(), 8U);
  EXPECT_EQ(cookie_in(upstream.questions[1]), joined(cookie_in(upstream.questions[0]), 5));
}

TEST_F(DnsLab, AnAnswerWithoutTheCookieThatIsExpectedIsAskedForOverTcp) {
  FakeUpstream upstream{io_, "127.0.0.9", [](const Bytes& q, bool tcp, const auto& reply) {
                          if (tcp) return reply(with_cookie(answer_to(q, 2), joined(cookie_in(q), 5)));
                          if (q.at(13) == 'a') return reply(with_cookie(answer_to(q), joined(cookie_in(q), 5)));
                          reply(answer_to(q));
                        }};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
  EXPECT_EQ(count_of(exchange(ask("b.example")).value(), 1), 2U);
}

TEST_F(DnsLab, BadcookieIsAnsweredWithTheNewOne) {
  FakeUpstream upstream{io_, "127.0.0.9", [](const Bytes& q, bool, const auto& reply) {
                          const auto good = joined(cookie_in(q), 5);
                          if (cookie_in(q) == good) return reply(with_cookie(answer_to(q), good));
                          reply(with_cookie(answer_to(q, 0, 0x8187), good, 1));
                        }};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
  EXPECT_EQ(upstream.questions.size(), 2U);
  EXPECT_EQ(count_of(exchange(ask("b.example")).value(), 1), 1U);
  EXPECT_EQ(upstream.questions.size(), 3U);
}

}  // namespace
}  // namespace vrouter::dns
