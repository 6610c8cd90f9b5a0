// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "problems.h"

namespace vrouter::config {
namespace {

constexpr std::string_view kGuest = "[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n";

TEST(Limits, AreReadWithTheirSuffixes) {
  Limits limits;
  for (const auto* text : {"egress.packets=50000", "egress.bits=100M", "ingress.packets=0", "ingress.bits=8k",
                           "new_connections=200", "connections=4096"}) {
    const auto read = read_limit(text, limits);
    EXPECT_TRUE(read.has_value()) << read.error();
  }
  EXPECT_EQ(limits, (Limits{50'000, 100'000'000, 0, 8'000, 200, 4096}));
  EXPECT_TRUE(read_limit("egress.bits=100G", limits).has_value());
  EXPECT_EQ(limits.egress_bits, 100'000'000'000);
}

TEST(Limits, AreRefusedWithTheRemedy) {
  struct Case {
    const char *text, *error;
  };
  constexpr auto kBits = "write bits per second of 8k to 100G, such as 100M, or 0 for no limit";
  const Case cases[] = {
      {"egress.bits", "'egress.bits' lacks its value; write egress.bits=100M"},
      {"new_connections", "'new_connections' lacks its value; write new_connections=1000"},
      {"egres.bits=1M",
       "'egres.bits' is no limit; there are egress.packets, egress.bits, ingress.packets, ingress.bits, "
       "new_connections or connections"},
      {"connections=20000",
       "20000 is no limit of connections; write a power of two up to 1048576, such as 16384, or 0 for no limit"},
      {"connections=2097152",
       "2097152 is no limit of connections; write a power of two up to 1048576, such as 16384, or 0 for no limit"},
      {"new_connections=1k", "'1k' is no limit of new_connections; write a number of 1 to 1000000, or 0 for no limit"},
      {"new_connections=-1", "'-1' is no limit of new_connections; write a number of 1 to 1000000, or 0 for no limit"},
      {"new_connections=", "'' is no limit of new_connections; write a number of 1 to 1000000, or 0 for no limit"},
      {"new_connections=1000001",
       "1000001 is no limit of new_connections; write a number of 1 to 1000000, or 0 for no limit"},
  };
  for (const auto& c : cases) {
    Limits limits;
    const auto read = read_limit(c.text, limits);
    ASSERT_FALSE(read.has_value()) << c.text;
    EXPECT_EQ(read.error(), c.error);
    EXPECT_EQ(limits, Limits{}) << c.text;
  }
  for (const auto* text :
       {"1m", "1.5M", "M", "+1M", " 1M", "101G", "7999", "99999999999999999999", "9223372036854775807G"}) {
    Limits limits;
    const auto read = read_limit(std::string{"ingress.bits="} + text, limits);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_THAT(read.error(), ::testing::EndsWith(kBits)) << text;
  }
}

TEST(Limits, AreWrittenAsTheyAreRead) {
  const auto& bits = *find_limit("egress.bits");
  for (const std::string text : {"8k", "100M", "1G", "1500M", "8001"}) {
    EXPECT_EQ(limit_text(bits, parse_limit_value(bits, text).value()), text);
  }
  EXPECT_EQ(limit_text(*find_limit("egress.packets"), 50'000), "50000");
}

TEST(Limits, OfTheFileAreTheGuestsOrItsNetworks) {
  const auto config = parse_config(R"([networks.default]
limits = { egress = { packets = 50000, bits = "100M" }, new_connections = 0 }
[networks.lab]
prefix = "10.0.6.0/24"
[[guests]]
tap = "tap0"
address = "10.0.5.2"
[guests.limits]
egress = { bits = "0" }
ingress.packets = 7
)",
                                   "f");
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  const auto& network = config->networks.at("default").limits;
  EXPECT_EQ(network,
            (Limits{.egress_packets = 50'000, .egress_bits = 100'000'000, .new_connections = 0, .connections = 16384}));
  EXPECT_EQ(config->networks.at("lab").limits, kDefaultLimits);
  const auto& guest = config->guests.front().limits;
  EXPECT_EQ(guest, (Limits{.egress_bits = 0, .ingress_packets = 7}));
  EXPECT_EQ(merged(guest, network), (Limits{.egress_packets = 50'000, .ingress_packets = 7, .connections = 16384}));
}

TEST(Limits, OfTheFileAreRefusedWhereTheyStand) {
  const auto file = [](const char* limits) { return std::string{kGuest} + "limits = " + limits + "\n"; };
  EXPECT_THAT(problems_of(file("{ egres = {} }")), ::testing::ElementsAre(::testing::StartsWith("f:4:12: ")));
  EXPECT_THAT(problems_of(file("{ egress = { bytes = 7 } }")),
              ::testing::ElementsAre(::testing::StartsWith("f:4:23: ")));
  EXPECT_THAT(problems_of(file("{ egress = { bits = 100 } }")),
              ::testing::ElementsAre("f:4:30: bits must be a string, not an integer; write bits = \"100M\""));
  EXPECT_THAT(problems_of(file("{ egress = { bits = \"100X\" } }")),
              ::testing::ElementsAre("f:4:30: '100X' is no limit of egress.bits; write bits per second of 8k to 100G, "
                                     "such as 100M, or 0 for no limit"));
  EXPECT_THAT(problems_of(file("{ new_connections = -1 }")),
              ::testing::ElementsAre(
                  "f:4:30: -1 is no limit of new_connections; write a number of 1 to 1000000, or 0 for no limit"));
  EXPECT_THAT(
      problems_of("[networks.default]\nlimits = { ingress = { packets = 10000001 } }\n"),
      ::testing::ElementsAre("f:2:34: 10000001 is no limit of ingress.packets; write a number of 1 to 10000000, "
                             "or 0 for no limit"));
  EXPECT_THAT(problems_of("[networks.default]\nlimits = 7\n"),
              ::testing::ElementsAre(::testing::StartsWith("f:2:10: ")));
}

}  // namespace
}  // namespace vrouter::config
