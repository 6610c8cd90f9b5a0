// SPDX-License-Identifier: GPL-2.0-or-later
// A DNS server over TCP, or over TLS where it is given a context, that does with its connections what a test wants.
// Runs on the test's io_context.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "message.h"

namespace vrouter::dns::testing {

namespace asio = boost::asio;
using Error = boost::system::error_code;

class StreamUpstream {
 public:
  class Connection : public std::enable_shared_from_this<Connection> {
   public:
    Connection(asio::ip::tcp::socket s, asio::ssl::context* context) : socket{std::move(s)} {
      if (context != nullptr) tls.emplace(socket, *context);
    }
    void send(const Bytes& what) {
      next_.push_back(static_cast<std::uint8_t>(what.size() >> 8));
      next_.push_back(static_cast<std::uint8_t>(what.size()));
      next_.insert(next_.end(), what.begin(), what.end());
      flush();
    }
    void close() {
      Error ignored;
      socket.close(ignored);
    }
    template <typename Do>
    void on_wire(Do&& act) {
      tls ? act(*tls) : act(socket);
    }

    asio::ip::tcp::socket socket;
    std::optional<asio::ssl::stream<asio::ip::tcp::socket&>> tls;
    std::array<std::uint8_t, 2> length{};
    Bytes message;
    unsigned questions = 0;

   private:
    void flush() {
      if (!writing_.empty() || next_.empty()) return;
      writing_.swap(next_);
      on_wire([this](auto& wire) {
        asio::async_write(wire, asio::buffer(writing_), [self = shared_from_this()](const Error& error, std::size_t) {
          if (error) return;
          self->writing_.clear();
          self->flush();
        });
      });
    }
    Bytes next_, writing_;
  };
  using ConnectionPtr = std::shared_ptr<Connection>;
  using Behaviour = std::function<void(const ConnectionPtr& from, const Bytes& question)>;

  StreamUpstream(asio::io_context& io, const char* where, std::uint16_t port, Behaviour behaviour,
                 asio::ssl::context* context = nullptr)
      : acceptor_{io, {asio::ip::make_address(where), port}}, behaviour_{std::move(behaviour)}, context_{context} {
    accept();
  }

  unsigned accepted = 0, refused = 0;  // connections, and handshakes that the client broke off
  std::vector<Bytes> questions;
  std::vector<ConnectionPtr> connections;
  std::string asked_for, alpn;  // SNI and ALPN of the last handshake

 private:
  void accept() {
    acceptor_.async_accept([this](const Error& error, asio::ip::tcp::socket socket) {
      if (error) return;
      ++accepted;
      const auto c = std::make_shared<Connection>(std::move(socket), context_);
      connections.push_back(c);
      if (!c->tls) {
        read(c);
      } else {
        c->tls->async_handshake(asio::ssl::stream_base::server, [this, c](const Error& failed) {
          if (failed) {
            ++refused;
            return;
          }
          const char* name = ::SSL_get_servername(c->tls->native_handle(), TLSEXT_NAMETYPE_host_name);
          asked_for = name == nullptr ? "" : name;
          const unsigned char* protocol = nullptr;
          unsigned length = 0;
          ::SSL_get0_alpn_selected(c->tls->native_handle(), &protocol, &length);
          alpn.assign(protocol, protocol + length);
          read(c);
        });
      }
      accept();
    });
  }
  void read(const ConnectionPtr& c) {
    c->on_wire([this, c](auto& wire) {
      asio::async_read(wire, asio::buffer(c->length), [this, c](const Error& cut, std::size_t) {
        if (cut) return c->close();
        c->message.resize(static_cast<std::size_t>(c->length[0] << 8 | c->length[1]));
        c->on_wire([this, c](auto& rest) {
          asio::async_read(rest, asio::buffer(c->message), [this, c](const Error& error, std::size_t) {
            if (error) return c->close();
            questions.push_back(c->message);
            ++c->questions;
            behaviour_(c, questions.back());
            if (c->socket.is_open()) read(c);
          });
        });
      });
    });
  }

  asio::ip::tcp::acceptor acceptor_;
  Behaviour behaviour_;
  asio::ssl::context* context_;
};

}  // namespace vrouter::dns::testing
