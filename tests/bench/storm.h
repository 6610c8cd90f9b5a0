// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <span>
#include <vector>

#include "base/unique_fd.h"
#include "tests/lab/lib/error.h"

namespace vrouter::bench {

struct StormOutcome {
  int bound = 0;      // to the address that is theirs
  int strangers = 0;  // guests that were given another's, or a NAK
  int retransmissions = 0;
  std::vector<double> four_way;  // ms, of each that is bound: from its first DISCOVER out to its ACK in
  double sending = 0;            // ms, until the last first DISCOVER was out
};

// Guest i sits behind taps[i] and has lab::address_of(i) coming. Within `within` each sends its first DISCOVER, evenly
// spread, and then does what RFC 2131 says: answers the first offer, and sends again what stays without an answer
// after 4, 8, 16 ... s, each more or less by up to a second (4.1). Returns when all are bound, or after `limit`.
// Zero: all at once, as fast as one thread can.
[[nodiscard]] StormOutcome storm(std::span<const UniqueFd> taps, lab::Milliseconds within, lab::Milliseconds limit);

}  // namespace vrouter::bench
