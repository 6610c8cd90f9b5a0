// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/scale/pinger.h"

namespace vrouter::lab {
namespace {

constexpr auto kLostAfter = 2s;
constexpr auto kPause = 2ms;

}  // namespace

Pinger::Pinger(FrameGuest& guest, std::string address)
    : thread_{[this, &guest, address = std::move(address)] {
        while (!stop_) {
          ++sent_;
          if (!guest.ping(address, kLostAfter, kLostAfter)) ++lost_;
          std::this_thread::sleep_for(kPause);
        }
      }} {}

void Pinger::stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

}  // namespace vrouter::lab
