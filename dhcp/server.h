// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <boost/asio/io_context.hpp>
#include <expected>
#include <functional>
#include <memory>

#include "base/kernel_error.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

// The DHCPv4 service: one UDP socket 0.0.0.0:67 (SO_REUSEADDR, IP_PKTINFO) receives on every adopted TAP, one packet
// socket of protocol 0 sends frames made whole here, checksums included. Runs on the io_context's one thread.
class Server {
 public:
  using EventSink = std::function<void(const LeaseEvent&)>;

  [[nodiscard]] static std::expected<std::unique_ptr<Server>, KernelError> open(boost::asio::io_context& io, EventSink events);
  virtual ~Server() = default;

  virtual void apply(const Update& update) = 0;
  [[nodiscard]] virtual Statistics statistics() const = 0;
};

}  // namespace vrouter::dhcp
