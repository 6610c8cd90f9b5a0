// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/agreement/message.h"
#include "tests/lab/lib/daemon.h"
#include "tests/lab/lib/namespace.h"
#include "tests/lab/lib/nsd.h"

namespace vrouter::agreement {

//     guest 0 eth0 --- t0 host
//     guest 1 eth0 --- t1 host eth0 198.18.0.1 --- 198.18.0.2 upstream (nsd)
//
// Guests of vrouter's that ask 10.8.0.1.
class Scene {
 public:
  explicit Scene(int guests);
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;
  ~Scene();

  static constexpr const char* kGateway = "10.8.0.1";
  static constexpr const char* kUpstream = "198.18.0.2";

  [[nodiscard]] const lab::Namespace& guest(std::size_t number) const { return *guests_.at(number); }
  [[nodiscard]] const lab::Namespace& upstream() const { return upstream_; }
  [[nodiscard]] lab::Daemon& daemon() { return *daemon_; }
  // MiB of the process that is called "vrouterd: dns".
  [[nodiscard]] double resident_of_dns() const;

 private:
  lab::Namespace host_{"host"}, upstream_{"upstream"};
  std::vector<std::unique_ptr<lab::Namespace>> guests_;
  std::unique_ptr<lab::Nsd> nsd_;
  std::unique_ptr<lab::Daemon> daemon_;
};

}  // namespace vrouter::agreement
