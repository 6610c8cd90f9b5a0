// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "config/specs.h"
#include "problems.h"

namespace vrouter::config {
namespace {

using boost::asio::ip::make_address;
using enum DnsTransport;

TEST(DnsServerText, IsReadAndWrittenAlike) {
  const std::pair<const char*, DnsServer> kCases[] = {
      {"192.0.2.53", make_address("192.0.2.53")},
      {"2001:db8::53", make_address("2001:db8::53")},
      {"192.0.2.53:5353", {make_address("192.0.2.53"), 5353}},
      {"[2001:db8::53]:5353", {make_address("2001:db8::53"), 5353}},
      {"tcp://192.0.2.53", {make_address("192.0.2.53"), 53, tcp}},
      {"tcp://192.0.2.53:5353", {make_address("192.0.2.53"), 5353, tcp}},
      {"tcp://[2001:db8::53]", {make_address("2001:db8::53"), 53, tcp}},
      {"tcp://[2001:db8::53]:65535", {make_address("2001:db8::53"), 65535, tcp}},
      {"tls://192.0.2.53", {make_address("192.0.2.53"), 853, tls}},
      {"tls://192.0.2.53:53", {make_address("192.0.2.53"), 53, tls}},
      {"tls://192.0.2.53#dns.example", {make_address("192.0.2.53"), 853, tls, "dns.example"}},
      {"tls://[2001:db8::53]:8853#dns.example", {make_address("2001:db8::53"), 8853, tls, "dns.example"}},
  };
  for (const auto& [text, server] : kCases) {
    const auto parsed = parse_dns_server(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error();
    EXPECT_EQ(*parsed, server) << text;
    EXPECT_EQ(server.to_string(), text);
  }
}

TEST(DnsServerText, OtherSpellingsOfTheSame) {
  for (const auto& [text, plain] : {std::pair{"192.0.2.53:53", "192.0.2.53"},
                                    {"[2001:db8::53]", "2001:db8::53"},
                                    {"[2001:db8::53]:53", "2001:db8::53"},
                                    {"tcp://2001:db8::53", "tcp://[2001:db8::53]"},
                                    {"tcp://192.0.2.53:53", "tcp://192.0.2.53"}}) {
    EXPECT_EQ(parse_dns_server(text).value().to_string(), plain);
  }
}

TEST(DnsServerText, WhatIsWrongComesWithItsRemedy) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "'' is no address; write one such as 192.0.2.53 or 2001:db8::53"},
      {"tcp://", "'' is no address; write one such as 192.0.2.53 or 2001:db8::53"},
      {"dns.example", "'dns.example' is no address; write one such as 192.0.2.53 or 2001:db8::53"},
      {"192.0.2.53:0", "'0' is no port; write 1 to 65535, such as 192.0.2.53:5353"},
      {"192.0.2.53:", "'' is no port; write 1 to 65535, such as 192.0.2.53:5353"},
      {"192.0.2.53:65536", "'65536' is no port; write 1 to 65535, such as 192.0.2.53:5353"},
      {"192.0.2.53:53x", "'53x' is no port; write 1 to 65535, such as 192.0.2.53:5353"},
      {"[2001:db8::53]:", "'' is no port; write 1 to 65535, such as 192.0.2.53:5353"},
      {"[2001:db8::53", "'[2001:db8::53' lacks its ]; write [2001:db8::53]:5353"},
      {"[2001:db8::53]53", "'53' follows the address; write [2001:db8::53]:5353"},
      {"[192.0.2.53]:53", "'192.0.2.53' needs no brackets; write 192.0.2.53 or [2001:db8::53]"},
      {"https://192.0.2.53/dns-query",
       "'https://192.0.2.53/dns-query' is no way to ask a server; write tcp://192.0.2.53, "
       "tls://192.0.2.53#dns.example, or 192.0.2.53 for UDP"},
      {"192.0.2.53#dns.example",
       "'192.0.2.53#dns.example' has a name, and only certificates are for one; write tls://192.0.2.53#dns.example, or "
       "the address alone"},
      {"tls://192.0.2.53#",
       "'' is no domain; write labels of letters, digits and hyphens with dots between, such as guests.internal"},
      {"tls://dns.example", "'dns.example' is no address; write one such as 192.0.2.53 or 2001:db8::53"},
  };
  for (const auto& [text, error] : kCases) {
    const auto parsed = parse_dns_server(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error(), error);
  }
}

TEST(DnsServerText, AreReadFromTheFileEachOnceAndNoneOfThemAGateway) {
  const auto good = parse_config(
      "[dns]\nupstreams = [\"192.0.2.53\", \"192.0.2.53:5353\", \"tcp://192.0.2.53\"]\n"
      "forward = [{ domain = \"corp.example\", servers = [\"[2001:db8::53]:5353\"] }]\n",
      "f");
  ASSERT_TRUE(good);
  const auto at = make_address("192.0.2.53");
  EXPECT_THAT(good->dns.upstreams, ::testing::ElementsAre(at, DnsServer{at, 5353}, DnsServer{at, 53, tcp}));
  EXPECT_THAT(good->dns.forward.at(0).servers, ::testing::ElementsAre(DnsServer{make_address("2001:db8::53"), 5353}));
  EXPECT_EQ(good->dns.tls_ca, kDefaultTlsCa);
  EXPECT_EQ(parse_config("[dns]\ntls_ca = \"/etc/vrouter/ca.pem\"\n", "f")->dns.tls_ca, "/etc/vrouter/ca.pem");
  const BadFile kCases[] = {
      {"[dns]\nupstreams = [\"tcp://192.0.2.53:5353\", \"tcp://192.0.2.53:5353\"]\n",
       {"f:2:39: tcp://192.0.2.53:5353 stands twice in upstreams; name it once"}},
      {"[dns]\nupstreams = [\"tcp://10.0.5.1\"]\n",
       {"f:2:14: 10.0.5.1 is a gateway of vrouter's own, where questions would go in circles; name the resolver behind "
        "it"}},
      {"[dns]\ntls_ca = \"ca.pem\"\n",
       {"f:2:10: 'ca.pem' is no file's full path; write one such as /etc/ssl/certs/ca-certificates.crt"}},
      {"[dns]\nupstreams = [\"192.0.2.53:dns\"]\n",
       {"f:2:14: 'dns' is no port; write 1 to 65535, such as 192.0.2.53:5353"}},
  };
  for (const auto& c : kCases) EXPECT_EQ(problems_of(c.toml), c.problems) << c.toml;
}

}  // namespace
}  // namespace vrouter::config
