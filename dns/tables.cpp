// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/tables.h"

#include <algorithm>

namespace vrouter::dns {

std::vector<address> listen_addresses(const std::vector<Zone>& zones) {
  std::vector<address> all;
  for (const auto& zone : zones) all.insert(all.end(), zone.listen.begin(), zone.listen.end());
  std::ranges::sort(all);
  const auto repeats = std::ranges::unique(all);
  all.erase(repeats.begin(), repeats.end());
  return all;
}

}  // namespace vrouter::dns
