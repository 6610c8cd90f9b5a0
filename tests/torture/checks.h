// SPDX-License-Identifier: GPL-2.0-or-later
// What is looked at between faults and at the end.
#pragma once

#include <string>
#include <vector>

#include "tests/lab/lib/daemon.h"
#include "tests/torture/census.h"
#include "tests/torture/faults.h"
#include "tests/torture/model.h"

namespace vrouter::torture {

// What `vrouter guests` and `vrouter leases` say that the model doesn't, or the other way round; "" when they agree and
// the daemon's health is "ok". Guests on TAPs that are open have to be ready.
[[nodiscard]] std::string disagreement(const lab::Daemon& daemon, const Model& model, const Traffic& traffic,
                                       bool file_guest);

// How one that lived through it all differs from one just started: descriptors that are still open, memory beyond
// kGrowthKilobytes; "" when it doesn't.
[[nodiscard]] std::string growth(const std::vector<Counted>& old, const std::vector<Counted>& fresh);

// All that vrouter may change on a host, as text, and what differs between two such.
[[nodiscard]] std::string portrait(const lab::Namespace& host);
[[nodiscard]] std::string differences(const std::string& before, const std::string& after);

}  // namespace vrouter::torture
