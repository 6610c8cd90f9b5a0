// SPDX-License-Identifier: GPL-2.0-or-later
// Holds the evaluator to the kernel: the same packets through travel() and through real rules, and where they differ.
//
//     for (const auto& d : disagreements(config, {}, flows)) ADD_FAILURE() << d.text;
#pragma once

#include <string>
#include <vector>

#include "firewall/compile.h"
#include "tests/unit/firewall/kernel_host.h"

namespace vrouter::firewall::testing {

// The host that the flows go through: `config`'s networks and guests, 192.0.2.1 and 2001:db8::1 on the uplink up0.
[[nodiscard]] Topology topology_of(const config::Config& config);
// The rules that such a host has, elements of its guests included; their limits are more than any test reaches.
[[nodiscard]] Ruleset ruleset_of(const config::Config& config, const Surroundings& surroundings);

// What somebody would see of this journey.
[[nodiscard]] Fate fate_of(const Journey& journey);

struct Disagreement {
  std::size_t flow = 0;  // which
  Fate kernel, evaluator;
  std::string text;  // the flow, both fates, and what each chain said in the evaluator
};

// Flows with first_packet()'s source port are given ports of their own first, so that none is taken for another's;
// there are 50,000.
[[nodiscard]] std::vector<Disagreement> disagreements(KernelHost& host, const Ruleset& ruleset,
                                                      const Topology& topology, std::vector<firewall::Packet> flows);
// The same on a host made for it.
[[nodiscard]] std::vector<Disagreement> disagreements(const config::Config& config, const Surroundings& surroundings,
                                                      std::vector<firewall::Packet> flows);

// A service to try: of ICMP the type is the port.
struct Kind {
  std::uint8_t protocol = 0;
  std::uint16_t port = 0;
  auto operator<=>(const Kind&) const = default;
};
// What tells one rule of the policy from another: its services, at the ends of each range and just beyond them.
[[nodiscard]] std::vector<Kind> kinds_of(const config::Policy& policy);
// Likewise addresses: the first and last of each prefix and set that it names, and those beside them.
[[nodiscard]] std::vector<address> edges_of(const config::Policy& policy);

// Each to each, with each service: guests, this host's addresses, one of the world's of each family, and `others`.
[[nodiscard]] std::vector<firewall::Packet> all_flows(const Topology& topology, const std::vector<Kind>& kinds,
                                                      const std::vector<address>& others = {});

// The rules as the evaluator takes them, for packets that come faster than limits allow: nothing exceeds one.
[[nodiscard]] Ruleset without_limits(Ruleset ruleset);

}  // namespace vrouter::firewall::testing
