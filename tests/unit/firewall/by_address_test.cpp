// SPDX-License-Identifier: GPL-2.0-or-later
// Rules by address (`net:`, `set:`) about guests that have more than their own: prefixes and allowed addresses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "config/load.h"
#include "firewall/compile.h"
#include "firewall/explain.h"
#include "firewall/prove.h"

namespace vrouter::firewall {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kGuests = R"([networks.default]
[networks.lab]
prefix = "10.0.6.0/24"
[[guests]]
name = "router1"
tap = "tap0"
address = "10.0.5.2"
address6 = "fd76:7274:5::2"
groups = ["web"]
prefixes = ["203.0.113.0/28", "2001:db8:9::/48"]
allowed_addresses = ["10.0.6.50", "2001:db8:77::50"]
[[guests]]
name = "plain"
tap = "tap1"
address = "10.0.5.3"
address6 = "fd76:7274:5::3"
groups = ["web"]
[[guests]]
name = "router2"
tap = "tap2"
address = "10.0.5.4"
groups = ["web"]
prefixes = ["203.0.113.16/28"]
[[guests]]
name = "alone"
tap = "tap3"
address = "10.0.6.2"
prefixes = ["198.51.100.0/28"]
)";

// Everybody may reach everybody where no rule says otherwise.
constexpr const char* kWeb = "[groups.web]\ningress = \"allow\"\n";

std::string rule(const std::string& from, const std::string& to, const std::string& what = "deny = \"any\"") {
  return "[[rules]]\nname = \"" + from + " to " + to + "\"\nfrom = \"" + from + "\"\nto = \"" + to + "\"\n" + what +
         "\n";
}
std::string expect(const std::string& from, const std::string& to, const std::string& verdict) {
  return "[[expect]]\nfrom = \"" + from + "\"\nto = \"" + to + "\"\npacket = \"tcp/80\"\nverdict = \"" + verdict +
         "\"\n";
}

config::Config load(const std::string& policy) {
  auto config = config::parse_config(kGuests, "vrouter.toml",
                                     std::vector<config::PolicyText>{{"p.toml", std::string{kWeb} + policy}});
  EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().front().to_string());
  return config.value_or(config::Config{});
}

Profiles profiles_of(const config::Config& config) {
  Profiles profiles{config};
  for (const auto& guest : config.guests) profiles.add(guest, config.networks.at(guest.network));
  return profiles;
}

struct Host {
  explicit Host(const std::string& policy) : config{load(policy)} {
    const auto profiles = profiles_of(config);
    rules = compile(config, {}, profiles);
    for (const auto& [name, network] : config.networks) topology.add(network);
    for (const auto& guest : config.guests) {
      rules.insert(compile_guest(guest, config.networks.at(guest.network), profiles));
      topology.add(guest);
    }
    topology.uplink = "eth0";
    topology.host.own().emplace(boost::asio::ip::make_address("192.0.2.1"), "eth0");
  }

  [[nodiscard]] std::string say(const char* from, const char* to) const {
    return sentence(travel(Evaluator{rules}, topology,
                           first_packet(topology, boost::asio::ip::make_address(from),
                                        boost::asio::ip::make_address(to), IPPROTO_TCP, 80)));
  }

  config::Config config;
  Ruleset rules;
  Topology topology;
};

std::string by(const std::string& rule, int line, const std::string& side) {
  return "denied by \"" + rule + " (p.toml:" + std::to_string(line) + ")\" on " + side;
}
constexpr auto *kSender = "the sender's side", *kReceiver = "the receiver's side";

TEST(ByAddress, MeansASenderByItsPrefixes) {
  const Host host{rule("net:203.0.113.0/28", "world") + rule("net:2001:db8::/32", "world")};
  EXPECT_EQ(host.say("203.0.113.7", "192.0.2.80"), by("net:203.0.113.0/28 to world", 3, kSender));
  EXPECT_EQ(host.say("2001:db8:9::7", "2001:db9::1"), by("net:2001:db8::/32 to world", 8, kSender));
  EXPECT_EQ(host.say("10.0.5.2", "192.0.2.80"), "allowed") << "its own address is another";
  EXPECT_EQ(host.say("203.0.113.17", "192.0.2.80"), "allowed") << "router2's";
}

TEST(ByAddress, MeansAReceiverByItsPrefixes) {
  const Host host{rule("world", "net:203.0.113.4/30") + rule("group:web", "net:2001:db8:9::/48")};
  EXPECT_EQ(host.say("192.0.2.80", "203.0.113.5"), by("world to net:203.0.113.4/30", 3, kReceiver));
  EXPECT_EQ(host.say("192.0.2.80", "203.0.113.8"), "allowed") << "the rule names a part of the prefix";
  EXPECT_EQ(host.say("fd76:7274:5::3", "2001:db8:9:1::1"), by("group:web to net:2001:db8:9::/48", 8, kSender));
  EXPECT_EQ(host.say("2001:db9::1", "2001:db8:9:1::1"), "allowed");
}

TEST(ByAddress, MeansBothEndsByAllowedAddresses) {
  const Host host{rule("set:floaters", "world") + rule("world", "set:floaters") +
                  "[sets]\nfloaters = [\"10.0.6.50\", \"2001:db8:77::/48\", \"192.0.2.128/25\"]\n"};
  EXPECT_EQ(host.say("10.0.6.50", "192.0.2.80"), by("set:floaters to world", 3, kSender)) << "of another network";
  EXPECT_EQ(host.say("192.0.2.80", "10.0.6.50"), by("world to set:floaters", 8, kReceiver));
  EXPECT_EQ(host.say("2001:db8:77::50", "2001:db9::1"), by("set:floaters to world", 3, kSender));
  EXPECT_EQ(host.say("2001:db9::1", "2001:db8:77::50"), by("world to set:floaters", 8, kReceiver));
  EXPECT_EQ(host.say("10.0.5.2", "192.0.2.80"), "allowed");
}

TEST(ByAddress, MeansThemTowardsThisHostAndFromItToo) {
  const Host host{rule("net:203.0.113.0/28", "host", "allow = \"tcp/80\"") + rule("host", "net:203.0.113.0/29")};
  EXPECT_EQ(host.say("203.0.113.9", "10.0.5.1"), "allowed");
  EXPECT_THAT(host.say("10.0.5.2", "10.0.5.1"), HasSubstr("rejected"));
  EXPECT_EQ(host.say("10.0.5.1", "203.0.113.1"), by("host to net:203.0.113.0/29", 8, kReceiver));
  EXPECT_EQ(host.say("10.0.5.1", "203.0.113.9"), "allowed");
}

TEST(ByAddress, MeansAGuestOfNoGroup) {
  const Host host{rule("net:198.51.100.0/24", "world")};
  EXPECT_EQ(host.say("198.51.100.3", "192.0.2.80"), by("net:198.51.100.0/24 to world", 3, kSender));
  EXPECT_EQ(host.say("10.0.6.2", "192.0.2.80"), "allowed");
}

// Its addresses are behind its TAP, and so are a guest's.
TEST(ByAddress, TheWorldHasNoneOfThem) {
  const Host host{rule("world", "group:web") + rule("group:web", "world")};
  EXPECT_EQ(host.say("203.0.113.7", "10.0.5.3"), "allowed");
  EXPECT_EQ(host.say("10.0.5.3", "203.0.113.7"), "allowed");
  EXPECT_EQ(host.say("203.0.113.200", "10.0.5.3"), by("world to group:web", 3, kReceiver));
}

TEST(ByAddress, SplitsProfilesOnlyWhereARuleTellsGuestsApart) {
  const auto same = [](const std::string& policy, const char* one, const char* other) {
    const auto config = load(policy);
    const auto profiles = profiles_of(config);
    const auto of = [&](std::string_view name) {
      const auto guest = std::ranges::find(config.guests, name, &config::Guest::name);
      return profiles.of(*guest, config.networks.at(guest->network));
    };
    return of(one) == of(other);
  };
  EXPECT_TRUE(same("", "router1", "plain"));
  EXPECT_TRUE(same(rule("net:203.0.113.64/28", "group:web"), "router1", "plain"));
  EXPECT_TRUE(same(rule("net:0.0.0.0/0", "world"), "router1", "plain")) << "it means all of the network anyhow";
  EXPECT_TRUE(same(rule("net:203.0.113.0/24", "world"), "router1", "router2"));
  EXPECT_FALSE(same(rule("net:203.0.113.0/24", "world"), "router1", "plain"));
  EXPECT_FALSE(same(rule("net:203.0.113.0/28", "world"), "router1", "router2"));
  EXPECT_FALSE(same(rule("world", "net:2001:db8:9:7::/64"), "router1", "router2"));
}

TEST(ByAddress, ProfilesOfOtherRulesAreNotTheSame) {
  const auto before = profiles_of(load(rule("net:203.0.113.0/24", "group:web")));
  EXPECT_TRUE(profiles_of(load(rule("net:203.0.113.0/24", "group:web", "deny = \"tcp\""))).within(before));
  EXPECT_FALSE(profiles_of(load(rule("net:203.0.112.0/24", "group:web"))).within(before));
  const auto set = [](const char* prefix) {
    return profiles_of(load("[sets]\ns = [\"" + std::string{prefix} + "\"]\n" + rule("set:s", "group:web")));
  };
  EXPECT_TRUE(set("203.0.113.0/28").within(set("203.0.113.0/28")));
  EXPECT_FALSE(set("203.0.113.0/28").within(set("203.0.113.16/28")));
}

config::Problems failures_of(const std::string& policy) {
  const auto config = load(policy);
  std::vector<const config::Guest*> guests;
  for (const auto& guest : config.guests) guests.push_back(&guest);
  config::Problems untried;
  auto failed = prove(config, guests, untried);
  EXPECT_THAT(untried, IsEmpty());
  return failed;
}

TEST(ByAddress, ExpectationsAreTriedFromAllAddresses) {
  const auto closed = rule("net:10.0.5.0/24", "world") + rule("net:fd76:7274:5::/64", "world");
  const auto failed = failures_of(closed + expect("group:web", "world", "deny"));
  ASSERT_THAT(failed, SizeIs(1)) << "from its prefix router1 gets out";
  EXPECT_THAT(failed.front().to_string(), HasSubstr("tcp/80 from router1 (203.0.113.0)"));
}

// Two of a kind are tried; whoever has the address besides.
TEST(ByAddress, ExpectationsByAddressFindTheGuestThatHasIt) {
  const auto lonely = rule("world", "group:web", "reject = \"any\"");
  EXPECT_THAT(failures_of(lonely + expect("net:203.0.113.17", "guest:plain", "allow")), IsEmpty())
      << "router2 is no stranger";
  EXPECT_THAT(failures_of(lonely + expect("net:203.0.113.33", "guest:plain", "reject")), IsEmpty());
}

TEST(ByAddress, ExpectationsOfPrefixesAndThisHost) {
  EXPECT_THAT(
      failures_of(rule("net:203.0.113.0/28", "host", "allow = \"tcp/80\"") + rule("host", "net:203.0.113.8/29") +
                  expect("net:203.0.113.0/28", "host", "allow") + expect("host", "net:203.0.113.8/29", "deny") +
                  expect("host", "net:203.0.113.0/29", "allow") + expect("net:2001:db8:9::7", "host", "reject")),
      IsEmpty());
}

TEST(ByAddress, ExpectationsAmongStrangersAreNotTried) {
  const auto config = load(expect("net:192.0.2.0/28", "world", "deny"));
  config::Problems untried;
  EXPECT_THAT(prove(config, {}, untried), IsEmpty());
  ASSERT_THAT(untried, SizeIs(1));
  EXPECT_THAT(untried.front().to_string(), HasSubstr("nobody is there yet"));
  auto router = config.guests.front();
  router.prefixes4 = {boost::asio::ip::make_network_v4("192.0.2.0/24")};
  untried.clear();
  EXPECT_THAT(prove(config, {&router}, untried), SizeIs(1)) << "it gets out";
  EXPECT_THAT(untried, IsEmpty());
}

TEST(ByAddress, AStrangerIsBehindNoGuest) {
  auto config = load("");
  Topology topology;
  EXPECT_EQ(stranger(config, topology, false)->to_string(), "203.0.113.77");
  config.guests.own().front().prefixes4 = {boost::asio::ip::make_network_v4("203.0.113.64/26")};
  topology.add(config.guests.front());
  EXPECT_EQ(stranger(config, topology, false)->to_string(), "198.51.100.77");
}

}  // namespace
}  // namespace vrouter::firewall
