// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <vector>

#include "base/kernel_error.h"
#include "base/unique_fd.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

inline constexpr std::uint16_t kServerPort = 67, kClientPort = 68;  // RFC 2131, 4.1

// Makes a socket (AF_INET, SOCK_DGRAM, non-blocking) the service's: UDP 0.0.0.0:67, SO_REUSEADDR beside libvirt's
// dnsmasq, IP_PKTINFO. That is all the service needs privilege for, so that a process with no capability can be handed
// it. It needs CAP_NET_BIND_SERVICE; with CAP_NET_ADMIN its buffers may exceed net.core.[rw]mem_max.
[[nodiscard]] std::expected<void, KernelError> bind_socket(int fd);
// A socket made and bound so, in the network namespace of the calling thread.
[[nodiscard]] std::expected<UniqueFd, KernelError> open_socket();

// The DHCPv4 service on every adopted TAP, on shared links and for relays. It runs on the io_context's one thread;
// every call must be made there.
class Server {
 public:
  using EventSink = std::function<void(const LeaseEvent&)>;
  using CommitSink = std::function<void(std::vector<Commit>)>;
  struct Handlers {
    // Of static bindings. Called on the io_context's thread, after the reply has been made; it may call apply().
    EventSink event;
    // Leases of pools that are to be written; each is answered by committed(), in any order and never from within.
    CommitSink commit = {};
    // Whether somebody on a shared link has that address already is to be asked by ARP; heard() tells of an answer.
    std::function<void(const Probe&)> probe = {};
  };

  // Serves until destroyed. It knows no TAP before the first apply().
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, KernelError> open(boost::asio::io_context& io,
                                                                                UniqueFd socket, Handlers handlers);
  // The same with a socket of its own.
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, KernelError> open(boost::asio::io_context& io,
                                                                                Handlers handlers);
  virtual ~Server() = default;

  virtual void apply(const Update& update) = 0;
  // Sends the answers that waited for these.
  virtual void committed(const std::vector<CommitResult>& results) = 0;
  // This station answered for the address.
  virtual void heard(const Probe& probe, const MacAddress& by) = 0;
  [[nodiscard]] virtual Statistics statistics() const = 0;
};

}  // namespace vrouter::dhcp
