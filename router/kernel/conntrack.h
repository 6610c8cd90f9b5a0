// SPDX-License-Identifier: GPL-2.0-or-later
// Forgets the tracked connections of addresses that change hands.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "router/kernel/types.h"

namespace vrouter::router {

// What the rules translate.
struct Translated {
  std::vector<Prefix> inner;  // where connections start that leave under an address of the host's
  // All guests' networks, and this host's own addresses: connections from guests to these keep their addresses.
  std::vector<Prefix> guests;
  // UDP ports of the host's that lead to guests. TCP needs no help: a new SYN begins a new connection.
  std::set<std::uint16_t> published;
};

// A tracked connection as its first packet was, before any translation.
struct Connection {
  address source, destination;
  std::uint8_t protocol = 0;                            // IPPROTO_*
  std::uint16_t source_port = 0, destination_port = 0;  // of protocols that have them
  std::uint8_t icmp_type = 0;
  address target;  // where it went: the destination, or what that was translated to
  std::uint16_t target_port = 0;
  std::uint32_t status = 0;  // IPS_*, linux/netfilter/nf_conntrack_common.h
};

// A flush walks the whole table (0.7 ms at 1,000 entries, 59 ms at 180,000), so it runs on a thread of its own, and
// all that was asked for meanwhile shares the next walk. Connections that the address started, that were sent to it,
// and that were translated to it (published ports) go. All members are called on the loop's thread.
class ConntrackFlusher {
 public:
  // Called on the loop; the error is the last one of the walk that served the request.
  using Done = std::function<void(Result<void>)>;

  // The thread and its socket are in the network namespace of the caller.
  [[nodiscard]] static Result<std::unique_ptr<ConntrackFlusher>> open(boost::asio::io_context& io);
  // Waits for a walk that runs; requests not begun are dropped and their handlers never called.
  virtual ~ConntrackFlusher() = default;

  virtual void flush(std::vector<address> addresses, Done done) = 0;
  // For when rules are in that were missing. The kernel translates a connection at its first packet or never: what
  // began without the rules would leave with its inner address, or miss its published port, for as long as it lasts.
  virtual void flush_untranslated(Translated wanted, Done done) = 0;
  // Of both families, what `denied` says of; it is called on the flusher's thread, and dies there or on the loop.
  virtual void flush_denied(std::function<bool(const Connection&)> denied, Done done) = 0;
  [[nodiscard]] virtual bool pending(const address& address) const = 0;
  // Calls `done` once no flush of the address is pending: at once, within the call, where none is.
  virtual void when_flushed(const address& address, Done done) = 0;
};

}  // namespace vrouter::router
