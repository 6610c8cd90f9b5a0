// SPDX-License-Identifier: GPL-2.0-or-later
// UDP: woken by Asio, then recvmmsg and sendmmsg on the native handle until nothing is left. A reply leaves by the
// address it was asked at (the socket is bound to it) and by the guest's own interface: a TAP that has just gone must
// not let it out elsewhere.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstring>

#include "dns/listen.h"

namespace vrouter::dns {

namespace {

constexpr unsigned kBatch = 64;           // datagrams per system call
constexpr unsigned kBatchesPerWake = 4;   // then the rest of the loop has its turn
constexpr std::size_t kQuerySize = 4096;  // a question has a few hundred bytes; longer ones are cut and then malformed
constexpr std::size_t kControlSize = 64;  // one in_pktinfo or in6_pktinfo

struct Peer {
  boost::asio::ip::udp::endpoint endpoint;
  unsigned ifindex = 0;
};

unsigned ingress(msghdr& header) {
  for (auto* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      return static_cast<unsigned>(info.ipi_ifindex);
    }
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      return info.ipi6_ifindex;
    }
  }
  return 0;
}

template <typename Info>
std::size_t put_egress(msghdr& header, int level, int kind, const Info& info) {
  header.msg_controllen = CMSG_SPACE(sizeof info);
  auto* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = level;
  c->cmsg_type = kind;
  c->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(c), &info, sizeof info);
  return header.msg_controllen;
}

// One outgoing datagram. Its parts point into it: it stays where it is until it is sent.
struct Outgoing {
  Peer peer;
  Bytes bytes;
  iovec part{};
  alignas(cmsghdr) std::array<std::uint8_t, kControlSize> control{};

  void fill(msghdr& header) {
    part = {.iov_base = bytes.data(), .iov_len = bytes.size()};
    header = {};
    header.msg_name = peer.endpoint.data();
    header.msg_namelen = static_cast<socklen_t>(peer.endpoint.size());
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (peer.ifindex == kLoopbackIfindex) return;  // the host's own: its routes know the way
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    if (peer.endpoint.address().is_v4()) {
      in_pktinfo info{};
      info.ipi_ifindex = static_cast<int>(peer.ifindex);
      put_egress(header, IPPROTO_IP, IP_PKTINFO, info);
    } else {
      in6_pktinfo info{};
      info.ipi6_ifindex = peer.ifindex;
      put_egress(header, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }
};

}  // namespace

struct UdpBatch {
  struct Slot {
    std::array<std::uint8_t, kQuerySize> bytes;
    alignas(cmsghdr) std::array<std::uint8_t, kControlSize> control;
    iovec part;
    boost::asio::ip::udp::endpoint from;
  };
  std::array<Slot, kBatch> slots{};
  std::array<mmsghdr, kBatch> incoming{}, outgoing{};
  std::vector<Outgoing> replies;

  UdpBatch() { replies.reserve(kBatch); }
};

std::shared_ptr<UdpBatch> make_udp_batch() {
  return std::make_shared<UdpBatch>();
}

namespace {

class UdpSocket : public std::enable_shared_from_this<UdpSocket> {
 public:
  UdpSocket(boost::asio::io_context& io, UniqueFd fd, QueryHandler& handler, std::shared_ptr<UdpBatch> batch)
      : socket_{io, fd.release()}, handler_{&handler}, batch_{std::move(batch)} {}

  void wait() {
    const auto woken = [self = shared_from_this()](const boost::system::error_code& error) {
      if (self->handler_ == nullptr || error) return;
      for (unsigned i = 0; i < kBatchesPerWake && self->receive(); ++i) {
      }
      self->wait();
    };
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read, woken);
  }
  void close() {
    handler_ = nullptr;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  // False: nothing more to read for now.
  bool receive() {
    auto& batch = *batch_;
    for (unsigned i = 0; i < kBatch; ++i) {
      auto& slot = batch.slots[i];
      slot.part = {.iov_base = slot.bytes.data(), .iov_len = slot.bytes.size()};
      auto& header = batch.incoming[i].msg_hdr;
      header = {};
      header.msg_name = slot.from.data();
      header.msg_namelen = static_cast<socklen_t>(slot.from.capacity());
      header.msg_iov = &slot.part;
      header.msg_iovlen = 1;
      header.msg_control = slot.control.data();
      header.msg_controllen = slot.control.size();
    }
    const int count = ::recvmmsg(socket_.native_handle(), batch.incoming.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count <= 0) return false;
    const auto now = BootClock::now();
    batching_ = true;
    for (int i = 0; i < count; ++i) {
      const auto index = static_cast<std::size_t>(i);
      auto& header = batch.incoming[index].msg_hdr;
      auto& slot = batch.slots[index];
      slot.from.resize(header.msg_namelen);
      const Peer peer{slot.from, ingress(header)};
      const auto respond = [self = shared_from_this(), peer](Bytes bytes) { self->respond(peer, std::move(bytes)); };
      handler_->handle(std::span{slot.bytes}.first(batch.incoming[index].msg_len),
                       {peer.ifindex, peer.endpoint.address()}, Transport::udp, now, respond);
    }
    batching_ = false;
    flush();
    return count == static_cast<int>(kBatch);
  }

  void respond(const Peer& peer, Bytes bytes) {
    if (bytes.empty() || handler_ == nullptr) return;
    if (batching_) {
      batch_->replies.push_back({.peer = peer, .bytes = std::move(bytes)});
      return;
    }
    Outgoing reply{.peer = peer, .bytes = std::move(bytes)};
    msghdr header{};
    reply.fill(header);
    // A full socket buffer or a vanished TAP loses the reply, as the network may: the client asks again.
    static_cast<void>(::sendmsg(socket_.native_handle(), &header, MSG_DONTWAIT));
  }

  void flush() {
    auto& batch = *batch_;
    for (std::size_t sent = 0; sent < batch.replies.size();) {
      const auto chunk = std::min<std::size_t>(batch.replies.size() - sent, kBatch);
      for (std::size_t i = 0; i < chunk; ++i) batch.replies[sent + i].fill(batch.outgoing[i].msg_hdr);
      const int count =
          ::sendmmsg(socket_.native_handle(), batch.outgoing.data(), static_cast<unsigned>(chunk), MSG_DONTWAIT);
      sent += count > 0 ? static_cast<std::size_t>(count) : 1;  // an error is the first one's own: the others go on
    }
    batch.replies.clear();
  }

  boost::asio::posix::stream_descriptor socket_;
  QueryHandler* handler_;
  std::shared_ptr<UdpBatch> batch_;
  bool batching_ = false;
};

class UdpListener final : public Listener {
 public:
  explicit UdpListener(std::shared_ptr<UdpSocket> socket) : socket_{std::move(socket)} { socket_->wait(); }
  ~UdpListener() override { socket_->close(); }
  UdpListener(const UdpListener&) = delete;
  UdpListener& operator=(const UdpListener&) = delete;

 private:
  std::shared_ptr<UdpSocket> socket_;
};

}  // namespace

std::unique_ptr<Listener> serve_udp(boost::asio::io_context& io, UniqueFd fd, QueryHandler& handler,
                                    std::shared_ptr<UdpBatch> batch) {
  return std::make_unique<UdpListener>(std::make_shared<UdpSocket>(io, std::move(fd), handler, std::move(batch)));
}

}  // namespace vrouter::dns
