// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/mac_address.h"
#include "base/unique_fd.h"
#include "tests/bench/dnsperf.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::bench {

// Many guests of one server, each behind a link of its own, lab::tap_of(i), with lab::address_of(i). Their ends share
// one namespace and one thread, each with one socket and one question under way: a dnsperf for each would measure the
// scheduler.
class DnsCrowd {
 public:
  // Makes the links. The gateway is to be served before ask().
  DnsCrowd(const lab::Namespace& server, int guests, std::string gateway);

  [[nodiscard]] static MacAddress mac_of(int guest);
  // The guests' as a server knows them, for `ip -batch`: the kernel's table of all hosts together forgets beyond 1,024.
  [[nodiscard]] std::string neighbours() const;
  // For so long, `rate` questions a second of all together, or as many as are answered with 0; `names` over and over,
  // type A. What isn't answered within a second is lost. Runs on `cpu` alone where that isn't negative.
  [[nodiscard]] Lookups ask(const std::vector<std::string>& names, int seconds, int rate, int cpu);

 private:
  lab::Namespace where_{"crowd"};
  std::string gateway_;
  int guests_;
  std::vector<UniqueFd> sockets_;  // by guest
};

}  // namespace vrouter::bench
