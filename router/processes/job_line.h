// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's line as every service's job uses it, in the child: one message after the other until the daemon closes
// it, and word of what changed after every piece of work.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "router/processes/channel.h"

namespace vrouter::router {

// For a person who looks at counters it is at once, and it costs the daemon ten messages a second at most.
inline constexpr std::chrono::milliseconds kStatisticsEvery{100};

class JobLine {
 public:
  struct Handlers {
    std::function<void(Message)> message;  // not called any more after fail()
    std::function<void()> drained = {};    // as Channel's
    // Tells the daemon what changed since the last call; false when nothing did. Then not called for kStatisticsEvery.
    std::function<bool()> report;
  };

  // `service` for its sentence on stderr: "dhcp".
  JobLine(std::string service, UniqueFd end, Handlers handlers);

  // Until the line closes (0), or fail() was called (1).
  [[nodiscard]] int run();
  // The daemon's line is not as it should be: a sentence on stderr, and the end.
  void fail(std::string_view why);
  // False: not taken, as Channel says.
  bool send(std::vector<std::uint8_t> message);
  [[nodiscard]] boost::asio::io_context& io() noexcept { return io_; }

 private:
  void closed(const std::string& why);
  void report();

  std::string service_;
  Handlers handlers_;
  boost::asio::io_context io_{1};
  std::optional<int> status_;
  bool reported_lately_ = false;
  std::unique_ptr<Channel> channel_;
  boost::asio::steady_timer report_again_;
};

}  // namespace vrouter::router
