// SPDX-License-Identifier: GPL-2.0-or-later
// Who is told what the firewall logs. A monitor that doesn't read holds up nobody: what waits for it is bounded, and it
// is told how many it missed.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "router/control/service.h"

namespace vrouter::router {

// Some twenty seconds of all that the log process tells; each takes half a kilobyte.
inline constexpr std::size_t kMaxWaitingPackets = 20'000;

class Monitors {
 public:
  // `wanted` is told when the first monitor comes and when the last one goes.
  Monitors(boost::asio::io_context& io, std::function<void(bool)> wanted);
  ~Monitors();
  Monitors(const Monitors&) = delete;
  Monitors& operator=(const Monitors&) = delete;

  // Of one TAP, or with an empty one of all. The first message is there at once and holds `notice`.
  [[nodiscard]] control::Result<std::shared_ptr<control::Feed>> open(std::string tap, std::string notice);
  void tell(const control::PacketView& packet);
  // To those of all guests, and of the lease's TAP; made only if somebody listens.
  void tell_lease(const std::function<control::LeaseView()>& make);
  // So many could be told to nobody.
  void tell_missed(std::uint64_t packets);

 private:
  class Queue;
  void forget_closed();

  boost::asio::io_context& io_;
  std::function<void(bool)> wanted_;
  std::vector<std::weak_ptr<Queue>> queues_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vrouter::router
