// SPDX-License-Identifier: GPL-2.0-or-later
// TCP (RFC 7766): many questions on one connection, answered as their answers come. A client can neither keep a
// connection by sending a message byte by byte, nor fill our memory by never reading: each wait has an end, each queue
// a bound.
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <deque>
#include <map>
#include <set>

#include "dns/frames.h"
#include "dns/listen.h"

namespace vrouter::dns {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Error = boost::system::error_code;
using std::chrono::milliseconds;

constexpr milliseconds kIdle{10'000};           // RFC 7766 6.2.3: a few seconds
constexpr milliseconds kMessageDeadline{5000};  // from the first byte of a message to its last
constexpr milliseconds kWriteDeadline{10'000};  // a client that doesn't read its answers
constexpr milliseconds kAcceptPause{100};       // after running out of descriptors
constexpr unsigned kMaxPipelined = 32;    // questions unanswered or answers unsent; more stay in the socket's buffer
constexpr std::size_t kMaxPerGuest = 16;  // a resolver needs one or two; one guest must not take them all
constexpr std::size_t kMaxConnections = 512;  // bounds our descriptors
constexpr int kPktOptions6 = 6;               // IPV6_2292PKTOPTIONS, linux/in6.h

// The interface the connection came in by: the kernel remembers it from the handshake (net/ipv4/tcp_ipv4.c,
// tcp_v4_syn_recv_sock: mc_index) and tells it through IP_PKTOPTIONS once IP_PKTINFO is on. 0: it doesn't say.
unsigned ingress(int fd, bool v4) {
  alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
  auto length = static_cast<socklen_t>(control.size());
  const int result = v4 ? ::getsockopt(fd, IPPROTO_IP, IP_PKTOPTIONS, control.data(), &length)
                        : ::getsockopt(fd, IPPROTO_IPV6, kPktOptions6, control.data(), &length);
  if (result != 0) return 0;
  msghdr header{};
  header.msg_control = control.data();
  header.msg_controllen = length;
  for (auto* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (v4 && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      return static_cast<unsigned>(info.ipi_ifindex);
    }
    if (!v4 && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      return info.ipi6_ifindex;
    }
  }
  return 0;
}

}  // namespace

struct TcpClients {
  std::size_t total = 0;
  std::map<unsigned, std::size_t> per_guest;  // by ifindex

  bool enter(unsigned guest) {
    auto& count = per_guest[guest];
    if (total >= kMaxConnections || count >= kMaxPerGuest) {
      if (count == 0) per_guest.erase(guest);
      return false;
    }
    ++count;
    ++total;
    return true;
  }
  void leave(unsigned guest) {
    --total;
    if (const auto it = per_guest.find(guest); --it->second == 0) per_guest.erase(it);
  }
};

std::shared_ptr<TcpClients> make_tcp_clients() {
  return std::make_shared<TcpClients>();
}

namespace {

class Connection;
using Connections = std::set<std::shared_ptr<Connection>>;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Client client, QueryHandler& handler, std::shared_ptr<TcpClients> clients,
             Connections& all)
      : socket_{std::move(socket)},
        read_timer_{socket_.get_executor()},
        write_timer_{socket_.get_executor()},
        client_{std::move(client)},
        handler_{&handler},
        clients_{std::move(clients)},
        all_{&all} {}

  void read() {
    if (closed() || reading_ || waiting_ + outgoing_.size() >= kMaxPipelined) return;
    reading_ = true;
    arm_idle();
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const Error& error) {
      if (self->failed(error)) return;
      self->read_timer_.expires_after(kMessageDeadline);
      self->read_timer_.async_wait([self](const Error& cancelled) {
        if (!cancelled) self->close();
      });
      self->read_more();
    });
  }

  // Also called by the listener that owns the list we stand in.
  void close() {
    if (closed()) return;
    handler_ = nullptr;
    Error ignored;
    socket_.close(ignored);
    read_timer_.cancel();
    write_timer_.cancel();
    clients_->leave(client_.ifindex);
    all_->erase(shared_from_this());
  }

 private:
  [[nodiscard]] bool closed() const { return handler_ == nullptr; }
  bool failed(const Error& error) {
    if (error) close();
    return closed();
  }

  void arm_idle() {
    read_timer_.expires_after(kIdle);
    read_timer_.async_wait([self = shared_from_this()](const Error& cancelled) {
      if (cancelled || self->closed()) return;
      if (self->waiting_ == 0) return self->close();
      self->arm_idle();
    });
  }

  void read_more() {
    if (incoming_.whole()) return take_message();
    socket_.async_read_some(asio::buffer(incoming_.room().data(), incoming_.room().size()),
                            [self = shared_from_this()](const Error& error, std::size_t size) {
                              if (self->failed(error)) return;
                              self->incoming_.received(size);
                              self->read_more();
                            });
  }

  void take_message() {
    reading_ = false;
    read_timer_.cancel();  // it came in time, however long we don't read the next
    ++waiting_;
    handler_->handle(incoming_.message(), client_, Transport::tcp, BootClock::now(),
                     [self = shared_from_this()](Bytes bytes) { self->respond(std::move(bytes)); });
    incoming_.restart();
    read();
  }

  void respond(Bytes bytes) {
    --waiting_;
    if (closed()) return;
    // What gets no answer over UDP gets no connection here: nothing good follows it.
    if (bytes.empty() || bytes.size() > kMaxMessage) return close();
    const auto size = bytes.size();
    bytes.insert(bytes.begin(), {static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size)});
    outgoing_.push_back(std::move(bytes));
    if (outgoing_.size() == 1) write();
  }

  void write() {
    write_timer_.expires_after(kWriteDeadline);
    write_timer_.async_wait([self = shared_from_this()](const Error& cancelled) {
      if (!cancelled) self->close();
    });
    asio::async_write(socket_, asio::buffer(outgoing_.front()),
                      [self = shared_from_this()](const Error& error, std::size_t) {
                        if (self->failed(error)) return;
                        self->write_timer_.cancel();
                        self->outgoing_.pop_front();
                        if (!self->outgoing_.empty()) self->write();
                        self->read();
                      });
  }

  tcp::socket socket_;
  asio::steady_timer read_timer_, write_timer_;
  Client client_;
  QueryHandler* handler_;  // null: closed
  std::shared_ptr<TcpClients> clients_;
  Connections* all_;
  FrameReader incoming_;
  std::deque<Bytes> outgoing_;
  unsigned waiting_ = 0;
  bool reading_ = false;
};

// What the accept handlers hold on to after the listener has gone.
struct Acceptor : std::enable_shared_from_this<Acceptor> {
  tcp::acceptor socket;
  asio::steady_timer pause;
  QueryHandler* handler;
  std::shared_ptr<TcpClients> clients;
  Connections connections;

  Acceptor(asio::io_context& io, UniqueFd fd, const address& local, QueryHandler& h, std::shared_ptr<TcpClients> c)
      : socket{io, local.is_v4() ? tcp::v4() : tcp::v6(), fd.release()},
        pause{io},
        handler{&h},
        clients{std::move(c)} {}

  void accept() {
    socket.async_accept([self = shared_from_this()](const Error& error, tcp::socket accepted) {
      if (self->handler == nullptr) return;
      if (error) {
        self->pause.expires_after(kAcceptPause);
        self->pause.async_wait([self](const Error& cancelled) {
          if (!cancelled && self->handler != nullptr) self->accept();
        });
        return;
      }
      self->admit(std::move(accepted));
      self->accept();
    });
  }

  void admit(tcp::socket accepted) {
    Error error;
    const auto peer = accepted.remote_endpoint(error);
    if (error) return;
    const Client client{ingress(accepted.native_handle(), peer.address().is_v4()), peer.address()};
    if (!handler->knows(client) || !clients->enter(client.ifindex)) return;
    accepted.set_option(tcp::no_delay{true}, error);
    const auto connection = std::make_shared<Connection>(std::move(accepted), client, *handler, clients, connections);
    connections.insert(connection);
    connection->read();
  }

  void close() {
    handler = nullptr;
    Error ignored;
    socket.close(ignored);
    pause.cancel();
    while (!connections.empty()) std::shared_ptr {
        *connections.begin()
      } -> close();
  }
};

class TcpListener final : public Listener {
 public:
  explicit TcpListener(std::shared_ptr<Acceptor> acceptor) : acceptor_{std::move(acceptor)} { acceptor_->accept(); }
  ~TcpListener() override { acceptor_->close(); }
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;

 private:
  std::shared_ptr<Acceptor> acceptor_;
};

}  // namespace

std::unique_ptr<Listener> serve_tcp(asio::io_context& io, UniqueFd fd, const address& local, QueryHandler& handler,
                                    std::shared_ptr<TcpClients> clients) {
  return std::make_unique<TcpListener>(
      std::make_shared<Acceptor>(io, std::move(fd), local, handler, std::move(clients)));
}

}  // namespace vrouter::dns
