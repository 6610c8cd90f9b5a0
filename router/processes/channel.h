// SPDX-License-Identifier: GPL-2.0-or-later
// The line between the daemon and a child: SOCK_SEQPACKET (unix(7)), so that a message arrives whole or not at all, and
// at most one descriptor with it. Descriptors only go down: a child that sends one is cut off.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/kernel_error.h"
#include "base/unique_fd.h"

namespace vrouter::router {

// The largest verb is a pool with every DHCP option that a file may name, and all that it excludes.
inline constexpr std::size_t kMaxMessage = 128 << 10;

struct Message {
  std::vector<std::uint8_t> bytes;  // the verb, then its body; 1 to kMaxMessage
  UniqueFd fd;                      // mostly none
};

// What `closed` says of a peer that broke no rule.
inline constexpr std::string_view kPeerGone = "it closed its end";

// Both ends, close-on-exec and non-blocking.
[[nodiscard]] std::expected<std::pair<UniqueFd, UniqueFd>, KernelError> open_channel_pair();

// One end, on the io_context's one thread.
class Channel {
 public:
  struct Handlers {
    std::function<void(Message)> message;
    // The peer is gone or broke the rules (an empty or cut message, a descriptor where none may come). Called once,
    // never from within send(); nothing is called after it. It may destroy the channel.
    std::function<void(const std::string& why)> closed;
    // After send() said `full`: everything queued has gone out.
    std::function<void()> drained = {};
  };
  enum class Accepts { messages, messages_with_fd };
  enum class Sent {
    yes,  // sent, or queued behind what waits
    full  // not taken: kMaxQueued bytes wait for a peer that doesn't read; wait for `drained`, then send a snapshot.
          // Or the line is broken, and `closed` is to come or has come.
  };
  // A snapshot of 10,000 bindings and its descriptors fit; a peer that is further behind is given a new one instead.
  static constexpr std::size_t kMaxQueued = 8 << 20;

  [[nodiscard]] static std::unique_ptr<Channel> open(boost::asio::io_context& io, UniqueFd end, Accepts accepts,
                                                     Handlers handlers);
  virtual ~Channel() = default;  // closes its end; no handler runs after it

  // Never blocks.
  virtual Sent send(Message message) = 0;
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
};

}  // namespace vrouter::router
