// SPDX-License-Identifier: GPL-2.0-or-later
// Questions to servers over UDP, each on a socket of its own: connected, on a port that the kernel draws at random
// (net/ipv4/udp.c, udp_lib_get_port: get_random_u32), so that a forger has to hit it, and datagrams come from the
// server alone (RFC 5452, 9.2). ICMP errors come back too.
//
// A socket lives for one reply, and there are thousands a second. They are waited for in a set of their own, of which
// Asio knows the one descriptor: each by itself would cost Asio two system calls and four allocations more.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <system_error>

#include "config/dns.h"

namespace vrouter::dns {

class UpstreamDatagrams {
 public:
  // A datagram, there until the call ends; nothing: the socket failed (ECONNREFUSED and the like). May close any
  // question, its own too, ask others, and destroy the UpstreamDatagrams.
  using Hear = std::function<void(std::optional<std::span<const std::uint8_t>>)>;
  struct Set;

  // A question under way; closed with its end.
  class Question {
   public:
    Question() noexcept = default;
    Question(std::shared_ptr<Set> set, std::uint64_t token) noexcept : set_{std::move(set)}, token_{token} {}
    Question(Question&&) noexcept = default;
    Question& operator=(Question&& other) noexcept {
      if (this != &other) {
        close();
        set_ = std::move(other.set_);
        token_ = other.token_;
      }
      return *this;
    }
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;
    ~Question() { close(); }

    void close() noexcept;

   private:
    std::shared_ptr<Set> set_;
    std::uint64_t token_ = 0;
  };

  // Throws std::system_error where the kernel has no epoll instance to spare.
  explicit UpstreamDatagrams(boost::asio::io_context& io);
  ~UpstreamDatagrams();
  UpstreamDatagrams(const UpstreamDatagrams&) = delete;
  UpstreamDatagrams& operator=(const UpstreamDatagrams&) = delete;

  // Sends it. `hear` is called for every datagram of the server's until the question is closed, never from here.
  // Nothing and `error` set: there is no socket to be had, or no way there.
  [[nodiscard]] Question ask(const config::DnsServer& server, std::span<const std::uint8_t> query, Hear hear,
                             std::error_code& error);

 private:
  std::shared_ptr<Set> set_;
};

}  // namespace vrouter::dns
