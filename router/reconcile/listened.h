// SPDX-License-Identifier: GPL-2.0-or-later
// Ports that this host itself listens on: published, they would lead to a guest instead. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/model.h"
#include "router/kernel/types.h"

namespace vrouter::router {

// A sentence with the remedy for each published range that hides a socket of the host's. vrouter's own are the guest
// table's to refuse.
[[nodiscard]] std::vector<std::string> listened_on(const config::Guest& guest, std::span<const Listener> listeners);

}  // namespace vrouter::router
