// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::bench {

// Answers relayed DISCOVERs with OFFERs and REQUESTs with ACKs, and knows nothing: the address is made from the last
// two bytes of the client's. What it takes is what the kernel and whoever asks take.
class BareResponder {
 public:
  BareResponder(const lab::Namespace& where, const std::string& address);
  BareResponder(const BareResponder&) = delete;
  BareResponder& operator=(const BareResponder&) = delete;
  ~BareResponder();

  [[nodiscard]] double cpu_seconds() const;

 private:
  void serve(std::uint32_t server) const;

  UniqueFd socket_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace vrouter::bench
