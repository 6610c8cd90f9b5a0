// SPDX-License-Identifier: GPL-2.0-or-later
// A server that asks us what we ask it.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

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
using namespace std::chrono_literals;

class DnsLoops : public DnsLab {
 protected:
  // Asks our gateway, and tells what that said.
  void ask_back(const Bytes& question, const FakeUpstream::Reply& reply) {
    const auto socket = std::make_shared<boost::asio::ip::udp::socket>(io_);
    socket->connect({make_address("10.0.5.1"), 53});
    socket->send(boost::asio::buffer(question));
    const auto buffer = std::make_shared<Bytes>(4096);
    socket->async_receive(boost::asio::buffer(*buffer),
                          [socket, buffer, reply](const boost::system::error_code& error, std::size_t size) {
                            if (error) return;
                            buffer->resize(size);
                            reply(*buffer);
                          });
  }
  [[nodiscard]] std::string trouble_of(const char* server) const {
    for (const auto& status : server_->statistics().upstreams) {
      if (status.server == make_address(server)) return std::string{name(status.trouble)};
    }
    return "it is not there";
  }
};

TEST_F(DnsLoops, AServerThatLeadsBackIsNotAskedUntilItIsMended) {
  bool round = true;
  FakeUpstream back{io_, "127.0.0.9", [&](const Bytes& q, bool, const auto& reply) {
                      round ? ask_back(q, reply) : reply(answer_to(q, 2));
                    }};
  FakeUpstream other{io_, "127.0.0.10", testing::good};
  const std::vector<config::DnsServer> servers{make_address("127.0.0.9"), make_address("127.0.0.10")};
  const std::vector<config::ForwardZone> forward{{.domain = "corp.example", .servers = {make_address("127.0.0.9")}}};
  start(servers, forward);
  ASSERT_TRUE(run_until([&] { return trouble_of("127.0.0.9") == "loop"; }));
  EXPECT_EQ(trouble_of("127.0.0.10"), "none");
  run_until([] { return false; }, 100ms);
  const auto before = back.questions.size();
  EXPECT_EQ(before, 1U);
  EXPECT_EQ(count_of(exchange(ask("a.example")).value(), 1), 1U);
  EXPECT_EQ(rcode_of(exchange(ask("a.corp.example")).value()), 2U) << "what is for the inside stays there";
  EXPECT_EQ(back.questions.size(), before);
  round = false;
  start(servers, forward);  // as a reload does
  EXPECT_EQ(count_of(exchange(ask("b.corp.example")).value(), 1), 2U);
  EXPECT_FALSE(run_until([&] { return trouble_of("127.0.0.9") == "loop"; }, 5s));
}

TEST_F(DnsLoops, WhatAGuestAsksTellsNothingOfAServer) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  const auto guess = "vrouter-" + std::string(32, '0') + ".test";
  EXPECT_EQ(rcode_of(exchange(ask(guess)).value()), 3U);
  ASSERT_TRUE(run_until([&] { return !upstream.questions.empty(); })) << "the server is tried";
  EXPECT_EQ(testing::question_of(upstream.questions.front()).size(), testing::question_of(ask(guess)).size());
  EXPECT_EQ(rcode_of(exchange(ask(guess)).value()), 3U);
  EXPECT_EQ(trouble_of("127.0.0.9"), "none");
}

}  // namespace
}  // namespace vrouter::dns
