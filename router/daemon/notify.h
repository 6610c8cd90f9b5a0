// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

namespace vrouter::router {

// sd_notify(3): nothing happens where no service manager listens.
void notify_ready(const std::string& status);
void notify_status(const std::string& status);
void notify_reloading();
void notify_stopping();

}  // namespace vrouter::router
