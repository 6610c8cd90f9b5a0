// SPDX-License-Identifier: GPL-2.0-or-later
// What can be said of the ports that a guest is to have published before they are.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "config/model.h"
#include "router/reconcile/observed.h"

namespace vrouter::router {

// Before anything is looked up: a message may name more than can be thought about in a moment.
[[nodiscard]] std::expected<void, std::string> check_size(const std::vector<config::Publish>& publish);

// Warnings. An address may come later, as a floating one does; said all the same, since a slip looks just like it.
[[nodiscard]] std::vector<std::string> absent_hosts(const config::Guest& guest, const Observed& observed);

}  // namespace vrouter::router
