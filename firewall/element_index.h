// SPDX-License-Identifier: GPL-2.0-or-later
// The elements of one set by a hash of their keys, as the kernel has them: where many packets are evaluated, a look-up
// shouldn't cost more with ten thousand guests than with ten. Not for other rooms.
#pragma once

#include <cstddef>
#include <vector>

#include "firewall/ruleset.h"

namespace vrouter::firewall {

class ElementIndex {
 public:
  // The elements must outlive it and stay as they are. No intervals.
  explicit ElementIndex(const ElementMap& elements);

  [[nodiscard]] const Datum* find(const Bytes& key) const;  // none: it isn't there

 private:
  using Node = ElementMap::value_type;
  struct Slot {
    std::size_t hash = 0;
    const Node* node = nullptr;  // none: the slot is free
  };
  std::vector<Slot> slots_;  // a power of two, at most half of them used; what collides is in the slots behind
};

}  // namespace vrouter::firewall
