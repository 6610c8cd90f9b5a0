// SPDX-License-Identifier: GPL-2.0-or-later
// What `vrouter dns query` makes of a server that says what no resolver would: in a network namespace of its own.
#include "router/cli/dns_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cstdlib>
#include <functional>
#include <thread>

#include "tests/lab/lib/error.h"

namespace vrouter::lab {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Udp = boost::asio::ip::udp;
using Datagrams = std::vector<dns::Bytes>;

const auto kServer = boost::asio::ip::make_address("127.0.0.53");

struct DnsQueryCommand : ::testing::Test {
  DnsQueryCommand() {
    if (::unshare(CLONE_NEWNET) != 0) throw_errno("unshare");
    if (std::system("ip link set lo up") != 0) throw LabError{"no loopback"};
    socket.emplace(io, Udp::endpoint{kServer, 53});
  }
  // One question, and what the server sends back upon it.
  auto ask(const std::function<Datagrams(const dns::Bytes&)>& replies, std::chrono::milliseconds patience = 5s) {
    std::jthread server{[&] {
      Udp::endpoint from;
      dns::Bytes question(512);
      question.resize(socket->receive_from(boost::asio::buffer(question), from));
      for (const auto& one : replies(question)) socket->send_to(boost::asio::buffer(one), from);
    }};
    return router::cli::ask_dns(kServer, *router::cli::question_of("www.example", std::nullopt), false, patience);
  }
  static dns::Bytes denial(dns::Bytes question) {
    question[2] |= 0x80;  // QR
    question[3] |= 0x03;  // NXDOMAIN
    return question;
  }

  boost::asio::io_context io;
  std::optional<Udp::socket> socket;
};

TEST_F(DnsQueryCommand, WaitsOnAfterWhatIsNoAnswer) {
  const auto answer = ask([](const dns::Bytes& question) {
    auto of_another_id = denial(question);
    of_another_id[1] ^= 1;
    of_another_id[3] ^= 1;
    return Datagrams{{}, {1, 2, 3}, of_another_id, {}, denial(question)};
  });
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(answer->reply.rcode, 3U);
}

TEST_F(DnsQueryCommand, WaitsNoLongerThanItSays) {
  const auto answer = ask([](const auto&) { return Datagrams{{}, {}, {}}; }, 300ms);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error(), HasSubstr("no answer from 127.0.0.53, port 53 over UDP in time"));
}

TEST_F(DnsQueryCommand, SaysThatNobodyListens) {
  socket.reset();
  const auto answer = router::cli::ask_dns(kServer, *router::cli::question_of("www.example", std::nullopt), false);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error(), HasSubstr("can't ask 127.0.0.53, port 53 over UDP: Connection refused"));
}

}  // namespace
}  // namespace vrouter::lab
