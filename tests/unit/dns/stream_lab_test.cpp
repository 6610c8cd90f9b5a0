// SPDX-License-Identifier: GPL-2.0-or-later
// Servers that are asked over TCP alone: many questions on one connection, and servers that do as they like with it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <vector>

#include "dns/upstream_streams.h"
#include "dns_lab.h"
#include "stream_upstream.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using testing::answer_to;
using testing::ask;
using testing::Bytes;
using testing::count_of;
using testing::DnsLab;
using testing::rcode_of;
using testing::StreamUpstream;
using testing::u16_at;
using namespace std::chrono_literals;

const config::DnsServer kServer{make_address("127.0.0.9"), 5353, config::DnsTransport::tcp};

void good(const StreamUpstream::ConnectionPtr& from, const Bytes& question) {
  from->send(answer_to(question));
}

QuestionKey key(const std::string& name) {
  return {.name = Name::from_text(name).value(), .type = type::a};
}

class DnsStreams : public DnsLab {
 protected:
  // Asks for n0.example and so on; how many were answered, each with its own question.
  std::size_t ask_many(unsigned count) {
    std::size_t answered = 0, heard = 0;
    for (unsigned i = 0; i < count; ++i) {
      const auto name = "n" + std::to_string(i) + ".example";
      tickets_.push_back(streams_->ask(kServer, {.key = key(name)}, [&, name](std::optional<Reply> reply) {
        ++heard;
        if (reply && testing::question_of(reply->message) == testing::question_of(ask(name))) ++answered;
      }));
    }
    EXPECT_TRUE(run_until([&] { return heard == count; }));
    return answered;
  }
  std::unique_ptr<UpstreamStreams> streams_ = std::make_unique<UpstreamStreams>(
      io_, [](const config::DnsServer&, UpstreamTrouble) { FAIL() << "there is no TLS here"; });
  std::vector<UpstreamStreams::Ticket> tickets_;
};

TEST_F(DnsStreams, AThousandQuestionsShareOneConnectionAndAreAnsweredInAnyOrder) {
  std::vector<Bytes> held;
  StreamUpstream upstream{io_, "127.0.0.9", 5353, [&](const auto& from, const Bytes& q) {
                            held.push_back(q);
                            if (held.size() < 1000) return;
                            std::ranges::reverse(held);
                            for (const auto& question : held) from->send(answer_to(question));
                          }};
  EXPECT_EQ(ask_many(1000), 1000U);
  EXPECT_EQ(upstream.accepted, 1U);
  std::set<unsigned> ids;
  for (const auto& question : upstream.questions) ids.insert(u16_at(question, 0));
  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_EQ(streams_->mismatched(), 0U);
}

TEST_F(DnsStreams, ConnectionsAndWhatIsOnThemAreBounded) {
  StreamUpstream upstream{io_, "127.0.0.9", 5353, [](const auto&, const Bytes&) {}};
  std::size_t failed = 0;
  const auto most = kMaxOnConnection * kMaxConnections;
  for (std::size_t i = 0; i < most + 7; ++i) {
    tickets_.push_back(streams_->ask(kServer, {.key = key("a.example")}, [&](const auto& reply) {
      EXPECT_FALSE(reply);
      ++failed;
    }));
  }
  EXPECT_EQ(failed, 0U) << "not before ask() returned";
  EXPECT_TRUE(run_until([&] { return upstream.questions.size() == most; }));
  EXPECT_EQ(upstream.accepted, kMaxConnections);
  EXPECT_EQ(failed, 7U);
}

TEST_F(DnsStreams, WhatWasOnAConnectionThatTheServerClosedGoesOnceMoreOverAFreshOne) {
  StreamUpstream upstream{io_, "127.0.0.9", 5353, [](const auto& from, const Bytes& q) {
                            from->questions <= 2 ? from->send(answer_to(q)) : from->close();
                          }};
  EXPECT_EQ(ask_many(1), 1U);
  EXPECT_EQ(ask_many(1), 1U);
  EXPECT_EQ(ask_many(1), 1U);
  EXPECT_EQ(upstream.accepted, 2U);
  EXPECT_EQ(upstream.questions.size(), 4U);
}

TEST_F(DnsStreams, AServerThatClosesAtOnceIsNotAskedAgain) {
  StreamUpstream upstream{io_, "127.0.0.9", 5353, [](const auto& from, const Bytes&) { from->close(); }};
  EXPECT_EQ(ask_many(1), 0U);
  EXPECT_EQ(upstream.accepted, 1U);
}

TEST_F(DnsStreams, ARepeatedQuestionIsRepeatedOnce) {
  unsigned asked = 0;
  StreamUpstream upstream{io_, "127.0.0.9", 5353, [&](const auto& from, const Bytes& q) {
                            // Each connection answers its first question only.
                            ++asked;
                            from->questions == 1 && q.at(14) != '9' ? from->send(answer_to(q)) : from->close();
                          }};
  EXPECT_EQ(ask_many(1), 1U);
  std::optional<bool> answered;
  tickets_.push_back(
      streams_->ask(kServer, {.key = key("n9.example")}, [&](const auto& reply) { answered = reply.has_value(); }));
  EXPECT_TRUE(run_until([&] { return answered.has_value(); }));
  EXPECT_EQ(answered, false);
  EXPECT_EQ(asked, 3U);
}

TEST_F(DnsStreams, AReplyToNothingOrToAnotherQuestionEndsTheConnection) {
  for (const bool other_id : {true, false}) {
    const auto before = streams_->mismatched();
    StreamUpstream upstream{io_, "127.0.0.9", 5353, [&](const auto& from, Bytes q) {
                              q[other_id ? 0 : 13] ^= 0x01;
                              from->send(answer_to(q));
                            }};
    EXPECT_EQ(ask_many(1), 0U);
    EXPECT_EQ(streams_->mismatched(), before + 1);
    EXPECT_TRUE(run_until([&] { return !upstream.connections.at(0)->socket.is_open(); }));
  }
}

// CVE-2026-33596: an answer under the id of another question that waits on the same connection.
TEST_F(DnsStreams, AnswersUnderEachOthersIdsAreTakenForNeither) {
  std::vector<Bytes> held;
  StreamUpstream upstream{io_, "127.0.0.9", 5353, [&](const auto& from, const Bytes& q) {
                            held.push_back(q);
                            if (held.size() != 2) return;
                            std::swap_ranges(held[0].begin(), held[0].begin() + 2, held[1].begin());
                            for (const auto& swapped : held) from->send(answer_to(swapped));
                          }};
  EXPECT_EQ(ask_many(2), 0U);
  EXPECT_EQ(streams_->mismatched(), 1U);
}

// Ids are drawn anew, and those of questions that wait are left out: of a thousand at once, none is another's.
TEST_F(DnsStreams, NoIdIsUsedTwiceWhileItsAnswerMayCome) {
  std::set<unsigned> ids;
  StreamUpstream upstream{io_, "127.0.0.9", 5353, [&](const auto& from, const Bytes& q) {
                            EXPECT_TRUE(ids.insert(u16_at(q, 0)).second);
                            if (ids.size() < kMaxOnConnection) return;
                            for (const auto& each : upstream.questions) from->send(answer_to(each));
                          }};
  EXPECT_EQ(ask_many(kMaxOnConnection), kMaxOnConnection);
  EXPECT_EQ(upstream.accepted, 1U);
}

TEST_F(DnsStreams, TheReplyToAForgottenQuestionIsReadAndDropped) {
  StreamUpstream::ConnectionPtr connection;
  Bytes held;
  StreamUpstream upstream{io_, "127.0.0.9", 5353, [&](const auto& from, const Bytes& q) {
                            if (from->questions > 1) return from->send(answer_to(q));
                            connection = from;
                            held = q;
                          }};
  const auto ticket = streams_->ask(kServer, {.key = key("late.example")}, [](const auto&) { FAIL(); });
  ASSERT_TRUE(run_until([&] { return !held.empty(); }));
  ticket->forget();
  connection->send(answer_to(held));
  EXPECT_EQ(ask_many(1), 1U);
  EXPECT_EQ(upstream.accepted, 1U);
  EXPECT_EQ(streams_->mismatched(), 0U);
}

TEST_F(DnsStreams, AnIdleConnectionIsClosedAndASilentOneSooner) {
  bool silent = false;
  StreamUpstream upstream{io_, "127.0.0.9", 5353, [&](const auto& from, const Bytes& q) {
                            if (!silent) from->send(answer_to(q));
                          }};
  const auto open = [&] { return upstream.connections.back()->socket.is_open(); };
  EXPECT_EQ(ask_many(1), 1U);
  EXPECT_FALSE(run_until([&] { return !open(); }, 9s));
  EXPECT_TRUE(run_until([&] { return !open(); }, 4s));
  silent = true;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ask_many(1), 0U);
  EXPECT_GT(std::chrono::steady_clock::now() - begin, 4s);
  EXPECT_EQ(upstream.accepted, 2U);
}

TEST_F(DnsStreams, NothingIsToldAfterTheEnd) {
  StreamUpstream upstream{io_, "127.0.0.9", 5353, good};
  for (int i = 0; i < 3; ++i) {
    tickets_.push_back(streams_->ask(kServer, {.key = key("a.example")}, [&](const auto&) {
      ASSERT_TRUE(streams_);
      streams_.reset();  // whoever is told may do so
    }));
  }
  EXPECT_TRUE(run_until([&] { return !streams_; }));
  run_until([] { return false; }, 100ms);
}

TEST_F(DnsStreams, ThroughTheServerAConnectionIsSharedAndAFailingOneLeadsToTheNext) {
  StreamUpstream first{io_, "127.0.0.9", 5353, [](const auto& from, const Bytes& q) {
                         q.at(13) == 'x' ? from->close() : from->send(answer_to(q, 2));
                       }};
  testing::FakeUpstream second{io_, "127.0.0.10", testing::good};
  start({kServer, make_address("127.0.0.10")});
  for (const auto* name : {"a.example", "b.example", "c.example"})
    EXPECT_EQ(count_of(exchange(ask(name)).value(), 1), 2U);
  EXPECT_EQ(first.accepted, 1U);
  EXPECT_EQ(count_of(exchange(ask("x.example")).value(), 1), 1U);
  const auto status = server_->statistics().upstreams;
  EXPECT_EQ(status.at(0).server, kServer);
  EXPECT_EQ(status.at(0).answered, 3U);
  EXPECT_EQ(status.at(0).timeouts, 1U);
}

}  // namespace
}  // namespace vrouter::dns
