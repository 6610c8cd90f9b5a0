// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <vector>

namespace vrouter::bench {

// Seconds that these processes have computed until now, for themselves and in the kernel: utime + stime, in steps of
// 10 ms. What the kernel does for them in the softirqs of other processes isn't among it.
[[nodiscard]] double cpu_seconds(const std::vector<pid_t>& processes);
// The same to the nanosecond, of the threads that they have now: for what takes a few microseconds each.
[[nodiscard]] double exact_cpu_seconds(const std::vector<pid_t>& processes);

}  // namespace vrouter::bench
