// SPDX-License-Identifier: GPL-2.0-or-later
// How long what is right may fail. The product's own bars, times what a machine of two busy cores takes to schedule the
// processes that the bars are measured by; a bug lasts for ever, or until the slow full check.
#pragma once

#include <chrono>

namespace vrouter::torture {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Span = std::chrono::milliseconds;

inline constexpr int kLoadFactor = 10;
inline constexpr Span kRepair = 50ms * kLoadFactor;        // after a foreign change
inline constexpr Span kServiceBack = 200ms * kLoadFactor;  // DHCP and DNS, after the process is there again
// A child that is killed young is started with back-off (router/processes/supervisor.h: 100 ms and up).
inline constexpr Span kChildBack = kServiceBack + 1600ms;
inline constexpr Span kStart = 10s;  // until READY=1
// The kernel's own, with or without a router: where the answer to the first ARP request after a carrier came back is
// lost, since the other end's queue starts a moment later, it asks again after a second (retrans_time_ms). Plain
// forwarding under the same traffic: 2 of 40 flaps.
inline constexpr Span kNeighbourAskedAgain = 1s;

// An answer that comes later than this counts as lost.
inline constexpr Span kPatience = 1500ms;
// An event's time is noted beside the packets' own: what is sent so close to it may be on either side.
inline constexpr Span kSlack = 100ms;

// What a process may grow by over one that was started a moment ago with the same guests.
inline constexpr long kGrowthKilobytes = 16 * 1024;

}  // namespace vrouter::torture
