// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>
#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/netfilter/nf_conntrack_common.h>

#include "firewall/compile.h"
#include "router/daemon/cut.h"

namespace vrouter::router {
namespace {

using boost::asio::ip::make_address;
using boost::asio::ip::make_address_v4;
using boost::asio::ip::make_address_v6;
using config::Action;
using config::Peer;

Connection connection(const char* from, const char* to, std::uint16_t port, std::uint8_t protocol = IPPROTO_TCP) {
  const auto destination = make_address(to);
  return {make_address(from), destination, protocol, 40000, port, 0, destination, port, IPS_SEEN_REPLY | IPS_CONFIRMED};
}

// 192.0.2.1:8080 leads to web1 (10.0.5.2:80); web may ask db (10.0.5.3) on 5432, and 198.51.100.0/24 may not reach web.
class Cut : public testing::Test {
 protected:
  Cut() {
    config::Network network;
    network.name = "default";
    network.prefix = boost::asio::ip::make_network_v4("10.0.5.0/24");
    network.gateway = make_address_v4("10.0.5.1");
    network.prefix6 = boost::asio::ip::make_network_v6("fd76:7274:5::/64");
    network.gateway6 = make_address_v6("fd76:7274:5::1");
    config_.networks.emplace("default", network);
    for (const auto* name : {"web", "db"}) {
      config_.policy.groups[name] = {name, Action::allow, Action::deny, {}};
    }
    Peer banned{Peer::Kind::net, {}, boost::asio::ip::make_network_v4("198.51.100.0/24"), {}};
    add_rule("banned", banned, {Peer::Kind::group, "web"}, Action::deny, {});
    add_rule("query", {Peer::Kind::group, "web"}, {Peer::Kind::group, "db"}, Action::allow,
             {{IPPROTO_TCP, config::PortRange{5432, 5432}, {}}});
    web_ = guest("web", 2);
    config::Publish port;
    port.first = port.last = 8080;
    port.guest_first = 80;
    web_.publish = {port};
    db_ = guest("db", 3);
    other_ = guest("", 4);
    build();
  }

  void add_rule(const std::string& name, const Peer& from, const Peer& to, Action action,
                std::vector<config::Service> services) {
    config::PolicyRule rule;
    rule.name = name;
    rule.from = {from};
    rule.to = {to};
    rule.action = action;
    rule.services = std::move(services);
    config_.policy.rules.push_back(std::move(rule));
  }

  static config::Guest guest(const std::string& group, std::uint8_t number) {
    config::Guest made;
    made.name = "guest" + std::to_string(number);
    made.tap = "tap" + std::to_string(number);
    made.network = "default";
    made.address = address_v4{0x0a000500U + number};
    auto bytes = make_address_v6("fd76:7274:5::").to_bytes();
    bytes.back() = number;
    made.address6 = address_v6{bytes};
    if (!group.empty()) made.groups = {group};
    return made;
  }

  void build() {
    const auto& network = config_.networks.at("default");
    firewall::Profiles profiles{config_};
    firewall::Topology topology;
    topology.add(network);
    topology.uplink = "up0";
    topology.host.own().insert_or_assign(make_address("192.0.2.1"), "up0");
    for (const auto* one : {&web_, &db_, &other_}) {
      profiles.add(*one, network);
      topology.add(*one);
    }
    auto rules = std::make_shared<firewall::Ruleset>(firewall::compile(config_, {}, profiles));
    for (const auto* one : {&web_, &db_, &other_}) {
      rules->insert(firewall::compile_guest(*one, network, profiles));
    }
    rules->insert(told_);
    denied_ = denied_by(rules, topology, learned_);
  }

  // From the world to 192.0.2.1, translated to that guest's port.
  static Connection translated(const char* from, std::uint16_t port, const char* to, std::uint16_t to_port) {
    auto made = connection(from, "192.0.2.1", port);
    made.target = make_address(to);
    made.target_port = to_port;
    made.status |= IPS_DST_NAT | IPS_DST_NAT_DONE;
    return made;
  }

  config::Config config_;
  config::Guest web_, db_, other_;
  std::vector<firewall::Element> told_;
  std::shared_ptr<Learned> learned_;
  std::function<bool(const Connection&)> denied_;
};

TEST_F(Cut, IsDeniedWhatTheRulesRefuseAsAFirstPacket) {
  EXPECT_FALSE(denied_(connection("10.0.5.2", "10.0.5.3", 5432)));
  EXPECT_TRUE(denied_(connection("10.0.5.2", "10.0.5.3", 5433)));
  EXPECT_TRUE(denied_(connection("10.0.5.3", "10.0.5.2", 5432))) << "the direction counts";
  EXPECT_TRUE(denied_(connection("10.0.5.4", "10.0.5.3", 5432)));
  EXPECT_TRUE(denied_(connection("10.0.5.2", "10.0.5.3", 5432, IPPROTO_UDP)));
  EXPECT_FALSE(denied_(connection("10.0.5.2", "192.0.2.80", 443)));
}

TEST_F(Cut, JudgesBothFamilies) {
  EXPECT_FALSE(denied_(connection("fd76:7274:5::2", "fd76:7274:5::3", 5432)));
  EXPECT_TRUE(denied_(connection("fd76:7274:5::2", "fd76:7274:5::3", 5433)));
  EXPECT_TRUE(denied_(connection("2001:db8::7", "fd76:7274:5::2", 80)));
}

TEST_F(Cut, AsksByTheTypeOfAnIcmpQuery) {
  auto ping = connection("10.0.5.4", "10.0.5.1", 0, IPPROTO_ICMP);
  ping.icmp_type = 8;
  EXPECT_FALSE(denied_(ping)) << "its gateway's ping is open";
  ping.destination = ping.target = make_address("10.0.5.3");
  EXPECT_TRUE(denied_(ping));
}

TEST_F(Cut, JudgesAPublishedPortByTheWholeWay) {
  EXPECT_FALSE(denied_(translated("192.0.2.80", 8080, "10.0.5.2", 80)));
  EXPECT_TRUE(denied_(translated("198.51.100.7", 8080, "10.0.5.2", 80))) << "a rule comes before the published port";
  EXPECT_TRUE(denied_(connection("192.0.2.80", "10.0.5.2", 80))) << "past the published port";
}

TEST_F(Cut, KnowsWhatCameByAPortThatIsClosed) {
  auto after = web_;
  after.publish.clear();
  const auto closed = closed_ports(web_, after);
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_TRUE(came_by(closed.front(), translated("192.0.2.80", 8080, "10.0.5.2", 80)));
  EXPECT_FALSE(came_by(closed.front(), translated("192.0.2.80", 8081, "10.0.5.2", 80))) << "by another port";
  EXPECT_FALSE(came_by(closed.front(), translated("192.0.2.80", 8080, "10.0.5.3", 80))) << "to another guest";
  EXPECT_FALSE(came_by(closed.front(), translated("192.0.2.80", 8080, "10.0.5.2", 81))) << "by somebody else's rules";
  EXPECT_FALSE(came_by(closed.front(), connection("192.0.2.80", "10.0.5.2", 80))) << "not translated";
  EXPECT_TRUE(closed_ports(web_, web_).empty());
}

TEST_F(Cut, SparesWhatAnotherPortLeadsThere) {
  auto after = web_;
  after.publish.front().last = 8090;  // 8080-8090:80
  auto closed = closed_ports(web_, after);
  ASSERT_EQ(closed.size(), 1U);
  const auto by_8080 = translated("192.0.2.80", 8080, "10.0.5.2", 80);
  EXPECT_TRUE(came_by(closed.front(), by_8080)) << "nothing leads there";
  closed.front().open = after.publish;
  EXPECT_FALSE(came_by(closed.front(), by_8080)) << "the range does";
  closed.front().open = web_.publish;
  EXPECT_FALSE(came_by(closed.front(), by_8080)) << "published again";
  closed.front().open.clear();
  ASSERT_TRUE(closed.front().floating.add(make_address("192.0.2.1")));
  EXPECT_FALSE(came_by(closed.front(), by_8080)) << "by its floating address";
}

TEST_F(Cut, KnowsAClosedRangeOnOneAddress) {
  config::Publish range;
  range.host = make_address("192.0.2.1");
  range.first = 9000;
  range.last = 9002;
  range.guest_first = 79;
  const ClosedPort closed{web_.tap, range, web_.address, {}};
  EXPECT_TRUE(came_by(closed, translated("192.0.2.80", 9002, "10.0.5.2", 81)));
  EXPECT_FALSE(came_by(closed, translated("192.0.2.80", 9003, "10.0.5.2", 82)));
  EXPECT_FALSE(came_by(closed, translated("192.0.2.80", 9001, "10.0.5.2", 79)));
  auto elsewhere = translated("192.0.2.80", 9001, "10.0.5.2", 80);
  EXPECT_TRUE(came_by(closed, elsewhere));
  elsewhere.destination = make_address("192.0.2.2");
  EXPECT_FALSE(came_by(closed, elsewhere));
}

TEST_F(Cut, LeavesATranslationOfOthersToThemAndJudgesWhatItLeadsTo) {
  EXPECT_FALSE(denied_(translated("192.0.2.80", 2222, "10.0.5.2", 22)));
  EXPECT_TRUE(denied_(translated("198.51.100.7", 2222, "10.0.5.2", 22)));
}

TEST_F(Cut, NeverDeniesWhatIsOfNoGuest) {
  EXPECT_FALSE(denied_(connection("198.51.100.7", "192.0.2.1", 22)));
  EXPECT_FALSE(denied_(connection("192.0.2.1", "198.51.100.7", 443)));
  EXPECT_FALSE(denied_(connection("172.17.0.2", "198.51.100.7", 443)));
  EXPECT_FALSE(denied_(connection("10.0.5.77", "10.0.5.78", 443))) << "nobody has these addresses";
}

TEST_F(Cut, LeavesWhatAHelperExpected) {
  auto data = connection("10.0.5.2", "10.0.5.3", 20);
  ASSERT_TRUE(denied_(data));
  data.status |= IPS_EXPECTED;
  EXPECT_FALSE(denied_(data));
}

TEST_F(Cut, TheHostMayReachItsGuestsUnlessARuleSaysOtherwise) {
  EXPECT_FALSE(denied_(connection("10.0.5.1", "10.0.5.3", 22)));
  EXPECT_TRUE(denied_(connection("10.0.5.2", "10.0.5.1", 22)));
  add_rule("shut", {Peer::Kind::host}, {Peer::Kind::group, "db"}, Action::reject,
           {{IPPROTO_TCP, config::PortRange{22, 22}, {}}});
  add_rule("shell", {Peer::Kind::group, "web"}, {Peer::Kind::host}, Action::allow,
           {{IPPROTO_TCP, config::PortRange{22, 22}, {}}});
  build();
  EXPECT_TRUE(denied_(connection("10.0.5.1", "10.0.5.3", 22)));
  EXPECT_FALSE(denied_(connection("10.0.5.2", "10.0.5.1", 22)));
}

// A group that starts nothing but what a rule to a domain allows.
TEST_F(Cut, WhatAGuestWasToldWhenItBeganGoesOn) {
  config_.policy.groups["web"].egress = Action::reject;
  add_rule("updates", {Peer::Kind::group, "web"}, {Peer::Kind::domain, "*.example.org"}, Action::allow,
           {{IPPROTO_TCP, config::PortRange{443, 443}, {}}});
  const auto its = connection("10.0.5.2", "203.0.113.7", 443);
  build();
  EXPECT_TRUE(denied_(its));
  told_ = {firewall::domain_element("*.example.org", "tap2", make_address("203.0.113.7"))};
  build();
  EXPECT_FALSE(denied_(its));
  EXPECT_TRUE(denied_(connection("10.0.5.2", "203.0.113.8", 443)));
  EXPECT_TRUE(denied_(connection("10.0.5.2", "203.0.113.7", 80)));
}

TEST_F(Cut, AfterAStartWhatADomainMayExplainIsTakenForTold) {
  config_.policy.groups["web"].egress = Action::reject;
  add_rule("updates", {Peer::Kind::group, "web"}, {Peer::Kind::domain, "*.example.org"}, Action::allow,
           {{IPPROTO_TCP, config::PortRange{443, 443}, {}}});
  learned_ = std::make_shared<Learned>();
  build();
  EXPECT_TRUE(denied_(connection("10.0.5.2", "203.0.113.7", 80)));
  EXPECT_TRUE(learned_->empty());
  EXPECT_FALSE(denied_(connection("10.0.5.2", "203.0.113.7", 443)));
  ASSERT_EQ(learned_->size(), 1U);
  EXPECT_EQ(learned_->front().domain, "*.example.org");
  EXPECT_EQ(learned_->front().tap, "tap2");
  EXPECT_EQ(learned_->front().its, make_address("203.0.113.7"));
}

}  // namespace
}  // namespace vrouter::router
