// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>

#include "reconcile_fixture.h"

namespace vrouter::router {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::array kBridgeKeys{
    "net/bridge/bridge-nf-call-arptables",     "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-iptables",      "net/bridge/bridge-nf-filter-pppoe-tagged",
    "net/bridge/bridge-nf-filter-vlan-tagged", "net/bridge/bridge-nf-pass-vlan-input-dev",
};

class ReconcileHost : public ReconcileTest {
 protected:
  [[nodiscard]] HostPlan host_plan() { return diff_host(desired, observed, originals); }
  void apply_host() {
    const auto plan = host_plan();
    run(plan.host);
    run(plan.stale);
  }
  [[nodiscard]] static Route unreachable(const char* prefix) {
    Route route;
    route.destination = net4(prefix);
    route.metric = kUnreachableMetric;
    route.type = RouteType::unreachable;
    route.protocol = 118;
    return route;
  }
};

TEST_F(ReconcileHost, PutsGatewayUnreachableRouteAndForwarding) {
  EXPECT_THAT(sentences(host_plan().host),
              ElementsAre("add address 10.0.5.1/32 to lo", "add unreachable route 10.0.5.0/24",
                          "set sysctl net/ipv4/conf/eth0/forwarding to 1"));
  EXPECT_THAT(host_plan().host.record, ElementsAre(Original{"address 10.0.5.1 lo", "absent"},
                                                   Original{"sysctl net/ipv4/conf/eth0/forwarding", "0"}));
  apply_host();
  EXPECT_THAT(fake.route_table, ElementsAre(unreachable("10.0.5.0/24")));
  EXPECT_TRUE(host_plan().empty());
  see();
  EXPECT_TRUE(host_plan().empty());
}

// Its clients may be anywhere: the rest of it is no nowhere.
TEST_F(ReconcileHost, ANetworkBehindRelaysHasNoUnreachableRoute) {
  apply_host();
  desired.host.networks.front().relayed = true;
  EXPECT_THAT(sentences(host_plan().stale), ElementsAre("remove unreachable route 10.0.5.0/24"));
  apply_host();
  EXPECT_THAT(fake.route_table, IsEmpty());
  EXPECT_THAT(fake.address_table, ElementsAre(InterfaceAddress{kLo, v4("10.0.5.1"), 32, 0, false}));
  EXPECT_TRUE(host_plan().empty());
}

TEST_F(ReconcileHost, RelaysOfTheConfigurationMakeANetworkRelayed) {
  config::Config config;
  config::Network network;
  network.name = "office";
  network.prefix = net4("10.9.0.0/24");
  config.networks = {{"lab", network}, {"office", network}};
  config.networks.at("office").dhcp.relays = {v4("192.0.2.7")};
  const auto host = desired_host(config, {}, {}, {});
  ASSERT_EQ(host.networks.size(), 2U);
  EXPECT_FALSE(host.networks[0].relayed);
  EXPECT_TRUE(host.networks[1].relayed);
}

TEST_F(ReconcileHost, AGatewayThatWasThereBeforeUsStays) {
  fake.address_table.push_back({kLo, v4("10.0.5.1"), 32, 0, false});
  see();
  apply_host();
  EXPECT_EQ(fake.address_table.size(), 1U);
  run(restore(originals, observed, 118));
  EXPECT_EQ(fake.address_table.size(), 1U);
}

TEST_F(ReconcileHost, ANetworkThatGoesTakesItsGatewayAndRouteAlong) {
  apply_host();
  desired.host.networks = {{"other", net4("10.0.6.0/24"), v4("10.0.6.1")}};
  EXPECT_THAT(sentences(host_plan().stale),
              ElementsAre("remove address 10.0.5.1/32 from lo", "remove unreachable route 10.0.5.0/24"));
  apply_host();
  EXPECT_THAT(fake.address_table, ElementsAre(InterfaceAddress{kLo, v4("10.0.6.1"), 32, 0, false}));
  EXPECT_THAT(fake.route_table, ElementsAre(unreachable("10.0.6.0/24")));
  EXPECT_FALSE(originals.contains("address 10.0.5.1 lo"));
}

TEST_F(ReconcileHost, AnUplinkThatForwardedBeforeUsIsNotGuarded) {
  fake.add_link(7, "eth1", "veth").conf[Conf::forwarding] = 1;
  desired.host.uplinks = {"eth0", "eth1"};
  see();
  apply_host();
  EXPECT_THAT(guarded_interfaces(originals, observed), ElementsAre("eth0"));
  sysctls.values["net/ipv4/ip_forward"] = "1";
  see();
  EXPECT_THAT(guarded_interfaces(originals, observed), IsEmpty());
}

TEST_F(ReconcileHost, AnUplinkNoLongerOneGetsItsForwardingBack) {
  apply_host();
  fake.add_link(7, "eth1", "veth");
  see();
  desired.host.uplinks = {"eth1"};
  apply_host();
  EXPECT_EQ(fake.link_table.at(kEth0).conf[Conf::forwarding], 0);
  EXPECT_EQ(fake.link_table.at(7).conf[Conf::forwarding], 1);
  EXPECT_FALSE(originals.contains("sysctl net/ipv4/conf/eth0/forwarding"));
}

TEST_F(ReconcileHost, AnUplinkThatIsNotThereYetIsTakenWhenItAppears) {
  desired.host.uplinks = {"eth9"};
  apply_host();
  EXPECT_TRUE(host_plan().empty());
  const Affected affected = observed.on(LinkChanged{fake.add_link(9, "eth9", "veth")});
  EXPECT_TRUE(affected.host);
  EXPECT_THAT(sentences(host_plan().host), ElementsAre("set sysctl net/ipv4/conf/eth9/forwarding to 1"));
}

TEST_F(ReconcileHost, GlobalForwardingWritesDownAllThatItMoves) {
  fake.add_link(7, "br0", "bridge").conf[Conf::forwarding] = 1;
  desired.host.forwarding = config::Forwarding::global;
  see();
  apply_host();
  EXPECT_EQ(sysctls.values.at("net/ipv4/ip_forward"), "1");
  EXPECT_TRUE(host_plan().empty());
  see();
  EXPECT_TRUE(host_plan().empty());
  run(restore(originals, observed, 118));
  EXPECT_EQ(sysctls.values.at("net/ipv4/ip_forward"), "0");
  EXPECT_EQ(fake.link_table.at(7).conf[Conf::forwarding], 1);  // though ip_forward=0 took it along
  EXPECT_EQ(fake.link_table.at(kEth0).conf[Conf::forwarding], 0);
}

TEST_F(ReconcileHost, FromGlobalBackToInterfacesKeepsTheUplinkForwarding) {
  desired.host.forwarding = config::Forwarding::global;
  apply_host();
  see();
  desired.host.forwarding = config::Forwarding::interfaces;
  apply_host();
  EXPECT_EQ(sysctls.values.at("net/ipv4/ip_forward"), "0");
  EXPECT_EQ(fake.link_table.at(kEth0).conf[Conf::forwarding], 1);
  see();
  EXPECT_THAT(guarded_interfaces(originals, observed), ElementsAre("eth0"));
  EXPECT_TRUE(host_plan().empty());
  run(restore(originals, observed, 118));
  EXPECT_EQ(fake.link_table.at(kEth0).conf[Conf::forwarding], 0);
}

TEST_F(ReconcileHost, BridgeNetfilterIsTurnedOffAndGivenBack) {
  for (const char* key : kBridgeKeys) sysctls.values[key] = "1";
  see();
  apply_host();
  for (const char* key : kBridgeKeys) EXPECT_EQ(sysctls.values.at(key), "0") << key;
  EXPECT_TRUE(host_plan().empty());
  desired.host.bridge_netfilter = config::BridgeNetfilter::leave;
  apply_host();
  for (const char* key : kBridgeKeys) EXPECT_EQ(sysctls.values.at(key), "1") << key;
  EXPECT_TRUE(host_plan().empty());
}

TEST_F(ReconcileHost, BridgeNetfilterOnSetsTheTaggedSwitchesToo) {
  for (const char* key : kBridgeKeys) sysctls.values[key] = "0";
  desired.host.bridge_netfilter = config::BridgeNetfilter::on;
  see();
  apply_host();
  for (const char* key : kBridgeKeys) EXPECT_EQ(sysctls.values.at(key), "1") << key;
  run(restore(originals, observed, 118));
  for (const char* key : kBridgeKeys) EXPECT_EQ(sysctls.values.at(key), "0") << key;
}

TEST_F(ReconcileHost, BridgeNetfilterWithoutItsModule) {
  EXPECT_THAT(host_plan().host.problems, IsEmpty());  // off: nothing to turn off
  desired.host.bridge_netfilter = config::BridgeNetfilter::on;
  EXPECT_THAT(host_plan().host.problems, ElementsAre(HasSubstr("modprobe br_netfilter")));
}

TEST_F(ReconcileHost, ArpIgnoreEightIsReported) {
  sysctls.values["net/ipv4/conf/all/arp_ignore"] = "8";
  see();
  EXPECT_THAT(host_plan().host.problems, ElementsAre(HasSubstr("arp_ignore=0")));
}

TEST_F(ReconcileHost, StaleRoutesOfOursGoForeignOnesStay) {
  Route stale;
  stale.destination = net4("10.0.5.9/32");
  stale.protocol = 118;
  stale.ifindex = kTap0;
  Route foreign = stale;
  foreign.destination = net4("10.9.9.9/32");
  foreign.protocol = 4;
  fake.route_table = {stale, foreign};
  see();
  reconcile();
  EXPECT_THAT(fake.route_table, Contains(foreign));
  EXPECT_THAT(fake.route_table, Not(Contains(stale)));
}

TEST_F(ReconcileHost, GuestsThatAreNoLongerDesiredAreReleased) {
  add_guest("tap0", "10.0.5.2");
  reconcile();
  ASSERT_EQ(tap0().group, kGuestGroup);
  desired.guests.clear();
  const auto full = diff(desired, observed, originals);
  ASSERT_EQ(full.release.size(), 1U);
  EXPECT_EQ(full.release[0].first, "tap0");
  run(full);
  EXPECT_EQ(tap0().group, 0U);
  EXPECT_TRUE(diff(desired, observed, originals).empty());
}

TEST_F(ReconcileHost, ARightHostYieldsAnEmptyPlanAfterARestart) {
  add_guest("tap0", "10.0.5.2");
  reconcile();
  EXPECT_TRUE(diff(desired, observed, originals).empty());
  see();
  EXPECT_TRUE(diff(desired, observed, originals).empty());
}

TEST_F(ReconcileHost, TeardownLeavesTheHostAsItWasFound) {
  const auto links = fake.link_table;
  for (const char* key : kBridgeKeys) sysctls.values[key] = "1";
  const auto values = sysctls.values;
  Route foreign;
  foreign.destination = net4("0.0.0.0/0");
  foreign.protocol = 3;
  foreign.ifindex = kEth0;
  fake.route_table = {foreign};
  see();
  add_guest("tap0", "10.0.5.2").mac = MacAddress{{2, 0, 0, 0, 0, 2}};
  reconcile();
  see();  // another process does the teardown
  run(restore(originals, observed, 118));
  EXPECT_EQ(fake.link_table, links);
  for (const auto& [key, value] : values) EXPECT_EQ(sysctls.values.at(key), value) << key;
  EXPECT_THAT(fake.route_table, ElementsAre(foreign));
  EXPECT_THAT(fake.address_table, IsEmpty());
  EXPECT_THAT(originals, IsEmpty());
  EXPECT_TRUE(restore(originals, observed, 118).empty());
}

TEST_F(ReconcileHost, LoIsRaisedWhereANamespaceLeftItDown) {
  fake.link_table.at(kLo).up = false;
  see();
  apply_host();
  EXPECT_TRUE(fake.link_table.at(kLo).up);
  reconcile();
  EXPECT_TRUE(fake.link_table.at(kLo).up);
  run(restore(originals, observed, 118));
  EXPECT_FALSE(fake.link_table.at(kLo).up);
}

}  // namespace
}  // namespace vrouter::router
