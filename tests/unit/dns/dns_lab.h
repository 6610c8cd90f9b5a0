// SPDX-License-Identifier: GPL-2.0-or-later
// The whole server over real sockets, in a network namespace of its own: gateway 10.0.5.1 on lo, upstreams at
// 127.0.0.x.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "dns/listeners.h"
#include "dns/server.h"
#include "dns/upstream_table.h"
#include "upstream.h"

namespace vrouter::dns::testing {

using boost::asio::ip::make_address;
using namespace std::chrono_literals;

class DnsLab : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    ASSERT_EQ(sh("ip link set lo up && ip addr add 10.0.5.1/32 dev lo"), 0);
    server_ = Server::create(io_);
    listeners_ = Listeners::create(
        io_, make_socket, [this](const Place& place, UniqueFd bound) { server_->listen(place, std::move(bound)); });
  }
  static int sh(const std::string& command) { return std::system(command.c_str()); }

  void start(std::vector<config::DnsServer> upstreams, std::vector<config::ForwardZone> forward = {},
             std::string authorities = {}) {
    Update update{.snapshot = true,
                  .zones = {{.network = "default",
                             .domain = "guests.internal",
                             .prefixes4 = {boost::asio::ip::make_network_v4("10.0.5.0/24")},
                             .prefixes6 = {},
                             .listen = {make_address("10.0.5.1")}}},
                  .upserts = hosts_,
                  .removed = {}};
    server_->apply(update);
    server_->set_upstreams(
        {.servers = std::move(upstreams), .forward = std::move(forward), .authorities = std::move(authorities)});
    listeners_->want(listen_addresses(update.zones));
  }

  template <typename Condition>
  bool run_until(Condition&& condition, std::chrono::milliseconds limit = 8s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    io_.restart();  // it stops when nobody serves
    while (!condition() && std::chrono::steady_clock::now() < end) io_.run_one_for(20ms);
    return condition();
  }
  // One datagram to the server and what comes back within `limit`.
  std::optional<Bytes> exchange(const Bytes& query, std::chrono::milliseconds limit = 6s) {
    boost::asio::ip::udp::socket socket{io_};
    socket.connect({make_address("10.0.5.1"), 53});
    socket.send(boost::asio::buffer(query));
    Bytes buffer(65535);
    std::optional<std::size_t> size;
    socket.async_receive(boost::asio::buffer(buffer), [&](const boost::system::error_code& e, std::size_t n) {
      if (!e) size = n;
    });
    run_until([&] { return size.has_value(); }, limit);
    socket.close();
    io_.poll();
    if (!size) return std::nullopt;
    buffer.resize(*size);
    return buffer;
  }
  // Runs a client program while the server serves, and returns what it printed.
  std::string run(const std::string& command) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(ends[1], 1);
      ::dup2(ends[1], 2);
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    boost::asio::posix::stream_descriptor out{io_, ends[0]};
    std::string text;
    bool done = false;
    std::array<char, 4096> buffer{};
    std::function<void()> read = [&] {
      out.async_read_some(boost::asio::buffer(buffer), [&](const boost::system::error_code& e, std::size_t n) {
        text.append(buffer.data(), n);
        if (e) {
          done = true;
        } else {
          read();
        }
      });
    };
    read();
    EXPECT_TRUE(run_until([&] { return done; }, 20s)) << command;
    if (!done) ::kill(child, SIGKILL);
    out.close();
    io_.poll();
    ::waitpid(child, nullptr, 0);
    return text;
  }

  boost::asio::io_context io_;
  std::vector<Host> hosts_{
      {.network = "default", .name = "web1", .ifindex = 77, .addresses = {make_address("10.0.5.2")}}};
  std::unique_ptr<Server> server_;
  std::unique_ptr<Listeners> listeners_;
};

}  // namespace vrouter::dns::testing
