// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/traffic.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include "tests/lab/lib/sockets.h"

namespace vrouter::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kBulkPort = 5001;
constexpr std::size_t kSmallPayload = 18;  // 64 bytes on the wire: 14 Ethernet, 20 IP, 8 UDP, 4 checksum
constexpr auto kWarmUp = 100ms;
constexpr time_t kStuck = 5;  // seconds

UniqueFd connected(int type, const std::string& address, std::uint16_t port) {
  UniqueFd fd{::socket(AF_INET, type | SOCK_CLOEXEC, 0)};
  if (!fd) lab::throw_errno("socket");
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  const timeval limit{kStuck, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket calls' own idiom
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) {
    lab::throw_errno("connect to " + address);
  }
  return fd;
}

void stay_on(unsigned core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core % std::max(1U, std::thread::hardware_concurrency()), &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
}

std::uint64_t packets_into(const lab::Namespace& where, const std::string& port) {
  std::ifstream file{where.path("/sys/class/net/" + port + "/statistics/rx_packets")};
  std::uint64_t count = 0;
  if (!(file >> count)) throw lab::LabError{"no counters of " + port};
  return count;
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void flood(int fd, const std::atomic<bool>& stop) {
  constexpr std::size_t kBatch = 64;
  std::array<char, kSmallPayload> payload{};
  iovec part{payload.data(), payload.size()};
  std::array<mmsghdr, kBatch> batch{};
  for (auto& message : batch) {
    message.msg_hdr.msg_iov = &part;
    message.msg_hdr.msg_iovlen = 1;
  }
  while (!stop) {
    if (::sendmmsg(fd, batch.data(), kBatch, 0) < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED) {
      return;
    }
  }
}

}  // namespace

SteadyStream::SteadyStream(const lab::Namespace& from, const lab::Namespace& to, const std::string& address,
                           std::uint16_t port) {
  to.enter([&] { listener_ = lab::listen_tcp(address, port); });
  from.enter([&] { client_ = connected(SOCK_STREAM, address, port); });
  lab::Peer peer;
  server_ = lab::accept_tcp(listener_.get(), peer);
  if (!server_) throw lab::LabError{"nobody connected to " + address};
  sender_ = std::thread{[this] {
    const std::array<char, 100> bytes{};
    while (!stop_) {
      const auto n = ::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0) return;
      outcome_.sent += static_cast<std::uint64_t>(n);
      std::this_thread::sleep_for(2ms);
    }
    ::shutdown(client_.get(), SHUT_WR);
    outcome_.whole = true;
  }};
  receiver_ = std::thread{[this] {
    std::array<char, 4096> bytes{};
    auto last = Clock::now();
    for (;;) {
      const auto n = ::recv(server_.get(), bytes.data(), bytes.size(), 0);
      if (n <= 0) return;
      outcome_.received += static_cast<std::uint64_t>(n);
      const auto now = Clock::now();
      outcome_.longest_pause = std::max(outcome_.longest_pause, std::chrono::duration_cast<Milliseconds>(now - last));
      last = now;
    }
  }};
}

SteadyStream::Outcome SteadyStream::finish() {
  stop_ = true;
  if (sender_.joinable()) sender_.join();
  if (receiver_.joinable()) receiver_.join();
  outcome_.whole = outcome_.whole && outcome_.sent == outcome_.received;
  return outcome_;
}

double tcp_throughput(const Path& path, Milliseconds duration) {
  UniqueFd listener, client;
  path.to.enter([&] { listener = lab::listen_tcp(path.address, kBulkPort); });
  path.from.enter([&] { client = connected(SOCK_STREAM, path.address, kBulkPort); });
  lab::Peer peer;
  const auto server = lab::accept_tcp(listener.get(), peer);
  if (!server) throw lab::LabError{"nobody connected to " + path.address};
  std::atomic<std::uint64_t> received = 0;
  std::thread sender{[&] {
    stay_on(0);
    const std::vector<char> bytes(256U << 10U);
    while (::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    }
  }};
  std::thread receiver{[&] {
    stay_on(1);
    std::vector<char> bytes(256U << 10U);
    for (;;) {
      const auto n = ::recv(server.get(), bytes.data(), bytes.size(), 0);
      if (n <= 0) return;
      received += static_cast<std::uint64_t>(n);
    }
  }};
  std::this_thread::sleep_for(kWarmUp);
  const auto before = received.load();
  const auto begin = Clock::now();
  std::this_thread::sleep_for(duration);
  const auto rate = static_cast<double>(received - before) * 8 / seconds_since(begin) / 1e9;
  ::shutdown(client.get(), SHUT_RDWR);
  sender.join();
  receiver.join();
  return rate;
}

double packet_rate(const Path& path, const std::string& port, Milliseconds duration) {
  UniqueFd sink, source;
  // Bound, so that nobody answers, and never read: its few buffers stay full.
  path.to.enter([&] { sink = lab::bind_udp(path.address, kBulkPort); });
  path.from.enter([&] { source = connected(SOCK_DGRAM, path.address, kBulkPort); });
  std::atomic<bool> stop = false;
  std::thread sender{[&] {
    stay_on(0);
    flood(source.get(), stop);
  }};
  std::this_thread::sleep_for(kWarmUp);
  const auto before = packets_into(path.to, port);
  const auto begin = Clock::now();
  std::this_thread::sleep_for(duration);
  const auto rate = static_cast<double>(packets_into(path.to, port) - before) / seconds_since(begin) / 1e3;
  stop = true;
  sender.join();
  return rate;
}

}  // namespace vrouter::bench
