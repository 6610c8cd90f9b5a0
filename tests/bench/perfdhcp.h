// SPDX-License-Identifier: GPL-2.0-or-later
// perfdhcp of Debian's kea-admin, asked and read.
#pragma once

#include <string>
#include <string_view>

#include "tests/lab/lib/namespace.h"

namespace vrouter::bench {

// What a run counted.
struct Exchanges {
  int discovers = 0;  // sent
  int offers = 0;     // received
  int acks = 0;
  double seconds = 0;  // in which the DISCOVERs were sent

  [[nodiscard]] double rate() const { return seconds > 0 ? acks / seconds : 0; }
  // Of what was begun.
  [[nodiscard]] double loss() const { return discovers > 0 ? 1 - static_cast<double>(acks) / discovers : 1; }
};

struct PerfdhcpRun {
  int rate = 0;     // exchanges that are begun in a second
  int clients = 0;  // of which each is one, by chance
  int seconds = 0;
};

// It plays a relay: `relay`, an address of `where`, is what it sends from and its giaddr; port 67 both ways.
[[nodiscard]] Exchanges run_perfdhcp(const lab::Namespace& where, const std::string& relay, const std::string& server,
                                     const PerfdhcpRun& run);
// What it prints at its end; throws LabError when that isn't it.
[[nodiscard]] Exchanges read_perfdhcp(std::string_view text, double seconds);

}  // namespace vrouter::bench
