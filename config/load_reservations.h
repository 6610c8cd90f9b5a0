// SPDX-License-Identifier: GPL-2.0-or-later
// Addresses that a network keeps for single clients, as the file has them.
#pragma once

#include <map>
#include <string>

#include "config/table_reader.h"

namespace vrouter::config {

// What networks share while they are read.
struct Reserving {
  const std::map<std::string, Group>* groups = nullptr;  // null: it isn't known which are declared
  std::map<std::string, Place> names = {};               // of all reservations so far
};

// Sets network.dhcp.reservations. `prefix_known` as for load_dhcp(); range and identity must have been read.
void load_reservations(Diagnosis& diagnosis, const Node& array, bool prefix_known, Reserving& reserving,
                       Network& network);

}  // namespace vrouter::config
