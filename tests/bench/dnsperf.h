// SPDX-License-Identifier: GPL-2.0-or-later
// dnsperf of Debian, several at once, asked and read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/lab/lib/namespace.h"

namespace vrouter::bench {

// What a run counted.
struct Lookups {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;  // with NOERROR: every name that the benches ask for exists
  std::uint64_t failed = 0;    // with another rcode
  double seconds = 0;
  double latency_sum = 0;           // seconds, of all replies
  std::vector<double> latencies{};  // seconds, of each reply; only where dnsperf was asked to tell them

  [[nodiscard]] double rate() const { return seconds > 0 ? static_cast<double>(answered) / seconds : 0; }
  [[nodiscard]] double loss() const {
    return sent > 0 ? 1 - static_cast<double>(answered) / static_cast<double>(sent) : 1;
  }
  [[nodiscard]] double mean_latency() const;
};

struct DnsperfRun {
  std::string server{};
  int seconds = 0;
  int rate = 0;          // queries a second of all together; 0: as many as are answered
  int outstanding = 50;  // of each; one guest of vrouter's may have 64 questions waiting for an upstream
  bool once = false;     // ends with its list, even before its time: a name asked again would be a cached one
  int cpu = -1;          // that all of them share; negative: any
};

// One dnsperf in each of `where` at the same time, each with its own list of questions ("name type" a line), over and
// over. dnsperf 2.10 has no histogram of latencies, so at a fixed rate it is asked to print each.
[[nodiscard]] Lookups run_dnsperf(const std::vector<const lab::Namespace*>& where,
                                  const std::vector<std::string>& questions, const DnsperfRun& run);
// What it prints at its end, and before it with -v; throws LabError when that isn't it.
[[nodiscard]] Lookups read_dnsperf(std::string_view text);

}  // namespace vrouter::bench
