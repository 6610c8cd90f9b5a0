// SPDX-License-Identifier: GPL-2.0-or-later
// Policy files: what they come to, and what is said about each mistake.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace vrouter::config {
namespace {

using Texts = std::vector<std::string>;

constexpr std::string_view kConfig = R"(
[networks.default]
[networks.lab]
prefix = "10.0.6.0/24"
[[guests]]
name = "w"
tap = "tap0"
address = "10.0.5.2"
groups = ["web"]
[[guests]]
name = "r"
tap = "tap1"
address = "10.0.5.3"
address6 = "fd76:7274:5::3"
prefixes = ["10.9.0.0/24", "fd00:9::/64"]
allowed_addresses = ["10.9.9.9", "fd00:99::9"]
)";

// One line, so that the text under test begins at line 2.
constexpr std::string_view kNames = "groups = { web = {}, db = {} }\n";
constexpr std::string_view kSets =
    "sets.far = [\"192.0.2.0/24\"]\nsets.far6 = [\"2001:db8::/32\"]\nsets.both = [\"192.0.2.0/24\", "
    "\"2001:db8::/32\"]\n"
    "sets.near = [\"10.0.5.0/25\"]\nsets.none = []\n";

std::vector<PolicyText> files(const Texts& texts) {
  std::vector<PolicyText> result;
  for (const auto& text : texts) result.push_back({.file = fmt::format("d/{}.toml", result.size() + 1), .text = text});
  return result;
}

Texts texts_of(const Problems& problems) {
  Texts texts;
  for (const auto& problem : problems) texts.push_back(problem.to_string());
  return texts;
}

Config load(const Texts& texts) {
  auto config = parse_config(kConfig, "f", files(texts));
  EXPECT_TRUE(config.has_value()) << config.error().front().to_string();
  return std::move(config).value_or(Config{});
}

Texts problems_of(const Texts& texts) {
  const auto config = parse_config(kConfig, "f", files(texts));
  return config ? Texts{} : texts_of(config.error());
}

Texts warnings_of(const std::string& text) {
  return texts_of(load({std::string{kNames} + std::string{kSets} + text}).warnings);
}

// What is wrong with text that begins at line 1 of the second file, after one that declares names.
Texts wrong_with(const std::string& text) {
  return problems_of({std::string{kNames} + std::string{kSets}, text});
}

Texts shown(const std::vector<Peer>& peers) {
  Texts texts;
  for (const auto& peer : peers) texts.push_back(peer.to_string());
  return texts;
}

TEST(LoadPolicy, ReadsEverythingThereIs) {
  const auto config = load({R"([groups.web]
egress  = "reject"
ingress = "deny"
[groups.db]
[sets]
office = ["198.51.100.128/25", "2001:db8:7::1", "198.51.100.0/25", "198.51.100.7"]
[[rules]]
name  = "web to db"
from  = "group:web"
to    = ["group:db", "guest:w", "group:db"]
allow = ["tcp/5433", "tcp/5432", "ping"]
log   = true
limit = "10/minute burst 20"
[[rules]]
from = "set:office"
deny = "any"
[[expect]]
from    = "world"
to      = "group:db"
packet  = "udp/53"
verdict = "reject"
)"});
  const auto& policy = config.policy;
  EXPECT_FALSE(policy.empty());
  EXPECT_EQ(policy.groups.at("web"),
            (Group{"web", Action::reject, Action::deny, {.file = "d/1.toml", .line = 1, .column = 9}}));
  EXPECT_EQ(policy.groups.at("db").egress, Action::allow);
  EXPECT_EQ(policy.groups.at("db").ingress, Action::reject);
  const auto& office = policy.sets.at("office");
  ASSERT_EQ(office.v4.size(), 1U);
  EXPECT_EQ(office.v4[0].to_string(), "198.51.100.0/24");
  ASSERT_EQ(office.v6.size(), 1U);
  EXPECT_EQ(office.v6[0].to_string(), "2001:db8:7::1/128");
  EXPECT_EQ(office.declared_at, (Place{"d/1.toml", 6, 1}));
  ASSERT_EQ(policy.rules.size(), 2U);
  const auto& rule = policy.rules[0];
  EXPECT_EQ(rule.name, "web to db");
  EXPECT_EQ(shown(rule.from), Texts{"group:web"});
  EXPECT_EQ(shown(rule.to), (Texts{"group:db", "guest:w"}));
  ASSERT_EQ(rule.services.size(), 3U);
  EXPECT_EQ(rule.services[0].to_string(), "icmp/8");
  EXPECT_EQ(rule.services[1].to_string(), "tcp/5432-5433");
  EXPECT_EQ(rule.services[2].to_string(), "icmpv6/128");
  EXPECT_TRUE(rule.log);
  EXPECT_EQ(rule.limit->to_string(), "10/minute burst 20");
  EXPECT_EQ(rule.declared_at, (Place{"d/1.toml", 7, 1}));
  EXPECT_EQ(policy.rules[1].name, "rule 2 of 1.toml");
  EXPECT_EQ(shown(policy.rules[1].to), Texts{"any"});
  EXPECT_EQ(policy.rules[1].action, Action::deny);
  EXPECT_TRUE(policy.rules[1].services.empty());
  EXPECT_FALSE(policy.rules[1].log || policy.rules[1].limit);
  ASSERT_EQ(policy.expects.size(), 1U);
  EXPECT_EQ(policy.expects[0].to.to_string(), "group:db");
  EXPECT_EQ(policy.expects[0].packet.to_string(), "udp/53");
  EXPECT_EQ(policy.expects[0].verdict, Action::reject);
  EXPECT_EQ(policy.expects[0].declared_at, (Place{"d/1.toml", 17, 1}));
  EXPECT_TRUE(config.warnings.empty());
}

TEST(LoadPolicy, SeveralFilesAreOneInTheirOrder) {
  const auto config =
      load({"[[rules]]\nto = \"group:web\"\nallow = \"tcp/1\"\n[[rules]]\nto = \"set:s\"\nfrom = "
            "\"group:web\"\nallow = \"tcp/2\"\n",
            "[[rules]]\nname = \"x\"\nto = \"group:web\"\nallow = \"tcp/3\"\n", "[groups.web]\n[sets]\ns = []\n"});
  Texts names;
  for (const auto& rule : config.policy.rules) names.push_back(rule.name);
  EXPECT_EQ(names, (Texts{"rule 1 of 1.toml", "rule 2 of 1.toml", "x"}));
  EXPECT_TRUE(load({"groups = {web = {}}", "", "# nothing\n"}).policy.rules.empty());
}

TEST(LoadPolicy, RefusesUnknownKeysAndWrongTypes) {
  const std::pair<std::string, Texts> kCases[] = {
      {"[rule]\n", {"d/2.toml:1:2: unknown key 'rule' in a policy file; did you mean rules?"}},
      {"[host]\n", {"d/2.toml:1:2: unknown key 'host' in a policy file; it may have groups, sets, rules or expect"}},
      {"[rules]\n",
       {"d/2.toml:1:1: rules must be an array, not a table; write rules = [{ from = \"world\", to = \"group:web\", "
        "allow = "
        "\"tcp/80\" }]"}},
      {"rules = [1]\n", {"d/2.toml:1:10: rules holds tables, not an integer; write [[rules]] and its keys below"}},
      {"expect = [\"\"]\n", {"d/2.toml:1:11: expect holds tables, not a string; write [[expect]] and its keys below"}},
      {"groups.x = 1\n",
       {"d/2.toml:1:12: a group is a table, not an integer; write [groups.web] and ingress = \"deny\" below"}},
      {"[groups.\"a b\"]\n",
       {"d/2.toml:1:9: 'a b' can't name a group; write 1 to 63 letters, digits, hyphens and underscores"}},
      {"[groups.x]\ningres = \"deny\"\n", {"d/2.toml:2:1: unknown key 'ingres' in group x; did you mean ingress?"}},
      {"[groups.x]\negress = \"drop\"\n", {"d/2.toml:2:10: 'drop' is no verdict; write allow, deny or reject"}},
      {"[groups.x]\negress = true\n",
       {"d/2.toml:2:10: egress must be a string, not true or false; write egress = \"allow\""}},
      {"[sets]\nx = \"10.0.0.0/8\"\n",
       {"d/2.toml:2:5: a set is an array, not a string; write [\"198.51.100.0/24\", \"2001:db8:7::1\"]"}},
      {"[sets]\nx = [1]\n",
       {"d/2.toml:2:6: a set holds strings, not an integer; write [\"198.51.100.0/24\", \"2001:db8:7::1\"]"}},
      {"[sets]\n\"x y\" = []\n",
       {"d/2.toml:2:1: 'x y' can't name a set; write 1 to 63 letters, digits, hyphens and underscores"}},
      {"[sets]\nx = [\"10.0.0.1/8\", \"10.0.0.0/8\", \"2001:db8::1/32\", \"all\"]\n",
       {"d/2.toml:2:6: '10.0.0.1/8' has bits set after its length; write 10.0.0.0/8",
        "d/2.toml:2:34: '2001:db8::1/32' has bits set after its length; write 2001:db8::/32",
        "d/2.toml:2:52: 'all' is no address; write one such as 192.0.2.53 or 2001:db8::53"}},
  };
  for (const auto& [text, said] : kCases) EXPECT_EQ(wrong_with(text), said) << text;
}

TEST(LoadPolicy, RefusesRulesThatDontSayWhatTheyDo) {
  const std::pair<std::string, Texts> kCases[] = {
      {"allow = \"any\"\n",
       {"d/2.toml:1:1: a rule needs from or to; write to = \"group:web\", or from = \"any\" for all"}},
      {"to = \"group:web\"\n",
       {"d/2.toml:1:1: a rule needs allow, deny or reject; write allow = \"tcp/80\", or \"any\""}},
      {"to = \"group:web\"\nallow = \"tcp/80\"\nreject = \"any\"\n",
       {"d/2.toml:4:10: a rule has one of allow, deny and reject, and this has allow and reject; make two rules of "
        "it"}},
      {"to = \"group:web\"\nallow = \"tcp/80\"\nfrm = \"world\"\n",
       {"d/2.toml:4:1: unknown key 'frm' in [[rules]]; did you mean from?"}},
      {"to = 1\nallow = \"tcp/80\"\n",
       {"d/2.toml:2:6: to must be a string or an array, not an integer; write to = \"group:db\""}},
      {"to = [1, \"group:web\"]\nallow = \"tcp/80\"\n",
       {"d/2.toml:2:7: to holds strings, not an integer; write to = \"group:db\""}},
      {"to = []\nallow = []\n",
       {"d/2.toml:2:6: to is empty; write to = \"any\"", "d/2.toml:3:9: allow is empty; write allow = \"any\""}},
      {"to = \"group:web\"\nallow = [\"any\", \"tcp/80\"]\n",
       {"d/2.toml:3:10: any is all traffic already; write it alone, or leave it out"}},
      {"to = \"group:web\"\nallow = [\"gre/1\", \"tpc\"]\n",
       {"d/2.toml:3:10: 'gre/1' gives ports to a protocol that has none; write gre",
        "d/2.toml:3:19: 'tpc' names no protocol; did you mean tcp?"}},
      {"to = \"gruop:web\"\nfrom = [\"net:10.0.0.1/8\"]\nallow = \"any\"\n",
       {"d/2.toml:2:6: 'gruop:web' says nobody; write group:web",
        "d/2.toml:3:9: '10.0.0.1/8' has bits set after its length; write 10.0.0.0/8"}},
      {"to = \"group:web\"\nallow = \"any\"\nlimit = \"fast\"\nlog = \"yes\"\n",
       {"d/2.toml:4:9: 'fast' is no limit; write 1 to 1000000 per unit of time, such as 10/minute or 10/minute burst "
        "20",
        "d/2.toml:5:7: log must be true or false, not a string; write log = true"}},
      {"to = \"group:web\"\ndeny = \"any\"\nlimit = \"1/day\"\n",
       {"d/2.toml:4:9: a limit says how much is allowed, and this rule has deny; take the limit out"}},
      {"to = \"group:web\"\nreject = \"any\"\nlimit = \"1/day\"\n",
       {"d/2.toml:4:9: a limit says how much is allowed, and this rule has reject; take the limit out"}},
      {"to = \"group:web\"\nreject = \"any\"\nname = \"a\\\"b\"\n",
       {"d/2.toml:4:8: 'a\"b' can't name a rule; write 1 to 64 printable ASCII characters without \" and \\, no blank "
        "first or last"}},
  };
  for (const auto& [text, said] : kCases) EXPECT_EQ(wrong_with("[[rules]]\n" + text), said) << text;
}

TEST(LoadPolicy, RefusesWhatIsDeclaredTwice) {
  EXPECT_EQ(problems_of({"[groups.a]\n[sets]\ns = []\n[[rules]]\nname = \"r\"\nfrom = \"any\"\nallow = \"any\"\n",
                         "[groups.a]\n[sets]\ns = []\n[[rules]]\nname = \"r\"\nfrom = \"any\"\nallow = \"any\"\n",
                         "[[rules]]\nname = \"rule 2 of 3.toml\"\nfrom = \"any\"\nallow = \"any\"\n[[rules]]\nfrom = "
                         "\"any\"\nallow = \"any\"\n[groups.web]\n"}),
            (Texts{"d/2.toml:1:9: group a is declared already (d/1.toml:1:9); declare it once",
                   "d/2.toml:3:1: set s is declared already (d/1.toml:3:1); declare it once",
                   "d/2.toml:5:8: there is a rule 'r' already (d/1.toml:4:1); give this another name",
                   "d/3.toml:5:1: there is a rule 'rule 2 of 3.toml' already (d/3.toml:1:1); give this another name"}));
}

TEST(LoadPolicy, RefusesWhatNobodyDeclares) {
  const std::pair<std::string, Texts> kCases[] = {
      {"from = \"group:wbe\"\nto = [\"set:far7\", \"network:lib\"]\nallow = \"any\"\n",
       {"d/2.toml:2:8: there is no group 'wbe'; name one of: web, db; or declare [groups.wbe]",
        "d/2.toml:3:7: there is no set 'far7'; name one of: far, both, far6, near, none; or declare far7 = [...] in "
        "[sets]",
        "d/2.toml:3:19: there is no network 'lib'; name one of: lab, default; or declare [networks.lib] in "
        "vrouter.toml"}},
      {"from = \"group:Web\"\nallow = \"any\"\n",
       {"d/2.toml:2:8: there is no group 'Web'; name one of: web, db; or declare [groups.Web]"}},
  };
  for (const auto& [text, said] : kCases) EXPECT_EQ(wrong_with("[[rules]]\n" + text), said) << text;
  EXPECT_EQ(
      problems_of({"[groups.web]\n[[expect]]\nfrom = \"set:x\"\nto = \"group:web\"\npacket = \"tcp/1\"\nverdict = "
                   "\"deny\"\n"}),
      Texts{"d/1.toml:3:8: there is no set 'x'; declare x = [...] in [sets]"});
  std::string many = "[[rules]]\nfrom = \"group:x\"\nallow = \"any\"\n[groups.web]\n";
  for (int i = 0; i < 12; ++i) many += fmt::format("[groups.group{}]\n", i);
  EXPECT_THAT(
      problems_of({many}),
      testing::ElementsAre("d/1.toml:2:8: there is no group 'x'; name one of: group0, group1, group10, group11, "
                           "group2, group3, group4, group5, ...; or declare [groups.x]"));
}

TEST(LoadPolicy, RefusesGuestsInGroupsThatNobodyDeclares) {
  EXPECT_EQ(
      problems_of({"[groups.wbe]\n"}),
      Texts{"f:9:11: no policy file declares the group 'web'; name one of: wbe; or declare [groups.web] in a policy "
            "file"});
  EXPECT_TRUE(parse_config(kConfig, "f").has_value()) << "without policy files nothing is known of groups";
}

TEST(LoadPolicy, RefusesRulesThatMixFamilies) {
  const std::pair<std::string, Texts> kCases[] = {
      {"from = \"net:10.0.5.0/24\"\nto = \"net:2001:db8::/32\"\nallow = \"any\"\n",
       {"d/2.toml:3:6: from has only IPv4 addresses and to only IPv6 ones; write both in one family"}},
      {"from = \"set:far6\"\nto = \"network:lab\"\nallow = \"any\"\n",
       {"d/2.toml:3:6: from has only IPv6 addresses and to only IPv4 ones; write both in one family"}},
      {"from = [\"set:both\", \"set:far6\", \"group:web\"]\nto = \"net:10.0.5.0/24\"\nallow = \"any\"\n",
       {"d/2.toml:2:21: set:far6 has only IPv6 addresses, and to only IPv4 ones; take it out, or write a rule of its "
        "own"}},
      {"from = \"set:far6\"\nto = [\"group:web\", \"net:10.0.5.0/24\"]\nallow = \"any\"\n",
       {"d/2.toml:3:20: net:10.0.5.0/24 has only IPv4 addresses, and from only IPv6 ones; take it out, or write a rule "
        "of "
        "its own"}},
      {"from = \"net:fd76:7274:5::/64\"\nallow = [\"icmp/8\", \"tcp\"]\n",
       {"d/2.toml:3:10: icmp is of IPv4, and the addresses here are IPv6 ones; write icmpv6"}},
      {"from = \"network:lab\"\nallow = [\"icmpv6\", \"58\", \"icmp\"]\n",
       {"d/2.toml:3:10: icmpv6 is of IPv6, and the addresses here are IPv4 ones; write icmp",
        "d/2.toml:3:20: icmpv6 is of IPv6, and the addresses here are IPv4 ones; write icmp"}},
  };
  for (const auto& [text, said] : kCases) EXPECT_EQ(wrong_with("[[rules]]\n" + text), said) << text;
  const auto ping = load({"[groups.web]\n[[rules]]\nfrom = \"net:10.0.5.0/24\"\nallow = \"ping\"\n"});
  ASSERT_EQ(ping.policy.rules.at(0).services.size(), 1U);
  EXPECT_EQ(ping.policy.rules[0].services[0].to_string(), "icmp/8");
  EXPECT_EQ(
      load({"[groups.web]\n[sets]\nx = []\n[[rules]]\nfrom = \"set:x\"\nto = \"net:10.0.5.0/24\"\nallow = \"any\"\n"})
          .policy.rules.size(),
      1U)
      << "an empty set is to be filled later";
}

TEST(LoadPolicy, RefusesRulesWithoutGuests) {
  const std::pair<const char*, const char*> kCases[] = {
      {"world", "world"}, {"host", "host"}, {"host", "world"}, {"world", "host"}};
  for (const auto& [from, to] : kCases) {
    EXPECT_EQ(
        wrong_with(fmt::format("[[rules]]\nfrom = \"{}\"\nto = \"{}\"\nallow = \"any\"\n", from, to)),
        Texts{fmt::format("d/2.toml:1:1: no guest takes part in this rule ({} to {}), and vrouter judges only guests' "
                          "traffic; name a guest, a group or a network on one side",
                          from, to)});
  }
  EXPECT_THAT(
      wrong_with("[[expect]]\nfrom = \"world\"\nto = \"host\"\npacket = \"tcp/22\"\nverdict = \"deny\"\n"),
      testing::ElementsAre(testing::StartsWith("d/2.toml:1:1: no guest takes part in this expectation (world to "
                                               "host), and ")));
  const std::pair<const char*, const char*> kGood[] = {{"any", "world"},
                                                       {"any", "host"},
                                                       {"host", "group:web"},
                                                       {"world", "guest:w"},
                                                       {"set:near", "host"},
                                                       {"net:0.0.0.0/0", "world"},
                                                       {"net:10.0.0.0/8", "host"},
                                                       {"net:10.0.6.7", "host"},
                                                       {"set:none", "host"},
                                                       {"host", "network:lab"},
                                                       {"net:10.9.0.64/28", "world"},
                                                       {"host", "net:10.9.9.9"},
                                                       {"world", "net:fd00:8::/29"},
                                                       {"net:fd00:99::9", "host"},
                                                       {"net:fd76:7274::/32", "world"}};
  for (const auto& [from, to] : kGood) {
    EXPECT_EQ(warnings_of(fmt::format("[[rules]]\nfrom = \"{}\"\nto = \"{}\"\nallow = \"any\"\n", from, to)), Texts{});
  }
}

// A command may give a guest such an address.
TEST(LoadPolicy, SaysWhereNoGuestIsKnownToHaveTheAddresses) {
  const std::pair<const char*, const char*> kCases[] = {{"set:far", "world"},           {"host", "set:both"},
                                                        {"net:10.0.7.0/24", "set:far"}, {"net:10.9.1.0/24", "world"},
                                                        {"host", "net:10.9.9.6/31"},    {"net:fd00:98::/32", "world"},
                                                        {"net:fd00:7::/64", "world"}};
  for (const auto& [from, to] : kCases) {
    EXPECT_EQ(
        warnings_of(fmt::format("[[rules]]\nfrom = \"{}\"\nto = \"{}\"\nallow = \"any\"\n", from, to)),
        Texts{fmt::format("d/1.toml:7:1: no guest takes part in this rule ({} to {}), and vrouter judges only guests' "
                          "traffic; this holds once `vrouter add-guest` gives one such an address or prefix",
                          from, to)});
  }
}

TEST(LoadPolicy, RefusesExpectationsThatCantBeProved) {
  const std::pair<std::string, Texts> kCases[] = {
      {"",
       {"d/2.toml:1:1: an expectation needs from; write from = \"world\"",
        "d/2.toml:1:1: an expectation needs packet; write packet = \"tcp/80\"",
        "d/2.toml:1:1: an expectation needs to; write to = \"group:web\"",
        "d/2.toml:1:1: an expectation needs verdict; write verdict = \"allow\""}},
      {"from = [\"world\"]\nto = \"web\"\npacket = \"tcp\"\nverdict = \"drop\"\n",
       {"d/2.toml:2:8: from must be a string, not an array; write from = \"world\"",
        "d/2.toml:3:6: 'web' says nobody; write group:NAME, guest:NAME, network:NAME, set:NAME, net:ADDRESS/LENGTH, "
        "domain:NAME, world, host or any",
        "d/2.toml:4:10: 'tcp' goes to no port; write one, such as tcp/80",
        "d/2.toml:5:11: 'drop' is no verdict; write allow, deny or reject"}},
      {"from = \"set:far6\"\nto = \"group:web\"\npacket = \"icmp/8\"\nverdict = \"deny\"\n",
       {"d/2.toml:4:10: icmp is of IPv4, and the addresses here are IPv6 ones; write icmpv6"}},
      {"from = \"set:far6\"\nto = \"net:10.0.5.2\"\npacket = \"tcp/8\"\nverdict = \"deny\"\n",
       {"d/2.toml:3:6: from has only IPv6 addresses and to only IPv4 ones; write both in one family"}},
  };
  for (const auto& [text, said] : kCases) EXPECT_EQ(wrong_with("[[expect]]\n" + text), said) << text;
}

TEST(LoadPolicy, SaysNothingOfNetworksWhileTheyAreWrong) {
  const PolicyText policy{.file = "p",
                          .text =
                              "[[rules]]\nfrom = \"network:x\"\nto = \"group:y\"\nallow = \"any\"\n"
                              "[[rules]]\nfrom = \"net:10.9.0.0/16\"\nto = \"world\"\nallow = \"any\"\n"};
  const auto config = parse_config("[networks.default]\nprefix = \"10.0.0.0/99\"\n", "f", std::span{&policy, 1});
  ASSERT_FALSE(config.has_value());
  EXPECT_THAT(texts_of(config.error()), testing::ElementsAre(testing::StartsWith("f:2:10: "),
                                                             testing::StartsWith("p:3:6: there is no group 'y'; ")));
}

TEST(LoadPolicy, WarnsOfWhatIsHardlyMeant) {
  EXPECT_EQ(
      warnings_of("[[rules]]\nto = \"guest:nobody\"\nallow = [\"22\", \"tcp\", \"47\"]\n"),
      (Texts{"d/1.toml:8:6: no file declares a guest 'nobody'; this holds once `vrouter add-guest` gives one that name",
             "d/1.toml:9:10: 22 is IP protocol 22, not a port; if a port is meant, write tcp/22"}));
  EXPECT_EQ(warnings_of("[[expect]]\nfrom = \"guest:nobody\"\nto = \"world\"\npacket = \"tcp/1\"\nverdict = \"deny\"\n")
                .size(),
            1U);
  EXPECT_EQ(warnings_of("[[rules]]\nto = \"guest:W\"\nallow = [\"tcp/22\", \"gre\"]\n"), Texts{});
}

TEST(LoadPolicy, IsBounded) {
  std::string rules, groups, sets, prefixes;
  for (int i = 0; i <= 10000; ++i) rules += "[[rules]]\n";
  for (int i = 0; i <= 2000; ++i) groups += fmt::format("[groups.g{}]\n", i);
  for (int i = 0; i <= 2000; ++i) sets += fmt::format("g{} = []\n", i);
  for (int i = 0; i <= 100000; ++i) prefixes += "\"10.0.5.1\",\n";
  EXPECT_EQ(problems_of({rules}).back(),
            "d/1.toml:10001:1: there are more than 10000 [[rules]] in all files together; say more with one, by groups "
            "and sets");
  EXPECT_THAT(
      problems_of({"[groups.web]\n", groups}),
      testing::ElementsAre("d/2.toml:999:9: there are more than 2000 groups in all files together; take some out",
                           "d/2.toml:1000:9: there are more than 2000 groups in all files together; take some "
                           "out"))
      << "by name, not by line";
  EXPECT_THAT(
      problems_of({"[groups.web]\n[sets]\n" + sets}),
      testing::ElementsAre("d/1.toml:1002:1: there are more than 2000 sets in all files together; take some out"));
  EXPECT_THAT(problems_of({"[groups.web]\n[sets]\nx = [\n" + prefixes + "]\n"}),
              testing::ElementsAre("d/1.toml:100004:1: there are more than 100000 prefixes in all sets together; write "
                                   "shorter ones"));
  std::string ports;
  for (int i = 1; i <= 257; ++i) ports += fmt::format("\"tcp/{}\",", 2 * i);
  EXPECT_EQ(wrong_with("[[rules]]\nto = \"group:web\"\nallow = [" + ports + "]\n"),
            Texts{"d/2.toml:3:9: allow lists more than 256; make a group or a set of them, or ranges of ports"});
  const std::vector<PolicyText> odd{{.file = "d/a\"b.toml", .text = ""},
                                    {.file = "d/" + std::string(101, 'x'), .text = ""}};
  const auto config = parse_config("", "f", odd);
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().size(), 2U);
  EXPECT_EQ(
      config.error()[0].to_string(),
      "d/a\"b.toml: rules are named after their file, so its name is at most 100 printable ASCII characters without "
      "\" and \\; rename it, such as 10-web.toml");
}

TEST(LoadPolicy, MeansTheSameElsewhereInTheFile) {
  const std::string text =
      "[groups.web]\n[sets]\ns = [\"192.0.2.1\"]\n[[rules]]\nfrom = \"group:web\"\nallow = \"tcp\"\n"
      "[[expect]]\nfrom = \"group:web\"\nto = \"world\"\npacket = \"tcp/1\"\nverdict = \"allow\"\n";
  const auto policy = load({text}).policy;
  const auto moved = load({"\n# more\n" + text}).policy;
  EXPECT_NE(policy, moved);
  EXPECT_TRUE(same_meaning(policy, moved));
  const auto differs = [&](auto change) {
    auto other = policy;
    change(other);
    return !same_meaning(policy, other) && !same_meaning(other, policy);
  };
  EXPECT_TRUE(differs([](Policy& p) { p.groups.at("web").egress = Action::deny; }));
  EXPECT_TRUE(differs([](Policy& p) { p.groups["db"] = {}; }));
  EXPECT_TRUE(differs([](Policy& p) { p.sets.at("s").v4.clear(); }));
  EXPECT_TRUE(differs([](Policy& p) { p.rules[0].log = true; }));
  EXPECT_TRUE(differs([](Policy& p) { p.rules.push_back(p.rules[0]); }));
  EXPECT_TRUE(differs([](Policy& p) { p.expects[0].verdict = Action::deny; }));
}

}  // namespace
}  // namespace vrouter::config
