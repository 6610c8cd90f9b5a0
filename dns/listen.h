// SPDX-License-Identifier: GPL-2.0-or-later
// The sockets guests reach: port 53 on one gateway address each, never the wildcard, which systemd-resolved and dnsmasq
// hold.
#pragma once

#include <boost/asio/io_context.hpp>
#include <expected>
#include <memory>

#include "base/kernel_error.h"
#include "base/unique_fd.h"
#include "dns/query_handler.h"

namespace vrouter::dns {

// Bound, non-blocking, telling the interface of ingress with every datagram (IP_PKTINFO, IPV6_RECVPKTINFO).
[[nodiscard]] std::expected<UniqueFd, KernelError> bind_udp(const address& local);
[[nodiscard]] std::expected<UniqueFd, KernelError> bind_tcp(const address& local);
// What the operator can do about it: "10.0.5.1 port 53 (udp): Address already in use; ...".
[[nodiscard]] std::string bind_problem(const address& local, Transport transport, const KernelError& error);

class Listener {
 public:
  virtual ~Listener() = default;  // closes its socket and its connections
};

struct UdpBatch;  // buffers of recvmmsg and sendmmsg, one set for all listeners
[[nodiscard]] std::shared_ptr<UdpBatch> make_udp_batch();
[[nodiscard]] std::unique_ptr<Listener> serve_udp(boost::asio::io_context& io, UniqueFd fd, QueryHandler& handler,
                                                  std::shared_ptr<UdpBatch> batch);

struct TcpClients;  // who has how many connections, over all listeners
[[nodiscard]] std::shared_ptr<TcpClients> make_tcp_clients();
[[nodiscard]] std::unique_ptr<Listener> serve_tcp(boost::asio::io_context& io, UniqueFd fd, const address& local,
                                                  QueryHandler& handler, std::shared_ptr<TcpClients> clients);

}  // namespace vrouter::dns
