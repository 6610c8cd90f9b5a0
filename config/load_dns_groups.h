// SPDX-License-Identifier: GPL-2.0-or-later
// [dns.lists.NAME] and [dns.groups.NAME]: lists of domains, and what becomes of questions of a group's members.
#pragma once

#include "config/load_reservations.h"
#include "config/model.h"
#include "config/table_reader.h"

namespace vrouter::config {

// Each is the table's node, or null where it doesn't stand there.
void load_dns_groups(Diagnosis& diagnosis, const Node* lists, const Node* groups, const Reserving& reserving,
                     Config& config);

}  // namespace vrouter::config
