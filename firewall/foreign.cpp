// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/foreign.h"

#include <fmt/format.h>

#include <algorithm>

namespace vrouter::firewall {
namespace {

// Chains named as iptables-nft names them: rules of nft's own there would make iptables refuse the table, so that
// only iptables can mend them.
bool is_iptables(const ForeignChain& c) {
  return (c.family == "ip" || c.family == "ip6") && c.table == "filter" && (c.chain == "FORWARD" || c.chain == "INPUT");
}

std::string fix(const ForeignChain& c, bool docker, std::string_view tap) {
  const std::string_view tool = c.family == "ip6" ? "ip6tables" : "iptables";
  if (is_iptables(c) && c.hook == Hook::input) return fmt::format("{} -I INPUT -i {} -j ACCEPT", tool, tap);
  if (is_iptables(c)) {
    const std::string_view chain = docker ? "DOCKER-USER" : "FORWARD";
    return fmt::format("{0} -I {1} -i {2} -j ACCEPT && {0} -I {1} -o {2} -j ACCEPT", tool, chain, tap);
  }
  const auto accept = [&](std::string_view field) {
    return fmt::format("nft insert rule {} {} {} {} {} accept", c.family, c.table, c.chain, field, kGuestGroup);
  };
  return c.hook == Hook::input ? accept("iifgroup") : accept("iifgroup") + " && " + accept("oifgroup");
}

std::string sentence(const ForeignChain& c, bool docker, std::string_view tap) {
  const bool by_docker = docker && is_iptables(c) && c.hook == Hook::forward;
  return fmt::format(
      "table {} {} chain {} drops {} by policy{}: {}{}", c.family, c.table, c.chain,
      c.hook == Hook::input ? "what guests ask of this host (DHCP, DNS)" : "what is forwarded for guests",
      by_docker ? " (Docker's)" : "", fix(c, docker, tap),
      by_docker ? " (or start vrouterd before docker, which then leaves the policy alone)" : "");
}

}  // namespace

std::vector<std::string> obstacles(const Foreign& foreign, std::string_view tap) {
  std::vector<std::string> sentences;
  for (const auto& chain : foreign.base_chains) {
    if (chain.drops) sentences.push_back(sentence(chain, foreign.docker, tap));
  }
  // firewalld's chains accept by policy and reject in their last rule, for every interface that is in no zone.
  if (std::ranges::any_of(foreign.base_chains, [](const auto& c) { return c.table == "firewalld"; })) {
    sentences.push_back(
        fmt::format("firewalld rejects what comes from interfaces of no trusted zone: "
                    "firewall-cmd --zone=trusted --add-interface={0} && "
                    "firewall-cmd --permanent --zone=trusted --add-interface={0}",
                    tap));
  }
  for (const auto& table : foreign.legacy_tables) {
    const std::string_view tool = table.starts_with("ip6") ? "ip6tables-legacy" : "iptables-legacy";
    sentences.push_back(
        fmt::format("the old iptables has a filter table ({0}), whose policy can't be seen from here: if "
                    "`{1} -S FORWARD` says DROP, {1} -I FORWARD -i {2} -j ACCEPT && {1} -I FORWARD -o "
                    "{2} -j ACCEPT",
                    table, tool, tap));
  }
  return sentences;
}

}  // namespace vrouter::firewall
