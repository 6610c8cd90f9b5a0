// SPDX-License-Identifier: GPL-2.0-or-later
// What guests have besides their own addresses, as prefixes: what is routed to them, and what they may have too.
#pragma once

#include <vector>

#include "config/model.h"

namespace vrouter::config {

struct MoreAddresses {
  std::vector<network_v4> v4;
  std::vector<network_v6> v6;

  void add(const Guest& guest);
  void normalise();  // as address_sets.h wants them
  [[nodiscard]] bool empty() const noexcept { return v4.empty() && v6.empty(); }
  [[nodiscard]] bool holds(const address& its) const;
};

[[nodiscard]] MoreAddresses more_addresses(const Guest& guest);  // as they are written, in order

}  // namespace vrouter::config
