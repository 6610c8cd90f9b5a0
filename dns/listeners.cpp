// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/listeners.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <map>
#include <utility>

#include "dns/names.h"

namespace vrouter::dns {

namespace {

constexpr std::uint16_t kPort = 53;
constexpr int kTcpBacklog = 128;
// A burst of every guest at once, or what they ask while the service is started anew.
constexpr int kUdpReceiveBuffer = 4 << 20;
// A predecessor that was killed may hold its port for some milliseconds more; whoever holds it longer means it.
constexpr std::chrono::milliseconds kRetryFirst{10}, kRetrySlowest{1000};

// What the operator can do about it: "10.0.5.1 port 53 (udp): Address already in use; ...".
std::string bind_problem(const Place& wanted, const KernelError& error) {
  const auto place = fmt::format("dns: {} port {} ({}): {}", wanted.local.to_string(), kPort,
                                 wanted.transport == Transport::udp ? "udp" : "tcp", ::strerrordesc_np(error.code));
  switch (error.code) {
    case EADDRINUSE:
      return fmt::format(
          "{}; another program serves DNS there (ss -lpn 'sport = :{}' names it): stop it, or keep it off this address "
          "(dnsmasq: bind-interfaces and listen-address)",
          place, kPort);
    case EADDRNOTAVAIL:
      return fmt::format("{}; this host has no such address yet, and port {} is served as soon as it has", place,
                         kPort);
    case EACCES:
      return fmt::format("{}; ports below 1024 need CAP_NET_BIND_SERVICE: run vrouterd as its unit does", place);
    default:
      return fmt::format("{}; tried again every second", place);
  }
}

// Which socket of those that share an address a question goes to. A guest's interface says it, so that its budget is in
// one worker's hands; the host has none, and all its questions come by one interface.
bool steer(int fd, unsigned workers) {
  const auto ancillary = [](int what) { return static_cast<std::uint32_t>(SKF_AD_OFF + what); };
  std::array<sock_filter, 5> code{{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_IFINDEX)),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kLoopbackIfindex, 0, 1),
                                   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_RANDOM)),
                                   BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers), BPF_STMT(BPF_RET | BPF_A, 0)}};
  const sock_fprog program{.len = code.size(), .filter = code.data()};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
}

class Binder final : public Listeners {
 public:
  Binder(boost::asio::io_context& io, MakeSocket make, Bound bound)
      : make_{std::move(make)}, bound_{std::move(bound)}, retry_{io} {}

  void want(const std::vector<address>& addresses, unsigned workers) override {
    if (std::exchange(workers_, workers) != workers) {
      for (auto& [local, place] : places_) place[static_cast<std::size_t>(Transport::udp)] = {};
    }
    std::erase_if(places_,
                  [&](const auto& place) { return std::ranges::find(addresses, place.first) == addresses.end(); });
    for (const auto& local : addresses) places_.try_emplace(local);
    again_ = kRetryFirst;
    bind_missing();
  }

  [[nodiscard]] std::vector<std::string> problems() const override {
    std::vector<std::string> all;
    for (const auto& [local, place] : places_) {
      for (const auto& attempt : place) {
        if (!attempt.problem.empty()) all.push_back(attempt.problem);
      }
    }
    return all;
  }

 private:
  struct Attempt {
    unsigned bound = 0;  // sockets
    std::string problem;
  };
  using Attempts = std::array<Attempt, 2>;  // by Transport

  void bind_missing() {
    bool all = true;
    for (auto& [local, place] : places_) {
      for (const auto transport : {Transport::udp, Transport::tcp}) {
        auto& attempt = place[static_cast<std::size_t>(transport)];
        const auto wanted = transport == Transport::udp ? workers_ : 1;
        while (attempt.bound < wanted && bind({local, transport, attempt.bound}, attempt)) ++attempt.bound;
        all = all && attempt.bound == wanted;
      }
    }
    retry_.cancel();
    if (all) return;
    retry_.expires_after(again_);
    again_ = std::min(again_ * 2, kRetrySlowest);
    retry_.async_wait([this, alive = std::weak_ptr{alive_}](const boost::system::error_code& cancelled) {
      if (!cancelled && !alive.expired()) bind_missing();
    });
  }

  bool bind(const Place& place, Attempt& attempt) {
    auto socket =
        make_(place.local.is_v4() ? AF_INET : AF_INET6, place.transport == Transport::udp ? SOCK_DGRAM : SOCK_STREAM);
    const auto done = socket ? bind_socket(socket->get(), place, workers_) : std::unexpected{socket.error()};
    attempt.problem = done ? "" : bind_problem(place, done.error());
    if (done) bound_(place, std::move(*socket));
    return done.has_value();
  }

  MakeSocket make_;
  Bound bound_;
  std::map<address, Attempts> places_;
  unsigned workers_ = 1;
  boost::asio::steady_timer retry_;
  std::chrono::milliseconds again_ = kRetryFirst;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // a handler may be queued when we go
};

}  // namespace

std::expected<UniqueFd, KernelError> make_socket(int domain, int type) {
  UniqueFd fd{::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) return std::unexpected(KernelError{.what = "make a socket", .code = errno, .extack = {}});
  return fd;
}

std::expected<void, KernelError> bind_socket(int fd, const Place& place, unsigned workers) {
  const auto& local = place.local;
  const auto transport = place.transport;
  const bool shared = transport == Transport::udp && workers > 1;
  const auto failed = [&] {
    const int code = errno;  // Asio's to_string() clears it
    return std::unexpected(
        KernelError{.what = fmt::format("bind {} port {}", local.to_string(), kPort), .code = code, .extack = {}});
  };
  const auto set = [fd](int level, int option, int value = 1) {
    return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
  };
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return failed();
  // Beside a dnsmasq on the wildcard, which sets this too: the more specific address wins, for UDP.
  if (!set(SOL_SOCKET, SO_REUSEADDR) || (shared && !set(SOL_SOCKET, SO_REUSEPORT))) return failed();
  if (!(local.is_v4() ? set(IPPROTO_IP, IP_PKTINFO) : set(IPPROTO_IPV6, IPV6_RECVPKTINFO))) return failed();
  if (local.is_v6() && !set(IPPROTO_IPV6, IPV6_V6ONLY)) return failed();
  // Replies leave whole or not at all (RFC 9715, 3.1), and no path of a guest's makes them shorter: ICMP that says so
  // is a guest's word.
  if (transport == Transport::udp && !(local.is_v4() ? set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
                                                     : set(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE)))
    return failed();
  const boost::asio::ip::udp::endpoint endpoint{local, kPort};
  if (::bind(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) return failed();
  if (shared && !steer(fd, workers)) return failed();
  if (transport == Transport::tcp)
    return ::listen(fd, kTcpBacklog) == 0 ? std::expected<void, KernelError>{} : failed();
  // Best effort: a small buffer loses questions in a burst, and clients ask again.
  if (!set(SOL_SOCKET, SO_RCVBUFFORCE, kUdpReceiveBuffer)) set(SOL_SOCKET, SO_RCVBUF, kUdpReceiveBuffer);
  return {};
}

void mend_socket(int fd, Transport transport) noexcept {
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  int listening = 0;
  socklen_t size = sizeof listening;
  if (transport == Transport::tcp && ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
      listening != 0) {
    return;
  }
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  ::connect(fd, &nobody, sizeof nobody);  // the address and port that it was bound to stay
  if (transport == Transport::tcp) ::listen(fd, kTcpBacklog);
}

std::unique_ptr<Listeners> Listeners::create(boost::asio::io_context& io, MakeSocket make, Bound bound) {
  return std::make_unique<Binder>(io, std::move(make), std::move(bound));
}

}  // namespace vrouter::dns
