// SPDX-License-Identifier: GPL-2.0-or-later
// Guests beside clients that get their addresses by lease: what those have no other can, and what an interface of
// theirs can't have itself.
#pragma once

#include <optional>
#include <vector>

#include "config/guests.h"

namespace vrouter::config {

// The address is in the network's dhcp.range, or reserved.
[[nodiscard]] std::optional<Refusal> unfit_leased(const Network& network, const address_v4& its);

// A reservation of any network has the guest's name.
[[nodiscard]] std::optional<Refusal> unfit_name(const Config& config, const Guest& guest);

// Of a guest that is shared: all that needs one client behind it.
void refuse_addresses(const Guest& guest, std::vector<Refusal>& refusals);
void fit_shared(const Network& network, const Guest& guest, std::vector<Refusal>& refusals);

}  // namespace vrouter::config
