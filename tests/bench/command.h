// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

namespace vrouter::bench {

// Milliseconds from before the program is started until it is reaped, as a shell's user has it: no shell, and vfork, so
// that this program's size doesn't count. LabError unless it ends with status 0.
double command_time(const std::vector<std::string>& command);

}  // namespace vrouter::bench
