// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <boost/asio/io_context.hpp>
#include <expected>
#include <functional>
#include <memory>

#include "base/kernel_error.h"
#include "base/unique_fd.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

// The two descriptors the service works with: all that it needs privilege for, so that a process with no
// capability can be handed them. They belong to the network namespace of the thread that opens them.
struct Sockets {
  UniqueFd receive;  // UDP 0.0.0.0:67, SO_REUSEADDR beside libvirt's dnsmasq, IP_PKTINFO
  UniqueFd send;     // AF_PACKET, SOCK_RAW, protocol 0: it never receives, so it costs the data plane nothing
};

// Needs CAP_NET_RAW and CAP_NET_BIND_SERVICE; with CAP_NET_ADMIN the receive buffer may exceed net.core.rmem_max.
[[nodiscard]] std::expected<Sockets, KernelError> open_sockets();

// The DHCPv4 service on every adopted TAP. It runs on the io_context's one thread; every call must be made there.
class Server {
 public:
  // Called on the io_context's thread, after the reply has been made; it may call apply().
  using EventSink = std::function<void(const LeaseEvent&)>;

  // Serves until destroyed. It knows no TAP before the first apply().
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, KernelError> open(boost::asio::io_context& io,
                                                                                Sockets sockets, EventSink events);
  // The same with sockets of its own.
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, KernelError> open(boost::asio::io_context& io,
                                                                                EventSink events);
  virtual ~Server() = default;

  virtual void apply(const Update& update) = 0;
  [[nodiscard]] virtual Statistics statistics() const = 0;
};

}  // namespace vrouter::dhcp
