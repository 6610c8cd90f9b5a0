// SPDX-License-Identifier: GPL-2.0-or-later
// UDP: woken by Asio, then recvmmsg and sendmmsg on the native handle until nothing is left. A reply leaves by the
// address it was asked at (the socket is bound to it) and by the guest's own interface: a TAP that has just gone must
// not let it out elsewhere. Both stand in the control message that came with the question, which goes back as it is.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>

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
  UdpBatch() {
    for (unsigned i = 0; i < kBatch; ++i) {
      auto& slot = slots[i];
      slot.in = {.iov_base = slot.query.data(), .iov_len = slot.query.size()};
      auto& header = incoming[i].msg_hdr;
      header.msg_name = slot.peer.endpoint.data();
      header.msg_iov = &slot.in;
      header.msg_iovlen = 1;
      header.msg_control = slot.peer.control.data();
    }
    make_ready(kBatch);
  }
  // After so many were received: the kernel wrote what it used of these, and left the others alone.
  void make_ready(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      auto& header = incoming[i].msg_hdr;
      header.msg_namelen = static_cast<socklen_t>(slots[i].peer.endpoint.capacity());
      header.msg_controllen = slots[i].peer.control.size();
    }
  }

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

UdpDesk::UdpDesk(Gate& g, QuickAnswers& q, LongWay& l, Turns* t)
    : gate{g}, quick{q}, long_way{l}, turns{t}, batch{std::make_unique<UdpBatch>()} {}
UdpDesk::~UdpDesk() = default;

namespace {

// What the interface takes no datagram of the length of (EMSGSIZE): who asks again over TCP gets it.
void send_truncated(int fd, msghdr header) {
  const std::span reply{static_cast<const std::uint8_t*>(header.msg_iov->iov_base), header.msg_iov->iov_len};
  auto cut = write_truncated(reply);
  iovec part{.iov_base = cut.data(), .iov_len = cut.size()};
  header.msg_iov = &part;
  if (!cut.empty()) static_cast<void>(::sendmsg(fd, &header, MSG_DONTWAIT));
}

// The way back for what isn't answered with its batch: of the QueryHandler's thread, whichever the socket's is.
struct Outlet {
  int fd;  // of a socket that others own; -1: it is closed

  void send(Peer& peer, unsigned ifindex, const Bytes& reply) const {
    if (fd < 0 || reply.empty()) return;
    iovec part{.iov_base = const_cast<std::uint8_t*>(reply.data()), .iov_len = reply.size()};
    msghdr header{};
    peer.address_to(header, ifindex);
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    // A full socket buffer or a vanished TAP loses the reply, as the network may: the client asks again.
    if (::sendmsg(fd, &header, MSG_DONTWAIT) < 0 && errno == EMSGSIZE) send_truncated(fd, header);
  }
};

// Two threads may know one: its own reads and answers, in turns; the QueryHandler's closes it, in between them.
class UdpSocket : public std::enable_shared_from_this<UdpSocket> {
 public:
  UdpSocket(boost::asio::io_context& io, UniqueFd fd, UdpDesk& desk)
      : socket_{io, fd.release()}, desk_{&desk}, outlet_{std::make_shared<Outlet>(socket_.native_handle())} {}

  void wait() {
    const auto woken = [self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) self->take_turn();
    };
    socket_.async_wait(boost::asio::posix::descriptor_base::wait_read, woken);
  }
  void close() {
    desk_ = nullptr;
    outlet_->fd = -1;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void take_turn() {
    std::unique_lock<Turns> turn;
    if (turns_ != nullptr) turn = std::unique_lock{*turns_};
    if (desk_ == nullptr) return;
    for (unsigned i = 0; i < kBatchesPerWake && serve(); ++i) {
    }
    if (desk_ != nullptr) wait();
  }

  // False: nothing more to read for now, or an answer of ours has had us closed.
  bool serve() {
    const auto count = receive();
    const auto now = BootClock::now();
    auto& batch = *desk_->batch;
    for (unsigned i = 0; i < count; ++i) prepare(i, now);
    batch.make_ready(count);
    for (const auto& slot : std::span{batch.slots}.first(count)) {
      if (slot.prepared) desk_->quick.find_soon(*slot.prepared);
    }
    for (unsigned i = 0; i < count && desk_ != nullptr; ++i) {
      if (batch.slots[i].admitted) answer(i, now);
    }
    if (desk_ == nullptr) return false;
    desk_->long_way.end_batch();
    flush();
    return count == kBatch;
  }

  unsigned receive() {
    auto& batch = *desk_->batch;
    const int count = ::recvmmsg(socket_.native_handle(), batch.incoming.data(), kBatch, MSG_DONTWAIT, nullptr);
    return count < 0 ? 0 : static_cast<unsigned>(count);
  }

  void prepare(unsigned index, BootTime now) {
    auto& slot = desk_->batch->slots[index];
    auto& header = desk_->batch->incoming[index].msg_hdr;
    slot.peer.endpoint.resize(header.msg_namelen);
    slot.peer.control_size = header.msg_controllen;
    slot.client = {ingress(header), slot.peer.endpoint.address()};
    slot.prepared.reset();
    const auto lists = desk_->gate.enter(slot.client, Transport::udp, now);
    slot.admitted = lists.has_value();
    slot.size = desk_->batch->incoming[index].msg_len;
    if (lists)
      slot.prepared = desk_->quick.prepare(std::span{slot.query}.first(slot.size), slot.client.ifindex, *lists);
  }

  void answer(unsigned index, BootTime now) {
    auto& slot = desk_->batch->slots[index];
    const auto& client = slot.client;
    if (slot.prepared) {
      if (const auto size = desk_->quick.answer(*slot.prepared, now, slot.reply))
        return add(index, client.ifindex, size);
    }
    const auto query = std::span{slot.query}.first(slot.size);
    if (turns_ != nullptr) {
      return desk_->long_way.answer(query, client, now,
                                    [outlet = outlet_, peer = slot.peer, ifindex = client.ifindex](
                                        const Bytes& reply) mutable { outlet->send(peer, ifindex, reply); });
    }
    looked_at_ = ++questions_;
    desk_->long_way.answer(
        query, client, now,
        [self = shared_from_this(), peer = slot.peer, ifindex = client.ifindex, index,
         question = looked_at_](const Bytes& reply) mutable { self->respond(question, index, peer, ifindex, reply); });
    looked_at_ = 0;
  }

  void respond(std::uint64_t question, unsigned index, Peer& peer, unsigned ifindex, const Bytes& reply) {
    if (reply.empty() || desk_ == nullptr) return;
    if (question != looked_at_ || reply.size() > kMaxUdpReply) return outlet_->send(peer, ifindex, reply);
    std::ranges::copy(reply, desk_->batch->slots[index].reply.begin());  // at once: it leaves with the others
    add(index, ifindex, reply.size());
  }

  void add(unsigned index, unsigned ifindex, std::size_t size) {
    auto& slot = desk_->batch->slots[index];
    slot.out = {.iov_base = slot.reply.data(), .iov_len = size};
    auto& header = desk_->batch->outgoing[desk_->batch->replies++].msg_hdr;
    slot.peer.address_to(header, ifindex);
    header.msg_iov = &slot.out;
    header.msg_iovlen = 1;
  }

  void flush() {
    auto& batch = *desk_->batch;
    for (unsigned sent = 0; sent < batch.replies;) {
      const int count = ::sendmmsg(socket_.native_handle(), &batch.outgoing[sent], batch.replies - sent, MSG_DONTWAIT);
      if (count < 0 && errno == EMSGSIZE) send_truncated(socket_.native_handle(), batch.outgoing[sent].msg_hdr);
      sent += count > 0 ? static_cast<unsigned>(count) : 1;  // an error is the first one's own: the others go on
    }
    batch.replies = 0;
  }

  // Without the executor of any kind that Asio's own names come with: it costs at every wake.
  boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> socket_;
  UdpDesk* desk_;  // null: closed
  Turns* turns_ = desk_->turns;
  std::shared_ptr<Outlet> outlet_;
  std::uint64_t questions_ = 0, looked_at_ = 0;  // 0: none is being looked at
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

std::unique_ptr<Listener> serve_udp(boost::asio::io_context& io, UniqueFd fd, UdpDesk& desk) {
  return std::make_unique<UdpListener>(std::make_shared<UdpSocket>(io, std::move(fd), desk));
}

}  // namespace vrouter::dns
