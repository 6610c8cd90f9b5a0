// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/dns_echo.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <span>

#include "tests/lab/lib/error.h"
#include "tests/lab/lib/sockets.h"

namespace vrouter::bench {
namespace {

constexpr std::size_t kBatch = 64, kRoom = 1500, kHeader = 12, kMaxQuestion = 512;
constexpr int kReceiveBuffer = 4 << 20;
// An A record of the question's name, with a day to live.
constexpr std::array<std::uint8_t, 16> kRecord{0xc0, kHeader, 0, 1, 0, 1, 0, 1, 0x51, 0x80, 0, 4, 203, 0, 113, 7};

// The reply takes the query's place: QR, AA off, RA; one answer; what follows the question is cut off.
// 0: it was no query.
std::size_t answer(std::span<std::uint8_t> room, std::size_t size) {
  if (size < kHeader + 5 || size > kMaxQuestion || (room[2] & 0x80) != 0) return 0;
  std::size_t at = kHeader;
  while (at < size && room[at] != 0) at += std::size_t{1} + room[at];
  at += 5;  // the root, type and class
  if (at > size) return 0;
  room[2] = static_cast<std::uint8_t>(0x80 | (room[2] & 0x01));
  room[3] = 0x80;
  constexpr std::array<std::uint8_t, 6> kCounts{0, 1, 0, 0, 0, 0};  // answers, authority, additional
  std::ranges::copy(kCounts, room.subspan(6).begin());
  std::ranges::copy(kRecord, room.subspan(at).begin());
  return at + kRecord.size();
}

}  // namespace

DnsEcho::DnsEcho(const lab::Namespace& where, const std::string& address, int cpu) {
  where.enter([&] { socket_ = lab::bind_udp(address, 53); });
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
  // So that it looks whether it is to stop.
  const timeval patience{.tv_sec = 0, .tv_usec = 100000};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  thread_ = std::thread{[this, cpu] {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu >= 0) {
      CPU_SET(static_cast<std::size_t>(cpu), &set);
      ::sched_setaffinity(0, sizeof set, &set);
    }
    serve();
  }};
}

DnsEcho::~DnsEcho() {
  stop_ = true;
  thread_.join();
}

double DnsEcho::cpu_seconds() const {
  clockid_t clock{};
  timespec now{};
  if (::pthread_getcpuclockid(const_cast<std::thread&>(thread_).native_handle(), &clock) != 0 ||
      ::clock_gettime(clock, &now) < 0) {
    throw lab::LabError{"no clock of the echo loop's thread"};
  }
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void DnsEcho::serve() const {
  std::array<std::array<std::uint8_t, kRoom>, kBatch> rooms{};
  std::array<sockaddr_in, kBatch> peers{};
  std::array<iovec, kBatch> vectors{};
  std::array<mmsghdr, kBatch> messages{};
  while (!stop_) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {rooms[i].data(), kRoom};
      messages[i].msg_hdr = {};
      messages[i].msg_hdr.msg_name = &peers[i];
      messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int n = ::recvmmsg(socket_.get(), messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    unsigned replies = 0;
    for (std::size_t i = 0; n > 0 && i < static_cast<std::size_t>(n); ++i) {
      const auto size = answer(rooms[i], messages[i].msg_len);
      if (size == 0) continue;
      vectors[i].iov_len = size;
      messages[replies++] = messages[i];
    }
    if (replies > 0) ::sendmmsg(socket_.get(), messages.data(), replies, 0);
  }
}

}  // namespace vrouter::bench
