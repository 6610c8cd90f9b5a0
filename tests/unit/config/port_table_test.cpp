// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/port_table.h"

#include <gtest/gtest.h>

#include "config/specs.h"

namespace vrouter::config {
namespace {

std::string holder(const PortTable& table, const char* spec, const std::string& except = {}) {
  const auto* tap = table.holder(parse_publish(spec).value(), except);
  return tap == nullptr ? "" : *tap;
}

PortTable table_of(std::initializer_list<std::pair<const char*, const char*>> entries) {
  PortTable table;
  for (const auto& [tap, spec] : entries) table.insert(tap, parse_publish(spec).value());
  return table;
}

TEST(PortTable, KnowsARangeByAnyOfItsPorts) {
  const auto table = table_of({{"tap0", "100-200"}, {"tap1", "300"}, {"tap2", "201-299/udp"}});
  for (const auto* spec : {"100", "200", "150-160", "50-100", "200-250", "1-65535", "150:80"}) {
    EXPECT_EQ(holder(table, spec), "tap0") << spec;
  }
  for (const auto* spec : {"99", "201-299", "301-65535", "1-99", "150/udp", "150/sctp"}) {
    EXPECT_EQ(holder(table, spec), "") << spec;
  }
  EXPECT_EQ(holder(table, "250-300"), "tap1");
  EXPECT_EQ(holder(table, "299/udp"), "tap2");
}

TEST(PortTable, EveryAddressCollidesWithEachAndEachOnlyWithItself) {
  const auto table = table_of({{"tap0", "192.0.2.1:80"}, {"tap1", "[2001:db8::1]:81"}, {"tap2", "82"}});
  EXPECT_EQ(holder(table, "80"), "tap0");
  EXPECT_EQ(holder(table, "81"), "tap1");
  EXPECT_EQ(holder(table, "192.0.2.1:80"), "tap0");
  EXPECT_EQ(holder(table, "192.0.2.2:80"), "");
  EXPECT_EQ(holder(table, "192.0.2.1:82"), "tap2");
  EXPECT_EQ(holder(table, "[2001:db8::1]:82"), "tap2");
  EXPECT_EQ(holder(table, "192.0.2.1:81"), "");
}

TEST(PortTable, PassesOverTheGuestThatAsks) {
  const auto table = table_of({{"tap0", "100-110"}, {"tap1", "111"}});
  EXPECT_EQ(holder(table, "105", "tap0"), "");
  EXPECT_EQ(holder(table, "105-111", "tap0"), "tap1");
}

TEST(PortTable, ForgetsOnlyWhatTheTapHolds) {
  auto table = table_of({{"tap0", "80"}, {"tap0", "192.0.2.1:81"}});
  table.erase("tap1", parse_publish("80").value());
  table.erase("tap0", parse_publish("82").value());
  EXPECT_EQ(holder(table, "80"), "tap0");
  table.erase("tap0", parse_publish("80").value());
  EXPECT_EQ(holder(table, "80"), "");
  EXPECT_EQ(holder(table, "81"), "tap0");
}

}  // namespace
}  // namespace vrouter::config
