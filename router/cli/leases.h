// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "router/cli/options.h"
#include "router/control/client.h"

namespace vrouter::router::cli {

// `vrouter leases`, once or with --watch until it is interrupted or the daemon goes; the exit status.
[[nodiscard]] int leases(const Request& request, control::Client& client);

// Leases as they were at a time.
struct LeasesThen {
  std::vector<control::LeaseView> leases;
  std::chrono::steady_clock::time_point at;
};
// Whether nothing but time has passed between the two.
[[nodiscard]] bool same_but_older(const LeasesThen& before, const LeasesThen& after);

// What to send to a terminal of so many rows so that it shows the table and nothing else; what is too much for it is
// cut off, and said.
[[nodiscard]] std::string in_place(std::string_view table, std::size_t rows);

}  // namespace vrouter::router::cli
