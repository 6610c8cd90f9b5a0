// SPDX-License-Identifier: GPL-2.0-or-later
// The sets in which guests' limits are. Not for other rooms.
#pragma once

#include <string_view>

namespace vrouter::firewall {

// The set of a limit, by its name in config::kLimitSpecs.
[[nodiscard]] std::string_view limit_set(std::string_view limit);

}  // namespace vrouter::firewall
