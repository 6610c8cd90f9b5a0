// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "dns/tables.h"

namespace vrouter::dns {

// The DNS forwarder. It opens sockets to upstreams itself and is given those that guests reach (listeners.h): all of it
// needs no privilege. Runs on the io_context's one thread, beside which there are workers where they are wanted.
class Server {
 public:
  // `ask` lets guests reach what they are about to be told by rules to domains, and says so by admitted(); it may not
  // do so before it returns. Without it such names aren't told.
  using AskToAdmit = std::function<void(const AdmissionRequest&)>;
  [[nodiscard]] static std::unique_ptr<Server> create(boost::asio::io_context& io, AskToAdmit ask = {});
  virtual ~Server() = default;

  virtual void configure(const Settings& settings) = 0;
  virtual void apply(const Update& update) = 0;
  virtual void set_upstreams(Upstreams upstreams) = 0;
  // Forgets the answers about the name, of whatever type; about all names where it is empty.
  virtual void forget(const std::string& name) = 0;
  virtual void set_domains(const Domains& domains) = 0;
  virtual void admitted(const AdmissionReply& reply) = 0;
  // The guest on that interface is another from now on, or has other rules.
  virtual void forget_admitted(unsigned ifindex) = 0;
  // Serves on a socket made so by bind_socket(), until a snapshot comes whose zones don't hold the address, or another
  // number of workers is set. Given again as a duplicate, it is served on as before; another socket takes the place of
  // the first.
  virtual void listen(const Place& place, UniqueFd bound) = 0;
  [[nodiscard]] virtual Statistics statistics() const = 0;
};

}  // namespace vrouter::dns
