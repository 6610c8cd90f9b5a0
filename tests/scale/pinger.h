// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "tests/lab/lib/frame_guest.h"

namespace vrouter::lab {

// A guest that pings all the time, each ping sent once, the next when the last was answered or is lost for good.
class Pinger {
 public:
  Pinger(FrameGuest& guest, std::string address);
  Pinger(const Pinger&) = delete;
  Pinger& operator=(const Pinger&) = delete;
  ~Pinger() { stop(); }
  void stop();
  [[nodiscard]] int sent() const { return sent_; }
  [[nodiscard]] int lost() const { return lost_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> sent_ = 0, lost_ = 0;
  std::thread thread_;
};

}  // namespace vrouter::lab
