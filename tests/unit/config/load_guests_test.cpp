// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/guests.h"
#include "config/load.h"
#include "problems.h"

namespace vrouter::config {
namespace {

TEST(LoadGuests, ComeComplete) {
  const auto config = parse_config(R"(
[networks.default]
[networks.lab]
prefix = "10.0.6.0/24"
[[guests]]
name = "Web1"
tap = "tap0"
address = "10.0.5.2"
address6 = "fd76:7274:5::2"
mac = "52-54-00-12-34-56"
groups = ["web", "Front"]
publish = ["8080:80/tcp", "192.0.2.1:6000-6010:7000/udp"]
[[guests]]
tap = "VM_1.net"
address = "10.0.6.2"
)",
                                   "f");
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  ASSERT_EQ(config->guests.size(), 2U);
  const auto& web = config->guests[0];
  EXPECT_EQ(web.name, "web1");
  EXPECT_EQ(web.tap, "tap0");
  EXPECT_EQ(web.network, "default");
  EXPECT_EQ(web.address->to_string(), "10.0.5.2");
  EXPECT_EQ(web.address6->to_string(), "fd76:7274:5::2");
  EXPECT_EQ(web.mac->to_string(), "52:54:00:12:34:56");
  EXPECT_THAT(web.groups, testing::ElementsAre("web", "Front"));
  ASSERT_EQ(web.publish.size(), 2U);
  EXPECT_EQ(web.publish[1].to_string(), "192.0.2.1:6000-6010:7000/udp");
  EXPECT_EQ(web.declared_at, (Place{"f", 5, 1}));
  EXPECT_FALSE(web.ephemeral || web.create_tap);
  EXPECT_EQ(config->guests[1].name, "vm-1-net");
  EXPECT_EQ(config->guests[1].network, "lab");
  EXPECT_EQ(declared_guests(*config).size(), 2U);
}

constexpr std::string_view kFirst = "[[guests]]\nname = \"a\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n";

TEST(LoadGuests, RefusesWhatOneGuestCantBe) {
  const BadFile kCases[] = {
      {"guests = [3]\n", {"f:1:11: guests holds tables, not an integer; write [[guests]] and the guest's keys below"}},
      {"guests = 3\n",
       {"f:1:10: guests must be an array, not an integer; write guests = [{ name = \"web1\", tap = \"tap0\", address = "
        "\"10.0.5.2\" }]"}},
      {"[[guests]]\naddress = \"10.0.5.2\"\n", {"f:1:1: a guest needs its TAP; write tap = \"tap0\""}},
      {"[[guests]]\ntap = \"tap0\"\n",
       {"f:1:1: a declared guest needs an address of its own; write address = \"10.0.5.2\""}},
      {"[[guests]]\ntap = \"a/b\"\naddress = \"10.0.5.2\"\n",
       {"f:2:7: 'a/b' can't name an interface; write 1 to 15 printable characters without blanks and / : % * \" \\"}},
      {"[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2,fd76:7274:5::2\"\n",
       {"f:3:11: '10.0.5.2,fd76:7274:5::2' is more than one address; write the second as address6 = "
        "\"fd76:7274:5::2\""}},
      {"[[guests]]\ntap = \"tap0\"\naddress = \"10.9.9.9\"\n",
       {"f:3:11: 10.9.9.9 is in no network; take an address of one of: default 10.0.5.0/24"}},
      {"[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\nnetwork = \"lab\"\n",
       {"f:4:11: there is no network 'lab'; name one of: default 10.0.5.0/24"}},
      {"[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\naddress6 = \"fd00::2\"\n",
       {"f:4:12: fd00::2 is outside network default (fd76:7274:5::/64); take another address of fd76:7274:5::/64"}},
      {"[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\nmac = \"52:54:00\"\n",
       {"f:4:7: '52:54:00' is no MAC address; write six pairs of hex digits such as 52:54:00:12:34:56"}},
      {"[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\nmac = \"ff:ff:ff:ff:ff:ff\"\n",
       {"f:4:7: ff:ff:ff:ff:ff:ff is a group address; give the address of the guest's own network card, such as "
        "52:54:00:12:34:56"}},
      {"[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\ngroups = [\"a\", \"b c\", \"a\"]\n",
       {"f:4:16: 'b c' can't name a group; write 1 to 63 letters, digits, hyphens and underscores",
        "f:4:23: group 'a' is named twice; name it once"}},
      {"[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\npublish = [\"80\", \"x\", \"80-90\"]\n",
       {"f:4:18: 'x' has no port of 1 to 65535; write 8080:80, 8080:80/udp or 6000-6010",
        "f:4:23: 80-90/tcp takes a port that this guest publishes already; publish each host port once"}},
      {"[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\nephemeral = true\n",
       {"f:4:1: unknown key 'ephemeral' in [[guests]]; it may have name, tap, address, address6, mac, network, groups, "
        "publish, floating, snat, prefixes, allowed_addresses, dhcp, shared or limits"}},
      {"[host]\nuplinks = [\"tap0\"]\n[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n",
       {"f:4:7: tap0 is an uplink of the host; name the guest's own TAP"}},
  };
  for (const auto& c : kCases) EXPECT_EQ(problems_of(c.toml), c.problems) << c.toml;
}

TEST(LoadGuests, RefusesWhatAnotherHas) {
  const BadFile kCases[] = {
      {"[[guests]]\nname = \"A\"\ntap = \"tap1\"\naddress = \"10.0.5.3\"\n",
       {"f:6:8: the name a is taken by guest a on tap0 (f:1:1); give the guest another name"}},
      {"[[guests]]\ntap = \"a\"\naddress = \"10.0.5.3\"\n",
       {"f:6:7: the name a is taken by guest a on tap0 (f:1:1); give the guest another name"}},
      {"[[guests]]\nname = \"b\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n",
       {"f:7:7: there is already guest a on tap0 (f:1:1); name another TAP, or remove that guest first"}},
      {"[[guests]]\ntap = \"tap1\"\naddress = \"10.0.5.2\"\n",
       {"f:7:11: 10.0.5.2 is taken by guest a on tap0 (f:1:1); take another, such as 10.0.5.3"}},
      {"address6 = \"fd76:7274:5::2\"\n[[guests]]\ntap = \"tap1\"\naddress = \"10.0.5.3\"\naddress6 = "
       "\"fd76:7274:5::2\"\n",
       {"f:9:12: fd76:7274:5::2 is taken by guest a on tap0 (f:1:1); take another address of fd76:7274:5::/64"}},
      {"publish = [\"80\"]\n[[guests]]\ntap = \"tap1\"\naddress = \"10.0.5.3\"\npublish = [\"81\", "
       "\"192.0.2.1:70-80\"]\n",
       {"f:9:18: 192.0.2.1:70-80/tcp takes a port held by guest a on tap0 (f:1:1); publish another host port, or on "
        "another host address"}},
  };
  for (const auto& c : kCases) EXPECT_EQ(problems_of(std::string{kFirst} + std::string{c.toml}), c.problems) << c.toml;
}

TEST(LoadGuests, FindsASecondTakerThoughTheFirstIsWrongElsewhere) {
  EXPECT_THAT(problems_of(std::string{kFirst} + "mac = \"ff:ff:ff:ff:ff:ff\"\npublish = [\"53\"]\n" +
                          "[[guests]]\ntap = \"tap1\"\naddress = \"10.0.5.2\"\n"),
              testing::ElementsAre(testing::StartsWith("f:5:7: ff:ff:ff:ff:ff:ff is a group address"),
                                   testing::StartsWith("f:6:12: 53/tcp takes port 53"),
                                   testing::StartsWith("f:9:11: 10.0.5.2 is taken by guest a on tap0 (f:1:1)")));
}

TEST(LoadGuests, SaysNothingOfAddressesWhileANetworkIsWrong) {
  EXPECT_THAT(problems_of("[networks.default]\nprefix = \"10.0.0.0/99\"\n[[guests]]\ntap = \"tap0\"\naddress = "
                          "\"10.0.5.2\"\ngroups = [\"a\", \"a\"]\n"),
              testing::ElementsAre(testing::StartsWith("f:2:10:"), testing::StartsWith("f:6:16: group 'a'")));
}

TEST(LoadGuests, SuggestsAnAddressThatIsFreeAfterAllOthers) {
  EXPECT_THAT(
      problems_of("[[guests]]\ntap = \"tap9\"\n[[guests]]\ntap = \"tap8\"\n" + std::string{kFirst}),
      testing::ElementsAre("f:1:1: a declared guest needs an address of its own; write address = \"10.0.5.3\"",
                           "f:3:1: a declared guest needs an address of its own; write address = \"10.0.5.4\""));
  EXPECT_THAT(problems_of("[networks.a]\nprefix = \"10.0.6.0/24\"\n[networks.b]\nprefix = \"10.0.7.0/24\"\n"
                          "[[guests]]\ntap = \"tap0\"\n"),
              testing::ElementsAre(testing::StartsWith("f:5:1: a declared guest needs an address of its own"),
                                   "f:5:1: nothing says which network the guest is in; give it a network or an "
                                   "address of one of: a 10.0.6.0/24, b 10.0.7.0/24"));
}

}  // namespace
}  // namespace vrouter::config
