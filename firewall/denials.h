// SPDX-License-Identifier: GPL-2.0-or-later
// Rules that stand ahead of a refusal: they count what was refused, by the guest's interface, and log it. What passes
// never comes here. Not for other rooms.
//
// Each guest's TAP has a bucket of its own for what it sends, and one for what comes to it from no guest, so that
// nobody who is refused without end can hide what others are refused. Where a set is full, an update ends its rule:
// counting and logging stop, and the refusal, which is a rule of its own behind them, stays.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "firewall/ruleset.h"

namespace vrouter::firewall {

// Where the packet is refused, which says whose TAPs it shows.
enum class Refused {
  sent,      // on its way in from a guest: prerouting, input
  egress,    // forwarded, by the sender's policy
  ingress,   // forwarded, by the receiver's policy
  from_host  // on this host's way out to a guest
};

[[nodiscard]] std::vector<Rule> seen(Refused where, std::string_view action, const std::string& comment);
// Counted and not logged.
[[nodiscard]] Rule counted_from(std::string comment);
[[nodiscard]] Rule counted_to(std::string comment);

// A chain to go to: seen, then `verdict` with the comment, by which the refusal is known.
[[nodiscard]] Chain refusal(std::string name, Refused where, std::string_view action, const std::string& comment,
                            Verdict verdict);

// The sets that these rules use; those of the ARP table.
[[nodiscard]] std::vector<Set> denial_sets();
[[nodiscard]] std::vector<Set> arp_denial_sets();

}  // namespace vrouter::firewall
