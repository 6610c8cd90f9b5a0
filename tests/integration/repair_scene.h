// SPDX-License-Identifier: GPL-2.0-or-later
// Two guests at work, and the kernel watched from outside: how long does it take until what somebody broke is right?
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <string>

#include "firewall/nft/port.h"
#include "router/kernel/kernel_port.h"
#include "tests/integration/scene.h"

namespace vrouter::lab {

// What the product promises on a quiet machine is 50 ms. A test machine is busy with other tests: only what takes ten
// times as long is taken for a fault.
inline constexpr Milliseconds kRepairLimit = 500ms;

// guest on tap0 is 10.0.5.2, other on tap1 is 10.0.5.3; both reach the world.
struct RepairScene {
  explicit RepairScene(const std::string& config = {});

  // `change` breaks something at once (own netlink, or a command that is waited for); the time from its end until
  // `right` holds, which is asked every 200 us. More than five seconds fail the test.
  std::chrono::microseconds mends(const std::function<void()>& change, const std::function<bool()>& right);
  // The same several times, with rests between so that none is taken for a tool that never ends: the median, printed as
  // "repair of WHAT: median 3.2 ms" and held against the limit.
  void expect_mended(const std::string& what, const std::function<void()>& change, const std::function<bool()>& right,
                     Milliseconds limit = kRepairLimit);

  [[nodiscard]] std::uint64_t repairs(const std::string& kind) const;  // as `vrouter status` counts
  [[nodiscard]] std::size_t lines(const std::string& text) const;      // of the log that hold it
  [[nodiscard]] bool reaches(TapGuest& from, const std::string& address) const;

  // The kernel of the host's namespace.
  [[nodiscard]] router::Link link(const std::string& name) const;  // index 0 where there is none
  [[nodiscard]] bool routed(const std::string& tap, const char* address) const;
  [[nodiscard]] firewall::Observed rules() const;  // nothing where they change while they are read

  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  TapGuest other{scene.host, "tap1", MacAddress{{0x52, 0x54, 0, 0, 0, 3}}};
  std::unique_ptr<router::KernelPort> net;
  std::unique_ptr<firewall::NftPort> nft;  // a port of its own: to vrouterd, a stranger
};

// Pings from a guest all the while, and how many of them were lost.
class Stream {
 public:
  explicit Stream(TapGuest& from, const std::string& to = Scene::kWorld);
  [[nodiscard]] int lost();  // ends it

 private:
  Process ping_;
};

}  // namespace vrouter::lab
