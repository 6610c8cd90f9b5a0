// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "firewall/ruleset.h"

namespace vrouter::firewall {

// The ruleset as `nft list ruleset` prints it; `nft -f` loads it. Ownership is left out: nft 1.0.6 can't read the
// flags it prints itself.
[[nodiscard]] std::string render_nft(const Ruleset& ruleset);

[[nodiscard]] std::string render_rule(const Rule& rule);
// "10.0.5.2 . tcp . 8080 : 10.0.5.3 . 80"
[[nodiscard]] std::string render_element(const Set& set, const ElementKey& key, const Datum& data);

}  // namespace vrouter::firewall
