// SPDX-License-Identifier: GPL-2.0-or-later
// Which servers a name goes to, and how they have been doing. Pure: time is an argument.
//
// Servers are asked in the operator's order, because the first is often the only one that knows the inside names. One
// that stays silent is put behind the others until it answers again; it is found out by probes beside real questions,
// ever rarer, so that a dead first server costs one question its delay and not each.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "dns/name.h"
#include "dns/tables.h"

namespace vrouter::dns {

// A question's servers, best first.
struct Plan {
  std::vector<address> servers{};
  std::optional<std::size_t> probe{};       // of those, the one to ask beside the first, to see whether it is back
  std::chrono::milliseconds patience{400};  // how long the first has before the next is asked too
};

// What the operator should know of the upstreams, with the remedies; `own` are the addresses that we listen on.
[[nodiscard]] std::vector<std::string> upstream_problems(const Upstreams& upstreams, const std::vector<address>& own);

class UpstreamTable {
 public:
  // Servers that are addresses of ours would send our own questions back to us: they are left out, and named by
  // upstream_problems().
  void set(const Upstreams& upstreams, const std::vector<address>& own);

  // The labels of the operator's longest forward zone around the name; 0 where none is.
  [[nodiscard]] unsigned forward_labels(const Name& name) const;
  // A forward zone without servers gives an empty plan: what is meant for the inside never goes outside.
  [[nodiscard]] Plan plan(const Name& name, BootTime now);

  void asked(const address& server);
  void answered(const address& server, std::chrono::nanoseconds rtt, bool refused);
  void silent(const address& server, BootTime now);  // no answer in time, or the network says there is nobody
  [[nodiscard]] std::vector<UpstreamStatus> status() const;

 private:
  struct Health {
    UpstreamStatus counts;
    unsigned failures = 0;  // in a row; 0: up
    BootTime next_probe{};
  };
  struct Route {
    Name suffix;
    std::vector<address> servers;
  };
  [[nodiscard]] const Route* route(const Name& name) const;

  std::vector<address> default_;
  std::vector<Route> routes_;
  std::map<address, Health> health_;
};

}  // namespace vrouter::dns
