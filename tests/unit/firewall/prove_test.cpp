// SPDX-License-Identifier: GPL-2.0-or-later
// Expectations and explanations over policies as they are written.
#include "firewall/prove.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "firewall/compile.h"
#include "firewall/explain.h"

namespace vrouter::firewall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kGuests = R"([[guests]]
name = "web1"
tap = "tap0"
address = "10.0.5.2"
groups = ["web"]
publish = ["8080:80/tcp"]

[[guests]]
name = "plain"
tap = "tap2"
address = "10.0.5.4"
)";

constexpr const char* kPolicy = R"([groups.web]
[groups.db]
egress = "reject"
ingress = "deny"
[[rules]]
name = "web to db"
from = "group:web"
to = "group:db"
allow = "tcp/5432"
)";

config::Config load(const std::string& policy) {
  auto config = config::parse_config(kGuests, "vrouter.toml", std::vector<config::PolicyText>{{"db.toml", policy}});
  EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().front().to_string());
  return config.value_or(config::Config{});
}

std::string expect(const std::string& from, const std::string& to, const std::string& packet,
                   const std::string& verdict) {
  return "[[expect]]\nfrom = \"" + from + "\"\nto = \"" + to + "\"\npacket = \"" + packet + "\"\nverdict = \"" +
         verdict + "\"\n";
}

struct Proved {
  config::Problems failed, untried;
};

Proved prove_all(const std::string& expects) {
  const auto config = load(kPolicy + expects);
  std::vector<const config::Guest*> guests;
  for (const auto& guest : config.guests) guests.push_back(&guest);
  Proved proved;
  proved.failed = prove(config, guests, proved.untried);
  return proved;
}

TEST(Prove, WhatHoldsIsNoProblem) {
  const auto proved = prove_all(
      expect("group:web", "group:db", "tcp/5432", "allow") + expect("guest:web1", "group:db", "tcp/22", "deny") +
      expect("group:db", "group:web", "tcp/80", "reject") + expect("group:db", "world", "tcp/443", "reject") +
      expect("guest:web1", "world", "tcp/443", "allow") + expect("world", "group:web", "tcp/81", "reject") +
      expect("guest:plain", "host", "udp/53", "allow") + expect("host", "group:db", "tcp/22", "allow"));
  EXPECT_THAT(proved.failed, IsEmpty()) << proved.failed.front().to_string();
  EXPECT_THAT(proved.untried, IsEmpty());
}

TEST(Prove, WhatDoesNotIsToldAtItsPlaceWithTheRuleThatDecides) {
  const auto proved = prove_all(expect("group:web", "group:db", "tcp/22", "allow") +
                                expect("group:web", "group:db", "tcp/5432", "deny"));
  ASSERT_THAT(proved.failed, SizeIs(2));
  EXPECT_EQ(
      proved.failed[0].to_string(),
      "db.toml:10:1: expected allow, but tcp/22 from web1 (10.0.5.2) to a guest of group db (10.0.5.254) is denied "
      "by \"default of group db, ingress (db.toml:2)\" on the receiver's side");
  EXPECT_EQ(proved.failed[1].to_string(),
            "db.toml:15:1: expected deny, but tcp/5432 from web1 (10.0.5.2) to a guest of group db (10.0.5.254) is "
            "allowed by \"web to db (db.toml:5)\"");
}

TEST(Prove, APublishedPortIsAWayIn) {
  const auto open = prove_all(expect("world", "group:web", "tcp/80", "reject"));
  ASSERT_THAT(open.failed, SizeIs(1)) << "web1 publishes 8080:80";
  EXPECT_EQ(
      open.failed[0].to_string(),
      "db.toml:10:1: expected reject, but tcp/80 from the world (203.0.113.77) to web1 (10.0.5.2) is allowed by its "
      "published port 8080:80/tcp");
  EXPECT_THAT(prove_all(expect("world", "group:web", "tcp/80", "allow")).failed, IsEmpty());
  EXPECT_THAT(prove_all(expect("world", "group:web", "udp/80", "reject")).failed, IsEmpty());
  const auto closed = std::string{"[[rules]]\nfrom = \"world\"\nto = \"group:web\"\nreject = \"tcp/80\"\n"};
  EXPECT_THAT(prove_all(closed + expect("world", "group:web", "tcp/80", "reject")).failed, IsEmpty());
}

// Denied and rejected are different things to whoever waits for an answer.
TEST(Prove, TellsDenyAndRejectApart) {
  EXPECT_THAT(prove_all(expect("group:web", "group:db", "tcp/22", "reject")).failed, SizeIs(1));
  EXPECT_THAT(prove_all(expect("group:db", "group:web", "tcp/22", "deny")).failed, SizeIs(1));
}

TEST(Prove, AGuestWhoIsNotThereYetIsNoFailure) {
  const auto proved = prove_all(expect("guest:later", "group:db", "tcp/22", "allow"));
  EXPECT_THAT(proved.failed, IsEmpty());
  ASSERT_THAT(proved.untried, SizeIs(1));
  EXPECT_THAT(proved.untried[0].to_string(), HasSubstr("db.toml:10:1: nobody is there yet"));
}

TEST(Prove, TheWorldIsSomebodyWhomNoRuleNames) {
  const auto config = load(std::string{"[sets]\noffice = [\"203.0.113.0/24\"]\n"} + kPolicy +
                           "[[rules]]\nfrom = \"set:office\"\nto = \"group:web\"\nallow = \"tcp/22\"\n");
  EXPECT_EQ(stranger(config, {}, false)->to_string(), "198.51.100.77");
  EXPECT_EQ(stranger(load(kPolicy), {}, false)->to_string(), "203.0.113.77");
}

constexpr std::uint8_t kTcp = 6, kUdp = 17;

Journey journey_of(const config::Config& config, Ruleset& rules, const char* from, const char* to, std::uint16_t port,
                   std::uint8_t protocol = kTcp) {
  Profiles profiles{config};
  for (const auto& guest : config.guests) profiles.add(guest, config.networks.at(guest.network));
  rules = compile(config, {}, profiles);
  Topology topology;
  for (const auto& [name, network] : config.networks) topology.add(network);
  for (const auto& guest : config.guests) {
    rules.insert(compile_guest(guest, config.networks.at(guest.network), profiles));
    topology.add(guest);
  }
  topology.uplink = "eth0";
  topology.host.own().emplace(boost::asio::ip::make_address("192.0.2.1"), "eth0");
  return travel(
      Evaluator{rules}, topology,
      first_packet(topology, boost::asio::ip::make_address(from), boost::asio::ip::make_address(to), protocol, port));
}

TEST(Explain, NamesTheRuleOnEachSideAndWhatIsTranslated) {
  const auto config = load(kPolicy);
  Ruleset rules;
  const auto published = journey_of(config, rules, "198.51.100.7", "192.0.2.1", 8080);
  EXPECT_EQ(verdict(published), "allow");
  EXPECT_EQ(sentence(published), "allowed");
  ASSERT_THAT(steps(published), SizeIs(2));
  EXPECT_EQ(steps(published)[0], "published: 192.0.2.1:8080 becomes 10.0.5.2:80");
  EXPECT_THAT(steps(published)[1],
              HasSubstr("the receiver's side: allowed by \"published: the map is the permission\""));

  const auto refused = journey_of(config, rules, "10.0.5.4", "10.0.5.2", 80);
  EXPECT_EQ(verdict(refused), "reject");
  EXPECT_EQ(sentence(refused), "rejected by \"default of group web, ingress (db.toml:1)\" on the receiver's side");

  const auto out = journey_of(config, rules, "10.0.5.2", "198.51.100.7", 443);
  EXPECT_THAT(steps(out),
              ElementsAre(HasSubstr("the sender's side: allowed by \"default of group web, egress (db.toml:1)\""),
                          "source address: 10.0.5.2 becomes 192.0.2.1"));
}

TEST(Explain, SaysWhenNobodyOfOursIsConcerned) {
  const auto config = load(kPolicy);
  Ruleset rules;
  const auto to_host = journey_of(config, rules, "198.51.100.7", "192.0.2.1", 22);
  EXPECT_TRUE(to_host.passes());
  EXPECT_EQ(verdict(to_host), "unjudged");
  EXPECT_THAT(sentence(to_host), HasSubstr("not judged: neither end is a guest"));
  EXPECT_EQ(verdict(journey_of(config, rules, "192.0.2.1", "198.51.100.7", 443)), "unjudged");
}

TEST(Explain, AsksForALeaseByThePortOfAClient) {
  const auto config =
      load(std::string{kPolicy} + "[[rules]]\nname = \"no\"\nfrom = \"group:web\"\nto = \"host\"\ndeny = \"udp\"\n");
  Ruleset rules;
  EXPECT_EQ(sentence(journey_of(config, rules, "10.0.5.2", "10.0.5.1", 67, kUdp)), "allowed");
  EXPECT_THAT(sentence(journey_of(config, rules, "10.0.5.2", "10.0.5.1", 68, kUdp)), HasSubstr("denied by \"no"));
}

TEST(Explain, AGuestsAddressFromElsewhereIsTheWorlds) {
  const auto config =
      load(std::string{kPolicy} +
           "[[rules]]\nname = \"plain to web\"\nfrom = \"guest:plain\"\nto = \"group:web\"\nallow = \"tcp/80\"\n");
  Ruleset rules;
  const auto own = journey_of(config, rules, "10.0.5.4", "10.0.5.2", 80);
  EXPECT_TRUE(own.passes());
  Topology topology;
  for (const auto& [name, network] : config.networks) topology.add(network);
  for (const auto& guest : config.guests) topology.add(guest);
  topology.uplink = "eth0";
  auto forged = own.sent;
  forged.iifname = "eth0";
  const auto journey = travel(Evaluator{rules}, topology, forged);
  EXPECT_EQ(sentence(journey), "rejected by \"default of group web, ingress (db.toml:1)\" on the receiver's side");
}

// As of a host with both settings: tap0 is of a group that redirects, tap1 of it and of one that refuses.
struct OtherResolvers : ::testing::Test {
  OtherResolvers() {
    config = config::parse_config(R"([[guests]]
name = "kid"
tap = "tap0"
address = "10.0.5.2"
address6 = "fd76:7274:5::2"
groups = ["kids"]
[[guests]]
name = "locked"
tap = "tap1"
address = "10.0.5.3"
groups = ["kids", "locked"]
[[guests]]
name = "free"
tap = "tap2"
address = "10.0.5.4"
groups = ["free"]
)",
                                  "vrouter.toml",
                                  std::vector<config::PolicyText>{{"groups.toml",
                                                                   "[groups.kids]\n[groups.locked]\n"
                                                                   "[groups.free]\n[[rules]]\n"
                                                                   "from = \"any\"\nto = \"any\"\n"
                                                                   "allow = \"any\"\n"}})
                 .value();
    config.dns.groups["kids"] = {{}, {}, config::OtherResolvers::redirect, {"vrouter.toml", 30, 1}};
    config.dns.groups["locked"] = {{}, {}, config::OtherResolvers::refuse, {"vrouter.toml", 40, 1}};
    config.dns.groups["free"] = {};
    Profiles profiles{config};
    for (const auto& guest : config.guests) profiles.add(guest, config.networks.at("default"));
    rules = compile(config, {}, profiles);
    for (const auto& [name, network] : config.networks) topology.add(network);
    for (const auto& guest : config.guests) {
      rules.insert(compile_guest(guest, config.networks.at("default"), profiles));
      topology.add(guest);
    }
    topology.uplink = "up0";
  }
  Journey ask(const char* from, const char* to, std::uint8_t protocol, std::uint16_t port) {
    const auto at = [](const char* text) { return boost::asio::ip::make_address(text); };
    const Evaluator evaluator{rules};
    return travel(evaluator, topology, first_packet(topology, at(from), at(to), protocol, port));
  }
  std::string told(const char* from, const char* to, std::uint8_t protocol, std::uint16_t port) {
    const auto journey = ask(from, to, protocol, port);
    return sentence(journey) + (journey.passes() ? ' ' + journey.arrived.destination.to_string() : "");
  }
  static constexpr std::uint8_t kTcp = 6, kUdp = 17;
  config::Config config;
  Ruleset rules;
  Topology topology;
};

TEST_F(OtherResolvers, AreRedirectedToTheGuestsOwnGateway) {
  for (const auto protocol : {kTcp, kUdp}) {
    EXPECT_EQ(told("10.0.5.2", "198.51.100.53", protocol, 53), "allowed 10.0.5.1");
    EXPECT_EQ(told("10.0.5.2", "10.0.5.4", protocol, 53), "allowed 10.0.5.1");
    EXPECT_EQ(told("10.0.5.2", "10.0.5.1", protocol, 53), "allowed 10.0.5.1");
    EXPECT_EQ(told("fd76:7274:5::2", "2001:db8::53", protocol, 53), "allowed fd76:7274:5::1");
    EXPECT_EQ(told("10.0.5.2", "198.51.100.53", protocol, 853),
              "rejected by \"no other resolver for group kids (vrouter.toml:30)\" on the sender's side");
    EXPECT_EQ(told("10.0.5.4", "198.51.100.53", protocol, 53), "allowed 198.51.100.53");
    EXPECT_EQ(told("10.0.5.4", "198.51.100.53", protocol, 853), "allowed 198.51.100.53");
  }
  EXPECT_EQ(told("10.0.5.2", "198.51.100.53", kTcp, 443), "allowed 198.51.100.53");
  const auto journey = ask("10.0.5.2", "198.51.100.53", kUdp, 53);
  EXPECT_TRUE(journey.redirected());
  EXPECT_EQ(steps(journey, "it").front(), "redirected by \"it\": 198.51.100.53:53 becomes 10.0.5.1:53");
}

TEST_F(OtherResolvers, AreRefusedByTheStrictestGroup) {
  constexpr auto kSaid = "rejected by \"no other resolver for group locked (vrouter.toml:40)\" on ";
  for (const std::uint16_t port : {std::uint16_t{53}, std::uint16_t{853}}) {
    for (const auto protocol : {kTcp, kUdp}) {
      EXPECT_EQ(told("10.0.5.3", "198.51.100.53", protocol, port), std::string{kSaid} + "the sender's side");
      EXPECT_EQ(told("10.0.5.3", "10.0.5.4", protocol, port), std::string{kSaid} + "the sender's side");
    }
  }
  EXPECT_EQ(told("10.0.5.3", "10.0.5.1", kUdp, 53), "allowed 10.0.5.1");
}

TEST_F(OtherResolvers, CostNothingWhereNoGroupHasAWord) {
  const auto plain = compile(load(kPolicy), {});
  for (const auto& set : plain.tables.front().sets) EXPECT_THAT(set.name, Not(HasSubstr("resolver"))) << set.name;
}

}  // namespace
}  // namespace vrouter::firewall
