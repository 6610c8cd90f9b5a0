// SPDX-License-Identifier: GPL-2.0-or-later
// A journey in the operator's words. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "firewall/journey.h"

namespace vrouter::firewall {

// What became of it, and by which rule where it was refused: "rejected by \"db\" (10-db.toml:7) on the receiver's
// side", "allowed", "not routed: ...".
[[nodiscard]] std::string sentence(const Journey& journey);

// "allow", "deny", "reject", "unroutable", or "unjudged" of what is neither from a guest nor to one.
[[nodiscard]] std::string verdict(const Journey& journey);

// Step by step: where it was translated to what, and what each side's rules said, with the rule's comment (which names
// file and line) and the chain that holds it. Who redirected its questions no rule says: `redirected_by` does.
[[nodiscard]] std::vector<std::string> steps(const Journey& journey, std::string_view redirected_by = {});

// What each side said, for programs.
struct SideSaid {
  std::string side;     // "anti-spoofing", "sender", "receiver" or "host"
  std::string verdict;  // "allow", "deny" or "reject"
  std::string comment;  // of the rule that decided; empty: none did
  std::string chain;    // that it is in, or else the base chain
};
[[nodiscard]] std::vector<SideSaid> sides(const Journey& journey);

}  // namespace vrouter::firewall
