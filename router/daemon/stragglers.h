// SPDX-License-Identifier: GPL-2.0-or-later
// A packet that was inside the kernel while the rules changed is tracked only when it leaves: after the first walk over
// the connections. So there is a second walk, this much later; no packet is on its way for longer.
#pragma once

#include <chrono>

namespace vrouter::router {

inline constexpr std::chrono::milliseconds kStragglers{200};

}  // namespace vrouter::router
