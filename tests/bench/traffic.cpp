// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/traffic.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
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
constexpr auto kOnTheWay = 20ms;
constexpr std::size_t kBatch = 64;
constexpr int kFirstSourcePort = 1024;
constexpr time_t kStuck = 5;  // seconds

sockaddr_in socket_address(const std::string& address, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  return to;
}

UniqueFd connected(int type, const std::string& address, std::uint16_t port) {
  UniqueFd fd{::socket(AF_INET, type | SOCK_CLOEXEC, 0)};
  if (!fd) lab::throw_errno("socket");
  const auto to = socket_address(address, port);
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

// IP and UDP by hand: a socket for each source port would cost more than the router that is measured.
struct Datagram {
  iphdr ip{};
  udphdr udp{};
  std::array<char, kSmallPayload> payload{};
};

std::vector<Datagram> datagrams(const sockaddr_in& to, int flows) {
  std::vector<Datagram> all(static_cast<std::size_t>(flows));
  int source = kFirstSourcePort;
  for (auto& datagram : all) {
    // What is 0 the kernel fills in: the lengths, the source, the checksum. UDP needs none.
    datagram.ip.version = 4;
    datagram.ip.ihl = sizeof(iphdr) / 4;
    datagram.ip.ttl = 64;
    datagram.ip.protocol = IPPROTO_UDP;
    datagram.ip.daddr = to.sin_addr.s_addr;
    datagram.udp.source = htons(static_cast<std::uint16_t>(source++));
    datagram.udp.dest = htons(kBulkPort);
    datagram.udp.len = htons(sizeof(udphdr) + kSmallPayload);
  }
  return all;
}

void send_each(int fd, sockaddr_in to, std::vector<Datagram>& all) {
  for (std::size_t first = 0; first < all.size();) {
    std::array<iovec, kBatch> parts{};
    std::array<mmsghdr, kBatch> batch{};
    const auto count = std::min(kBatch, all.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      parts.at(i) = {&all[first + i], sizeof(Datagram)};
      auto& message = batch.at(i).msg_hdr;
      message.msg_name = &to;
      message.msg_namelen = sizeof to;
      message.msg_iov = &parts.at(i);
      message.msg_iovlen = 1;
    }
    const int sent = ::sendmmsg(fd, batch.data(), static_cast<unsigned>(count), 0);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS) lab::throw_errno("send a datagram");
    first += static_cast<std::size_t>(std::max(0, sent));
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

double new_flow_rate(const Path& path, const std::string& port, int flows) {
  UniqueFd sink, source;
  path.to.enter([&] { sink = lab::bind_udp(path.address, kBulkPort); });
  path.from.enter([&] { source = UniqueFd{::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)}; });
  if (!source) lab::throw_errno("raw socket");
  const auto to = socket_address(path.address, kBulkPort);
  auto all = datagrams(to, std::min(flows, kMaxFlows));
  const auto before = packets_into(path.to, port);
  double seconds = 0;
  std::exception_ptr failed;
  std::thread{[&] {
    stay_on(0);
    const auto begin = Clock::now();
    try {
      send_each(source.get(), to, all);
    } catch (...) {
      failed = std::current_exception();
    }
    seconds = seconds_since(begin);
  }}.join();
  if (failed) std::rethrow_exception(failed);
  // The router works on the sender's core, while it sends: what is left now is a queue's worth at most.
  std::this_thread::sleep_for(kOnTheWay);
  const auto arrived = packets_into(path.to, port) - before;
  if (arrived == 0) throw lab::LabError{"no new connection came through to " + path.address};
  return static_cast<double>(arrived) / seconds / 1e3;
}

}  // namespace vrouter::bench
