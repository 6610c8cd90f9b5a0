// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/model.h"

#include <gtest/gtest.h>

namespace vrouter::config {
namespace {

TEST(Model, DefaultsAreThoseOfTheDesign) {
  const auto config = default_config();
  EXPECT_TRUE(config.file.empty());
  ASSERT_EQ(config.networks.size(), 1U);
  const auto& network = config.networks.at("default");
  EXPECT_EQ(network.name, "default");
  EXPECT_EQ(network.prefix.to_string(), "10.0.5.0/24");
  EXPECT_EQ(network.gateway.to_string(), "10.0.5.1");
  ASSERT_TRUE(network.prefix6 && network.gateway6);
  EXPECT_EQ(network.prefix6->to_string(), "fd76:7274:5::/64");
  EXPECT_EQ(network.gateway6->to_string(), "fd76:7274:5::1");
  EXPECT_EQ(network.mode, Mode::nat);
  EXPECT_EQ(network.addressing, Addressing::routed);
  EXPECT_EQ(network.domain, "guests.internal");
  EXPECT_EQ(network.mtu, 1500);
  EXPECT_EQ(network.dhcp.lease_time, std::chrono::hours{1});
  EXPECT_FALSE(network.pool || network.dhcp.range);
  EXPECT_EQ(config.host.forwarding, Forwarding::interfaces);
  EXPECT_EQ(config.host.bridge_netfilter, BridgeNetfilter::off);
  EXPECT_EQ(config.host.route_protocol, 118);
  EXPECT_EQ(config.host.table_owner, TableOwner::automatic);
}

TEST(Model, PlacesAreWrittenAsCompilersDo) {
  EXPECT_EQ((Place{"vrouter.toml", 3, 10}).to_string(), "vrouter.toml:3:10");
  EXPECT_EQ((Place{"vrouter.toml"}).to_string(), "vrouter.toml");
  EXPECT_EQ((Problem{{"vrouter.toml", 3, 10}, "wrong"}).to_string(), "vrouter.toml:3:10: wrong");
  EXPECT_EQ((Problem{{}, "wrong"}).to_string(), "wrong");
}

TEST(Model, EveryValueHasTheNameItIsWrittenBy) {
  EXPECT_EQ(name(Forwarding::interfaces), "interfaces");
  EXPECT_EQ(name(Forwarding::global), "global");
  EXPECT_EQ(name(BridgeNetfilter::off), "off");
  EXPECT_EQ(name(BridgeNetfilter::on), "on");
  EXPECT_EQ(name(BridgeNetfilter::leave), "leave");
  EXPECT_EQ(name(Mode::nat), "nat");
  EXPECT_EQ(name(Mode::routed), "routed");
  EXPECT_EQ(name(Mode::isolated), "isolated");
  EXPECT_EQ(name(Addressing::routed), "routed");
  EXPECT_EQ(name(Addressing::subnet), "subnet");
  EXPECT_EQ(name(Protocol::tcp), "tcp");
  EXPECT_EQ(name(Protocol::udp), "udp");
  EXPECT_EQ(name(Protocol::sctp), "sctp");
}

}  // namespace
}  // namespace vrouter::config
