// SPDX-License-Identifier: GPL-2.0-or-later
// Every golden configuration and policy: what the evaluator says of packets is what the kernel does to them.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "tests/golden/firewall_cases.h"
#include "tests/unit/firewall/agreement.h"

namespace vrouter::firewall {
namespace {

class FirewallAgreement : public ::testing::TestWithParam<std::string> {};

TEST_P(FirewallAgreement, OfKernelAndEvaluator) {
  const auto golden = testing::read_case(GetParam());
  const auto topology = testing::topology_of(golden.config);
  auto kinds = testing::kinds_of(golden.config.policy);
  kinds.insert(kinds.end(), {{IPPROTO_TCP, 80}, {IPPROTO_UDP, 53}, {IPPROTO_ICMP, 8}, {IPPROTO_ICMPV6, 128}});
  if (!golden.config.dns.groups.empty())
    kinds.insert(kinds.end(), {{IPPROTO_TCP, 53}, {IPPROTO_TCP, 853}, {IPPROTO_UDP, 853}});
  for (const auto& guest : golden.config.guests) {
    for (const auto& publish : guest.publish) {
      kinds.push_back({static_cast<std::uint8_t>(publish.protocol), publish.first});
      kinds.push_back({static_cast<std::uint8_t>(publish.protocol), publish.last});
    }
  }
  auto others = testing::edges_of(golden.config.policy);
  for (const auto& guest : golden.config.guests) {
    for (const auto& prefix : guest.prefixes4) others.emplace_back(address_v4{prefix.network().to_uint() + 1});
    for (const auto& prefix : guest.prefixes6) others.emplace_back(config::first_host(prefix));
  }
  const auto flows = testing::all_flows(topology, kinds, others);
  testing::KernelHost host{topology};
  const auto ruleset = testing::without_limits(golden.ruleset);
  for (const auto& d : disagreements(host, ruleset, topology, flows)) ADD_FAILURE() << d.text;
}

INSTANTIATE_TEST_SUITE_P(Golden, FirewallAgreement, ::testing::ValuesIn(testing::golden_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace vrouter::firewall
