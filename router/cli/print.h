// SPDX-License-Identifier: GPL-2.0-or-later
// The views as people read them.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "router/control/views.h"

namespace vrouter::router::cli {

[[nodiscard]] std::string guests_table(const std::vector<control::GuestView>& guests, bool colour);
[[nodiscard]] std::string guest_facts(const control::GuestView& view, bool colour);
[[nodiscard]] std::string rules_table(const std::vector<control::RuleView>& rules, bool colour);
[[nodiscard]] std::string leases_table(const std::vector<control::LeaseView>& leases, bool colour);
[[nodiscard]] std::string status_facts(const control::StatusView& status, bool colour);
// "web1 on tap0 has 10.0.5.2 in network default: ready"
[[nodiscard]] std::string guest_sentence(const control::GuestView& view);

// Where its client is: "br0", or "relay".
[[nodiscard]] std::string interface_text(const control::LeaseView& lease);
// "52:54:00:12:34:56 (debian)"
[[nodiscard]] std::string client_text(const control::LeaseView& lease);

[[nodiscard]] std::string human_duration(std::chrono::seconds duration);  // "2d 3h", "59m 30s"
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);               // "1.5 MiB"

}  // namespace vrouter::router::cli
