// SPDX-License-Identifier: GPL-2.0-or-later
// The benches' own arithmetic: a wrong median or a bar read the wrong way round would pass for a figure.
#include "tests/bench/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

TEST(Statistics, MedianAndPercentiles) {
  EXPECT_EQ(lab::median({3, 1, 2}), 2);
  EXPECT_EQ(lab::percentile({1, 2, 3, 4, 5}, 100), 5);
  EXPECT_EQ(lab::percentile({5, 4, 3, 2, 1}, 0), 1);
  std::vector<double> hundred(101);
  for (std::size_t i = 0; i < hundred.size(); ++i) hundred[i] = static_cast<double>(i);
  EXPECT_EQ(lab::percentile(hundred, 99), 99);
  EXPECT_TRUE(std::isnan(lab::median({})));
}

TEST(Figure, KnowsWhetherItsBarIsMet) {
  const Figure quick{.what = "a", .ours = 2, .bar = Figure::Bar::at_most, .limit = 2};
  EXPECT_TRUE(quick.met());
  const Figure slow{.what = "a", .ours = 2.1, .bar = Figure::Bar::at_most, .limit = 2};
  EXPECT_FALSE(slow.met());
  const Figure unknown{.what = "a", .ours = std::nan(""), .bar = Figure::Bar::at_most, .limit = 2};
  EXPECT_FALSE(unknown.met());
  Figure ratio{.what = "a", .ours = 8, .theirs = 10, .bar = Figure::Bar::ratio_at_least, .limit = 0.85};
  EXPECT_FALSE(ratio.met());
  ratio.ratio = 0.9;  // of paired rounds: it goes before that of the medians
  EXPECT_TRUE(ratio.met());
  const Figure alone{.what = "a", .ours = 8, .bar = Figure::Bar::ratio_at_least, .limit = 0.5};
  EXPECT_FALSE(alone.met());
}

TEST(Report, SaysWhatWasMissedAndWhatWasNotMeasured) {
  Report report;
  report.at_most("start", 3, "ms", 2);
  EXPECT_TRUE(report.complete());
  report.broken("repair", "nobody mended it");
  EXPECT_FALSE(report.complete());
  std::ostringstream text;
  report.print(text);
  EXPECT_NE(text.str().find("MISSED"), std::string::npos) << text.str();
  EXPECT_NE(text.str().find("NOT MEASURED: repair: nobody mended it"), std::string::npos) << text.str();
}

TEST(Report, PairsRounds) {
  // A slow round of both is no difference between them.
  EXPECT_DOUBLE_EQ(paired_ratio({8, 2, 9}, {10, 4, 10}), 0.8);
}

TEST(Crowd, TapsAndAddressesDoNotRepeat) {
  EXPECT_EQ(lab::address_of(0), "10.8.1.0");
  EXPECT_EQ(lab::address_of(256), "10.8.2.0");
  EXPECT_EQ(lab::spread(3, 10), (std::vector<int>{0, 4, 9}));
  EXPECT_EQ(lab::taps_of(3, {1}), (std::vector<std::string>{"t0", "t2"}));
}

}  // namespace
}  // namespace vrouter::bench
