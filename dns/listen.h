// SPDX-License-Identifier: GPL-2.0-or-later
// How guests are served on the sockets they reach. No privilege is needed here.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "base/unique_fd.h"
#include "dns/query_handler.h"
#include "dns/udp_desk.h"

namespace vrouter::dns {

// What serves on one bound socket (bind_socket() of listeners.h).
class Listener {
 public:
  virtual ~Listener() = default;  // closes its socket and its connections
};

// On the thread of `io`, which may be another one than the caller's: then with `desk.turns`, made and ended while that
// thread is kept from its turn.
[[nodiscard]] std::unique_ptr<Listener> serve_udp(boost::asio::io_context& io, UniqueFd fd, UdpDesk& desk);

struct TcpClients;  // who has how many connections, over all listeners
[[nodiscard]] std::shared_ptr<TcpClients> make_tcp_clients();
[[nodiscard]] std::unique_ptr<Listener> serve_tcp(boost::asio::io_context& io, UniqueFd fd, const address& local,
                                                  QueryHandler& handler, std::shared_ptr<TcpClients> clients);

}  // namespace vrouter::dns
