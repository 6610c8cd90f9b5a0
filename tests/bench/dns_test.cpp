// SPDX-License-Identifier: GPL-2.0-or-later
// What the DNS bench reads: its figures are worth what this is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>

#include "tests/bench/cpu.h"
#include "tests/bench/dnsperf.h"

namespace vrouter::bench {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

constexpr auto kPrinted = R"(DNS Performance Testing Tool
[Status] Started at: Mon Nov 23 09:13:44 2026
> NOERROR h1.bench.example A 0.000587
> NXDOMAIN nope.bench.example A 0.000147
> T x.bench.example A 1.000130
> NOERROR h1.bench.example A 0.000130
[Status] Testing complete (time limit)

Statistics:

  Queries sent:         4
  Queries completed:    3 (75.00%)
  Queries lost:         1 (25.00%)

  Response codes:       NOERROR 2 (66.67%), NXDOMAIN 1 (33.33%)
  Average packet size:  request 36, response 85
  Run time (s):         0.500
  Queries per second:   6

  Average Latency (s):  0.000288 (min 0.000130, max 0.000587)
  Latency StdDev (s):   0.000200
)";

TEST(Dnsperf, CountsOnlyNamesThatWereFoundAsAnswered) {
  const auto read = read_dnsperf(kPrinted);
  EXPECT_EQ(read.sent, 4U);
  EXPECT_EQ(read.answered, 2U);
  EXPECT_EQ(read.failed, 1U);
  EXPECT_DOUBLE_EQ(read.rate(), 4);
  EXPECT_DOUBLE_EQ(read.loss(), 0.5);
  EXPECT_THAT(read.mean_latency(), DoubleNear(0.000288, 1e-9));
  EXPECT_THAT(read.latencies, ElementsAre(0.000587, 0.000147, 0.00013));
}

TEST(Dnsperf, WithoutAnyReplyAllIsLost) {
  const auto read = read_dnsperf(
      "Statistics:\n\n  Queries sent:         50\n  Queries completed:    0 (0.00%)\n  Queries lost:         50\n\n"
      "  Response codes:       \n  Run time (s):         2.0\n");
  EXPECT_EQ(read.answered, 0U);
  EXPECT_DOUBLE_EQ(read.loss(), 1);
  EXPECT_DOUBLE_EQ(read.mean_latency(), 0);
}

TEST(Dnsperf, SaysWhatItPrintedInsteadOfFigures) {
  try {
    static_cast<void>(read_dnsperf("Error: unable to open socket"));
    FAIL();
  } catch (const lab::LabError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("unable to open socket"));
  }
}

TEST(ExactCpu, IsWhatTheProcessComputes) {
  const auto clock = [] {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  };
  const auto before = exact_cpu_seconds({::getpid()}), begin = clock();
  while (clock() < begin + 0.05) {
  }
  EXPECT_THAT(exact_cpu_seconds({::getpid()}) - before, DoubleNear(clock() - begin, 0.005));
  EXPECT_THROW(static_cast<void>(exact_cpu_seconds({-1})), lab::LabError);
}

}  // namespace
}  // namespace vrouter::bench
