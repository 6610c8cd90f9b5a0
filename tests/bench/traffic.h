// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::bench {

using namespace std::chrono_literals;
using lab::Milliseconds;

// A TCP connection that carries a few bytes every few milliseconds, for as long as this lives.
class SteadyStream {
 public:
  SteadyStream(const lab::Namespace& from, const lab::Namespace& to, const std::string& address, std::uint16_t port);
  SteadyStream(const SteadyStream&) = delete;
  SteadyStream& operator=(const SteadyStream&) = delete;
  ~SteadyStream() { finish(); }
  // Whether all that was sent has come, over the one connection; the longest pause between arrivals.
  struct Outcome {
    bool whole = false;
    std::uint64_t sent = 0, received = 0;
    Milliseconds longest_pause{0};
  };
  Outcome finish();

 private:
  std::atomic<bool> stop_ = false;
  Outcome outcome_;
  UniqueFd listener_, client_, server_;
  std::thread sender_, receiver_;
};

// Which way a bulk of data goes.
struct Path {
  const lab::Namespace& from;
  const lab::Namespace& to;
  std::string address;  // of `to`
};

// Gbit/s that one TCP connection carries. The sender and the receiver each have a core to themselves.
[[nodiscard]] double tcp_throughput(const Path& path, Milliseconds duration);
// Thousands of 64-byte frames a second (18 bytes of UDP) that arrive at the interface of `to` named `port`, from one
// sender that sends as fast as it can.
[[nodiscard]] double packet_rate(const Path& path, const std::string& port, Milliseconds duration);
// Thousands of connections a second that begin and get through: 64-byte UDP datagrams, each from a source port of its
// own, of which one sender sends `flows` as fast as it can (at most kMaxFlows). Whoever tracks them has that many
// connections afterwards.
inline constexpr int kMaxFlows = 60000;
[[nodiscard]] double new_flow_rate(const Path& path, const std::string& port, int flows);

}  // namespace vrouter::bench
