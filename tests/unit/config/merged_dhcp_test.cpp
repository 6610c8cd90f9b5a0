// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/merged_dhcp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/dhcp_options.h"
#include "config/guests.h"
#include "config/load.h"

namespace vrouter::config {
namespace {

class MergedDhcp : public testing::Test {
 protected:
  static Config load(const std::string& toml) {
    const PolicyText groups{.file = "p", .text = "[groups.web]\n[groups.lab]\n"};
    auto config = parse_config(toml, "f", std::span{&groups, 1});
    if (config) return *std::move(config);
    ADD_FAILURE() << config.error().front().to_string();
    return default_config();
  }
  static ClientDhcp merged(const Config& config) {
    return merged_dhcp(config, config.networks.at("default"), config.guests.front());
  }
  static std::vector<std::uint8_t> value(const ClientDhcp& merged, std::uint8_t code) {
    for (const auto& option : merged.options) {
      if (option.code == code) return option.value;
    }
    return {};
  }
};

constexpr auto kGuest = "[[guests]]\ntap = \"t\"\naddress = \"10.0.5.2\"\ngroups = [\"web\", \"lab\"]\n";

TEST_F(MergedDhcp, IsTheGuestsThenItsGroupsInOrderThenTheNetworks) {
  const auto config = load(std::string{R"([networks.default.dhcp]
ntp = "192.0.2.1"
log = "192.0.2.1"
dns = "192.0.2.1"
netbios = "192.0.2.1"
[dhcp.groups.lab]
log = "192.0.2.2"
dns = "192.0.2.2"
netbios = "192.0.2.2"
[dhcp.groups.web]
dns = "192.0.2.3"
netbios = "192.0.2.3"
)"} + kGuest + "dhcp = { netbios = \"192.0.2.4\", mask = 24, options = [{ code = 224, u8 = 1 }] }\n");
  const auto all = merged(config);
  const std::vector<RawDhcpOption> options{
      {6, {192, 0, 2, 3}}, {7, {192, 0, 2, 2}}, {42, {192, 0, 2, 1}}, {44, {192, 0, 2, 4}}, {224, {1}}};
  EXPECT_EQ(all.options, options);
  EXPECT_EQ(all.mask, 24);
}

TEST_F(MergedDhcp, TakesBootAsAWhole) {
  const auto config = load(std::string{R"([networks.default.dhcp]
boot = { server = "192.0.2.4", bios = "pxelinux.0" }
[dhcp.groups.web]
boot = { file = "x" }
)"} + kGuest);
  EXPECT_EQ(merged(config).boot, (NetworkBoot{.server = {}, .files = {}, .file = "x", .ipxe = {}}));
  const auto other = load(std::string{R"([networks.default.dhcp]
tftp_server = "t"
[dhcp.groups.web]
boot = { file = "x" }
)"} + kGuest);
  EXPECT_TRUE(merged(other).options.empty()) << "what the network says of option 66 would undo the group's boot";
}

TEST_F(MergedDhcp, CompletesRoutesByTheNetworkOfWhoeverGetsThem) {
  const auto config = load(std::string{"[dhcp.groups.lab]\nstatic_routes = [{ to = \"10.9.0.0/16\" }]\n"} + kGuest);
  const std::vector<std::uint8_t> routes{32, 10, 0, 5, 1, 0, 0, 0, 0, 0, 10, 0, 5, 1, 16, 10, 9, 10, 0, 5, 1};
  EXPECT_EQ(value(merged(config), 121), routes);
  EXPECT_EQ(value(merged(config), 249), routes);
  auto subnet = config.networks.at("default");
  subnet.addressing = Addressing::subnet;
  const std::vector<std::uint8_t> plain{0, 10, 0, 5, 1, 16, 10, 9, 10, 0, 5, 1};
  EXPECT_EQ(value(merged_dhcp(config, subnet, config.guests.front()), 249), plain);
  EXPECT_EQ(complete_routes(subnet, plain), plain);
  const auto& routed = config.networks.at("default");
  EXPECT_EQ(complete_routes(routed, routes), routes);
}

TEST_F(MergedDhcp, OfAClientBehindASharedLinkIsByItsGroups) {
  const auto config = load("[networks.default.dhcp]\nntp = \"192.0.2.1\"\n[dhcp.groups.lab]\nntp = \"192.0.2.2\"\n");
  const std::vector<std::string> groups{"web", "lab"};
  const auto& network = config.networks.at("default");
  EXPECT_EQ(value(merged_dhcp(config, network, groups), 42), (std::vector<std::uint8_t>{192, 0, 2, 2}));
  EXPECT_EQ(value(merged_dhcp(config, network, std::vector<std::string>{}), 42),
            (std::vector<std::uint8_t>{192, 0, 2, 1}));
}

TEST_F(MergedDhcp, RefusesOfGuestsAddedByCommandWhatFilesRefuse) {
  const auto config = load("");
  const GuestTable table;
  const auto refusal = [&](ClientDhcp dhcp) {
    Guest guest;
    guest.tap = "t";
    guest.dhcp = std::move(dhcp);
    const auto complete = table.complete(config, guest);
    return complete ? "taken in" : complete.error();
  };
  EXPECT_EQ(refusal({.options = {{42, {1, 2, 3, 4}}}, .boot = {}, .mask = 24}), "taken in");
  EXPECT_EQ(refusal({.options = {{121, {0, 10, 0, 5, 1}}}, .boot = {}, .mask = {}}), "taken in");
  EXPECT_THAT(refusal({.options = {}, .boot = {}, .mask = 33}), testing::HasSubstr("a mask of 33 bits"));
  EXPECT_THAT(refusal({.options = {{54, {1}}}, .boot = {}, .mask = {}}),
              testing::HasSubstr("DHCP option 54 can't be said"));
  EXPECT_THAT(refusal({.options = {{42, {}}}, .boot = {}, .mask = {}}), testing::HasSubstr("has 0 bytes"));
  EXPECT_THAT(refusal({.options = {{42, {1}}, {42, {1}}}, .boot = {}, .mask = {}}),
              testing::HasSubstr("not in its place"));
  EXPECT_THAT(refusal({.options = {{121, {33, 1}}}, .boot = {}, .mask = {}}), testing::HasSubstr("no list of routes"));
  EXPECT_THAT(refusal({.options = {}, .boot = NetworkBoot{}, .mask = {}}), testing::HasSubstr("boot names no file"));
  const NetworkBoot blank{.server = {}, .files = {{7, "a b"}}, .file = {}, .ipxe = {}};
  EXPECT_THAT(refusal({.options = {}, .boot = blank, .mask = {}}), testing::HasSubstr("'a b' can't name a boot file"));
}

// A pool passes over what leases may use, and what is kept for one client.
TEST_F(MergedDhcp, ThePoolPassesOverRangesAndReservations) {
  const auto config = load(
      "[networks.default.dhcp]\nrange = \"10.0.5.3-10.0.5.9\"\n"
      "reservations = [{ mac = \"52:54:00:00:00:01\", address = \"10.0.5.2\" },"
      "{ mac = \"52:54:00:00:00:02\", address = \"10.0.5.10\" }]\n");
  Guest guest;
  guest.tap = "t";
  EXPECT_EQ(GuestTable{}.complete(config, guest)->address->to_string(), "10.0.5.11");
}

}  // namespace
}  // namespace vrouter::config
