// SPDX-License-Identifier: GPL-2.0-or-later
// Parts of rules, put together to look-ups. Not for other rooms.
#pragma once

#include <vector>

#include "firewall/policy_parts.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

// What a part can be a key of.
enum class Shape { peers_and_ports, ports, peers, line };

[[nodiscard]] Key key_fields(Shape shape);
[[nodiscard]] std::vector<Type> key_types(Shape shape);
[[nodiscard]] std::vector<Bytes> keys_of(const Part& part, Shape shape);

// One look-up, or one line.
struct Item {
  Shape shape = Shape::line;
  std::vector<Part> parts;
};

// The parts in the order of their rules, those of one shape together where no packet can tell the difference.
[[nodiscard]] std::vector<Item> arrange(const std::vector<Part>& parts);

}  // namespace vrouter::firewall
