// SPDX-License-Identifier: GPL-2.0-or-later
// Rules to domains: what is taken, and what is said of the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "config/policy_specs.h"

namespace vrouter::config {
namespace {

constexpr std::string_view kConfig = R"(
[networks.default]
[[guests]]
name = "w"
tap = "tap0"
address = "10.0.5.2"
groups = ["web"]
)";

std::expected<Config, Problems> loaded(const std::string& rules) {
  const PolicyText policy{.file = "p.toml", .text = "groups = { web = {} }\n" + rules};
  return parse_config(kConfig, "f", std::span{&policy, 1});
}

std::string said_of(const std::string& rules) {
  const auto config = loaded(rules);
  if (!config) return config.error().front().to_string();
  return config->warnings.empty() ? "taken" : config->warnings.front().to_string();
}

std::string rule(const std::string& to, const std::string& rest = "allow = \"tcp/443\"",
                 const std::string& from = "group:web") {
  return "[[rules]]\nfrom = \"" + from + "\"\nto = \"" + to + "\"\n" + rest + "\n";
}

TEST(DomainRules, MeanAName) {
  EXPECT_EQ(parse_peer("domain:WWW.Debian.ORG.")->to_string(), "domain:www.debian.org");
  EXPECT_EQ(parse_peer("domain:*.Debian.org")->to_string(), "domain:*.debian.org");
  EXPECT_TRUE(domain_means("debian.org", "debian.org"));
  EXPECT_FALSE(domain_means("debian.org", "www.debian.org"));
  EXPECT_FALSE(domain_means("*.debian.org", "debian.org"));
  EXPECT_TRUE(domain_means("*.debian.org", "www.debian.org"));
  EXPECT_TRUE(domain_means("*.debian.org", "a.b.debian.org"));
  EXPECT_FALSE(domain_means("*.debian.org", "notdebian.org"));
  EXPECT_FALSE(domain_means("*.debian.org", ".debian.org"));
  EXPECT_FALSE(domain_means("debian.org", ""));
}

TEST(DomainRules, WrongNamesAreToldSo) {
  const auto error = [](std::string_view text) { return parse_peer(text).error(); };
  constexpr auto kForms =
      " is no domain of a rule; write domain:www.example.org, or domain:*.example.org for all names below";
  EXPECT_EQ(error("domain:*"), std::string{"'*'"} + kForms);
  EXPECT_EQ(error("domain:a.*.org"), std::string{"'a.*.org'"} + kForms);
  EXPECT_EQ(error("domain:*.*.org"), std::string{"'*.*.org'"} + kForms);
  EXPECT_EQ(error("domain:192.0.2.1"), "'192.0.2.1' is an address; write net:192.0.2.1");
  EXPECT_EQ(error("domain:2001:db8::1"), "'2001:db8::1' is an address; write net:2001:db8::1");
  EXPECT_THAT(error("domain:*."), ::testing::HasSubstr("is no domain"));
  EXPECT_THAT(error("domain:a_b.org"), ::testing::HasSubstr("is no domain"));
  EXPECT_EQ(error("domain:"), "'domain:' says nobody; write domain:www.example.org");
  std::string longest;
  for (int i = 0; i < 60; ++i) longest += "abc.";
  EXPECT_THAT(error("domain:" + longest + "org"), ::testing::HasSubstr("is longer than a rule's domain may be"));
}

TEST(DomainRules, AreReadWithOthers) {
  const auto config = loaded(
      "[[rules]]\nfrom = \"group:web\"\nto = [\"domain:b.org\", \"domain:*.a.org\", \"net:192.0.2.1\"]\nallow = "
      "\"any\"\nlimit = \"10/minute\"\nlog = true\n" +
      rule("domain:b.org"));
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  EXPECT_THAT(domains_of(config->policy.rules), ::testing::ElementsAre("*.a.org", "b.org"));
}

TEST(DomainRules, OnlyAllowWhatGuestsBegin) {
  EXPECT_EQ(said_of("[[rules]]\nfrom = \"domain:a.org\"\nto = \"group:web\"\nallow = \"any\"\n"),
            "p.toml:3:8: domain:a.org can't be in from: a packet doesn't say which name its sender has; write "
            "net:ADDRESS or a set of its addresses");
  EXPECT_EQ(
      said_of(rule("domain:a.org", "deny = \"any\"")),
      "p.toml:4:6: domain:a.org can only be allowed: whoever doesn't ask for its name still gets to its addresses, "
      "so to deny it stops nobody; deny a net or the world, after rules that allow");
  EXPECT_THAT(said_of(rule("domain:a.org", "reject = \"any\"")), ::testing::HasSubstr("so to reject it stops nobody"));
  EXPECT_THAT(said_of(rule("domain:a.org", "allow = \"any\"", "world")),
              ::testing::HasSubstr("no guest takes part in this rule (world to domain:a.org)"));
}

TEST(DomainRules, AreNotOfGuestsNames) {
  EXPECT_EQ(said_of(rule("domain:db.guests.internal")),
            "p.toml:4:6: names in guests.internal are guests' own (network default); name them by guest:NAME, "
            "group:NAME or network:default");
  EXPECT_THAT(said_of(rule("domain:*.guests.internal")), ::testing::HasSubstr("are guests' own"));
  EXPECT_EQ(said_of(rule("domain:otherguests.internal")), "taken");
}

TEST(DomainRules, AreNotExpected) {
  const std::string expect = "[[expect]]\nfrom = \"group:web\"\nto = \"domain:a.org\"\npacket = \"tcp/80\"\nverdict = ";
  EXPECT_THAT(said_of(expect + "\"allow\"\n"), ::testing::HasSubstr("p.toml:4:6: domain:a.org can't be proved"));
}

TEST(DomainRules, AreBounded) {
  std::string text = "[[rules]]\nfrom = \"group:web\"\nto = [";
  for (int i = 0; i < 256; ++i) text += "\"domain:a" + std::to_string(i) + ".org\", ";
  text += "]\nallow = \"any\"\n";
  EXPECT_EQ(said_of(text), "taken");
  EXPECT_EQ(said_of(text + rule("domain:a7.org")),
            "p.toml:6:1: 'rule 2 of p.toml' can never match, since 'rule 1 of "
            "p.toml' (p.toml:2:1) comes first and covers all of it; put it "
            "before that one, or take it out");
  EXPECT_EQ(said_of(text + rule("domain:b.org")),
            "p.toml:8:6: there are more than 256 domains in all rules together; "
            "say more with one, such as domain:*.example.org");
}

TEST(DomainRules, AreCoveredByWhatIsWider) {
  const auto never = ::testing::HasSubstr("can never match");
  const auto pair = [](const std::string& first, const std::string& second) {
    return said_of(rule(first) + rule(second));
  };
  EXPECT_THAT(pair("any", "domain:a.org"), never);
  EXPECT_THAT(pair("world", "domain:a.org"), never);
  EXPECT_THAT(pair("domain:*.org", "domain:a.org"), never);
  EXPECT_THAT(pair("domain:*.org", "domain:*.a.org"), never);
  EXPECT_THAT(pair("domain:*.a.org", "domain:*.a.org"), never);
  EXPECT_EQ(pair("domain:*.a.org", "domain:a.org"), "taken");
  EXPECT_EQ(pair("domain:a.org", "domain:*.a.org"), "taken");
  EXPECT_EQ(pair("domain:*.a.org", "domain:*.org"), "taken");
  EXPECT_EQ(pair("domain:a.org", "world"), "taken");
  EXPECT_EQ(pair("net:192.0.2.0/24", "domain:a.org"), "taken");
  EXPECT_EQ(pair("network:default", "domain:a.org"), "taken");
}

}  // namespace
}  // namespace vrouter::config
