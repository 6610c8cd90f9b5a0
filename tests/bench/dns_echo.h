// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::bench {

// Turns every query into a reply with the same address record, and knows nothing: recvmmsg, sendmmsg, one thread. What
// it takes is what the kernel and whoever asks take.
class DnsEcho {
 public:
  // On port 53 of an address; on that CPU alone unless `cpu` is negative.
  DnsEcho(const lab::Namespace& where, const std::string& address, int cpu);
  DnsEcho(const DnsEcho&) = delete;
  DnsEcho& operator=(const DnsEcho&) = delete;
  ~DnsEcho();

  [[nodiscard]] double cpu_seconds() const;

 private:
  void serve() const;

  UniqueFd socket_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace vrouter::bench
