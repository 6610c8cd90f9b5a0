// SPDX-License-Identifier: GPL-2.0-or-later
// A DNS server on a port of a loopback address, as good or as bad as a test wants it. Runs on the test's io_context.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "message.h"

namespace vrouter::dns::testing {

namespace asio = boost::asio;

class FakeUpstream {
 public:
  using Reply = std::function<void(Bytes)>;
  // Gets each question with the way to answer it, as often and with whatever it likes.
  using Behaviour = std::function<void(const Bytes& question, bool tcp, const Reply& reply)>;

  FakeUpstream(asio::io_context& io, const char* where, Behaviour behaviour, std::uint16_t port = 53)
      : udp_{io, {asio::ip::make_address(where), port}},
        acceptor_{io, {asio::ip::make_address(where), port}},
        behaviour_{std::move(behaviour)} {
    receive();
    accept();
  }

  std::vector<asio::ip::udp::endpoint> peers;  // of every datagram
  std::vector<Bytes> questions;                // over UDP and TCP

 private:
  void receive() {
    udp_.async_receive_from(
        asio::buffer(buffer_), from_, [this](const boost::system::error_code& error, std::size_t size) {
          if (error == asio::error::operation_aborted) return;
          if (!error) {
            peers.push_back(from_);
            questions.emplace_back(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size));
            behaviour_(questions.back(), false,
                       [this, to = from_](const Bytes& bytes) { udp_.send_to(asio::buffer(bytes), to); });
          }
          receive();
        });
  }
  struct Connection {
    explicit Connection(asio::ip::tcp::socket s) : socket{std::move(s)} {}
    asio::ip::tcp::socket socket;
    std::array<std::uint8_t, 2> length{};
    Bytes message;
  };
  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, asio::ip::tcp::socket socket) {
      if (error) return;
      read(std::make_shared<Connection>(std::move(socket)));
      accept();
    });
  }
  void read(const std::shared_ptr<Connection>& c) {
    asio::async_read(c->socket, asio::buffer(c->length), [this, c](const boost::system::error_code& cut, std::size_t) {
      if (cut) return;
      c->message.resize(static_cast<std::size_t>(c->length[0] << 8 | c->length[1]));
      asio::async_read(
          c->socket, asio::buffer(c->message), [this, c](const boost::system::error_code& error, std::size_t) {
            if (error) return;
            questions.push_back(c->message);
            behaviour_(c->message, true, [c](Bytes bytes) {
              bytes.insert(bytes.begin(),
                           {static_cast<std::uint8_t>(bytes.size() >> 8), static_cast<std::uint8_t>(bytes.size())});
              asio::write(c->socket, asio::buffer(bytes));
            });
            read(c);
          });
    });
  }

  asio::ip::udp::socket udp_;
  asio::ip::tcp::acceptor acceptor_;
  Behaviour behaviour_;
  std::array<std::uint8_t, 4096> buffer_{};
  asio::ip::udp::endpoint from_;
};

// The question's own part of a message, up to its type and class.
inline Bytes question_of(const Bytes& message) {
  std::size_t end = 12;
  while (message.at(end) != 0) end += message.at(end) + 1U;
  return {message.begin() + 12, message.begin() + static_cast<std::ptrdiff_t>(end + 5)};
}

// A plain good answer: `count` A records 192.0.2.1, .2 and so on.
inline Bytes answer_to(const Bytes& question, unsigned count = 1, unsigned flags = 0x8180) {
  Message m;
  m.header(u16_at(question, 0), flags, 1, count);
  const auto asked = question_of(question);
  m.bytes.insert(m.bytes.end(), asked.begin(), asked.end());
  for (unsigned i = 1; i <= count; ++i) m.pointer(12).u16(1).u16(1).u32(300).u16(4).u32(0xc0000200 + i);
  return m.bytes;
}

inline void good(const Bytes& question, bool /*tcp*/, const FakeUpstream::Reply& reply) {
  reply(answer_to(question));
}
inline void dead(const Bytes& /*question*/, bool /*tcp*/, const FakeUpstream::Reply& /*reply*/) {}

// Keeps what it is asked until it is told to answer.
class HeldUpstream {
 public:
  HeldUpstream(asio::io_context& io, const char* where)
      : upstream_{io, where, [this](const Bytes&, bool, const auto& reply) { ways_.push_back(reply); }} {}

  [[nodiscard]] const std::vector<Bytes>& questions() const noexcept { return upstream_.questions; }
  void answer_the_first() { ways_.at(0)(answer_to(questions().at(0))); }

 private:
  std::vector<FakeUpstream::Reply> ways_;
  FakeUpstream upstream_;
};

}  // namespace vrouter::dns::testing
