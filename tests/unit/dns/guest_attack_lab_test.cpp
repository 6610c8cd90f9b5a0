// SPDX-License-Identifier: GPL-2.0-or-later
// Clients that attack, over real sockets: what they send costs no more than they may cost, and nobody else. The host
// stands for the guest: it has no budget of messages, all other bounds are the same. docs/dns.md, "Attacks".
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "dns_lab.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using boost::asio::ip::tcp;
using boost::asio::ip::udp;
using testing::answer_to;
using testing::ask;
using testing::Bytes;
using testing::count_of;
using testing::FakeUpstream;
using testing::Message;
using testing::rcode_of;
using testing::u16_at;
using namespace std::chrono_literals;

class DnsGuestAttacks : public testing::DnsLab {
 protected:
  void serve_with(unsigned workers) {
    Settings settings;
    settings.workers = workers;
    server_->configure(settings);
    listeners_->want({make_address("10.0.5.1")}, workers);
  }
  [[nodiscard]] udp::socket client() {
    udp::socket socket{io_};
    socket.connect({make_address("10.0.5.1"), 53});
    return socket;
  }
  [[nodiscard]] tcp::socket stream() {
    tcp::socket socket{io_};
    socket.connect({make_address("10.0.5.1"), 53});
    return socket;
  }
  // Nothing more comes of it: neither an answer nor work.
  [[nodiscard]] bool closed(tcp::socket& socket) {
    std::uint8_t byte = 0;
    return run_until(
        [&] { return ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0 || errno == ECONNRESET; });
  }
  [[nodiscard]] std::size_t work_within(std::chrono::milliseconds time) {
    io_.restart();
    return io_.run_for(time);
  }
};

Bytes framed(const Bytes& message) {
  Bytes all{static_cast<std::uint8_t>(message.size() >> 8), static_cast<std::uint8_t>(message.size())};
  all.insert(all.end(), message.begin(), message.end());
  return all;
}

TEST_F(DnsGuestAttacks, OptsThatAreTwoOrManyOrElsewhereAreFormErrors) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  std::string most, flood;
  for (int i = 0; i < 32; ++i) most += std::string_view{"\xff\x01\0\0", 4};
  flood = most + std::string{"\xff\x01\0\0", 4};
  const auto begun = [](unsigned an, unsigned ns, unsigned ar) {
    return Message{}.header(9, 0x100, 1, an, ns, ar).question("a.example");
  };
  for (const auto& query : {begun(0, 0, 2).opt().opt().bytes, begun(1, 0, 0).opt().bytes, begun(0, 1, 0).opt().bytes,
                            begun(0, 0, 1).opt(1232, 0, flood).bytes, begun(0, 0, 1).opt(1232, 0, "abc").bytes,
                            begun(0, 0, 1).name("x").u16(41).u16(1232).u32(0).u16(0).bytes}) {
    EXPECT_EQ(rcode_of(exchange(query).value()), 1U);
  }
  EXPECT_EQ(server_->statistics().dropped_malformed, 6U);
  EXPECT_TRUE(upstream.questions.empty());
  EXPECT_EQ(rcode_of(exchange(begun(0, 0, 1).opt(1232, 0, most).bytes).value()), 0U);
}

TEST_F(DnsGuestAttacks, QuestionsOfAnyLengthAndShapeAreSurvived) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  auto socket = client();
  auto whole = ask("a.example");
  whole.resize(60'000, 0xc0);  // far beyond what is read of a datagram
  socket.send(boost::asio::buffer(whole));
  for (const auto& shape : {Bytes{}, Bytes{0}, Bytes(11, 0), Bytes(4096, 0xff), Bytes(4096, 0)})
    socket.send(boost::asio::buffer(shape));
  // A name into itself, one into the header, and one forward.
  for (const unsigned pointer : {12U, 0U, 40U})
    socket.send(boost::asio::buffer(Message{}.header(3, 0x100, 1).pointer(pointer).u16(1).u16(1).bytes));
  EXPECT_EQ(rcode_of(exchange(ask("b.example")).value()), 0U);
  EXPECT_EQ(upstream.questions.size(), 1U);
  std::size_t longest = 0;
  for (Bytes buffer(65'535); socket.available() > 0;)
    longest = std::max(longest, socket.receive(boost::asio::buffer(buffer)));
  EXPECT_LE(longest, 60U) << "an error is no amplifier";
}

// Each worker hears of it, and one asks.
TEST_F(DnsGuestAttacks, WorkersAskOnceForWhatAllOfThemAreAsked) {
  testing::HeldUpstream slow{io_, "127.0.0.9"};
  start({make_address("127.0.0.9")});
  serve_with(4);
  std::vector<udp::socket> clients;
  for (unsigned i = 0; i < 48; ++i) {
    clients.push_back(client());
    clients.back().send(boost::asio::buffer(ask(i % 2 == 0 ? "www.example" : "wWw.Example", 1, i)));
  }
  ASSERT_TRUE(run_until([&] { return server_->statistics().forwarded == 48; }));
  ASSERT_TRUE(run_until([&] { return !slow.questions().empty(); }));
  slow.answer_the_first();
  ASSERT_TRUE(run_until([&] { return std::ranges::all_of(clients, [](auto& c) { return c.available() > 0; }); }));
  for (unsigned i = 0; i < clients.size(); ++i) {
    Bytes told(512);
    told.resize(clients[i].receive(boost::asio::buffer(told)));
    EXPECT_EQ(u16_at(told, 0), i);
    EXPECT_EQ(testing::question_of(told), testing::question_of(ask(i % 2 == 0 ? "www.example" : "wWw.Example")));
  }
  EXPECT_EQ(slow.questions().size(), 1U);
}

// CVE-2026-50252: whose questions one worker has must not tell from which ports it asks.
TEST_F(DnsGuestAttacks, PortsAreDrawnFromAllThereAreWhicheverWorkerIsAsked) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  serve_with(4);
  unsigned first = 0, last = 0;
  std::ifstream{"/proc/sys/net/ipv4/ip_local_port_range"} >> first >> last;
  ASSERT_LT(first, last);
  constexpr unsigned kEach = 100;  // that all stay out of one quarter: 3e-13
  std::set<unsigned> all;
  for (unsigned c = 0; c < 8; ++c) {  // a socket's questions are all one worker's
    auto socket = client();
    const auto before = upstream.peers.size();
    for (unsigned i = 0; i < kEach; ++i) {
      socket.send(boost::asio::buffer(ask("n" + std::to_string(c * kEach + i) + ".example")));
      ASSERT_TRUE(run_until([&] { return socket.available() > 0; }));
      Bytes told(512);
      socket.receive(boost::asio::buffer(told));
    }
    ASSERT_EQ(upstream.peers.size(), before + kEach);
    std::set<unsigned> quarters;
    for (auto i = before; i < upstream.peers.size(); ++i) {
      quarters.insert((upstream.peers[i].port() - first) * 4 / (last - first + 1));
      all.insert(upstream.peers[i].port());
    }
    EXPECT_EQ(quarters, (std::set<unsigned>{0, 1, 2, 3}));
  }
  EXPECT_GT(all.size(), 8 * kEach * 9 / 10);
}

// DNSBomb: what is asked slowly is not to be answered all at once. The 64 that may wait are all there is.
TEST_F(DnsGuestAttacks, NoMoreWaitsThanAGuestMayAskFor) {
  std::vector<std::pair<Bytes, FakeUpstream::Reply>> held;
  FakeUpstream slow{io_, "127.0.0.9", [&](const Bytes& q, bool, const auto& reply) { held.emplace_back(q, reply); }};
  start({make_address("127.0.0.9")});
  auto socket = client();
  for (unsigned i = 0; i < 300; ++i) {
    socket.send(boost::asio::buffer(ask("n" + std::to_string(i) + ".example", 1, i)));
    io_.restart();
    io_.poll();
  }
  ASSERT_TRUE(run_until([&] { return server_->statistics().dropped_over_budget == 300 - 64; }));
  EXPECT_EQ(rcode_of(exchange(ask("localhost")).value()), 0U) << "what needs no server is told";
  ASSERT_TRUE(run_until([&] { return held.size() >= 64; }, 2s));
  std::set<std::string> names;
  for (const auto& [question, reply] : held) {
    names.emplace(question.begin() + 13, question.begin() + 17);
    reply(answer_to(question));
  }
  unsigned heard = 0;
  run_until(
      [&] {
        for (Bytes buffer(512); socket.available() > 0; ++heard) socket.receive(boost::asio::buffer(buffer));
        return false;
      },
      300ms);
  EXPECT_EQ(heard, 64U);
  EXPECT_EQ(names.size(), 64U);
}

TEST_F(DnsGuestAttacks, AStreamThatMakesNoSenseIsClosedAndCostsNothingMore) {
  start({});
  const auto response = ask("localhost", 1, 1, 0x8100);
  for (const auto& bytes :
       {Bytes{0, 0}, Bytes{0, 1, 0}, Bytes{0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, framed(response)}) {
    auto socket = stream();
    boost::asio::write(socket, boost::asio::buffer(bytes));
    EXPECT_TRUE(closed(socket));
    EXPECT_LT(work_within(200ms), 20U) << "it turns in circles";
  }
  // What is cut off in the middle, and what never comes.
  for (const auto& bytes : {Bytes{0}, Bytes{0xff, 0xff}, Bytes{0xff, 0xff, 1, 2, 3}}) {
    auto socket = stream();
    boost::asio::write(socket, boost::asio::buffer(bytes));
    EXPECT_LT(work_within(200ms), 20U);
    socket.shutdown(tcp::socket::shutdown_send);
    EXPECT_TRUE(closed(socket));
  }
  EXPECT_EQ(rcode_of(exchange(ask("localhost")).value()), 0U);
}

TEST_F(DnsGuestAttacks, QuestionsCutAnywhereAreTheSameQuestions) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  Bytes all;
  for (unsigned i = 0; i < 3; ++i) {
    const auto one = framed(ask("n" + std::to_string(i) + ".example", 1, i));
    all.insert(all.end(), one.begin(), one.end());
  }
  auto socket = stream();
  socket.set_option(tcp::no_delay{true});
  for (const auto byte : all) {
    boost::asio::write(socket, boost::asio::buffer(&byte, 1));
    io_.restart();
    io_.poll();
  }
  const auto size = 3 * (2 + answer_to(ask("n0.example")).size());
  EXPECT_TRUE(run_until([&] { return socket.available() == size; }));
  EXPECT_EQ(server_->statistics().queries_tcp, 3U);
}

// Who asks and never reads is not listened to either, and ends.
TEST_F(DnsGuestAttacks, AStreamThatIsNeverReadIsHeldUpAndClosedAndHoldsNobodyUp) {
  constexpr unsigned kLarge = 490;  // addresses: as much as the cache keeps
  FakeUpstream upstream{io_, "127.0.0.9", [](const Bytes& q, bool, const auto& reply) { reply(answer_to(q, kLarge)); }};
  start({{make_address("127.0.0.9"), 53, config::DnsTransport::tcp}});
  ASSERT_TRUE(exchange(ask("a.example")));
  auto socket = stream();
  socket.non_blocking(true);
  const auto question = framed(ask("a.example"));
  std::uint64_t sent = 0;
  const auto flood = [&] {
    for (boost::system::error_code full; !full && sent < 20'000;) {
      socket.write_some(boost::asio::buffer(question), full);
      if (!full) ++sent;
    }
  };
  std::uint64_t heard = 0;
  const auto settled = [&] {
    flood();
    const auto now = server_->statistics().queries_tcp;
    return std::exchange(heard, now) == now && now > 0;
  };
  run_until([] { return false; }, 50ms);
  ASSERT_TRUE(run_until([&] {
    if (!settled()) return false;
    run_until([] { return false; }, 300ms);
    return settled();
  }));
  const auto stuck = std::chrono::steady_clock::now();
  EXPECT_LT(heard, 20'000U / 2) << "what isn't read is in the kernel's buffers, which have bounds";
  for (int i = 0; i < 5; ++i) EXPECT_EQ(rcode_of(exchange(ask("localhost"), 500ms).value()), 0U);
  EXPECT_LT(work_within(300ms), 30U);
  std::uint8_t byte = 0;
  EXPECT_TRUE(run_until(
      [&] {
        boost::system::error_code gone;
        socket.write_some(boost::asio::buffer(&byte, 1), gone);
        return gone && gone != boost::asio::error::would_block;
      },
      14s));
  EXPECT_GT(std::chrono::steady_clock::now() - stuck, 6s) << "a slow reader has its ten seconds";
}

}  // namespace
}  // namespace vrouter::dns
