// SPDX-License-Identifier: GPL-2.0-or-later
// Rules to domains on paper: what passes once a guest was told an address, and what is said before.
#include "firewall/domains.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "config/load.h"
#include "firewall/compile.h"
#include "firewall/diff.h"
#include "firewall/explain.h"
#include "firewall/prove.h"

namespace vrouter::firewall {
namespace {

using boost::asio::ip::make_address;
using ::testing::HasSubstr;

constexpr const char* kGuests = R"(
[networks.default]
prefix6 = "fd76:7274:5::/64"
[[guests]]
name = "build1"
tap = "tap0"
address = "10.0.5.2"
address6 = "fd76:7274:5::2"
groups = ["build"]
[[guests]]
name = "build2"
tap = "tap1"
address = "10.0.5.3"
groups = ["build"]
)";

constexpr const char* kPolicy = R"([groups.build]
egress = "reject"
[[rules]]
name = "packages"
from = "group:build"
to = ["domain:*.debian.org", "domain:example.net"]
allow = "tcp/443"
[[rules]]
name = "one"
from = "net:10.0.5.2"
to = "domain:example.net"
allow = "udp/123"
)";

config::Config load(const std::string& more = "") {
  auto config =
      config::parse_config(kGuests, "f", std::vector<config::PolicyText>{{"p.toml", std::string{kPolicy} + more}});
  EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().front().to_string());
  return config.value_or(config::Config{});
}

class DomainRules : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& guest : config_.guests) profiles_.add(guest, config_.networks.at("default"));
    rules_ = compile(config_, {}, profiles_);
    topology_.uplink = "up0";
    topology_.add(config_.networks.at("default"));
    for (const auto& guest : config_.guests) {
      rules_.insert(compile_guest(guest, config_.networks.at("default"), profiles_));
      topology_.add(guest);
    }
  }

  void tell(const std::string& domain, const std::string& tap, const char* address) {
    rules_.insert({domain_element(domain, tap, make_address(address))});
  }
  [[nodiscard]] Journey go(const char* from, const char* to, std::uint8_t protocol = IPPROTO_TCP,
                           std::uint16_t port = 443) const {
    const Evaluator evaluator{rules_};
    return travel(evaluator, topology_, first_packet(topology_, make_address(from), make_address(to), protocol, port));
  }
  [[nodiscard]] std::string said(const char* from, const char* to, std::uint8_t protocol = IPPROTO_TCP,
                                 std::uint16_t port = 443) const {
    return sentence(go(from, to, protocol, port));
  }

  config::Config config_ = load();
  Profiles profiles_{config_};
  Ruleset rules_;
  Topology topology_;
};

TEST_F(DomainRules, LetNothingPassBeforeANameIsAskedFor) {
  EXPECT_EQ(verdict(go("10.0.5.2", "198.51.100.7")), "reject");
  EXPECT_EQ(verdict(go("fd76:7274:5::2", "2001:db8::7")), "reject");
}

TEST_F(DomainRules, LetPassWhatThisGuestWasTold) {
  tell("*.debian.org", "tap0", "198.51.100.7");
  tell("*.debian.org", "tap0", "2001:db8::7");
  EXPECT_EQ(verdict(go("10.0.5.2", "198.51.100.7")), "allow");
  EXPECT_EQ(verdict(go("fd76:7274:5::2", "2001:db8::7")), "allow");
  EXPECT_EQ(verdict(go("10.0.5.2", "198.51.100.7", IPPROTO_TCP, 80)), "reject") << "another port";
  EXPECT_EQ(verdict(go("10.0.5.2", "198.51.100.8")), "reject") << "another address";
  EXPECT_EQ(verdict(go("10.0.5.3", "198.51.100.7")), "reject") << "another guest";
}

TEST_F(DomainRules, AreOfThisDomainAlone) {
  tell("*.debian.org", "tap0", "198.51.100.7");
  EXPECT_EQ(verdict(go("10.0.5.2", "198.51.100.7", IPPROTO_UDP, 123)), "reject");
  tell("example.net", "tap0", "198.51.100.7");
  tell("example.net", "tap1", "198.51.100.7");
  EXPECT_EQ(verdict(go("10.0.5.2", "198.51.100.7", IPPROTO_UDP, 123)), "allow");
  EXPECT_EQ(verdict(go("10.0.5.3", "198.51.100.7", IPPROTO_UDP, 123)), "reject") << "the rule is not of its address";
}

TEST_F(DomainRules, ARefusalTellsWhatANameWouldChange) {
  EXPECT_THAT(said("10.0.5.2", "198.51.100.7"),
              HasSubstr("; \"packages (p.toml:3)\" speaks of it once DNS has told the sender this address of "
                        "domain:*.debian.org"));
  EXPECT_THAT(said("10.0.5.2", "198.51.100.7", IPPROTO_UDP, 123), HasSubstr("\"one (p.toml:8)\" speaks of it once"));
  EXPECT_THAT(said("10.0.5.2", "198.51.100.7", IPPROTO_TCP, 22), ::testing::Not(HasSubstr("once DNS")));
  EXPECT_THAT(steps(go("10.0.5.2", "198.51.100.7")),
              ::testing::Contains(HasSubstr("names: \"packages (p.toml:3)\" speaks of it once DNS has told the sender "
                                            "this address of domain:example.net")));
  EXPECT_EQ(go("10.0.5.2", "198.51.100.7").refusal()->unless_told.size(), 2U) << "a line for each domain of its family";
  tell("*.debian.org", "tap0", "198.51.100.7");
  EXPECT_EQ(said("10.0.5.2", "198.51.100.7"), "allowed");
}

TEST(DomainNames, OfSetsLeadBack) {
  EXPECT_EQ(domain_set_name("www.example.org", false), "d_www.example.org_4");
  EXPECT_EQ(domain_set_name("*.example.org", true), "w_example.org_6");
  for (const auto* domain : {"www.example.org", "*.example.org", "*.a-b.org", "org"}) {
    EXPECT_EQ(domain_of_set(domain_set_name(domain, false)), domain);
    EXPECT_EQ(domain_of_set(domain_set_name(domain, true)), domain);
  }
  for (const auto* other : {"dst4", "denied_from", "s_far_4", "d__4", "d_4", "w_x"}) {
    EXPECT_EQ(domain_of_set(other), std::nullopt) << other;
  }
}

// What is proved of the world holds of whom no name was asked for.
TEST(DomainExpectations, AreOfWhoWasToldNothing) {
  const auto prove_all = [](const std::string& verdict) {
    const auto config = load("[[expect]]\nfrom = \"group:build\"\nto = \"world\"\npacket = \"tcp/443\"\nverdict = \"" +
                             verdict + "\"\n");
    std::vector<const config::Guest*> guests;
    for (const auto& guest : config.guests) guests.push_back(&guest);
    config::Problems untried;
    return prove(config, guests, untried);
  };
  EXPECT_TRUE(prove_all("reject").empty());
  const auto failed = prove_all("allow");
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_THAT(failed.front().to_string(),
              HasSubstr("once DNS has told the sender this address of domain:*.debian.org"));
}

TEST(DomainSets, KeepWhatIsInThemWhenRulesChange) {
  const auto compiled = [](const config::Config& config) {
    Profiles profiles{config};
    for (const auto& guest : config.guests) profiles.add(guest, config.networks.at("default"));
    return compile(config, {}, profiles);
  };
  const auto before = compiled(load());
  const auto after =
      compiled(load("[[rules]]\nname = \"more\"\nfrom = \"group:build\"\nto = [\"domain:example.net\", "
                    "\"domain:a.org\"]\nallow = \"tcp/80\"\n"));
  const auto change = change_rules(before, after);
  ASSERT_TRUE(change.has_value());
  std::vector<std::string> added;
  for (const auto& [family, set] : change->add_sets) {
    if (set.admitted) added.push_back(set.name);
  }
  EXPECT_THAT(added, ::testing::ElementsAre("d_a.org_4", "d_a.org_6"));
  EXPECT_TRUE(change->delete_sets.empty());
  EXPECT_TRUE(change->flush_sets.empty());
}

}  // namespace
}  // namespace vrouter::firewall
