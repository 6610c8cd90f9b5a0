// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/more_addresses.h"

#include <algorithm>
#include <utility>

#include "config/address_sets.h"

namespace vrouter::config {

void MoreAddresses::add(const Guest& guest) {
  v4.insert(v4.end(), guest.prefixes4.begin(), guest.prefixes4.end());
  v6.insert(v6.end(), guest.prefixes6.begin(), guest.prefixes6.end());
  for (const auto& allowed : guest.allowed_addresses) {
    if (allowed.is_v4()) {
      v4.emplace_back(allowed.to_v4(), 32);
    } else {
      v6.emplace_back(allowed.to_v6(), 128);
    }
  }
}

void MoreAddresses::normalise() {
  v4 = normalised(std::move(v4));
  v6 = normalised(std::move(v6));
}

bool MoreAddresses::holds(const address& its) const {
  if (its.is_v4())
    return std::ranges::any_of(v4, [&](const network_v4& prefix) { return contains(prefix, its.to_v4()); });
  return std::ranges::any_of(v6, [&](const network_v6& prefix) { return contains(prefix, its.to_v6()); });
}

MoreAddresses more_addresses(const Guest& guest) {
  MoreAddresses more;
  more.add(guest);
  return more;
}

}  // namespace vrouter::config
