// SPDX-License-Identifier: GPL-2.0-or-later
// nfnetlink_log: the kernel gives what rules log to whoever has bound their group, and to nobody else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/kernel_error.h"
#include "base/token_bucket.h"
#include "base/unique_fd.h"
#include "router/processes/logged_packet.h"

namespace vrouter::router {

// Binds the group; takes CAP_NET_ADMIN, which reading from the socket doesn't. EBUSY: another process has it.
[[nodiscard]] std::expected<UniqueFd, KernelError> open_packet_log(std::uint16_t group);

// The packets of one datagram of such a socket; those that can't be read are left out.
void read_packet_log(std::span<const std::uint8_t> datagram, const std::function<void(const LoggedPacket&)>& take);

// A person can't read so many: what comes faster is counted. Each TAP has a rate of its own in the rules.
inline constexpr unsigned kPacketsBurst = 2000, kPacketsPerSecond = 1000;

// Reads the socket on a loop and gives away what it can. While nobody wants packets, they are read and thrown away.
class PacketLogReader {
 public:
  using Sink = std::function<bool(const LoggedPacket&)>;  // false: it could not be taken

  PacketLogReader(boost::asio::io_context& io, UniqueFd socket, Sink sink);
  ~PacketLogReader();
  PacketLogReader(const PacketLogReader&) = delete;
  PacketLogReader& operator=(const PacketLogReader&) = delete;

  void want(bool wanted) noexcept { wanted_ = wanted; }
  // Packets that were logged while somebody wanted them and that were not given away, as far as that is known.
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

 private:
  void wait();
  [[nodiscard]] bool read_one();  // false when there is nothing more to read

  boost::asio::posix::stream_descriptor socket_;
  Sink sink_;
  TokenBucket<kPacketsBurst, kPacketsPerSecond> allowance_;
  std::vector<std::uint8_t> buffer_;
  std::uint64_t lost_ = 0;
  bool wanted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vrouter::router
