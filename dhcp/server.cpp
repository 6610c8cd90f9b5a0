// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: one UDP socket for all TAPs, so that the service costs nothing per TAP: the kernel checks lengths and
// checksums of requests, IP_PKTINFO says which TAP a request came from and which one its reply leaves by. Replies pass
// the firewall's output rules like any other packet. A client without an address can be reached neither by routing nor
// by ARP, so its reply goes to 255.255.255.255 on its own link, where nobody else is. (The kernel hands every broadcast
// back to the host as if it came from that link; there it is what no guest may send, and dropped.) What came by a relay
// goes back by the host's routes. Both ways work in batches.
#include "dhcp/server.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include "base/token_bucket.h"
#include "dhcp/batches.h"
#include "dhcp/responder.h"

namespace vrouter::dhcp {
namespace {

constexpr int kBatchesPerWake = 8;  // then the loop's other work has its turn
// Who asks alone is answered at once. While many ask they are read together, after a pause in which so many have come
// or that is the longest, and their leases go to the disk together: what a wake-up, a message to the daemon, a write
// and the word that it is there cost is shared by them all. No client notices, since the shortest that any waits before
// it asks again is a second. The shortest pause only keeps the timer from being all that runs.
constexpr int kReadTogether = 64;
constexpr std::size_t kWrittenTogether = 64;
constexpr std::chrono::microseconds kShortestPause{200}, kLongestPause{20000};
// Reads without a pause: sixteen guests that start at once take two each. At 50 a second what they save is nothing yet.
constexpr unsigned kPromptAtOnce = 32, kPromptPerSecond = 50;
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

// Tells when the socket has something to read, once for each wait(), and sleeps between. Asio alone would keep it in
// its own epoll, edge-triggered, for good: there each datagram wakes the process, whether anybody waits for one or not.
class Readable {
 public:
  Readable(boost::asio::io_context& io, UniqueFd epoll, int socket) : socket_{socket}, epoll_{io, epoll.release()} {}

  [[nodiscard]] static std::expected<UniqueFd, KernelError> watch(int socket) {
    UniqueFd epoll{::epoll_create1(EPOLL_CLOEXEC)};
    epoll_event none{};
    if (!epoll || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket, &none) != 0)
      return std::unexpected(last_error("watch the UDP socket of DHCP"));
    return epoll;
  }

  template <typename Handler>
  void wait(Handler handler) {
    epoll_event once{.events = EPOLLIN | EPOLLONESHOT, .data = {}};
    ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_MOD, socket_, &once);
    epoll_.async_wait(boost::asio::posix::stream_descriptor::wait_read, std::move(handler));
  }
  // In the handler: from here on nothing is told until the next wait().
  void taken() {
    epoll_event event{};
    ::epoll_wait(epoll_.native_handle(), &event, 1, 0);
  }

 private:
  int socket_;
  boost::asio::posix::stream_descriptor epoll_;
};

// Shared with its pending handlers through weak pointers: one already queued when the server goes finds nothing.
class Service : public std::enable_shared_from_this<Service> {
 public:
  Service(boost::asio::io_context& io, UniqueFd socket, UniqueFd epoll, Server::Handlers handlers)
      : commit_{std::move(handlers.commit)},
        responder_{std::move(handlers.event), std::move(handlers.probe)},
        socket_{std::move(socket)},
        readable_{io, std::move(epoll), socket_.get()},
        read_again_{io},
        timer_{io} {}

  void start() { wait_for_requests(); }

  void apply(const Update& update) {
    responder_.apply(update);
    wait_for_time();
  }
  void committed(const std::vector<CommitResult>& results) {
    responder_.committed(results, BootClock::now(), send_);
    flush();
  }
  void heard(const Probe& probe, const MacAddress& by) {
    const auto now = BootClock::now();
    responder_.heard(probe, by, now);
    hand_out_commits(now);
    wait_for_time();
  }
  [[nodiscard]] const Statistics& statistics() const noexcept { return responder_.statistics(); }

 private:
  void wait_for_requests() {
    readable_.wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->readable_.taken();
      self->serve();
    });
  }

  void serve() {
    const auto served = read();
    const auto now = BootClock::now();
    const bool more = served == kBatchesPerWake * kBatch;
    const bool pause = served != 0 && !more && !prompt_.take(now);
    if (!pause || responder_.proposed() >= kWrittenTogether || now - handed_out_ >= kLongestPause)
      hand_out_commits(now);
    if (!pause) return wait_for_requests();
    pause_ = std::clamp(pause_ * kReadTogether / static_cast<int>(served), kShortestPause, kLongestPause);
    read_again_.expires_after(pause_);
    read_again_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self) self->serve();
    });
  }

  // How many messages there were.
  std::size_t read() {
    std::size_t all = 0;
    for (int i = 0; i < kBatchesPerWake; ++i) {
      const auto n = received_.receive(socket_.get());
      all += n;
      const auto now = BootClock::now();
      for (std::size_t k = 0; k < n; ++k) {
        if (const auto reply = responder_.handle(received_.at(k), now, replies_.next())) replies_.add(*reply);
      }
      flush();
      if (n < kBatch) break;
    }
    if (all != 0) wait_for_time();
    return all;
  }

  void flush() { responder_.count_send_errors(replies_.flush(socket_.get())); }

  // One vector for all of them: the disk writes many leases as fast as one.
  void hand_out_commits(BootTime now) {
    handed_out_ = now;
    auto commits = responder_.take_commits();
    if (commit_ && !commits.empty()) commit_(std::move(commits));
  }

  // One timer for all leases and probes, set to the next end. Asio looks at BootClock again after five minutes at most,
  // so a suspended host is late by no more.
  void wait_for_time() {
    const auto lease = responder_.next_expiry(), probe = responder_.next_probe_end();
    const auto next = lease && probe ? std::min(*lease, *probe) : lease ? lease : probe;
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
      const auto now = BootClock::now();
      self->responder_.expire(now);
      self->responder_.finish_probes(now, self->send_);
      self->flush();
      self->hand_out_commits(now);
      self->wait_for_time();
    });
  }

  Server::CommitSink commit_;
  Responder responder_;
  UniqueFd socket_;
  Readable readable_;
  boost::asio::steady_timer read_again_;
  TokenBucket<kPromptAtOnce, kPromptPerSecond> prompt_;
  std::chrono::microseconds pause_ = kLongestPause;
  BootTime handed_out_{};
  boost::asio::basic_waitable_timer<BootClock> timer_;
  std::optional<BootTime> timer_set_to_;
  ReceiveBatch received_;
  SendBatch replies_;
  Send send_ = [this](const Outgoing& reply, std::span<const std::uint8_t> bytes) {
    if (replies_.full()) flush();
    std::ranges::copy(bytes, replies_.next().begin());
    replies_.add(reply);
  };
};

class SocketServer final : public Server {
 public:
  explicit SocketServer(std::shared_ptr<Service> service) : service_{std::move(service)} { service_->start(); }
  void apply(const Update& update) override { service_->apply(update); }
  void committed(const std::vector<CommitResult>& results) override { service_->committed(results); }
  void heard(const Probe& probe, const MacAddress& by) override { service_->heard(probe, by); }
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
  auto epoll = Readable::watch(socket.get());
  if (!epoll) return std::unexpected(epoll.error());
  return std::make_unique<SocketServer>(
      std::make_shared<Service>(io, std::move(socket), std::move(*epoll), std::move(handlers)));
}

std::expected<std::unique_ptr<Server>, KernelError> Server::open(boost::asio::io_context& io, Handlers handlers) {
  auto socket = open_socket();
  if (!socket) return std::unexpected(socket.error());
  return open(io, std::move(*socket), std::move(handlers));
}

}  // namespace vrouter::dhcp
