// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/address_sets.h"

#include <algorithm>

namespace vrouter::config {
namespace {

template <typename Prefix>
Prefix half_of(const Prefix& prefix) {
  return Prefix{prefix.address(), static_cast<unsigned short>(prefix.prefix_length() - 1)}.canonical();
}

// Prefixes are nested or apart, so in NetworkLess order whatever is inside another comes right after it, and two halves
// of one prefix are neighbours.
template <typename Prefix>
std::vector<Prefix> normalise(std::vector<Prefix> prefixes) {
  std::ranges::sort(prefixes, NetworkLess{});
  std::vector<Prefix> result;
  for (auto& prefix : prefixes) {
    if (!result.empty() && overlap(result.back(), prefix)) continue;
    result.push_back(prefix);
    while (result.size() > 1) {
      const auto& upper = result.back();
      const auto& lower = result[result.size() - 2];
      if (upper.prefix_length() != lower.prefix_length() || half_of(upper) != half_of(lower)) break;
      const auto whole = half_of(upper);
      result.resize(result.size() - 2);
      result.push_back(whole);
    }
  }
  return result;
}

// The one before it is the only one that can contain `other`.
template <typename Prefix>
auto first_after(const std::vector<Prefix>& prefixes, const Prefix& other) {
  return std::ranges::upper_bound(prefixes, other, NetworkLess{});
}

template <typename Prefix>
bool include(const std::vector<Prefix>& outer, const std::vector<Prefix>& inner) {
  return std::ranges::all_of(inner, [&](const Prefix& prefix) {
    const auto after = first_after(outer, prefix);
    if (after == outer.begin()) return false;
    const auto& before = *std::prev(after);
    return before.prefix_length() <= prefix.prefix_length() && overlap(before, prefix);
  });
}

template <typename Prefix>
bool any_overlap(const std::vector<Prefix>& prefixes, const Prefix& other) {
  const auto after = first_after(prefixes, other);
  return (after != prefixes.begin() && overlap(*std::prev(after), other)) ||
         (after != prefixes.end() && overlap(*after, other));
}

}  // namespace

std::vector<network_v4> normalised(std::vector<network_v4> prefixes) {
  return normalise(std::move(prefixes));
}

std::vector<network_v6> normalised(std::vector<network_v6> prefixes) {
  return normalise(std::move(prefixes));
}

bool includes(const std::vector<network_v4>& outer, const std::vector<network_v4>& inner) {
  return include(outer, inner);
}

bool includes(const std::vector<network_v6>& outer, const std::vector<network_v6>& inner) {
  return include(outer, inner);
}

bool overlaps(const std::vector<network_v4>& prefixes, const network_v4& other) {
  return any_overlap(prefixes, other);
}

bool overlaps(const std::vector<network_v6>& prefixes, const network_v6& other) {
  return any_overlap(prefixes, other);
}

}  // namespace vrouter::config
