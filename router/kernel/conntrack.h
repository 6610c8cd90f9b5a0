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
  std::vector<Prefix> inner;   // where connections start that leave under an address of the host's
  std::vector<Prefix> guests;  // all guests' networks: connections between them keep their addresses
  // UDP ports of the host's that lead to guests. TCP needs no help: a new SYN begins a new connection.
  std::set<std::uint16_t> published;
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
  [[nodiscard]] virtual bool pending(const address& address) const = 0;
  // Calls `done` once no flush of the address is pending: at once, within the call, where none is.
  virtual void when_flushed(const address& address, Done done) = 0;
};

}  // namespace vrouter::router
