// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/notify.h"

#include <systemd/sd-daemon.h>

#include <chrono>

namespace vrouter::router {

void notify_ready(const std::string& status) {
  ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void notify_status(const std::string& status) {
  ::sd_notify(0, ("STATUS=" + status).c_str());
}

void notify_reloading() {
  const auto now =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch());
  ::sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count())).c_str());
}

void notify_stopping() {
  ::sd_notify(0, "STOPPING=1");
}

}  // namespace vrouter::router
