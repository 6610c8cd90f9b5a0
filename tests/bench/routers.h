// SPDX-License-Identifier: GPL-2.0-or-later
// The routers that are compared: each a host of its own between a guest and a world, all on the same kind of links.
#pragma once

#include <memory>
#include <string>

#include "tests/bench/traffic.h"
#include "tests/lab/lib/daemon.h"
#include "tests/lab/lib/namespace.h"
#include "tests/lab/lib/tap_fleet.h"

namespace vrouter::bench {

//     guest eth0 --- tNUMBER host eth0 --- eth0 world
//
// Both links are veth pairs, so that the kernel itself is what sends and receives: a TAP would measure whoever copies
// its frames. vrouter takes a veth for a guest's TAP.
class Bed {
 public:
  // `number`: which of its crowd the measured guest is.
  Bed(std::string name, int number);
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;
  virtual ~Bed() = default;

  static constexpr const char* kHost = "192.0.2.1";
  static constexpr const char* kWorld = "192.0.2.80";
  static constexpr const char* kGateway = "10.8.0.1";

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Path up() const { return {guest, world, kWorld}; }

  lab::Namespace guest, host, world;

 protected:
  // The host as a router by hand: forwarding on, the gateway's address, the guest's route.
  void route_by_hand();
  // The other guests' TAPs, and nobody behind them.
  void add_others(int crowd);

  std::string name_;
  int number_;
  std::unique_ptr<lab::TapFleet> others_;
};

// Forwards, and looks at nothing.
[[nodiscard]] std::unique_ptr<Bed> plain_bed();
// Tracks connections and masquerades: one nftables rule.
[[nodiscard]] std::unique_ptr<Bed> masquerade_bed(const std::string& name);
// iptables as scripts write it: for each guest a rule against foreign source addresses, one that forwards from it, one
// that forwards to it, one published port. The measured guest is the one in the middle. `kind`: "legacy", which walks
// its rules several times as fast, or "nft", which is Debian's default.
[[nodiscard]] std::unique_ptr<Bed> linear_bed(const std::string& kind, int crowd);
// vrouterd, with this many guests on as many TAPs.
[[nodiscard]] std::unique_ptr<Bed> vrouter_bed(const std::string& name, int crowd);

}  // namespace vrouter::bench
