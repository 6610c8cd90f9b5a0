// SPDX-License-Identifier: GPL-2.0-or-later
// The parts of parse_config(), one per table of the file.
#pragma once

#include "config/load_reservations.h"
#include "config/table_reader.h"

namespace vrouter::config {

void load_host(Diagnosis& diagnosis, const Node& table, Host& host);

// False: a network is wrong, so what is said about guests' addresses would only be its echo.
[[nodiscard]] bool load_networks(Diagnosis& diagnosis, const Node& table, Reserving& reserving, Config& config);

// `prefix_known` is false where network.prefix could not be read: nothing is then compared with it.
void load_dhcp(Diagnosis& diagnosis, const Node& table, bool prefix_known, Reserving& reserving, Network& network);
void load_dhcp_groups(Diagnosis& diagnosis, const Node& table, const Reserving& reserving, Config& config);

// Needs the networks, for a gateway is no upstream.
void load_dns(Diagnosis& diagnosis, const Node& table, const Reserving& reserving, Config& config);

// Which of the things that guests name were all read. Where one was not, nothing is said to be missing.
struct Known {
  bool networks = true;
  bool groups = true;
};

// Sets what is said there. `limits` is a guest's or a network's.
void load_limits(Diagnosis& diagnosis, const Node& table, Limits& limits);

void load_guests(Diagnosis& diagnosis, const Node& array, Known known, Config& config);

}  // namespace vrouter::config
