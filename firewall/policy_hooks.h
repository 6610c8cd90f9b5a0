// SPDX-License-Identifier: GPL-2.0-or-later
// What any policy adds to the skeleton's hooks, whatever its rules say. Not for other rooms.
#pragma once

#include "firewall/ruleset.h"

namespace vrouter::firewall {

// The chains that set the mark to the profile of the other end.
void add_peers(Table& inet);
void judge_beginnings(Table& inet);
// For rules with `to = "host"`, and those with `from = "host"`.
void judge_input(Table& inet);
void judge_output(Table& inet);

}  // namespace vrouter::firewall
