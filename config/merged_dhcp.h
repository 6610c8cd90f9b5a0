// SPDX-License-Identifier: GPL-2.0-or-later
// What a client is told: its own, then what its groups say, the first named first, then what its network says. Options
// count by their code, `boot` as a whole. Option 121 is complete, and 249 says the same.
#pragma once

#include <span>
#include <string>

#include "config/model.h"

namespace vrouter::config {

[[nodiscard]] ClientDhcp merged_dhcp(const Config& config, const Network& network, const Guest& guest);
// Of a client that is no guest: behind a shared interface or a relay.
[[nodiscard]] ClientDhcp merged_dhcp(const Config& config, const Network& network, std::span<const std::string> groups,
                                     const ClientDhcp& own = {});

}  // namespace vrouter::config
