// SPDX-License-Identifier: GPL-2.0-or-later
// Other tables of this host that will stop guests whatever ours says: an accept ends one table's chain, a drop
// ends the packet. We look and report, and never change them nor read their rules (a newer nft's userdata is none
// of our business).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "firewall/ruleset.h"

namespace vrouter::firewall {

struct ForeignChain {
  std::string family;  // "inet", "ip", "ip6"
  std::string table;
  std::string chain;
  Hook hook{};  // input or forward
  std::int32_t priority = 0;
  bool drops = false;  // policy drop
  auto operator<=>(const ForeignChain&) const = default;
};

struct Foreign {
  std::vector<ForeignChain> base_chains;   // on input and forward
  bool docker = false;                     // a chain DOCKER-USER exists
  std::vector<std::string> legacy_tables;  // of the old iptables, whose policy nftables can't see: "ip filter"
  bool operator==(const Foreign&) const = default;
};

// Stands for a TAP where none is meant in particular.
inline constexpr std::string_view kAnyTap = "TAP";

// One sentence per obstacle for the guest on `tap`: what stops it and the command that mends it.
[[nodiscard]] std::vector<std::string> obstacles(const Foreign& foreign, std::string_view tap);

}  // namespace vrouter::firewall
