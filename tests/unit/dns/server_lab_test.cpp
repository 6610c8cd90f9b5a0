// SPDX-License-Identifier: GPL-2.0-or-later
// The whole server over real sockets, in a network namespace of its own: gateway 10.0.5.1 on lo, upstreams at
// 127.0.0.x. The host asks over the loopback; guests ask from a namespace behind a veth that stands for their TAP.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <set>
#include <thread>

#include "dns/upstream_table.h"
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
using ::testing::HasSubstr;
using testing::rcode_of;
using testing::u16_at;
using namespace std::chrono_literals;

TEST_F(DnsLab, DigResolvesOverUdpAndTcp) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  EXPECT_EQ(run("dig +short @10.0.5.1 www.example A"), "192.0.2.1\n");
  EXPECT_EQ(run("dig +short +tcp @10.0.5.1 www.example A"), "192.0.2.1\n");
  EXPECT_EQ(run("kdig +short @10.0.5.1 www.example A"), "192.0.2.1\n");
  EXPECT_EQ(run("dig +short @10.0.5.1 web1.guests.internal A"), "10.0.5.2\n");
  EXPECT_EQ(run("dig +short @10.0.5.1 web1 A"), "10.0.5.2\n");
  EXPECT_EQ(run("dig +short @10.0.5.1 -x 10.0.5.2"), "web1.guests.internal.\n");
  EXPECT_EQ(run("dig +short +tcp @10.0.5.1 _gateway A"), "10.0.5.1\n");
  EXPECT_THAT(run("dig @10.0.5.1 web1.guests.internal AAAA"), HasSubstr("status: NOERROR"));
  EXPECT_THAT(run("dig @10.0.5.1 nobody.guests.internal A"), HasSubstr("status: NXDOMAIN"));
  const auto counts = server_->statistics();
  EXPECT_EQ(counts.queries_tcp, 2U);
  EXPECT_EQ(counts.forwarded, 1U);
  EXPECT_EQ(counts.answered_from_cache, 2U);
}

// 192.0.2.0/24 is what the upstream answers from: here it is a network of guests.
TEST_F(DnsLab, AnswersThatLeadInsideAreRefusedWhereThatIsWanted) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")}, {{"corp.example", {make_address("127.0.0.9")}}});
  server_->apply({.snapshot = true,
                  .zones = {{.network = "default",
                             .domain = "guests.internal",
                             .prefixes4 = {boost::asio::ip::make_network_v4("192.0.2.0/24")},
                             .prefixes6 = {},
                             .listen = {make_address("10.0.5.1")}}},
                  .upserts = hosts_,
                  .removed = {}});
  EXPECT_EQ(run("dig +short @10.0.5.1 www.example A"), "192.0.2.1\n");
  server_->configure({.rebind_protection = true, .rebind_allow = {"nas.example"}});
  const auto refused = run("dig @10.0.5.1 www.example A");
  EXPECT_THAT(refused, HasSubstr("status: NXDOMAIN"));
  EXPECT_THAT(refused, HasSubstr("EDE: 15"));
  EXPECT_THAT(run("dig @10.0.5.1 www.example A"), HasSubstr("status: NXDOMAIN")) << "from the cache";
  EXPECT_EQ(run("dig +short @10.0.5.1 a.nas.example A"), "192.0.2.1\n");
  EXPECT_EQ(run("dig +short @10.0.5.1 a.corp.example A"), "192.0.2.1\n");
  EXPECT_EQ(server_->statistics().refused_rebinding, 1U);
}

TEST_F(DnsLab, WhatIsForgottenIsAskedForAgain) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  const auto asked = [&] {
    EXPECT_EQ(run("dig +short @10.0.5.1 www.example A"), "192.0.2.1\n");
    EXPECT_EQ(run("dig +short @10.0.5.1 www2.example A"), "192.0.2.1\n");
    return upstream.questions.size();
  };
  EXPECT_EQ(asked(), 2U);
  EXPECT_EQ(asked(), 2U);
  server_->forget("WWW.example");
  EXPECT_EQ(asked(), 3U);
  server_->forget("");
  EXPECT_EQ(asked(), 5U);
  EXPECT_EQ(server_->statistics().cache.entries, 2U);
}

TEST_F(DnsLab, PortsAndIdsAreNotToBeGuessed) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  std::set<unsigned> ports, ids;
  for (unsigned i = 0; i < 40; ++i) ASSERT_TRUE(exchange(ask("n" + std::to_string(i) + ".example")));
  for (const auto& peer : upstream.peers) ports.insert(peer.port());
  for (const auto& question : upstream.questions) ids.insert(u16_at(question, 0));
  EXPECT_GT(ports.size(), 35U);
  EXPECT_GT(ids.size(), 35U);
  EXPECT_GT(*ids.rbegin() - *ids.begin(), 1000U);
}

TEST_F(DnsLab, TruncationIsResolvedOverTcpAndPassedOnAsTheClientCanTake) {
  FakeUpstream upstream{io_, "127.0.0.9", [](const Bytes& q, bool tcp, const auto& reply) {
                          reply(tcp ? answer_to(q, 60) : answer_to(q, 0, 0x8380));
                        }};
  start({make_address("127.0.0.9")});
  const auto plain = exchange(ask("a.example")).value();
  EXPECT_EQ(u16_at(plain, 2) & 0x0200, 0x0200U);
  EXPECT_EQ(count_of(plain, 1), 0U);
  const auto wide =
      exchange(testing::Message{}.header(9, 0x100, 1, 0, 0, 1).question("a.example").opt(1232).bytes).value();
  EXPECT_EQ(count_of(wide, 1), 60U);
  EXPECT_THAT(run("dig +noedns @10.0.5.1 a.example A"), HasSubstr("ANSWER: 60"));  // dig comes back over TCP itself
}

TEST_F(DnsLab, EqualQuestionsAreAskedOnceAndEachSpellingIsEchoed) {
  FakeUpstream::Reply later;
  Bytes question;
  FakeUpstream slow{io_, "127.0.0.9", [&](const Bytes& q, bool, const auto& reply) {
                      question = q;
                      later = reply;
                    }};
  start({make_address("127.0.0.9")});
  boost::asio::ip::udp::socket client{io_};
  client.connect({make_address("10.0.5.1"), 53});
  client.send(boost::asio::buffer(ask("www.example", 1, 1)));
  client.send(boost::asio::buffer(ask("WWW.example", 1, 2)));
  ASSERT_TRUE(run_until([&] { return server_->statistics().forwarded == 2; }));
  ASSERT_TRUE(run_until([&] { return later != nullptr; }));
  later(answer_to(question));
  std::map<unsigned, Bytes> replies;
  ASSERT_TRUE(run_until([&] {
    for (Bytes buffer(512); client.available() > 0; buffer.resize(512)) {
      buffer.resize(client.receive(boost::asio::buffer(buffer)));
      replies[u16_at(buffer, 0)] = buffer;
    }
    return replies.size() == 2;
  }));
  EXPECT_EQ(slow.questions.size(), 1U);
  EXPECT_EQ(testing::question_of(replies[1]), testing::question_of(ask("www.example")));
  EXPECT_EQ(testing::question_of(replies[2]), testing::question_of(ask("WWW.example")));
}

TEST_F(DnsLab, PipelinedTcpQuestionsAreAnsweredAsTheyComeAndAHalfSentOneHoldsNobodyUp) {
  FakeUpstream::Reply later;
  Bytes slow;
  FakeUpstream upstream{io_, "127.0.0.9", [&](const Bytes& q, bool, const auto& reply) {
                          if (q.at(13) != 's') return reply(answer_to(q));
                          slow = q;
                          later = reply;
                        }};
  start({make_address("127.0.0.9")});
  boost::asio::ip::tcp::socket idler{io_}, client{io_};
  idler.connect({make_address("10.0.5.1"), 53});
  boost::asio::write(idler, boost::asio::buffer(Bytes{0, 100, 1}));
  client.connect({make_address("10.0.5.1"), 53});
  Bytes both;
  for (const auto& q : {ask("slow.example", 1, 1), ask("fast.example", 1, 2)}) {
    both.insert(both.end(), {0, static_cast<std::uint8_t>(q.size())});
    both.insert(both.end(), q.begin(), q.end());
  }
  boost::asio::write(client, boost::asio::buffer(both));
  ASSERT_TRUE(run_until([&] { return client.available() >= 14 && later != nullptr; }));
  Bytes first(client.available());
  boost::asio::read(client, boost::asio::buffer(first));
  EXPECT_EQ(u16_at(first, 2), 2U);
  later(answer_to(slow));
  ASSERT_TRUE(run_until([&] { return client.available() >= 14; }));
  Bytes second(client.available());
  boost::asio::read(client, boost::asio::buffer(second));
  EXPECT_EQ(u16_at(second, 2), 1U);
}

TEST_F(DnsLab, OneClientGetsOnlySoManyConnections) {
  start({});
  std::vector<boost::asio::ip::tcp::socket> sockets;
  for (int i = 0; i < 20; ++i) sockets.emplace_back(io_).connect({make_address("10.0.5.1"), 53});
  const auto closed = [&] {
    return std::ranges::count_if(sockets, [](auto& s) {
      std::uint8_t byte = 0;
      return ::recv(s.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    });
  };
  EXPECT_TRUE(run_until([&] { return closed() == 4; }));
}

TEST_F(DnsLab, RepliesAreNeverAnswered) {
  start({});
  EXPECT_FALSE(exchange(ask("web1", 1, 1, 0x8100), 200ms));
  EXPECT_EQ(rcode_of(exchange(ask("localhost")).value()), 0U);
}

TEST_F(DnsLab, AGuestIsItsInterfaceAndItsAddressTogether) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  ASSERT_EQ(sh("ip link add tap0 type veth peer name eth0 && ip addr add 10.0.5.1/32 dev tap0 2>/dev/null; ip link set "
               "tap0 up && "
               "ip route add 10.0.5.2/32 dev tap0 src 10.0.5.1 && ip route add 10.0.5.3/32 dev tap0 src 10.0.5.1"),
            0);
  hosts_.front().ifindex = ::if_nametoindex("tap0");
  start({make_address("127.0.0.9")});
  // The guest's side, in a namespace of a process that waits on a pipe and goes with it.
  std::array<int, 2> ready{}, hold{};
  ASSERT_EQ(::pipe2(ready.data(), O_CLOEXEC) | ::pipe2(hold.data(), O_CLOEXEC), 0);
  const pid_t guest = ::fork();
  if (guest == 0) {
    ::close(hold[1]);
    char c = ::unshare(CLONE_NEWNET) == 0 ? 'y' : 'n';
    static_cast<void>(!::write(ready[1], &c, 1));
    static_cast<void>(!::read(hold[0], &c, 1));
    ::_exit(0);
  }
  char c = 0;
  ASSERT_EQ(::read(ready[0], &c, 1), 1);
  const auto inside = "nsenter -t " + std::to_string(guest) + " -n ";
  ASSERT_EQ(sh("ip link set eth0 netns " + std::to_string(guest)), 0);
  ASSERT_EQ(
      sh(inside + "sh -c 'ip addr add 10.0.5.2/24 dev eth0; ip addr add 10.0.5.3/24 dev eth0; ip link set eth0 up'"),
      0);
  EXPECT_EQ(run(inside + "dig +short -b 10.0.5.2 @10.0.5.1 web1 A"), "10.0.5.2\n");
  EXPECT_EQ(run(inside + "dig +short -b 10.0.5.2 +tcp @10.0.5.1 www.example A"), "192.0.2.1\n");
  EXPECT_EQ(run(inside + "dig +short -b 10.0.5.2 @10.0.5.1 www.example A"), "192.0.2.1\n");
  EXPECT_THAT(run(inside + "dig +time=1 +tries=1 -b 10.0.5.3 @10.0.5.1 www.example A"),
              HasSubstr("no servers could be reached"));
  EXPECT_THAT(run(inside + "dig +time=1 +tries=1 -b 10.0.5.3 +tcp @10.0.5.1 www.example A"),
              Not(HasSubstr("192.0.2.1")));
  EXPECT_EQ(server_->statistics().dropped_unknown_source, 1U);
  ::close(hold[1]);
  ::waitpid(guest, nullptr, 0);
}

TEST_F(DnsLab, AnAddressThatComesLaterIsServedThen) {
  ASSERT_EQ(sh("ip addr del 10.0.5.1/32 dev lo"), 0);
  start({});
  ASSERT_EQ(listeners_->problems().size(), 2U);
  EXPECT_THAT(listeners_->problems().front(), HasSubstr("10.0.5.1 port 53 (udp)"));
  ASSERT_EQ(sh("ip addr add 10.0.5.1/32 dev lo"), 0);
  EXPECT_TRUE(run_until([&] { return listeners_->problems().empty(); }));
  EXPECT_EQ(rcode_of(exchange(ask("localhost")).value()), 0U);
}

TEST_F(DnsLab, APortTakenByAnotherIsAProblemWithARemedy) {
  boost::asio::ip::tcp::acceptor other{io_, {make_address("10.0.5.1"), 53}};
  start({});
  EXPECT_THAT(listeners_->problems().front(),
              AllOf(HasSubstr("port 53 (tcp)"), HasSubstr("ss -lpn"), HasSubstr("bind-interfaces")));
  EXPECT_EQ(rcode_of(exchange(ask("localhost")).value()), 0U);  // UDP works meanwhile
}

TEST_F(DnsLab, OwnAddressesAreRefusedAsUpstreams) {
  start({make_address("10.0.5.1")});
  EXPECT_EQ(rcode_of(exchange(ask("a.example")).value()), 2U);
}

TEST_F(DnsLab, ASocketGivenAgainKeepsItsConnections) {
  UniqueFd kept;
  listeners_ = Listeners::create(io_, make_socket, [&](const Place& place, UniqueFd bound) {
    if (place.transport == Transport::tcp) kept = UniqueFd{::fcntl(bound.get(), F_DUPFD_CLOEXEC, 0)};
    server_->listen(place, std::move(bound));
  });
  start({});
  boost::asio::ip::tcp::socket client{io_};
  client.connect({make_address("10.0.5.1"), 53});
  io_.run_for(50ms);
  server_->listen({make_address("10.0.5.1"), Transport::tcp}, std::move(kept));
  Bytes question = ask("localhost");
  question.insert(question.begin(), {0, static_cast<std::uint8_t>(question.size())});
  boost::asio::write(client, boost::asio::buffer(question));
  EXPECT_TRUE(run_until([&] { return client.available() > 14; }));
}

TEST_F(DnsLab, AnotherSocketTakesThePlaceOfTheFirst) {
  start({});
  EXPECT_EQ(rcode_of(exchange(ask("localhost")).value()), 0U);
  auto other = make_socket(AF_INET, SOCK_DGRAM);
  ASSERT_TRUE(other);
  ASSERT_FALSE(bind_socket(other->get(), {make_address("10.0.5.9")})) << "no such address";
  server_->listen({make_address("10.0.5.1")}, std::move(*other));
  EXPECT_FALSE(exchange(ask("localhost"), 200ms)) << "the first is closed";
}

TEST_F(DnsLab, AnAddressNoLongerInTheZonesIsClosed) {
  start({});
  EXPECT_EQ(rcode_of(exchange(ask("localhost")).value()), 0U);
  server_->apply({.snapshot = true, .zones = {}, .upserts = {}, .removed = {}});
  listeners_->want({});
  boost::asio::ip::tcp::socket client{io_};
  boost::system::error_code error;
  client.connect({make_address("10.0.5.1"), 53}, error);
  EXPECT_EQ(error, boost::asio::error::connection_refused);
  start({});
  EXPECT_EQ(rcode_of(exchange(ask("localhost")).value()), 0U) << "bound anew";
}

// While a server is replaced, what is asked waits in the sockets that its parent keeps.
TEST_F(DnsLab, AQuestionAskedWhileNobodyServesIsAnsweredByTheNext) {
  std::vector<std::pair<Transport, UniqueFd>> kept;
  listeners_ = Listeners::create(io_, make_socket, [&](const Place& place, UniqueFd bound) {
    kept.emplace_back(place.transport, std::move(bound));
  });
  start({});
  server_.reset();
  boost::asio::ip::udp::socket client{io_};
  client.connect({make_address("10.0.5.1"), 53});
  client.send(boost::asio::buffer(ask("localhost")));
  EXPECT_FALSE(run_until([&] { return client.available() > 0; }, 100ms));
  server_ = Server::create(io_);
  for (auto& [transport, socket] : kept) server_->listen({make_address("10.0.5.1"), transport}, std::move(socket));
  EXPECT_TRUE(run_until([&] { return client.available() > 0; }));
}

TEST_F(DnsLab, MayGoAwayWithQuestionsInFlight) {
  FakeUpstream dead{io_, "127.0.0.8", testing::dead};
  start({make_address("127.0.0.8")});
  EXPECT_FALSE(exchange(ask("a.example"), 100ms));
  boost::asio::ip::tcp::socket client{io_};
  client.connect({make_address("10.0.5.1"), 53});
  io_.poll();
  server_.reset();
  io_.run_for(100ms);
  SUCCEED();
}

}  // namespace
}  // namespace vrouter::dns
