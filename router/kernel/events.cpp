// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/kernel/events.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "router/kernel/parse.h"

namespace vrouter::router {
namespace {

constexpr std::size_t kReadBuffer = 64 << 10;  // a netlink message is shorter

// How many messages are read before the loop gets its turn: a storm of events must not starve the control socket.
constexpr int kMessagesPerTurn = 256;

constexpr std::array kGroups{RTNLGRP_LINK,         RTNLGRP_NEIGH,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE,
                             RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE,  RTNLGRP_IPV6_NETCONF};

KernelError failure() {
  return KernelError{"listen to the kernel's network events", errno, ""};
}

Result<UniqueFd> open_socket(int buffer_bytes) {
  UniqueFd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
  if (!socket) return std::unexpected(failure());
  // FORCE goes past net.core.rmem_max, and needs CAP_NET_ADMIN of the first user namespace: else as much as there is.
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes) < 0 &&
      ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes) < 0) {
    return std::unexpected(failure());
  }
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) < 0) {
    return std::unexpected(failure());
  }
  for (const int group : kGroups) {
    if (::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
      return std::unexpected(failure());
    }
  }
  return socket;
}

class RtnetlinkEvents final : public KernelEvents {
 public:
  RtnetlinkEvents(boost::asio::io_context& io, UniqueFd socket, Handler handler)
      : socket_{io, socket.release()}, handler_{std::move(handler)}, buffer_(kReadBuffer) {
    wait();
  }
  ~RtnetlinkEvents() override { *alive_ = false; }
  RtnetlinkEvents(const RtnetlinkEvents&) = delete;
  RtnetlinkEvents& operator=(const RtnetlinkEvents&) = delete;

  void drain() override {
    while (read_one()) {
    }
  }

 private:
  void wait() {
    socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                       [this, alive = alive_](const boost::system::error_code& error) {
                         if (!*alive || error) return;  // closed, and perhaps gone with it
                         for (int n = 0; n < kMessagesPerTurn && *alive && read_one(); ++n) {
                         }
                         if (*alive) wait();
                       });
  }

  // False when there is nothing more to read.
  bool read_one() {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    const ssize_t size = ::recvfrom(socket_.native_handle(), buffer_.data(), buffer_.size(), MSG_TRUNC,
                                    reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0 && errno == EINTR) return true;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    // ENOBUFS is told once, ahead of what still stands in the queue. Any other error leaves us as ignorant.
    if (size < 0 || static_cast<std::size_t>(size) > buffer_.size()) {
      handler_(Overflow{});
      return true;
    }
    if (from.nl_pid != 0) return true;  // only the kernel is pid 0
    auto left = static_cast<unsigned>(size);
    const auto alive = alive_;
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer_.data()); *alive && NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      parse_event(header, handler_);
    }
    return *alive;
  }

  boost::asio::posix::stream_descriptor socket_;
  Handler handler_;
  std::vector<std::uint8_t> buffer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<std::unique_ptr<KernelEvents>> KernelEvents::open(boost::asio::io_context& io, Handler handler,
                                                         int buffer_bytes) {
  auto socket = open_socket(buffer_bytes);
  if (!socket) return std::unexpected(socket.error());
  return std::make_unique<RtnetlinkEvents>(io, std::move(*socket), std::move(handler));
}

}  // namespace vrouter::router
