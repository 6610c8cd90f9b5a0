// SPDX-License-Identifier: GPL-2.0-or-later
// Inside the room: making persistent TAPs (Documentation/networking/tuntap.rst).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "router/kernel/types.h"

namespace vrouter::router {

[[nodiscard]] Result<void> make_persistent_tap(const std::string& name, std::optional<uid_t> owner);

}  // namespace vrouter::router
