// SPDX-License-Identifier: GPL-2.0-or-later
// The memory of recvmmsg(2) and sendmmsg(2) on the service's socket, wired up once.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dhcp/codec.h"
#include "dhcp/datagram.h"

namespace vrouter::dhcp {

inline constexpr std::size_t kBatch = 32;

// Room for the one control message, IP_PKTINFO.
struct alignas(cmsghdr) PacketControl {
  std::array<std::uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> bytes;
};

class ReceiveBatch {
 public:
  ReceiveBatch();

  // The number of datagrams received; 0 when there is none, or on an error that a later call will find again.
  [[nodiscard]] std::size_t receive(int fd);
  // Its bytes are good until the next receive().
  [[nodiscard]] Datagram at(std::size_t i);

 private:
  std::array<std::array<std::uint8_t, kMaxRequest>, kBatch> buffers_{};
  std::array<PacketControl, kBatch> controls_{};
  std::array<sockaddr_in, kBatch> sources_{};
  std::array<iovec, kBatch> vectors_{};
  std::array<mmsghdr, kBatch> messages_{};
};

class SendBatch {
 public:
  SendBatch();

  [[nodiscard]] bool full() const noexcept { return count_ == kBatch; }
  // Where the next reply is to be written; not when full.
  [[nodiscard]] std::span<std::uint8_t, kMaxReply> next() { return replies_[count_]; }
  void add(const Outgoing& reply);
  // Sends all; returns how many the kernel refused. A TAP that is down spoils its own reply only.
  [[nodiscard]] std::uint64_t flush(int fd);

 private:
  std::array<std::array<std::uint8_t, kMaxReply>, kBatch> replies_{};
  std::array<PacketControl, kBatch> controls_{};
  std::array<sockaddr_in, kBatch> targets_{};
  std::array<iovec, kBatch> vectors_{};
  std::array<mmsghdr, kBatch> messages_{};
  std::size_t count_ = 0;
};

}  // namespace vrouter::dhcp
