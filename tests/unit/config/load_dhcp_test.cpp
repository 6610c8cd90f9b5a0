// SPDX-License-Identifier: GPL-2.0-or-later
// What files say of DHCP: options as bytes, ranges, reservations, groups and guests, and what of it can't be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "problems.h"

namespace vrouter::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const PolicyText kGroups{.file = "p", .text = "[groups.web]\n[groups.lab]\n"};

Config load(const std::string& toml) {
  auto config = parse_config(toml, "f", std::span{&kGroups, 1});
  if (config) return *std::move(config);
  ADD_FAILURE() << config.error().front().to_string();
  return default_config();
}

std::vector<std::string> problems_with_groups(const std::string& toml) {
  std::vector<std::string> texts;
  const auto config = parse_config(toml, "f", std::span{&kGroups, 1});
  if (config) return texts;
  for (const auto& problem : config.error()) texts.push_back(problem.to_string());
  return texts;
}

const NetworkDhcp& dhcp_of(const Config& config) {
  return config.networks.at("default").dhcp;
}

std::vector<std::uint8_t> bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

TEST(LoadDhcp, MakesBytesOfOptionsByName) {
  const auto config = load(R"([networks.default.dhcp]
wpad = "http://w/p"
dns = ["192.0.2.53", "192.0.2.54"]
ntp = "192.0.2.1"
search = ["corp.example", "Example"]
ipv6_only = "30m"
captive_portal = "https://p.example/api"
tftp_server = "tftp.example"
posix_timezone = "CET-1CEST"
tzdb_timezone = "Europe/Berlin"
vendor = "0104"
)");
  const std::vector<RawDhcpOption> options{
      {6, {192, 0, 2, 53, 192, 0, 2, 54}},
      {42, {192, 0, 2, 1}},
      {43, {1, 4}},
      {66, bytes("tftp.example")},
      {100, bytes("CET-1CEST")},
      {101, bytes("Europe/Berlin")},
      {108, {0, 0, 0x07, 0x08}},
      {114, bytes("https://p.example/api")},
      {119, bytes(std::string_view{"\4corp\7example\0\7example\0", 23})},
      {252, bytes("http://w/p")},
  };
  EXPECT_EQ(dhcp_of(config).options, options);
}

TEST(LoadDhcp, MakesBytesOfOptionsByNumber) {
  const auto config = load(R"([networks.default.dhcp]
options = [{ code = 37, u8 = 64 }, { code = 22, u16 = 1400 }, { code = 2, u32 = 4294967295 }, { code = 19, bool = true },
  { code = 224, domains = ["a.b"] }]
)");
  const std::vector<RawDhcpOption> options{
      {2, {255, 255, 255, 255}}, {19, {1}}, {22, {5, 120}}, {37, {64}}, {224, {1, 'a', 1, 'b', 0}}};
  EXPECT_EQ(dhcp_of(config).options, options);
}

// RFC 3442: a client that has 121 ignores 3. dhclient-script adds them in this order, and under a /32 each router must
// be on the link before.
TEST(LoadDhcp, RoutesComeWithTheDefaultOne) {
  const auto routed = load("[networks.default.dhcp]\nstatic_routes = [{ to = \"10.9.0.0/16\" }]\n");
  const std::vector<std::uint8_t> by_gateway{32, 10, 0, 5,  1, 0, 0, 0, 0,  // on the link
                                             0,  10, 0, 5,  1,              // the default
                                             16, 10, 9, 10, 0, 5, 1};
  const std::vector<RawDhcpOption> both{{121, by_gateway}, {249, by_gateway}};
  EXPECT_EQ(dhcp_of(routed).options, both);
  const auto subnet = load(
      "[networks.default]\naddressing = \"subnet\"\n"
      "dhcp.static_routes = [{ to = \"10.9.0.0/16\", via = \"10.0.5.7\" }]\n");
  const std::vector<std::uint8_t> by_sibling{0, 10, 0, 5, 1, 16, 10, 9, 10, 0, 5, 7};
  EXPECT_EQ(dhcp_of(subnet).options.at(0), (RawDhcpOption{121, by_sibling}));
  const auto other = load(
      "[networks.default]\naddressing = \"subnet\"\n"
      "dhcp.static_routes = [{ to = \"0.0.0.0/0\", via = \"10.0.5.7\" }]\n");
  EXPECT_EQ(dhcp_of(other).options.at(0), (RawDhcpOption{121, {0, 10, 0, 5, 7}})) << "another default is the only one";
  const auto shared = load(
      "[networks.default.dhcp]\nrange = \"10.0.5.200-10.0.5.249\"\n"
      "static_routes = [{ to = \"10.9.0.0/16\", via = \"10.0.5.7\" }]\n");
  const std::vector<std::uint8_t> on_link{32, 10, 0, 5, 1,  0, 0, 0, 0,  32, 10, 0,  5, 7, 0,
                                          0,  0,  0, 0, 10, 0, 5, 1, 16, 10, 9,  10, 0, 5, 7};
  EXPECT_EQ(dhcp_of(shared).options.at(0), (RawDhcpOption{121, on_link}));
}

TEST(LoadDhcp, ReadsWhereToBootFrom) {
  const auto config = load(R"([networks.default.dhcp.boot]
server = "192.0.2.4"
file = "x"
bios = "pxelinux.0"
efi_x64 = "x64.efi"
efi_ia32 = "ia32.efi"
efi_arm64 = "aa64.efi"
http_x64 = "http://b/x"
http_arm64 = "http://b/a"
ipxe = "http://b/boot.ipxe"
)");
  const auto& boot = dhcp_of(config).boot.value();
  EXPECT_EQ(boot.server->to_string(), "192.0.2.4");
  EXPECT_EQ(boot.file, "x");
  EXPECT_EQ(boot.ipxe, "http://b/boot.ipxe");
  const std::map<std::uint16_t, std::string> files{{0, "pxelinux.0"}, {6, "ia32.efi"},  {7, "x64.efi"},
                                                   {9, "x64.efi"},    {11, "aa64.efi"}, {16, "http://b/x"},
                                                   {19, "http://b/a"}};
  EXPECT_EQ(boot.files, files);
}

TEST(LoadDhcp, ReadsRangeAndReservations) {
  const auto config = load(R"([networks.default.dhcp]
range = "10.0.5.200-10.0.5.249"
exclude = ["10.0.5.210", "10.0.5.220-10.0.5.229"]
identity = "mac"
quarantine = "2h"
probe = false
leases_per_port = 0
bootp = true
reservations = [
  { mac = "52:54:00:12:34:56", client_id = "0152", address = "10.0.5.210", name = "Printer", groups = ["web"] },
  { mac = "52:54:00:12:34:57", address = "10.0.5.9" },
]
)");
  const auto& dhcp = dhcp_of(config);
  const std::vector<AddressRange> excluded{{address_v4{0x0a0005d2}, address_v4{0x0a0005d2}},
                                           {address_v4{0x0a0005dc}, address_v4{0x0a0005e5}}};
  EXPECT_EQ(dhcp.exclude, excluded);
  EXPECT_EQ(dhcp.identity, Identity::mac);
  EXPECT_EQ(dhcp.quarantine, std::chrono::hours{2});
  EXPECT_TRUE(dhcp.bootp && !dhcp.probe && dhcp.leases_per_port == 0);
  ASSERT_EQ(dhcp.reservations.size(), 2U);
  const auto& printer = dhcp.reservations[0];
  EXPECT_EQ(printer.mac->to_string(), "52:54:00:12:34:56");
  EXPECT_EQ(printer.client_id, (std::vector<std::uint8_t>{1, 0x52}));
  EXPECT_EQ(printer.address.to_string(), "10.0.5.210");
  EXPECT_EQ(printer.name, "printer");
  EXPECT_THAT(printer.groups, ElementsAre("web"));
  EXPECT_EQ(printer.declared_at, (Place{"f", 10, 3}));
}

TEST(LoadDhcp, ReadsGroupsAndGuests) {
  const auto config = load(R"([dhcp.groups.web]
ntp = "192.0.2.1"
boot.file = "x"
[networks.default]
dhcp.range = "10.0.5.200-10.0.5.249"
[[guests]]
tap = "tap0"
address = "10.0.5.2"
dhcp = { ntp = "192.0.2.2", options = [{ code = 224, text = "x" }], mask = 24, static_routes = [{ to = "10.9.0.0/16" }] }
[[guests]]
tap = "br0"
shared = true
groups = ["web"]
limits = { new_connections = 7 }
)");
  const auto& web = config.dhcp_groups.at("web");
  EXPECT_EQ(web.options, (std::vector<RawDhcpOption>{{42, {192, 0, 2, 1}}}));
  EXPECT_EQ(web.boot->file, "x");
  ASSERT_EQ(config.guests.size(), 2U);
  EXPECT_EQ(config.guests[0].dhcp.mask, 24);
  EXPECT_EQ(config.guests[0].dhcp.options.size(), 4U);
  const auto& shared = config.guests[1];
  EXPECT_TRUE(shared.shared);
  EXPECT_FALSE(shared.address);
  EXPECT_EQ(shared.name, "br0");
  EXPECT_EQ(shared.network, "default");
}

TEST(LoadDhcp, RefusesOptionsThatCantBe) {
  const BadFile kCases[] = {
      {"ntp = \"192.0.2.1\"\noptions = [{ code = 42, hex = \"00\" }]",
       {"f:3:12: DHCP option 42 stands twice: here and at f:2:7 as ntp; write it once"}},
      {"options = [{ code = 42, hex = \"00\" }]\nntp = \"192.0.2.1\"",
       {"f:3:7: DHCP option 42 stands twice: here as ntp and at f:2:12; write it once"}},
      {"dns = []", {"f:2:7: the value of DHCP option 6 has 0 bytes; write 1 to 255"}},
      {"dns = \"127.0.0.53\"", {"f:2:7: 127.0.0.53 is no address of a server that clients could ask; name one server"}},
      {"search = \"a b\"",
       {"f:2:10: 'a b' is no domain; write labels of letters, digits and hyphens with dots between, such as "
        "guests.internal"}},
      {"captive_portal = \"portal.example\"",
       {"f:2:18: 'portal.example' is no address of a page; write at most 255 characters such as "
        "http://boot.example/menu"}},
      {"tftp_server = \"a b\"",
       {"f:2:15: 'a b' is neither a host name nor an IPv4 address; write one, such as tftp.example"}},
      {"ipv6_only = \"4m\"", {"f:2:13: '4m' is too short; write 5m to 365d (RFC 8925)"}},
      {"options = [{ code = 37, u8 = 256 }]", {"f:2:30: 256 is no u8; write 0 to 255"}},
      {"static_routes = [{ via = \"10.0.5.1\" }]",
       {"f:2:18: a route needs where it leads; write to = \"10.9.0.0/16\""}},
      {"static_routes = [{ to = \"10.9.0.0/16\" }, { to = \"10.9.0.0/16\" }]",
       {"f:2:42: a route to 10.9.0.0/16 stands twice; write it once"}},
      {"static_routes = [{ to = \"10.9.0.0/16\", via = \"10.0.6.1\" }]",
       {"f:2:46: 10.0.6.1 is outside network default; write an address of 10.0.5.0/24, or leave it out for the "
        "gateway"}},
      {"static_routes = [{ to = \"10.9.0.0/16\", via = \"10.0.5.7\" }]",
       {"f:2:46: 10.0.5.7 is beyond the gateway, where addressing is \"routed\"; leave it out for the gateway, or "
        "write "
        "addressing = \"subnet\""}},
      {"boot = { server = \"192.0.2.4\" }", {"f:2:8: boot names no file; write one, such as bios = \"pxelinux.0\""}},
      {"boot = { http_x64 = \"bootx64.efi\" }",
       {"f:2:21: 'bootx64.efi' is no address of a page; write at most 255 characters such as "
        "http://boot.example/menu"}},
      {"boot = { file = \"x\" }\ntftp_server = \"t\"",
       {"f:3:15: DHCP option 66 says what `boot` says; write server in boot"}},
  };
  for (const auto& c : kCases)
    EXPECT_EQ(problems_of("[networks.default.dhcp]\n" + std::string{c.toml} + "\n"), c.problems) << c.toml;
}

TEST(LoadDhcp, RefusesRangesAndReservationsThatCantBe) {
  const std::string range = "range = \"10.0.5.200-10.0.5.209\"\n";
  const std::pair<std::string, const char*> kCases[] = {
      {"exclude = [\"10.0.5.2\"]", "f:2:11: exclude is about leases, and the network gives none; write range = "},
      {"relays = [\"192.0.2.7\"]", "f:2:10: relays is about leases, and the network gives none"},
      {range + "exclude = [\"10.0.5.210\"]", "f:3:12: 10.0.5.210 is not all inside the dhcp range 10.0.5.200-"},
      {range + "exclude = [\"10.0.5.200\", \"10.0.5.200-10.0.5.201\"]",
       "f:3:26: 10.0.5.200-10.0.5.201 overlaps 10.0.5.200, which is excluded too"},
      {range + "exclude = [\"10.0.5.200-10.0.5.209\"]", "f:3:11: this leaves no address of the dhcp range"},
      {range + "identity = \"duid\"", "f:3:12: identity can't be 'duid'; write client-id or mac"},
      {range + "quarantine = \"1s\"", "f:3:14: quarantine is too short; write 60s to 30d, such as 1h"},
      {range + "leases_per_port = -1", "f:3:19: leases_per_port can't be -1; write 1 to 65536, or 0 for no bound"},
      {range + "reservations = [{ address = \"10.0.5.9\" }]", "f:3:17: nothing says whom this reservation is for"},
      {range + "reservations = [{ mac = \"52:54:00:12:34:56\" }]", "f:3:17: a reservation needs its address"},
      {range + "identity = \"mac\"\nreservations = [{ client_id = \"0102\", address = \"10.0.5.9\" }]",
       "f:4:31: with identity = \"mac\" no client is told by its client-id; write its mac"},
  };
  for (const auto& [toml, problem] : kCases)
    EXPECT_THAT(problems_of("[networks.default.dhcp]\n" + toml + "\n"), ElementsAre(StartsWith(problem))) << toml;
  const std::pair<std::string, const char*> kReservations[] = {
      {"address = \"10.0.6.9\"", ":4:40: 10.0.6.9 is outside 10.0.5.0/24; write an address inside"},
      {"address = \"10.0.5.1\"", ":4:40: 10.0.5.1 is the gateway; write another address of 10.0.5.0/24"},
      {"address = \"10.0.5.255\"", ":4:40: 10.0.5.255 is the first or last address of 10.0.5.0/24"},
      {"address = \"10.0.5.8\"", ":4:40: 10.0.5.8 is reserved twice, here and at f:3:17"},
      {"address = \"10.0.5.9\", name = \"one\"", ":4:59: the name one is taken by the reservation at f:3:17"},
      {"address = \"10.0.5.9\", client_id = \"01\"",
       ":4:64: a client-id has 2 to 255 bytes, its type byte first, not 1"},
      {"address = \"10.0.5.9\", client_id = \"0102\"", ":4:64: this client-id has a reservation already (f:3:17)"},
      {"address = \"10.0.5.9\", groups = [\"wbe\"]",
       ":4:62: no policy file declares the group 'wbe'; name one of: lab, "
       "web; or declare [groups.wbe] in a policy file"},
  };
  const auto first = range +
                     "reservations = [{ mac = \"52:54:00:00:00:01\", address = \"10.0.5.8\", name = \"one\", client_id "
                     "= \"0102\" },\n";
  for (const auto& [toml, problem] : kReservations) {
    EXPECT_THAT(
        problems_with_groups("[networks.default.dhcp]\n" + first + "{ mac = \"52:54:00:00:00:02\", " + toml + "}]\n"),
        ElementsAre(HasSubstr(problem)))
        << toml;
  }
  EXPECT_THAT(
      problems_of("[networks.default.dhcp]\n" + first + "{ mac = \"52:54:00:00:00:01\", address = \"10.0.5.9\" }]\n"),
      ElementsAre(StartsWith("f:4:9: 52:54:00:00:00:01 has a reservation already (f:3:17)")));
}

TEST(LoadDhcp, RefusesGroupsThatCantBe) {
  EXPECT_THAT(problems_with_groups("[dhcp.groups.wbe]\nntp = \"192.0.2.1\"\n"),
              ElementsAre(StartsWith("f:1:14: no policy file declares the group 'wbe'; name one of: lab, web")));
  EXPECT_THAT(
      problems_with_groups("[dhcp.groups.web]\nstatic_routes = [{ to = \"10.9.0.0/16\", via = \"10.0.5.7\" }]\n"),
      ElementsAre("f:2:46: members of a group may be in several networks, each with its own gateway; leave via "
                  "out"));
  EXPECT_THAT(problems_with_groups("[dhcp]\nlease_time = \"1h\"\n"),
              ElementsAre("f:2:1: unknown key 'lease_time' in [dhcp]; it may have groups"));
  EXPECT_THAT(problems_of("[dhcp.groups.wbe]\nntp = \"192.0.2.1\"\n"), IsEmpty()) << "nothing is known of the policy";
}

TEST(LoadDhcp, RefusesGuestsThatTakeWhatIsLeased) {
  const std::string network =
      "[networks.default.dhcp]\nrange = \"10.0.5.200-10.0.5.249\"\n"
      "reservations = [{ mac = \"52:54:00:00:00:01\", address = \"10.0.5.9\", name = \"printer\" }]\n"
      "[[guests]]\n";
  const std::pair<const char*, const char*> kCases[] = {
      {"tap = \"t\"\naddress = \"10.0.5.200\"",
       "f:6:11: 10.0.5.200 is in the dhcp range 10.0.5.200-10.0.5.249 of network default; take another, such as "
       "10.0.5.2"},
      {"tap = \"t\"\naddress = \"10.0.5.9\"",
       "f:6:11: 10.0.5.9 is reserved for printer (f:3:17); take another, such as 10.0.5.2"},
      {"tap = \"printer\"\naddress = \"10.0.5.2\"",
       "f:5:7: the name printer is reserved for 10.0.5.9 (f:3:17); give the guest another name"},
      {"tap = \"t\"\naddress = \"10.0.5.2\"\nallowed_addresses = [\"10.0.5.201\"]",
       "f:7:22: 10.0.5.201 is in the dhcp range 10.0.5.200-10.0.5.249 of network default; allow another address"},
      {"tap = \"t\"\naddress = \"10.0.5.2\"\ndhcp.mask = 33",
       "f:7:13: a mask of 33 bits can't be; write a prefix length of 8 to 32, such as 24"},
      {"tap = \"t\"\nshared = true\naddress = \"10.0.5.2\"",
       "f:7:11: an interface that several clients share has no address of its own; leave it out, or declare a guest "
       "that "
       "is not shared"},
      {"tap = \"t\"\nshared = true\nfloating = \"2001:db8::1\"",
       "f:7:12: an interface that several clients share has no floating address of its own; leave it out, or declare "
       "a guest that is not shared"},
      {"tap = \"t\"\nshared = true\npublish = [\"80\"]",
       "f:7:12: nothing can be published of an interface that several clients share; declare the client that serves it "
       "as a guest of its own"},
      {"tap = \"t\"\nshared = true\ndhcp.ntp = \"192.0.2.1\"",
       "f:4:1: clients behind an interface that several share are told by DHCP what their groups and their network "
       "say; write "
       "it in [networks.default.dhcp], or in [dhcp.groups.NAME] of one of its groups"},
  };
  for (const auto& [toml, problem] : kCases)
    EXPECT_THAT(problems_of(network + toml + "\n"), ElementsAre(problem)) << toml;
  EXPECT_THAT(problems_of("[[guests]]\ntap = \"br0\"\nshared = true\nnetwork = \"default\"\n"),
              ElementsAre(StartsWith("f:4:11: network default has no dhcp range")));
}

// What the service is told of a network in one message is bounded.
TEST(LoadDhcp, RefusesMoreExcludedAddressesAndRelaysThanTheServiceIsTold) {
  const std::string range =
      "[networks.office]\nprefix = \"10.9.0.0/16\"\n[networks.office.dhcp]\nrange = \"10.9.1.0-10.9.200.0\"\n";
  const auto listed = [](const std::string& key, unsigned first, unsigned count) {
    std::string toml = key + " = [";
    for (unsigned i = 0; i < count; ++i) toml += '"' + address_v4{first + i}.to_string() + "\", ";
    return toml + "]\n";
  };
  constexpr unsigned kExcluded = 0x0a090100, kRelay = 0xc6120000;
  EXPECT_THAT(problems_of(range + listed("exclude", kExcluded, 1024) + listed("relays", kRelay, 256)), IsEmpty());
  EXPECT_THAT(problems_of(range + listed("exclude", kExcluded, 1025)),
              ElementsAre("f:5:11: more than 1024 ranges are excluded; join neighbours to \"FIRST-LAST\""));
  EXPECT_THAT(problems_of(range + listed("relays", kRelay, 257)),
              ElementsAre("f:5:10: more than 256 relays; make several networks of this one"));
}

// The place of a guest's own `via` is its own; its network, by which it is judged, is known only later.
TEST(LoadDhcp, JudgesAGuestsRoutersByItsNetwork) {
  EXPECT_THAT(problems_of("[[guests]]\ntap = \"t\"\naddress = \"10.0.5.2\"\n"
                          "dhcp.static_routes = [{ to = \"10.9.0.0/16\", via = \"10.0.6.7\" }]\n"),
              ElementsAre(StartsWith("f:1:1: 10.0.6.7 is outside network default")));
}

}  // namespace
}  // namespace vrouter::config
