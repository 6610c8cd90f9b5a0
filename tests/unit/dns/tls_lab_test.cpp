// SPDX-License-Identifier: GPL-2.0-or-later
// Servers over TLS: those that prove who they are are asked, and the others hear nothing of what a guest asked.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "certificates.h"
#include "dns/upstream_streams.h"
#include "dns_lab.h"
#include "stream_upstream.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using config::DnsServer;
using config::DnsTransport;
using testing::answer_to;
using testing::ask;
using testing::Bytes;
using testing::count_of;
using testing::DnsLab;
using testing::Identity;
using testing::make_identity;
using testing::StreamUpstream;
using testing::u16_at;
using namespace std::chrono_literals;

const DnsServer kNamed{make_address("127.0.0.9"), 853, DnsTransport::tls, "dns.example"},
    kByAddress{make_address("127.0.0.9"), 853, DnsTransport::tls};
constexpr std::size_t kOptRdata = 11;  // bytes of an OPT before its options

void good(const StreamUpstream::ConnectionPtr& from, const Bytes& question) {
  from->send(answer_to(question, 2));
}

class DnsTls : public DnsLab {
 protected:
  std::unique_ptr<StreamUpstream> serve(const Identity& identity, StreamUpstream::Behaviour behaviour = good) {
    contexts_.push_back(testing::server_context(identity));
    return std::make_unique<StreamUpstream>(io_, "127.0.0.9", 853, std::move(behaviour), contexts_.back().get());
  }
  // One question, of which the first server is told nothing: the second answers it.
  void expect_refused(const DnsServer& server, const StreamUpstream& upstream, UpstreamTrouble why) {
    testing::FakeUpstream next{io_, "127.0.0.10", testing::good};
    start({server, make_address("127.0.0.10")}, {}, authority_.pem());
    EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
    EXPECT_TRUE(upstream.questions.empty());
    EXPECT_GE(upstream.accepted, 1U);
    const auto status = server_->statistics().upstreams.at(0);
    EXPECT_EQ(status.server, server);
    EXPECT_EQ(name(status.trouble), name(why));
    EXPECT_EQ(status.answered, 0U);
    EXPECT_EQ(status.timeouts, 1U);
  }
  Identity authority_ = make_identity({});
  std::vector<std::unique_ptr<boost::asio::ssl::context>> contexts_;
};

TEST_F(DnsTls, ANamedServerIsAskedOverOneConnectionInQuestionsOfOneLength) {
  const auto upstream = serve(make_identity({.names = "DNS:other.example,DNS:dns.example"}, &authority_));
  start({kNamed}, {}, authority_.pem());
  for (const auto* name : {"a.example", "bb.example", "a.name.that.is.quite.a.bit.longer.than.the.others.example"})
    EXPECT_EQ(count_of(exchange(ask(name)).value(), 1), 2U);
  EXPECT_EQ(upstream->accepted, 1U);
  EXPECT_EQ(upstream->asked_for, "dns.example");
  EXPECT_EQ(upstream->alpn, "dot");
  ASSERT_EQ(upstream->questions.size(), 3U);
  for (const auto& question : upstream->questions) {
    EXPECT_EQ(question.size(), 128U);
    const auto options = 12 + testing::question_of(question).size() + kOptRdata;
    EXPECT_EQ(u16_at(question, options - 2), question.size() - options);
    EXPECT_EQ(u16_at(question, options), 12U);  // padding, and no cookie before it
    EXPECT_EQ(u16_at(question, options + 2), question.size() - options - 4);
  }
  const auto status = server_->statistics().upstreams.at(0);
  EXPECT_EQ(status.answered, 3U);
  EXPECT_EQ(name(status.trouble), "none");
}

TEST_F(DnsTls, WithoutANameTheCertificateMustBeForTheAddress) {
  const auto upstream = serve(make_identity({.names = "IP:127.0.0.9"}, &authority_));
  start({kByAddress}, {}, authority_.pem());
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 2U);
  EXPECT_EQ(upstream->asked_for, "");
}

TEST_F(DnsTls, PaddingOfAnAnswerStaysHere) {
  const auto upstream = serve(make_identity({.names = "IP:127.0.0.9"}, &authority_), [](const auto& from, Bytes q) {
    auto answer = answer_to(q);
    answer[11] = 1;
    testing::Message padded{answer};
    padded.opt(1232, 0, std::string{"\0\x0c\0\x64", 4} + std::string(100, '\0'));
    from->send(padded.bytes);
  });
  start({kByAddress}, {}, authority_.pem());
  const auto reply = exchange(testing::Message{}.header(9, 0x100, 1, 0, 0, 1).question("a.example").opt().bytes);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->size(), answer_to(ask("a.example")).size() + kOptRdata);
}

TEST_F(DnsTls, ACertificateForAnotherNameIsRefused) {
  const auto upstream = serve(make_identity({.names = "DNS:other.example,IP:127.0.0.9"}, &authority_));
  expect_refused(kNamed, *upstream, UpstreamTrouble::wrong_name);
}

TEST_F(DnsTls, ACertificateForAnotherAddressIsRefused) {
  const auto upstream = serve(make_identity({.names = "IP:127.0.0.10,DNS:dns.example"}, &authority_));
  expect_refused(kByAddress, *upstream, UpstreamTrouble::wrong_name);
}

TEST_F(DnsTls, ACertificateThatVouchesForItselfIsRefused) {
  const auto upstream = serve(make_identity({.names = "DNS:dns.example"}));
  expect_refused(kNamed, *upstream, UpstreamTrouble::untrusted);
}

TEST_F(DnsTls, ACertificateOfAnotherAuthorityIsRefused) {
  const auto other = make_identity({});
  const auto upstream = serve(make_identity({.names = "DNS:dns.example"}, &other));
  expect_refused(kNamed, *upstream, UpstreamTrouble::untrusted);
}

TEST_F(DnsTls, AnExpiredCertificateIsRefused) {
  const auto upstream =
      serve(make_identity({.names = "DNS:dns.example", .from = -7200s, .until = -3600s}, &authority_));
  expect_refused(kNamed, *upstream, UpstreamTrouble::expired);
}

TEST_F(DnsTls, ACertificateOfTheFutureIsRefused) {
  const auto upstream = serve(make_identity({.names = "DNS:dns.example", .from = 3600s, .until = 7200s}, &authority_));
  expect_refused(kNamed, *upstream, UpstreamTrouble::expired);
}

TEST_F(DnsTls, AServerWithoutTlsIsNotAskedInTheClear) {
  StreamUpstream upstream{io_, "127.0.0.9", 853, [](const auto& from, const Bytes&) {
                            from->send({'n', 'o', 't', 'l', 's'});  // what it takes for a question is our hello
                          }};
  testing::FakeUpstream next{io_, "127.0.0.10", testing::good};
  start({kNamed, make_address("127.0.0.10")}, {}, authority_.pem());
  EXPECT_EQ(count_of(exchange(ask("secret.example")).value(), 1), 1U);
  for (const auto& heard : upstream.questions)
    EXPECT_EQ(std::string(heard.begin(), heard.end()).find("secret"), std::string::npos);
}

TEST_F(DnsTls, WithoutAuthoritiesNothingIsAskedUntilThereAreSome) {
  const auto upstream = serve(make_identity({.names = "DNS:dns.example"}, &authority_));
  for (const std::string none : {"", "no certificate\n"}) {
    start({kNamed}, {}, none);
    EXPECT_EQ(testing::rcode_of(exchange(ask("a.example")).value()), 2U);
    EXPECT_EQ(name(server_->statistics().upstreams.at(0).trouble), "no_authorities");
  }
  start({kNamed}, {}, authority_.pem());
  EXPECT_EQ(count_of(exchange(ask("b.example")).value(), 1), 2U);
  EXPECT_EQ(name(server_->statistics().upstreams.at(0).trouble), "none");
}

TEST_F(DnsTls, AfterTheServerClosedItsIdleConnectionTheNextQuestionGoesOverAFreshOne) {
  const auto upstream = serve(make_identity({.names = "DNS:dns.example"}, &authority_), [](const auto& from, Bytes q) {
    from->questions == 1 ? from->send(answer_to(q)) : from->close();
  });
  start({kNamed}, {}, authority_.pem());
  for (const auto* name : {"a.example", "b.example", "c.example"})
    EXPECT_EQ(count_of(exchange(ask(name)).value(), 1), 1U) << name;
  EXPECT_EQ(upstream->accepted, 3U);
}

TEST_F(DnsTls, AThousandQuestionsShareOneConnection) {
  const auto upstream = serve(make_identity({.names = "DNS:dns.example"}, &authority_));
  UpstreamStreams streams{io_, [](const DnsServer&, UpstreamTrouble trouble) { EXPECT_EQ(name(trouble), "none"); }};
  streams.trust(authority_.pem());
  std::vector<UpstreamStreams::Ticket> tickets;
  std::size_t answered = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto key =
        QuestionKey{.name = Name::from_text("n" + std::to_string(i) + ".example").value(), .type = type::a};
    tickets.push_back(streams.ask(kNamed, {.key = key}, [&](const auto& reply) { answered += reply ? 1 : 0; }));
  }
  EXPECT_TRUE(run_until([&] { return answered == 1000; }));
  EXPECT_EQ(upstream->accepted, 1U);
}

}  // namespace
}  // namespace vrouter::dns
