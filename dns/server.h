// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "dns/tables.h"

namespace vrouter::dns {

// The DNS forwarder: UDP and TCP port 53 on every listen address of its zones. Runs on the io_context's one thread.
class Server {
 public:
  [[nodiscard]] static std::unique_ptr<Server> create(boost::asio::io_context& io);
  virtual ~Server() = default;

  // A listen address that can't be bound (somebody else holds it, or it isn't there yet) leaves the others working:
  // each is retried every second, and stands in problems() with the remedy until it works.
  virtual void apply(const Update& update) = 0;
  virtual void set_upstreams(Upstreams upstreams) = 0;
  [[nodiscard]] virtual std::vector<std::string> problems() const = 0;
  [[nodiscard]] virtual Statistics statistics() const = 0;
};

}  // namespace vrouter::dns
