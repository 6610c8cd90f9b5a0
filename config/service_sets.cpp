// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/service_sets.h"

#include <algorithm>

namespace vrouter::config {
namespace {

bool whole_protocol(const Service& service) {
  return !service.ports && !service.icmp_type;
}

bool includes(const Service& outer, const Service& inner) {
  if (outer.protocol != inner.protocol) return false;
  if (whole_protocol(outer)) return true;
  if (outer.ports && inner.ports) {
    return outer.ports->first <= inner.ports->first && inner.ports->last <= outer.ports->last;
  }
  return outer.icmp_type && outer.icmp_type == inner.icmp_type;
}

// Ports that overlap those of the service before, or begin where they end.
bool extends(const Service& before, const Service& next) {
  return before.protocol == next.protocol && before.ports && next.ports && next.ports->first <= before.ports->last + 1;
}

}  // namespace

std::vector<Service> normalised(std::vector<Service> services) {
  std::ranges::sort(services);  // a whole protocol before its ports, those by their first
  std::vector<Service> result;
  for (const auto& service : services) {
    if (!result.empty() && includes(result.back(), service)) continue;
    if (!result.empty() && extends(result.back(), service)) {
      result.back().ports->last = std::max(result.back().ports->last, service.ports->last);
    } else {
      result.push_back(service);
    }
  }
  return result;
}

bool includes(const std::vector<Service>& outer, const std::vector<Service>& inner) {
  if (outer.empty()) return true;
  return !inner.empty() && std::ranges::all_of(inner, [&](const Service& service) {
    return std::ranges::any_of(outer, [&](const Service& o) { return includes(o, service); });
  });
}

}  // namespace vrouter::config
