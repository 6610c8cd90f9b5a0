// SPDX-License-Identifier: GPL-2.0-or-later
// UDP: woken by Asio, then recvmmsg and sendmmsg on the native handle until nothing is left. A reply leaves by the
// address it was asked at (the socket is bound to it) and by the guest's own interface: a TAP that has just gone must
// not let it out elsewhere. Both stand in the control message that came with the question, which goes back as it is.
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
using Endpoint = boost::asio::ip::udp::endpoint;

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

// Where a question came from, and how to get back there.
struct Peer {
  Endpoint endpoint;
  alignas(cmsghdr) std::array<std::uint8_t, kControlSize> control{};
  std::size_t control_size = 0;

  void address_to(msghdr& header, unsigned ifindex) {
    header.msg_name = endpoint.data();
    header.msg_namelen = static_cast<socklen_t>(endpoint.size());
    // The host's own question: its routes know the way.
    header.msg_control = ifindex == kLoopbackIfindex ? nullptr : control.data();
    header.msg_controllen = ifindex == kLoopbackIfindex ? 0 : control_size;
  }
};

}  // namespace

struct UdpBatch {
  struct Slot {
    std::array<std::uint8_t, kQuerySize> query;
    std::array<std::uint8_t, kMaxUdpReply> reply;
    Peer peer;
    Client client;
    std::size_t size = 0;
    bool admitted = false;
    std::optional<QuickAnswers::Prepared> prepared;
    iovec in{}, out{};
  };
  std::array<Slot, kBatch> slots{};
  std::array<mmsghdr, kBatch> incoming{}, outgoing{};
  unsigned replies = 0;
};

std::shared_ptr<UdpBatch> make_udp_batch() {
  return std::make_shared<UdpBatch>();
}

namespace {

class UdpSocket : public std::enable_shared_from_this<UdpSocket> {
 public:
  UdpSocket(boost::asio::io_context& io, UniqueFd fd, QueryHandler& handler, QuickAnswers& quick,
            std::shared_ptr<UdpBatch> batch)
      : socket_{io, fd.release()}, handler_{&handler}, quick_{&quick}, batch_{std::move(batch)} {}

  void wait() {
    const auto woken = [self = shared_from_this()](const boost::system::error_code& error) {
      if (self->handler_ == nullptr || error) return;
      for (unsigned i = 0; i < kBatchesPerWake && self->serve(); ++i) {
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
  bool serve() {
    const auto count = receive();
    const auto now = BootClock::now();
    for (unsigned i = 0; i < count; ++i) prepare(i, now);
    for (const auto& slot : std::span{batch_->slots}.first(count)) {
      if (slot.prepared) quick_->find_soon(*slot.prepared);
    }
    for (unsigned i = 0; i < count; ++i) {
      if (batch_->slots[i].admitted) answer(i, now);
    }
    flush();
    return count == kBatch;
  }

  unsigned receive() {
    auto& batch = *batch_;
    for (unsigned i = 0; i < kBatch; ++i) {
      auto& slot = batch.slots[i];
      slot.in = {.iov_base = slot.query.data(), .iov_len = slot.query.size()};
      auto& header = batch.incoming[i].msg_hdr;
      header.msg_name = slot.peer.endpoint.data();
      header.msg_namelen = static_cast<socklen_t>(slot.peer.endpoint.capacity());
      header.msg_iov = &slot.in;
      header.msg_iovlen = 1;
      header.msg_control = slot.peer.control.data();
      header.msg_controllen = slot.peer.control.size();
    }
    const int count = ::recvmmsg(socket_.native_handle(), batch.incoming.data(), kBatch, MSG_DONTWAIT, nullptr);
    return count < 0 ? 0 : static_cast<unsigned>(count);
  }

  void prepare(unsigned index, BootTime now) {
    auto& slot = batch_->slots[index];
    auto& header = batch_->incoming[index].msg_hdr;
    slot.peer.endpoint.resize(header.msg_namelen);
    slot.peer.control_size = header.msg_controllen;
    slot.client = {ingress(header), slot.peer.endpoint.address()};
    slot.prepared.reset();
    slot.admitted = handler_->admit(slot.client, Transport::udp, now);
    slot.size = batch_->incoming[index].msg_len;
    if (slot.admitted) slot.prepared = quick_->prepare(std::span{slot.query}.first(slot.size));
  }

  void answer(unsigned index, BootTime now) {
    auto& slot = batch_->slots[index];
    const auto& client = slot.client;
    if (slot.prepared) {
      if (const auto size = quick_->answer(*slot.prepared, now, slot.reply)) return add(index, client.ifindex, size);
    }
    const auto query = std::span{slot.query}.first(slot.size);
    turn_ = ++turns_;
    handler_->answer(query, client, Transport::udp, now,
                     [self = shared_from_this(), peer = slot.peer, ifindex = client.ifindex, index,
                      turn = turn_](const Bytes& reply) mutable { self->respond(turn, index, peer, ifindex, reply); });
    turn_ = 0;
  }

  void respond(std::uint64_t turn, unsigned index, Peer& peer, unsigned ifindex, const Bytes& reply) {
    if (reply.empty() || handler_ == nullptr) return;
    if (turn == turn_ && reply.size() <= kMaxUdpReply) {  // at once: it leaves with the others
      std::ranges::copy(reply, batch_->slots[index].reply.begin());
      return add(index, ifindex, reply.size());
    }
    iovec part{.iov_base = const_cast<std::uint8_t*>(reply.data()), .iov_len = reply.size()};
    msghdr header{};
    peer.address_to(header, ifindex);
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    // A full socket buffer or a vanished TAP loses the reply, as the network may: the client asks again.
    static_cast<void>(::sendmsg(socket_.native_handle(), &header, MSG_DONTWAIT));
  }

  void add(unsigned index, unsigned ifindex, std::size_t size) {
    auto& slot = batch_->slots[index];
    slot.out = {.iov_base = slot.reply.data(), .iov_len = size};
    auto& header = batch_->outgoing[batch_->replies++].msg_hdr;
    slot.peer.address_to(header, ifindex);
    header.msg_iov = &slot.out;
    header.msg_iovlen = 1;
  }

  void flush() {
    auto& batch = *batch_;
    for (unsigned sent = 0; sent < batch.replies;) {
      const int count = ::sendmmsg(socket_.native_handle(), &batch.outgoing[sent], batch.replies - sent, MSG_DONTWAIT);
      sent += count > 0 ? static_cast<unsigned>(count) : 1;  // an error is the first one's own: the others go on
    }
    batch.replies = 0;
  }

  boost::asio::posix::stream_descriptor socket_;
  QueryHandler* handler_;
  QuickAnswers* quick_;
  std::shared_ptr<UdpBatch> batch_;
  std::uint64_t turns_ = 0, turn_ = 0;  // 0: no question is being looked at
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
                                    QuickAnswers& quick, std::shared_ptr<UdpBatch> batch) {
  return std::make_unique<UdpListener>(
      std::make_shared<UdpSocket>(io, std::move(fd), handler, quick, std::move(batch)));
}

}  // namespace vrouter::dns
