// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "problems.h"

namespace vrouter::config {
namespace {

TEST(LoadNetworks, DefaultStartsFromTheEmbeddedOne) {
  const auto config = parse_config("[networks.default]\nmtu = 1400\n", "f");
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  auto expected = default_network();
  expected.mtu = 1400;
  expected.declared_at = {"f", 1, 11};
  ASSERT_EQ(config->networks.size(), 1U);
  EXPECT_EQ(config->networks.at("default"), expected);
}

TEST(LoadNetworks, OnlyDeclaredOnesExistWhereAnyIsDeclared) {
  const auto config = parse_config("[networks.Lab]\nprefix = \"10.0.6.0/24\"\n", "f");
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  ASSERT_EQ(config->networks.size(), 1U);
  const auto& lab = config->networks.at("lab");
  EXPECT_EQ(lab.name, "lab");
  EXPECT_EQ(lab.gateway.to_string(), "10.0.6.1");
  EXPECT_FALSE(lab.prefix6 || lab.gateway6 || lab.pool);
  EXPECT_EQ(lab.mode, Mode::nat);
}

TEST(LoadNetworks, SnatIsInsideNoOtherNetworkWhicheverStandsFirst) {
  const std::string lab = "[networks.lab]\nprefix = \"10.0.6.0/24\"\nprefix6 = \"fd00:6::/64\"\n";
  const std::string with_snat = "[networks.default]\nsnat = [\"10.0.6.1\", \"fd00:6::9\"]\n";
  for (const bool first : {true, false}) {
    const auto config = parse_config(first ? lab + with_snat : with_snat + lab, "f");
    ASSERT_FALSE(config.has_value());
    const std::string place = first ? "f:1:11" : "f:3:11", at = first ? "f:5:" : "f:2:";
    EXPECT_THAT(config.error().at(0).to_string(),
                testing::StartsWith(at + "9: 10.0.6.1 is inside network lab (" + place + ")"));
    EXPECT_THAT(config.error().at(1).to_string(),
                testing::StartsWith(at + "21: fd00:6::9 is inside network lab (" + place + ")"));
  }
}

TEST(LoadNetworks, ReadsEveryKey) {
  const auto config = parse_config(R"(
[networks.default]
prefix = "10.1.0.0/16"
gateway = "10.1.255.254"
prefix6 = "fd00:1::/64"
gateway6 = "fd00:1::ff"
mode = "routed"
pool = "10.1.1.0-10.1.1.255"
addressing = "subnet"
domain = "Lab.Example"
mtu = 9000
dhcp = { lease_time = "2h", range = "10.1.2.0-10.1.2.255", relays = ["192.0.2.7"], options = [
  { code = 42, addresses = ["192.0.2.1", "192.0.2.2"] }, { code = 66, text = "boot" }, { code = 43, hex = "01fF" } ] }
)",
                                   "f");
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  const auto& network = config->networks.at("default");
  EXPECT_EQ(network.prefix.to_string(), "10.1.0.0/16");
  EXPECT_EQ(network.gateway.to_string(), "10.1.255.254");
  EXPECT_EQ(network.prefix6->to_string(), "fd00:1::/64");
  EXPECT_EQ(network.gateway6->to_string(), "fd00:1::ff");
  EXPECT_EQ(network.mode, Mode::routed);
  EXPECT_EQ(network.pool->last.to_string(), "10.1.1.255");
  EXPECT_EQ(network.addressing, Addressing::subnet);
  EXPECT_EQ(network.domain, "lab.example");
  EXPECT_EQ(network.mtu, 9000);
  EXPECT_EQ(network.dhcp.lease_time, std::chrono::hours{2});
  EXPECT_EQ(network.dhcp.range->first.to_string(), "10.1.2.0");
  EXPECT_EQ(network.dhcp.relays.front().to_string(), "192.0.2.7");
  const std::vector<RawDhcpOption> options{
      {42, {192, 0, 2, 1, 192, 0, 2, 2}}, {43, {1, 255}}, {66, {'b', 'o', 'o', 't'}}};
  EXPECT_EQ(network.dhcp.options, options);
}

TEST(LoadNetworks, TakesTheLimitsThemselves) {
  for (const auto* toml : {"[networks.a]\nprefix = \"10.0.0.0/8\"\nmtu = 576\n",
                           "[networks.a]\nprefix = \"10.0.0.0/30\"\nmtu = 65535\npool = \"10.0.0.2-10.0.0.2\"\n",
                           "[networks.a]\nprefix = \"10.0.0.0/24\"\nprefix6 = \"fd00::/126\"\nmtu = 1280\n",
                           "[networks.default]\ndhcp = { lease_time = \"60s\" }\n",
                           "[networks.default]\ndhcp = { lease_time = \"365d\" }\n",
                           "[networks.a]\nprefix = \"10.0.0.0/24\"\n[networks.b]\nprefix = \"10.0.1.0/24\"\n"}) {
    EXPECT_THAT(problems_of(toml), testing::IsEmpty()) << toml;
  }
}

TEST(LoadNetworks, RefusesPrefixesAndGateways) {
  const BadFile kCases[] = {
      {"[networks.lab]\n", {"f:1:1: network lab has no prefix; write prefix = \"10.0.6.0/24\""}},
      {"networks.lab = 3\n",
       {"f:1:16: a network is a table, not an integer; write [networks.default] and prefix = \"10.0.5.0/24\" below"}},
      {"[networks.\"a b\"]\nprefix = \"10.0.6.0/24\"\n",
       {"f:1:11: 'a b' can't name a network; write 1 to 63 letters, digits and hyphens, no hyphen first or last"}},
      {"[networks.a]\nprefix = \"10.0.6.0/24\"\n[networks.A]\nprefix = \"10.0.7.0/24\"\n",
       {"f:1:11: network a stands twice, in other letter case; name it once"}},
      {"[networks.a]\nprefix = \"10.0.0.0/33\"\n",
       {"f:2:10: '10.0.0.0/33' is no IPv4 prefix; write one such as 10.0.5.0/24"}},
      {"[networks.a]\nprefix = \"10.0.5.1/24\"\n",
       {"f:2:10: '10.0.5.1/24' has bits set after its length; write 10.0.5.0/24"}},
      {"[networks.a]\nprefix = \"0.0.0.0/0\"\n", {"f:2:10: 0.0.0.0/0 is too large; write a prefix of /8 to /30"}},
      {"[networks.a]\nprefix = \"10.0.0.0/31\"\n",
       {"f:2:10: 10.0.0.0/31 has no room for a gateway and a guest; write /30 or shorter"}},
      {"[networks.a]\nprefix = \"127.0.0.0/8\"\n",
       {"f:2:10: 127.0.0.0/8 is no range that guests can have; write a private one, such as 10.0.5.0/24"}},
      {"[networks.a]\nprefix = \"169.254.169.0/24\"\n",
       {"f:2:10: 169.254.169.0/24 is no range that guests can have; write a private one, such as 10.0.5.0/24"}},
      {"[networks.a]\nprefix = \"224.0.0.0/8\"\n",
       {"f:2:10: 224.0.0.0/8 is no range that guests can have; write a private one, such as 10.0.5.0/24"}},
      {"[networks.default]\ngateway = \"10.0.6.1\"\n",
       {"f:2:11: gateway 10.0.6.1 is outside 10.0.5.0/24; write an address inside, such as 10.0.5.1"}},
      {"[networks.default]\ngateway = \"10.0.5.0\"\n",
       {"f:2:11: gateway 10.0.5.0 is the address of 10.0.5.0/24 itself; write an address between, such as 10.0.5.1"}},
      {"[networks.default]\ngateway = \"10.0.5.255\"\n",
       {"f:2:11: gateway 10.0.5.255 is the broadcast address of 10.0.5.0/24; write an address between, such as "
        "10.0.5.1"}},
      {"[networks.default]\nprefix6 = \"fe80::/64\"\n",
       {"f:2:11: fe80::/64 is no range that guests can have; write a unique local one, such as fd76:7274:5::/64"}},
      {"[networks.default]\nprefix6 = \"::/96\"\n",
       {"f:2:11: ::/96 is no range that guests can have; write a unique local one, such as fd76:7274:5::/64"}},
      {"[networks.default]\nprefix6 = \"fd00::/127\"\n",
       {"f:2:11: fd00::/127 has no room for a gateway and a guest; write /126 or shorter"}},
      {"[networks.default]\nprefix6 = \"fc00::/7\"\n", {"f:2:11: fc00::/7 is too large; write a prefix of /8 to /126"}},
      {"[networks.default]\ngateway6 = \"fd00::1\"\n",
       {"f:2:12: gateway6 fd00::1 is outside fd76:7274:5::/64; write an address inside, such as fd76:7274:5::1"}},
      {"[networks.default]\ngateway6 = \"fd76:7274:5::\"\n",
       {"f:2:12: gateway6 fd76:7274:5:: means every router of fd76:7274:5::/64; write an address inside, such as "
        "fd76:7274:5::1"}},
      {"[networks.a]\nprefix = \"10.0.6.0/24\"\ngateway6 = \"fd00::1\"\n",
       {"f:3:12: gateway6 stands without a prefix6; write prefix6 = \"fd00::/64\""}},
  };
  for (const auto& c : kCases) EXPECT_EQ(problems_of(c.toml), c.problems) << c.toml;
}

TEST(LoadNetworks, RefusesOverlaps) {
  const BadFile kCases[] = {
      {"[networks.z]\nprefix = \"10.0.0.0/8\"\n[networks.a]\nprefix = \"10.0.5.0/24\"\n",
       {"f:4:10: 10.0.5.0/24 overlaps 10.0.0.0/8 of network z (f:2:10); give one of them a prefix of its own"}},
      {"[networks.a]\nprefix = \"10.0.5.0/24\"\n[networks.z]\nprefix = \"10.0.0.0/8\"\n[networks.m]\nprefix = "
       "\"10.9.0.0/16\"\n",
       {"f:4:10: 10.0.0.0/8 overlaps 10.0.5.0/24 of network a (f:2:10); give one of them a prefix of its own",
        "f:6:10: 10.9.0.0/16 overlaps 10.0.0.0/8 of network z (f:4:10); give one of them a prefix of its own"}},
      {"[networks.a]\nprefix = \"10.0.6.0/24\"\nprefix6 = \"fd76:7274::/32\"\n[networks.default]\n",
       {"f:4:11: fd76:7274:5::/64 overlaps fd76:7274::/32 of network a (f:3:11); give one of them a prefix of its "
        "own"}},
  };
  for (const auto& c : kCases) EXPECT_EQ(problems_of(c.toml), c.problems) << c.toml;
}

TEST(LoadNetworks, RefusesTheRest) {
  const BadFile kCases[] = {
      {"[networks.default]\nmode = \"bridge\"\n", {"f:2:8: mode can't be 'bridge'; write nat, routed or isolated"}},
      {"[networks.default]\naddressing = \"nat\"\n", {"f:2:14: addressing can't be 'nat'; write routed or subnet"}},
      {"[networks.default]\nmtu = 1279\n", {"f:2:7: mtu 1279 can't be; write one of 1280 to 65535 (IPv6 needs 1280)"}},
      {"[networks.a]\nprefix = \"10.0.6.0/24\"\nmtu = 575\n", {"f:3:7: mtu 575 can't be; write one of 576 to 65535"}},
      {"[networks.default]\nmtu = 65536\n",
       {"f:2:7: mtu 65536 can't be; write one of 1280 to 65535 (IPv6 needs 1280)"}},
      {"[networks.default]\ndomain = \"a_b\"\n",
       {"f:2:10: 'a_b' is no domain; write labels of letters, digits and hyphens with dots between, such as "
        "guests.internal"}},
      {"[networks.default]\npool = \"10.0.5.9\"\n",
       {"f:2:8: '10.0.5.9' is no range of addresses; write one such as 10.0.5.100-10.0.5.199"}},
      {"[networks.default]\npool = \"10.0.5.200-10.0.6.9\"\n",
       {"f:2:8: pool 10.0.5.200-10.0.6.9 is not all inside 10.0.5.0/24; write a range inside it"}},
      {"[networks.default]\npool = \"10.0.5.1-10.0.5.1\"\n",
       {"f:2:8: pool 10.0.5.1-10.0.5.1 holds no address for a guest, only the network's own and its gateway; write a "
        "wider range"}},
      {"[networks.default]\npool = \"10.0.5.0-10.0.5.1\"\n",
       {"f:2:8: pool 10.0.5.0-10.0.5.1 holds no address for a guest, only the network's own and its gateway; write a "
        "wider range"}},
      {"[networks.default]\ngatway = \"10.0.5.1\"\n",
       {"f:2:1: unknown key 'gatway' in network default; did you mean gateway?"}},
  };
  for (const auto& c : kCases) EXPECT_EQ(problems_of(c.toml), c.problems) << c.toml;
  const auto long_domain = std::string(63, 'a') + '.' + std::string(63, 'a') + '.' + std::string(62, 'a');
  EXPECT_THAT(
      problems_of("[networks.default]\ndomain = \"" + long_domain + "\"\n"),
      testing::ElementsAre("f:2:10: this domain leaves no room for guests' names; write at most 189 characters"));
}

TEST(LoadNetworks, RefusesWhatDhcpCantBe) {
  const BadFile kCases[] = {
      {"lease_time = \"59s\"", {"f:2:14: lease_time is too short; write 60s to 365d, such as 1h"}},
      {"lease_time = \"366d\"", {"f:2:14: lease_time is too long; write 60s to 365d, such as 1h"}},
      {"lease_time = 3600", {"f:2:14: lease_time must be a string, not an integer; write lease_time = \"1h\""}},
      {"range = \"10.0.6.2-10.0.6.9\"",
       {"f:2:9: dhcp range 10.0.6.2-10.0.6.9 is not all inside 10.0.5.0/24; write a range inside it"}},
      {"range = \"10.0.5.1-10.0.5.9\"",
       {"f:2:9: dhcp range 10.0.5.1-10.0.5.9 includes the gateway 10.0.5.1; write a range without it"}},
      {"range = \"10.0.5.9-10.0.5.255\"",
       {"f:2:9: dhcp range 10.0.5.9-10.0.5.255 includes the first or last address of 10.0.5.0/24; write a range "
        "without them"}},
      {"range = \"10.0.5.8-10.0.5.9\"\nrelays = [\"0.0.0.0\"]",
       {"f:3:11: 0.0.0.0 is no relay's address; name one relay"}},
      {"range = \"10.0.5.8-10.0.5.9\"\nrelays = [\"192.0.2.1\", \"192.0.2.1\"]",
       {"f:3:24: 192.0.2.1 stands twice in relays; name it once"}},
      {"lease = \"1h\"",
       {"f:2:1: unknown key 'lease' in dhcp of network default; it may have lease_time, range, "
        "exclude, reservations, relays, identity, quarantine, probe, leases_per_port, bootp, dns, ntp, log, netbios, "
        "search, captive_portal, wpad, tftp_server, tftp_addresses, capwap, posix_timezone, tzdb_timezone, ipv6_only, "
        "vendor, static_routes, options or boot"}},
      {"options = [42]",
       {"f:2:12: options holds tables, not an integer; write { code = 42, addresses = [\"192.0.2.1\"] }"}},
      {"options = [{ hex = \"00\" }]", {"f:2:12: a DHCP option needs its number; write code = 42"}},
      {"options = [{ code = 256, hex = \"00\" }]", {"f:2:21: 256 is no DHCP option; write a number of 1 to 254"}},
      {"options = [{ code = 42 }]",
       {"f:2:12: a DHCP option needs one value; write just one of addresses, text, hex, u8, u16, u32, bool or "
        "domains"}},
      {"options = [{ code = 42, hex = \"00\", text = \"x\" }]",
       {"f:2:12: a DHCP option needs one value; write just one of addresses, text, hex, u8, u16, u32, bool or "
        "domains"}},
      {"options = [{ code = 42, hex = \"0\" }]",
       {"f:2:31: '0' is no row of hex bytes; write two digits for each, such as 0104c0000201"}},
      {"options = [{ code = 42, hex = \"0x\" }]",
       {"f:2:31: '0x' is no row of hex bytes; write two digits for each, such as 0104c0000201"}},
      {"options = [{ code = 42, addresses = [] }]",
       {"f:2:12: the value of DHCP option 42 has 0 bytes; write 1 to 255"}},
      {"options = [{ code = 42, addresses = [\"x\"] }]",
       {"f:2:38: 'x' is no IPv4 address; write one such as 10.0.5.2"}},
      {"options = [{ code = 66, text = \"a\" }, { code = 66, text = \"b\" }]",
       {"f:2:39: DHCP option 66 stands twice: here and at f:2:12; write it once"}},
      {"options = [{ code = 66, txt = \"a\" }]",
       {"f:2:12: a DHCP option needs one value; write just one of addresses, text, hex, u8, u16, u32, bool or domains",
        "f:2:25: unknown key 'txt' in dhcp.options; did you mean text?"}},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(problems_of("[networks.default.dhcp]\n" + std::string{c.toml} + "\n"), c.problems) << c.toml;
  }
  EXPECT_THAT(problems_of("[networks.default]\npool = \"10.0.5.10-10.0.5.20\"\ndhcp.range = \"10.0.5.20-10.0.5.30\"\n"),
              testing::ElementsAre("f:3:14: dhcp range 10.0.5.20-10.0.5.30 overlaps the pool 10.0.5.10-10.0.5.20; "
                                   "write ranges that are apart"));
  EXPECT_THAT(
      problems_of("[networks.default.dhcp]\noptions = [{ code = 66, text = \"" + std::string(256, 'x') + "\" }]"),
      testing::ElementsAre("f:2:12: the value of DHCP option 66 has 256 bytes; write 1 to 255"));
}

TEST(LoadNetworks, RefusesDhcpOptionsThatTheServerMakes) {
  const auto problems_with = [](int code) {
    return problems_of(fmt::format("[networks.default.dhcp]\noptions = [{{ code = {}, hex = \"00\" }}]\n", code));
  };
  std::vector<int> own{0, 1, 3, 12, 26, 28, 80, 81, 82, 121, 249, 255};
  for (int code = 50; code <= 61; ++code) own.push_back(code);
  for (const int code : own) {
    EXPECT_THAT(
        problems_with(code),
        testing::ElementsAre(testing::MatchesRegex(fmt::format(
            "f:2:21: DHCP option {} can't be set here, for .*; (leave it out|write static_routes for more)", code))));
  }
  for (const int code : {2, 6, 15, 42, 49, 62, 119, 254}) EXPECT_THAT(problems_with(code), testing::IsEmpty()) << code;
}

}  // namespace
}  // namespace vrouter::config
