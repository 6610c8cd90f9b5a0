// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: one UDP socket for all TAPs, so that the service costs nothing per TAP: the kernel checks lengths and
// checksums of requests, IP_PKTINFO says which TAP a request came from and which one its reply leaves by. Replies pass
// the firewall's output rules like any other packet. A client without an address can be reached neither by routing nor
// by ARP, so its reply goes to 255.255.255.255 on its own link, where nobody else is. (The kernel hands every broadcast
// back to the host as if it came from that link; there it is what no guest may send, and dropped.) Both ways work in
// batches.
#include "dhcp/server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dhcp/responder.h"

namespace vrouter::dhcp {
namespace {

constexpr std::size_t kBatch = 32;
constexpr int kBatchesPerWake = 8;  // then the loop's other work has its turn
// A boot storm of 10,000 guests fits: the kernel charges some 1.3 kB for a request of 300 bytes.
constexpr int kReceiveBuffer = 16 << 20;
// TAPs take their frames out of the account at once, but a unicast reply stays on it while its guest doesn't answer
// ARP: 3 s, in which the rate limit of its interface lets 60 through, some 80 kB as the kernel counts. The buffer,
// which the kernel doubles, takes 800 such guests.
constexpr int kSendBuffer = 32 << 20;

KernelError last_error(const char* what) {
  return {what, errno, ""};
}

// Buffers beyond net.core.[rw]mem_max need CAP_NET_ADMIN; without it the limit of the host has to do.
void set_buffer(int fd, int forced_option, int option, int bytes) {
  if (::setsockopt(fd, SOL_SOCKET, forced_option, &bytes, sizeof bytes) == 0) return;
  ::setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes);
}

bool set_option(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

in_pktinfo pktinfo_of(const cmsghdr& header) {
  in_pktinfo info{};
  std::memcpy(&info, CMSG_DATA(&header), sizeof info);
  return info;
}

// Room for the one control message, IP_PKTINFO.
struct alignas(cmsghdr) Control {
  std::array<std::uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> bytes;
};

// The memory of one recvmmsg(2), wired up once.
class ReceiveBatch {
 public:
  ReceiveBatch() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors_[i] = {buffers_[i].data(), buffers_[i].size()};
      auto& header = messages_[i].msg_hdr;
      header.msg_name = &sources_[i];
      header.msg_iov = &vectors_[i];
      header.msg_iovlen = 1;
      header.msg_control = &controls_[i];
    }
  }

  // The number of datagrams received; 0 when there is none, or on an error that a later call will find again.
  [[nodiscard]] std::size_t receive(int fd) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      messages_[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
      messages_[i].msg_hdr.msg_controllen = sizeof(Control);
    }
    const int n = ::recvmmsg(fd, messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
    return n < 0 ? 0 : static_cast<std::size_t>(n);
  }

  [[nodiscard]] Datagram at(std::size_t i) {
    auto& header = messages_[i].msg_hdr;
    Datagram datagram;
    for (auto* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO) continue;
      datagram.ifindex = static_cast<unsigned>(pktinfo_of(*c).ipi_ifindex);
    }
    datagram.source = address_v4{ntohl(sources_[i].sin_addr.s_addr)};
    // Only what this datagram holds: the rest of the buffer is some earlier one's.
    datagram.bytes = std::span{buffers_[i]}.first(std::min<std::size_t>(messages_[i].msg_len, kMaxRequest));
    datagram.truncated = (header.msg_flags & MSG_TRUNC) != 0;
    return datagram;
  }

 private:
  std::array<std::array<std::uint8_t, kMaxRequest>, kBatch> buffers_{};
  std::array<Control, kBatch> controls_{};
  std::array<sockaddr_in, kBatch> sources_{};
  std::array<iovec, kBatch> vectors_{};
  std::array<mmsghdr, kBatch> messages_{};
};

// The replies of one sendmmsg(2).
class SendBatch {
 public:
  SendBatch() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      targets_[i].sin_family = AF_INET;
      targets_[i].sin_port = htons(kClientPort);
      vectors_[i].iov_base = replies_[i].data();
      auto& header = messages_[i].msg_hdr;
      header.msg_name = &targets_[i];
      header.msg_namelen = sizeof(sockaddr_in);
      header.msg_iov = &vectors_[i];
      header.msg_iovlen = 1;
      header.msg_control = &controls_[i];
      header.msg_controllen = sizeof(Control);
      auto& control = *CMSG_FIRSTHDR(&header);
      control.cmsg_level = IPPROTO_IP;
      control.cmsg_type = IP_PKTINFO;
      control.cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    }
  }

  // Where the next reply is to be written; a batch takes as many as ReceiveBatch gives.
  [[nodiscard]] std::span<std::uint8_t, kMaxReply> next() { return replies_[count_]; }
  void add(unsigned ifindex, const Outgoing& reply) {
    in_pktinfo info{};
    info.ipi_ifindex = static_cast<int>(ifindex);
    info.ipi_spec_dst.s_addr = htonl(reply.from.to_uint());
    std::memcpy(CMSG_DATA(CMSG_FIRSTHDR(&messages_[count_].msg_hdr)), &info, sizeof info);
    targets_[count_].sin_addr.s_addr = htonl(reply.to.to_uint());
    vectors_[count_].iov_len = reply.size;
    ++count_;
  }

  // Sends all; returns how many the kernel refused. A TAP that is down spoils its own reply only.
  [[nodiscard]] std::uint64_t flush(int fd) {
    std::uint64_t refused = 0;
    std::size_t done = 0;
    while (done < count_) {
      const int n = ::sendmmsg(fd, &messages_[done], static_cast<unsigned>(count_ - done), MSG_DONTWAIT);
      if (n > 0) {
        done += static_cast<std::size_t>(n);
      } else if (errno != EINTR) {
        ++refused;
        ++done;
      }
    }
    count_ = 0;
    return refused;
  }

 private:
  std::array<std::array<std::uint8_t, kMaxReply>, kBatch> replies_{};
  std::array<Control, kBatch> controls_{};
  std::array<sockaddr_in, kBatch> targets_{};
  std::array<iovec, kBatch> vectors_{};
  std::array<mmsghdr, kBatch> messages_{};
  std::size_t count_ = 0;
};

// Shared with its pending handlers through weak pointers: one already queued when the server goes finds nothing.
class Service : public std::enable_shared_from_this<Service> {
 public:
  Service(boost::asio::io_context& io, UniqueFd socket, Server::Handlers handlers)
      : responder_{std::move(handlers.event)}, socket_{io, socket.release()}, timer_{io} {}

  void start() { wait_for_requests(); }

  void apply(const Update& update) {
    responder_.apply(update);
    wait_for_expiry();
  }
  [[nodiscard]] const Statistics& statistics() const noexcept { return responder_.statistics(); }

 private:
  void wait_for_requests() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](const boost::system::error_code& error) {
                         const auto self = weak.lock();
                         if (error || !self) return;
                         self->serve();
                         self->wait_for_requests();
                       });
  }

  void serve() {
    for (int i = 0; i < kBatchesPerWake; ++i) {
      const auto n = received_.receive(socket_.native_handle());
      const auto now = BootClock::now();
      for (std::size_t k = 0; k < n; ++k) {
        const auto datagram = received_.at(k);
        if (const auto reply = responder_.handle(datagram, now, replies_.next()))
          replies_.add(datagram.ifindex, *reply);
      }
      responder_.count_send_errors(replies_.flush(socket_.native_handle()));
      if (n < kBatch) break;
    }
    wait_for_expiry();
  }

  // One timer for all leases, set to the next end. Asio looks at BootClock again after five minutes at most, so a
  // suspended host is late by no more.
  void wait_for_expiry() {
    const auto next = responder_.next_expiry();
    if (next == timer_set_to_) return;
    timer_set_to_ = next;
    if (!next) {
      timer_.cancel();
      return;
    }
    timer_.expires_at(*next);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->timer_set_to_.reset();
      self->responder_.expire(BootClock::now());
      self->wait_for_expiry();
    });
  }

  Responder responder_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::basic_waitable_timer<BootClock> timer_;
  std::optional<BootTime> timer_set_to_;
  ReceiveBatch received_;
  SendBatch replies_;
};

class SocketServer final : public Server {
 public:
  explicit SocketServer(std::shared_ptr<Service> service) : service_{std::move(service)} { service_->start(); }
  void apply(const Update& update) override { service_->apply(update); }
  void committed(const std::vector<CommitResult>&) override {}
  void heard(const Probe&, const MacAddress&) override {}
  [[nodiscard]] Statistics statistics() const override { return service_->statistics(); }

 private:
  std::shared_ptr<Service> service_;
};

}  // namespace

std::expected<void, KernelError> bind_socket(int fd) {
  // No path of a guest's makes a reply shorter (IP_PMTUDISC_PROBE): ICMP from there is a guest's word. No checksum: the
  // kernel would leave a partial one for hardware that is not there, which clients that read frames take for a wrong
  // one. 0 says that there is none (RFC 768), and lengths and the link are our own.
  if (!set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) || !set_option(fd, SOL_SOCKET, SO_BROADCAST, 1) ||
      !set_option(fd, SOL_SOCKET, SO_NO_CHECK, 1) || !set_option(fd, IPPROTO_IP, IP_PKTINFO, 1) ||
      !set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)) {
    return std::unexpected(last_error("set up the UDP socket of DHCP"));
  }
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBuffer);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, kSendBuffer);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(kServerPort);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) {
    return std::unexpected(last_error("bind UDP 0.0.0.0:67 for DHCP"));
  }
  return {};
}

std::expected<UniqueFd, KernelError> open_socket() {
  UniqueFd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP)};
  if (!fd) return std::unexpected(last_error("open the UDP socket of DHCP"));
  if (auto bound = bind_socket(fd.get()); !bound) return std::unexpected(bound.error());
  return fd;
}

std::expected<std::unique_ptr<Server>, KernelError> Server::open(boost::asio::io_context& io, UniqueFd socket,
                                                                 Handlers handlers) {
  return std::make_unique<SocketServer>(std::make_shared<Service>(io, std::move(socket), std::move(handlers)));
}

std::expected<std::unique_ptr<Server>, KernelError> Server::open(boost::asio::io_context& io, Handlers handlers) {
  auto socket = open_socket();
  if (!socket) return std::unexpected(socket.error());
  return open(io, std::move(*socket), std::move(handlers));
}

}  // namespace vrouter::dhcp
