// SPDX-License-Identifier: GPL-2.0-or-later
// Keeps one service's child alive: launches it, tells when it must be given its tables, launches it again when it ends.
// The first restart comes at once, those after it ever later while children keep dying young.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "router/processes/channel.h"
#include "router/processes/spawner.h"

namespace vrouter::router {

inline constexpr std::chrono::milliseconds kRestartFirst{0}, kRestartSecond{100}, kRestartSlowest{10'000};
inline constexpr std::chrono::seconds kGrownUp{10};  // a child that lived so long is restarted at once again
// A child that is too far behind must catch up within this time; one that doesn't read at all hangs.
inline constexpr std::chrono::seconds kCatchUp{10};

// How long to wait before each restart: 0, 100, 200, 400 ... 10,000 ms. Pure: time is an argument.
class RestartDelay {
 public:
  enum class Fault { died, misbehaved };  // what broke the verbs never comes back at once
  [[nodiscard]] std::chrono::milliseconds next(std::chrono::steady_clock::duration lived, Fault fault) noexcept;

 private:
  std::chrono::milliseconds last_{-1};  // none yet
};

class Supervisor {
 public:
  struct Handlers {
    // A new child listens: send it all that it has to know.
    std::function<void()> started;
    // A message from it; an error (what was wrong with it) ends the child: it doesn't keep to the verbs.
    std::function<std::expected<void, std::string>(std::span<const std::uint8_t>)> message;
    // After a send() that was refused: it reads again, send it all anew.
    std::function<void()> drained;
  };
  // Launches from the loop, so that no handler is called before this has returned. `spawner` must outlive it.
  [[nodiscard]] static std::unique_ptr<Supervisor> open(boost::asio::io_context& io, Spawner& spawner, Service service,
                                                        Handlers handlers);
  virtual ~Supervisor() = default;  // ends the child

  // False: not sent, since there is no child now or it is too far behind; `started` or `drained` comes later.
  virtual bool send(Message message) = 0;
  [[nodiscard]] virtual pid_t pid() const = 0;               // 0 while there is none
  [[nodiscard]] virtual std::string problem() const = 0;     // while there is none: why, and what happens next
  [[nodiscard]] virtual std::uint64_t restarts() const = 0;  // since start
  // From whoever watches the spawner.
  virtual void on_gone(const ChildGone& gone) = 0;
};

}  // namespace vrouter::router
