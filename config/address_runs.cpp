// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/address_runs.h"

#include <iterator>

namespace vrouter::config {

AddressRuns::Runs::const_iterator AddressRuns::run_of(std::uint32_t address) const {
  const auto after = last_by_first_.upper_bound(address);
  if (after == last_by_first_.begin()) return last_by_first_.end();
  const auto run = std::prev(after);
  return run->second >= address ? run : last_by_first_.end();
}

bool AddressRuns::contains(const address_v4& address) const {
  return run_of(address.to_uint()) != last_by_first_.end();
}

void AddressRuns::insert(const address_v4& address) {
  const auto value = address.to_uint();
  if (contains(address)) return;
  const auto after = last_by_first_.upper_bound(value);
  auto last = value;
  // value + 1 may wrap to 0, which no later run can start with.
  if (after != last_by_first_.end() && after->first == value + 1) {
    last = after->second;
    last_by_first_.erase(after);
  }
  const auto before = value == 0 ? last_by_first_.cend() : run_of(value - 1);
  if (before != last_by_first_.cend()) {
    last_by_first_[before->first] = last;
  } else {
    last_by_first_[value] = last;
  }
}

void AddressRuns::erase(const address_v4& address) {
  const auto value = address.to_uint();
  const auto run = run_of(value);
  if (run == last_by_first_.end()) return;
  const auto [first, last] = *run;
  last_by_first_.erase(run);
  if (first < value) last_by_first_[first] = value - 1;
  if (value < last) last_by_first_[value + 1] = last;
}

std::optional<address_v4> AddressRuns::first_gap(const address_v4& first, const address_v4& last) const {
  if (last < first) return std::nullopt;
  const auto run = run_of(first.to_uint());
  if (run == last_by_first_.end()) return first;
  if (run->second >= last.to_uint()) return std::nullopt;
  return address_v4{run->second + 1};
}

}  // namespace vrouter::config
