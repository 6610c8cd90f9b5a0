// SPDX-License-Identifier: GPL-2.0-or-later
// Prefixes as sets of addresses.
#pragma once

#include <vector>

#include "config/networks.h"

namespace vrouter::config {

// The same addresses in the fewest prefixes, sorted by NetworkLess, without overlaps.
[[nodiscard]] std::vector<network_v4> normalised(std::vector<network_v4> prefixes);
[[nodiscard]] std::vector<network_v6> normalised(std::vector<network_v6> prefixes);

// Whether every address of `inner` is in `outer`; both are normalised. O(inner * log outer)
[[nodiscard]] bool includes(const std::vector<network_v4>& outer, const std::vector<network_v4>& inner);
[[nodiscard]] bool includes(const std::vector<network_v6>& outer, const std::vector<network_v6>& inner);

// Whether some address is in both; `prefixes` is normalised. O(log prefixes)
[[nodiscard]] bool overlaps(const std::vector<network_v4>& prefixes, const network_v4& other);
[[nodiscard]] bool overlaps(const std::vector<network_v6>& prefixes, const network_v6& other);

}  // namespace vrouter::config
