// SPDX-License-Identifier: GPL-2.0-or-later
// The sets in which guests' limits are. Not for other rooms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vrouter::firewall {

// The set of a limit, by its name in config::kLimitSpecs. Of connections there is one for each number.
[[nodiscard]] std::string_view limit_set(std::string_view limit);
inline constexpr std::string_view kConnectionsSet = "connections_";
[[nodiscard]] std::string connections_set(std::uint64_t limit);  // "connections_16384"

}  // namespace vrouter::firewall
