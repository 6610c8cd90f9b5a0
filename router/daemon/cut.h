// SPDX-License-Identifier: GPL-2.0-or-later
// Which connections under way the rules would refuse, were they to begin now.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/guests.h"
#include "firewall/domains.h"
#include "firewall/journey.h"
#include "firewall/ruleset.h"
#include "router/kernel/conntrack.h"

namespace vrouter::router {

// True of a connection in which a guest takes part and whose first packet the rules would drop or reject, or of a
// question to a resolver that they would send to the guest's gateway. What is of no guest is never denied. The index of
// the rules is made when it is first asked, on whatever thread that is; one thread at a time. A copy asks the same.
//
// With `learned`, what a rule to a domain would let pass is not denied: whoever began it was told the address by a
// daemon before this one. It is written there, on the same thread.
using Learned = std::vector<firewall::DomainElement>;
[[nodiscard]] std::function<bool(const Connection&)> denied_by(std::shared_ptr<const firewall::Ruleset> rules,
                                                               firewall::Topology topology,
                                                               std::shared_ptr<Learned> learned = nullptr);

// A port of this host's that led to a guest. A connection by it keeps its translation, and the rules pass what was
// translated to a guest: they can't tell that the port is gone.
struct ClosedPort {
  std::string tap;
  config::Publish port;
  std::optional<address_v4> guest;
  std::optional<address_v6> guest6;
  // As the guest is when the connections are gone through: what leads there by another port now, or was opened again,
  // goes on.
  std::vector<config::Publish> open = {};
  config::Addresses floating = {};
};
// Of guests that are in both tables; the connections of others end with their addresses.
[[nodiscard]] std::vector<ClosedPort> closed_ports(const config::GuestTable& before, const config::GuestTable& after);
[[nodiscard]] std::vector<ClosedPort> closed_ports(const config::Guest& before, const config::Guest& after);
[[nodiscard]] bool came_by(const ClosedPort& closed, const Connection& connection);

}  // namespace vrouter::router
