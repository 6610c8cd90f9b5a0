// SPDX-License-Identifier: GPL-2.0-or-later
// Addresses in use, kept as runs without gaps, so that the lowest free one is found without walking them all:
// ten thousand guests that took theirs from one pool are a single run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "config/networks.h"

namespace vrouter::config {

class AddressRuns {
 public:
  void insert(const address_v4& address);
  void erase(const address_v4& address);
  [[nodiscard]] bool contains(const address_v4& address) const;
  // The lowest address of first..last (both inclusive) that is in no run.
  [[nodiscard]] std::optional<address_v4> first_gap(const address_v4& first, const address_v4& last) const;
  [[nodiscard]] std::size_t runs() const noexcept { return last_by_first_.size(); }

 private:
  using Runs = std::map<std::uint32_t, std::uint32_t>;
  [[nodiscard]] Runs::const_iterator run_of(std::uint32_t address) const;

  Runs last_by_first_;  // disjoint, and never adjacent
};

}  // namespace vrouter::config
