// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/listen.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/ip/udp.hpp>
#include <cerrno>

namespace vrouter::dns {

namespace {

constexpr std::uint16_t kPort = 53;
constexpr int kTcpBacklog = 128;
constexpr int kUdpReceiveBuffer = 4 << 20;  // a burst of every guest at once; the kernel caps it at net.core.rmem_max

std::expected<UniqueFd, KernelError> bind_socket(const address& local, int type) {
  const std::string what = fmt::format("bind {} port {}", local.to_string(), kPort);
  const auto failed = [&] { return std::unexpected(KernelError{.what = what, .code = errno, .extack = {}}); };
  UniqueFd fd{::socket(local.is_v4() ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) return failed();
  const int on = 1;
  // Beside a dnsmasq on the wildcard, which sets this too: the more specific address wins, for UDP.
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return failed();
  const int info = local.is_v4() ? ::setsockopt(fd.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on)
                                 : ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  if (info != 0) return failed();
  if (local.is_v6() && ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) return failed();
  const boost::asio::ip::udp::endpoint endpoint{local, kPort};
  if (::bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) return failed();
  return fd;
}

}  // namespace

std::expected<UniqueFd, KernelError> bind_udp(const address& local) {
  auto fd = bind_socket(local, SOCK_DGRAM);
  // Best effort: a small buffer loses questions in a burst, and clients ask again.
  if (fd) ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUF, &kUdpReceiveBuffer, sizeof kUdpReceiveBuffer);
  return fd;
}

std::expected<UniqueFd, KernelError> bind_tcp(const address& local) {
  auto fd = bind_socket(local, SOCK_STREAM);
  if (fd && ::listen(fd->get(), kTcpBacklog) != 0) {
    return std::unexpected(
        KernelError{.what = fmt::format("listen on {}", local.to_string()), .code = errno, .extack = {}});
  }
  return fd;
}

std::string bind_problem(const address& local, Transport transport, const KernelError& error) {
  const auto place = fmt::format("dns: {} port {} ({}): {}", local.to_string(), kPort,
                                 transport == Transport::udp ? "udp" : "tcp", ::strerrordesc_np(error.code));
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

}  // namespace vrouter::dns
