// SPDX-License-Identifier: GPL-2.0-or-later
// The file as a whole, [host] and [dns].
#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "problems.h"

namespace vrouter::config {
namespace {

TEST(ParseConfig, AnEmptyFileMeansTheDefaults) {
  auto expected = default_config();
  expected.file = "f";
  EXPECT_EQ(parse_config("", "f").value(), expected);
  EXPECT_EQ(parse_config("[host]\n[networks]\n[dns]\n", "f").value(), expected);
}

TEST(ParseConfig, ReadsHostAndDns) {
  const auto config = parse_config(R"(
[host]
uplinks          = ["eth0", "wlan0"]
forwarding       = "global"
bridge_netfilter = "leave"
route_protocol   = 200
table_owner      = false
[dns]
upstreams = ["192.0.2.53", "2001:db8::53"]
forward = [{ domain = "Corp.Example.", servers = ["192.0.2.54", "192.0.2.55"] }]
cache_size = "64MiB"
workers = 4
rebind_protection = true
rebind_allow = ["nas.example"]
)",
                                   "f");
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  EXPECT_THAT(config->host.uplinks, testing::ElementsAre("eth0", "wlan0"));
  EXPECT_EQ(config->host.forwarding, Forwarding::global);
  EXPECT_EQ(config->host.bridge_netfilter, BridgeNetfilter::leave);
  EXPECT_EQ(config->host.route_protocol, 200);
  EXPECT_EQ(config->host.table_owner, TableOwner::no);
  ASSERT_EQ(config->dns.upstreams.size(), 2U);
  EXPECT_EQ(config->dns.upstreams[1].to_string(), "2001:db8::53");
  ASSERT_EQ(config->dns.forward.size(), 1U);
  EXPECT_EQ(config->dns.forward[0].domain, "corp.example");
  EXPECT_EQ(config->dns.forward[0].servers.size(), 2U);
  EXPECT_EQ(config->dns.cache_size, 64U << 20);
  EXPECT_EQ(config->dns.workers, 4U);
  EXPECT_TRUE(config->dns.rebind_protection);
  EXPECT_THAT(config->dns.rebind_allow, testing::ElementsAre("nas.example"));
  EXPECT_EQ(parse_config("", "f")->dns.cache_size, kDefaultDnsCache);
  EXPECT_EQ(parse_config("[host]\ntable_owner = \"auto\"\nbridge_netfilter = \"on\"\n", "f")->host.bridge_netfilter,
            BridgeNetfilter::on);
}

TEST(ParseConfig, SaysWhereTheTomlIsBroken) {
  const BadFile kCases[] = {
      {"[host\n",
       {"f:1:6: this is no TOML: Error while parsing table header: expected ']', saw '?n'; mend it there "
        "(text goes in quotes, each key stands once)"}},
      {"[dns]\nupstreams = 192.0.2.53\n",
       {"f:2:18: this is no TOML: Error while parsing floating-point: expected decimal digit or exponent, saw '.'; "
        "mend it there (text goes in quotes, each key stands once)"}},
  };
  for (const auto& c : kCases) {
    const auto problems = problems_of(c.toml);
    ASSERT_EQ(problems.size(), 1U) << c.toml;
    EXPECT_THAT(problems[0], testing::StartsWith(c.problems[0].substr(0, c.problems[0].find(": this is no TOML: "))));
    EXPECT_THAT(problems[0], testing::HasSubstr("this is no TOML: Error while parsing"));
    EXPECT_THAT(problems[0], testing::EndsWith("; mend it there (text goes in quotes, each key stands once)"));
  }
  EXPECT_THAT(problems_of("[dns]\nupstreams = [\"\xff\"]\n"),
              testing::ElementsAre(testing::StartsWith("f:2:14: this is no TOML: ")));
}

TEST(ParseConfig, RefusesUnknownKeysAndWrongTypes) {
  const BadFile kCases[] = {
      {"[hots]\n", {"f:1:2: unknown key 'hots' in the file; did you mean host?"}},
      {"[zzz]\n", {"f:1:2: unknown key 'zzz' in the file; it may have host, networks, dhcp, dns or guests"}},
      {"[host]\nuplink = [\"eth0\"]\n", {"f:2:1: unknown key 'uplink' in [host]; did you mean uplinks?"}},
      {"[host]\nFORWARDING = \"global\"\n", {"f:2:1: unknown key 'FORWARDING' in [host]; did you mean forwarding?"}},
      {"[host]\nfrowarding = \"global\"\n", {"f:2:1: unknown key 'frowarding' in [host]; did you mean forwarding?"}},
      {"[dns]\nservers = []\n",
       {"f:2:1: unknown key 'servers' in [dns]; it may have upstreams, forward, tls_ca, cache_size, workers, "
        "rebind_protection, rebind_allow, records, lists or groups"}},
      {"[dns]\nrebind_allow = [\"corp.example\"]\n",
       {"f:2:16: rebind_allow says what the protection lets pass, and there is none; write rebind_protection = true"}},
      {"[dns]\nrebind_protection = true\nrebind_allow = [\"a.example\", \"A.example\"]\n",
       {"f:3:30: a.example stands twice in rebind_allow; name it once"}},
      {"[dns]\nworkers = 17\n",
       {"f:2:11: workers 17 can't be; write 1 to 16, no more than there are processors to spare"}},
      {"[dns]\ncache_size = \"32MB\"\n",
       {"f:2:14: '32MB' is no size; write a whole number and KiB, MiB or GiB, such as 32MiB"}},
      {"[dns]\ncache_size = \"0MiB\"\n", {"f:2:14: '0MiB' is no size for a cache; write 1MiB to 512MiB"}},
      {"[dns]\ncache_size = \"4294967295GiB\"\n",
       {"f:2:14: '4294967295GiB' is no size for a cache; write 1MiB to 512MiB"}},
      {"[host]\nuplinks = \"eth0\"\n", {"f:2:11: uplinks must be an array, not a string; write uplinks = [\"eth0\"]"}},
      {"[host]\nuplinks = [1]\n", {"f:2:12: uplinks holds strings, not an integer; write uplinks = [\"eth0\"]"}},
      {"[host]\nroute_protocol = 1.5\n",
       {"f:2:18: route_protocol must be an integer, not a number with a fraction; write route_protocol = 118"}},
      {"[host]\nforwarding = true\n",
       {"f:2:14: forwarding must be a string, not true or false; write forwarding = \"interfaces\""}},
      {"[host]\nforwarding = 2026-11-22\n",
       {"f:2:14: forwarding must be a string, not a date or time; write forwarding = \"interfaces\""}},
      {"host = 3\n", {"f:1:8: host must be a table, not an integer; write host = { forwarding = \"interfaces\" }"}},
      {"dns = []\n", {"f:1:7: dns must be a table, not an array; write dns = { upstreams = [\"192.0.2.53\"] }"}},
  };
  for (const auto& c : kCases) EXPECT_EQ(problems_of(c.toml), c.problems) << c.toml;
}

TEST(ParseConfig, TellsThatPolicyProtectsNothingHere) {
  constexpr auto kSaid = " belongs to the policy, which has files of its own; move it to one in policy.d";
  EXPECT_THAT(problems_of("[groups.web]\negress = \"allow\"\n[sets]\n[[rules]]\n[[expect]]\n"),
              testing::ElementsAre(std::string{"f:1:2: 'groups'"} + kSaid, std::string{"f:3:2: 'sets'"} + kSaid,
                                   std::string{"f:4:3: 'rules'"} + kSaid, std::string{"f:5:3: 'expect'"} + kSaid));
}

TEST(ParseConfig, RefusesWhatHostCantBe) {
  const BadFile kCases[] = {
      {"[host]\nuplinks = [\"eth0\", \"eth0\"]\n", {"f:2:20: 'eth0' stands twice in uplinks; name it once"}},
      {"[host]\nuplinks = [\"lo\"]\n",
       {"f:2:12: lo is the loopback and leads nowhere; name the interface that leads out, such as eth0"}},
      {"[host]\nuplinks = [\"a/b\"]\n",
       {"f:2:12: 'a/b' can't name an interface; write 1 to 15 printable characters without blanks and / : % * \" \\"}},
      {"[host]\nforwarding = \"all\"\n", {"f:2:14: forwarding can't be 'all'; write interfaces or global"}},
      {"[host]\nbridge_netfilter = \"no\"\n", {"f:2:20: bridge_netfilter can't be 'no'; write off, on or leave"}},
      {"[host]\ntable_owner = true\n", {"f:2:15: table_owner can't be true; write \"auto\" or false"}},
      {"[host]\ntable_owner = \"no\"\n", {"f:2:15: table_owner can't be 'no'; write \"auto\" or false"}},
      {"[host]\ntable_owner = 0\n",
       {"f:2:15: table_owner must be a string, not an integer; write table_owner = \"auto\", or false"}},
      {"[host]\nroute_protocol = 256\n",
       {"f:2:18: route_protocol 256 is no protocol number; write one of 5 to 255, such as 118"}},
      {"[host]\nroute_protocol = -1\n",
       {"f:2:18: route_protocol -1 is no protocol number; write one of 5 to 255, such as 118"}},
  };
  for (const auto& c : kCases) EXPECT_EQ(problems_of(c.toml), c.problems) << c.toml;
}

TEST(ParseConfig, RefusesRouteProtocolsOfOthers) {
  constexpr std::pair<int, const char*> kCases[] = {{0, "nobody (unspec)"},
                                                    {1, "ICMP redirects"},
                                                    {2, "the kernel"},
                                                    {3, "routes made at boot"},
                                                    {4, "routes the administrator made (static)"},
                                                    {16, "DHCP clients"},
                                                    {186, "BGP"}};
  for (const auto& [number, owner] : kCases) {
    EXPECT_THAT(
        problems_of("[host]\nroute_protocol = " + std::to_string(number) + "\n"),
        testing::ElementsAre("f:2:18: route_protocol " + std::to_string(number) + " marks the routes of " + owner +
                             ", and vrouter removes what has its own number; write one nobody uses, such as "
                             "118"));
  }
  for (const int number : {5, 118, 255}) {
    const auto config = parse_config("[host]\nroute_protocol = " + std::to_string(number) + "\n", "f");
    ASSERT_TRUE(config.has_value());
    EXPECT_EQ(config->host.route_protocol, number);
  }
}

TEST(ParseConfig, RefusesWhatDnsCantAsk) {
  const BadFile kCases[] = {
      {"[dns]\nupstreams = [\"10.0.5.1\"]\n",
       {"f:2:14: 10.0.5.1 is a gateway of vrouter's own, where questions would go in circles; name the resolver behind "
        "it"}},
      {"[dns]\nupstreams = [\"fd76:7274:5::1\"]\n",
       {"f:2:14: fd76:7274:5::1 is a gateway of vrouter's own, where questions would go in circles; name the resolver "
        "behind it"}},
      {"[dns]\nupstreams = [\"192.0.2.53\", \"192.0.2.53\"]\n",
       {"f:2:28: 192.0.2.53 stands twice in upstreams; name it once"}},
      {"[dns]\nupstreams = [\"dns.example\"]\n",
       {"f:2:14: 'dns.example' is no address; write one such as 192.0.2.53 or 2001:db8::53"}},
      {"[dns]\nupstreams = [\"0.0.0.0\"]\n", {"f:2:14: 0.0.0.0 is no server's address; name one server"}},
      {"[dns]\nupstreams = [\"ff02::1\"]\n", {"f:2:14: ff02::1 is no server's address; name one server"}},
      {"[dns]\nupstreams = [\"fe80::1\"]\n",
       {"f:2:14: fe80::1 is link-local and needs an interface, which can't be given; name a global or unique local "
        "address"}},
      {"[dns]\nforward = [3]\n",
       {"f:2:12: dns.forward holds tables, not an integer; write { domain = \"corp.example\", servers = "
        "[\"192.0.2.54\"] }"}},
      {"[dns]\nforward = [{ domain = \"a.example\" }]\n",
       {"f:2:12: dns.forward needs servers for its domain; write servers = [\"192.0.2.54\"]"}},
      {"[dns]\nforward = [{ domain = \"a.example\", servers = [] }]\n",
       {"f:2:12: dns.forward needs servers for its domain; write servers = [\"192.0.2.54\"]"}},
      {"[[dns.forward]]\nservers = [\"192.0.2.1\"]\n",
       {"f:1:1: dns.forward needs the domain that goes elsewhere; write domain = \"corp.example\""}},
      {"[[dns.forward]]\ndomain = \"a b\"\nservers = [\"192.0.2.1\"]\n",
       {"f:2:10: 'a b' is no domain; write labels of letters, digits and hyphens with dots between, such as "
        "guests.internal"}},
      {"[[dns.forward]]\ndomain = \"guests.internal\"\nservers = [\"192.0.2.1\"]\n",
       {"f:2:10: names in guests.internal are the guests' and answered by vrouter itself; forward another domain"}},
      {"[[dns.forward]]\ndomain = \"a\"\nservers = [\"192.0.2.1\"]\n[[dns.forward]]\ndomain = \"A\"\nservers = "
       "[\"192.0.2.2\"]\n",
       {"f:5:10: a is forwarded twice; name all its servers in one entry"}},
  };
  for (const auto& c : kCases) EXPECT_EQ(problems_of(c.toml), c.problems) << c.toml;
}

TEST(ParseConfig, GivesAllProblemsInTheOrderOfTheFile) {
  const auto problems = problems_of(R"([networks.default]
mtu = 9
mode = "x"
[host]
forwarding = 1
[[guests]]
tap = "lo"
address = "10.0.5.1"
[dns]
upstreams = ["x"]
)");
  EXPECT_THAT(problems, testing::ElementsAre(testing::StartsWith("f:2:7:"), testing::StartsWith("f:3:8:"),
                                             testing::StartsWith("f:5:14:"), testing::StartsWith("f:7:7:"),
                                             testing::StartsWith("f:10:14:")));
}

}  // namespace
}  // namespace vrouter::config
