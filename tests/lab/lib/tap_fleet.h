// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tests/lab/lib/namespace.h"

namespace vrouter::lab {

// Thousands of TAPs at once, each held open as its VMM would hold it, and none of them read but by run().
//
// They are persistent: closing the descriptor of one that isn't waits for a grace period of the kernel's, each by
// itself (2,000 took 35 s), while those that are left go all together with the namespace (10,000 in 1.3 s).
// The descriptors are in a table of the fleet's own, so that forking the test's programs doesn't copy them.
class TapFleet {
 public:
  TapFleet(const Namespace& where, std::vector<std::string> names);
  TapFleet(const TapFleet&) = delete;
  TapFleet& operator=(const TapFleet&) = delete;
  // Lets go of them, as VMMs that are killed do; the interfaces stay.
  ~TapFleet();

  using Work = std::function<void(std::span<const UniqueFd> taps)>;
  // Calls `work` with the TAPs' descriptors, in the order of their names, on the one thread where they mean something,
  // and waits. What it throws comes out here.
  void run(const Work& work);

 private:
  class Orders;
  std::unique_ptr<Orders> orders_;
  std::thread holder_;
};

}  // namespace vrouter::lab
