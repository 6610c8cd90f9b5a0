// SPDX-License-Identifier: GPL-2.0-or-later
// The sockets that guests reach, as far as it takes privilege: port 53 on one gateway address each, never the wildcard,
// which systemd-resolved and dnsmasq hold. Who serves on them is another matter (server.h) and maybe another process.
#pragma once

#include <boost/asio/io_context.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/kernel_error.h"
#include "base/unique_fd.h"
#include "dns/tables.h"

namespace vrouter::dns {

// Makes a fresh socket (AF_INET or AF_INET6; SOCK_STREAM or SOCK_DGRAM).
using MakeSocket = std::function<std::expected<UniqueFd, KernelError>(int domain, int type)>;
// Of this process and its user.
[[nodiscard]] std::expected<UniqueFd, KernelError> make_socket(int domain, int type);

// Makes a fresh socket one that serves DNS at the place: bound to port 53, non-blocking, telling the interface of
// ingress (IP_PKTINFO, IPV6_RECVPKTINFO); of TCP, listening. It needs CAP_NET_BIND_SERVICE; with CAP_NET_ADMIN the
// buffer for questions may exceed net.core.rmem_max. Where there are several `workers`, an interface's questions over
// UDP all come to the same one; the host's own are spread.
[[nodiscard]] std::expected<void, KernelError> bind_socket(int fd, const Place& place, unsigned workers = 1);

// Undoes what a process that had a duplicate may have done to the socket itself, before another is given one: blocking
// mode, and connect(2), which makes UDP deaf to everybody else and a listening socket forget to listen.
void mend_socket(int fd, Transport transport) noexcept;

// On the io_context's one thread.
class Listeners {
 public:
  // Takes a bound socket, once for each place: to be kept for as long as the zones hold the address.
  using Bound = std::function<void(const Place& place, UniqueFd socket)>;

  [[nodiscard]] static std::unique_ptr<Listeners> create(boost::asio::io_context& io, MakeSocket make, Bound bound);
  virtual ~Listeners() = default;

  // The addresses to be served (listen_addresses() of the zones), over UDP and TCP; those left out are forgotten. One
  // that can't be bound (somebody else holds it, or it isn't there yet) leaves the others working, is tried again every
  // second, and stands in problems() with the remedy until it works. Calls `bound` for all that work at once. Another
  // number of workers has all sockets of UDP made anew.
  virtual void want(const std::vector<address>& addresses, unsigned workers = 1) = 0;
  [[nodiscard]] virtual std::vector<std::string> problems() const = 0;
};

}  // namespace vrouter::dns
