// SPDX-License-Identifier: GPL-2.0-or-later
// Records that an operator writes down: what is taken, and what is said of the others.
#include "config/load_dns_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace vrouter::config {
namespace {

std::string said_of(const std::string& text) {
  const auto config = parse_config(text, "f");
  return config ? "taken" : config.error().front().to_string();
}
std::string record(const std::string& keys) {
  return "[[dns.records]]\n" + keys + "\n";
}

TEST(DnsRecords, AreReadWhole) {
  const auto config = parse_config(R"(
[[dns.records]]
name = "DB.Corp.Example."
addresses = ["10.0.5.9", "2001:db8::9"]
txt = "v=spf1 -all"
mx = [{ priority = 10, host = "mail.corp.example" }, { host = "backup.corp.example" }]
ttl = "1h"
[[dns.records]]
name = "_ldap._tcp.corp.example"
srv = [{ priority = 1, weight = 2, port = 389, host = "DB.corp.example" }]
[[dns.records]]
name = "www.corp.example"
cname = "www.example"
[[dns.records]]
name = "9.0.168.192.in-addr.arpa"
ptr = "nas.corp.example"
)",
                                   "f");
  ASSERT_TRUE(config) << config.error().front().to_string();
  const auto& all = config->dns.records;
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].name, "db.corp.example");
  EXPECT_EQ(all[0].addresses.size(), 2U);
  EXPECT_EQ(all[0].txt, std::vector<std::string>{"v=spf1 -all"});
  EXPECT_EQ(all[0].mx.at(0), (DnsRecords::Mail{10, "mail.corp.example"}));
  EXPECT_EQ(all[0].mx.at(1), (DnsRecords::Mail{0, "backup.corp.example"}));
  EXPECT_EQ(all[0].ttl, 3600U);
  EXPECT_EQ(all[0].at.to_string(), "f:3:8");
  EXPECT_EQ(all[1].srv.at(0), (DnsRecords::Service{1, 2, 389, "db.corp.example"}));
  EXPECT_EQ(all[1].ttl, 300U);
  EXPECT_EQ(all[2].cname, "www.example");
  EXPECT_EQ(all[3].ptr, std::vector<std::string>{"nas.corp.example"});
}

TEST(DnsRecords, WhatIsWrongIsNamedWithItsRemedy) {
  const std::pair<std::string, std::string> kCases[] = {
      {record("addresses = \"10.0.5.9\""),
       "f:1:1: a record needs the name that it is of; write name = \"db.corp.example\""},
      {record("name = \"a.example\""), "f:1:1: a record needs something to say; write addresses = [\"10.0.5.9\"]"},
      {record("name = \"*.a.example\"\naddresses = \"10.0.5.9\""),
       "f:2:8: '*.a.example' is a wildcard, which records can't be for; write each name that exists"},
      {record("name = \"a b\"\naddresses = \"10.0.5.9\""),
       "f:2:8: 'a b' is no name; write labels of letters, digits, hyphens and underscores with dots between, such as "
       "db.corp.example"},
      {record("name = \"a..b\"\naddresses = \"10.0.5.9\""),
       "f:2:8: 'a..b' is no name; write labels of letters, digits, hyphens and underscores with dots between, such as "
       "db.corp.example"},
      {record("name = \"a.example\"\ncname = \"b.example\"\ntxt = \"x\""),
       "f:3:9: a name with a cname has nothing else (RFC 1034 section 3.6.2); write either it or the other keys"},
      {record("name = \"a.example\"\naddresses = [\"10.0.5.9\", \"10.0.5.9\"]"),
       "f:3:26: this stands twice in addresses; write it once"},
      {record("name = \"a.example\"\naddresses = \"10.0.5\""),
       "f:3:13: '10.0.5' is no address; write one such as 192.0.2.53 or 2001:db8::53"},
      {record("name = \"a.example\"\nttl = \"8d\"\ntxt = \"x\""),
       "f:3:7: a ttl of more than a week can't be; write 7d at most"},
      {record("name = \"a.example\"\nmx = [\"mail.example\"]"),
       "f:3:7: mx holds tables, not a string; write { host = \"mail.corp.example\" }"},
      {record("name = \"a.example\"\nmx = [{ priority = 70000, host = \"b\" }]"),
       "f:3:20: priority 70000 can't be; write 0 to 65535"},
      {record("name = \"a.example\"\nsrv = [{ host = \"b\" }]"), "f:3:8: a service needs its port; write port = 389"},
      {record("name = \"a.example\"\nmx = [{ priority = 1 }]"),
       "f:3:7: a mail server needs its host; write host = \"mail.corp.example\""},
      {record("name = \"a.example\"\ntxt = \"x\"") + record("name = \"A.example\"\nptr = \"b\""),
       "f:5:8: a.example has records already, at f:2:8; write all of one name in one table"},
      {"[dns]\nrecords = [1]\n", "f:2:12: dns.records holds tables, not an integer; write [[dns.records]] above each"},
      {record("name = \"a.example\"\ntext = \"x\""),
       "f:1:1: a record needs something to say; write addresses = [\"10.0.5.9\"]"},
  };
  for (const auto& [text, said] : kCases) EXPECT_EQ(said_of(text), said) << text;
}

TEST(DnsRecords, AGuestsNameIsItsOwn) {
  const std::string guest = "[networks.default]\n[[guests]]\nname = \"db1\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n";
  const auto taken = record("name = \"db1.guests.internal\"\naddresses = \"10.0.5.9\"");
  const auto remedy = " is the name of the guest declared at f:2:1, which is told by itself; write another name";
  EXPECT_EQ(said_of(guest + taken), "f:7:8: db1.guests.internal" + std::string{remedy});
  EXPECT_EQ(said_of(guest + record("name = \"DB1\"\ntxt = \"x\"")), "f:7:8: db1" + std::string{remedy});
  EXPECT_EQ(said_of(guest + record("name = \"db1.corp.example\"\ntxt = \"x\"")), "taken");
  EXPECT_EQ(said_of(guest + record("name = \"db2.guests.internal\"\ntxt = \"x\"")), "taken");
}

TEST(DnsRecords, HaveBounds) {
  std::string many;
  for (std::size_t i = 0; i < kMaxRecordNames; ++i)
    many += record("name = \"n" + std::to_string(i) + ".example\"\ntxt = \"x\"");
  EXPECT_EQ(said_of(many), "taken");
  EXPECT_THAT(said_of(many + record("name = \"more.example\"\ntxt = \"x\"")),
              testing::HasSubstr("records are for 10000 names at most"));
  EXPECT_THAT(said_of(record("name = \"a.example\"\ntxt = \"" + std::string(4001, 'x') + "\"")),
              testing::HasSubstr("a text of 4001 bytes is too long"));
  std::string addresses;
  for (std::size_t i = 0; i <= kMaxRecordsOfType; ++i) addresses += "\"10.0.0." + std::to_string(i) + "\", ";
  EXPECT_THAT(said_of(record("name = \"a.example\"\naddresses = [" + addresses + "]")),
              testing::HasSubstr("addresses holds 64 at most"));
}

}  // namespace
}  // namespace vrouter::config
