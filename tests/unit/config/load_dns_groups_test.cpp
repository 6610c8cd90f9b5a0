// SPDX-License-Identifier: GPL-2.0-or-later
// Lists of domains and what groups of guests may ask: what is taken, and what is said of the rest.
#include "config/load_dns_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/problems.h"

namespace vrouter::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> problems_with_groups(const std::string& toml) {
  const PolicyText policy{.file = "p", .text = "[groups.web]\n[groups.lab]\n"};
  std::vector<std::string> texts;
  const auto config = parse_config(toml, "f", {&policy, 1});
  if (config) return texts;
  for (const auto& problem : config.error()) texts.push_back(problem.to_string());
  return texts;
}

const std::string kLists =
    "[dns.lists]\nads.files = [\"/l/ads\"]\nexceptions.files = \"/l/ok\"\nmalware = { files = [\"/l/bad\"] }\n";

TEST(DnsGroups, AreReadWhole) {
  const auto config = parse_config(R"([dns.lists.ads]
files = ["/etc/vrouter/lists/ads.txt", "/etc/vrouter/lists/more.txt"]
[dns.lists.exceptions]
files = "/etc/vrouter/lists/ok.txt"
[dns.groups.web]
block = ["ads"]
allow = ["exceptions"]
other_resolvers = "redirect"
[dns.groups.lab]
other_resolvers = "refuse"
[dns.groups.office]
block = "ads"
)",
                                   "f");
  ASSERT_TRUE(config) << config.error().front().to_string();
  const auto& [lists, groups] = std::tie(config->dns.lists, config->dns.groups);
  ASSERT_EQ(lists.size(), 2U);
  EXPECT_THAT(lists.at("ads").files, ElementsAre("/etc/vrouter/lists/ads.txt", "/etc/vrouter/lists/more.txt"));
  EXPECT_EQ(lists.at("ads").at.line, 1U);
  EXPECT_EQ(lists.at("ads").at.file, "f");
  EXPECT_THAT(lists.at("exceptions").files, ElementsAre("/etc/vrouter/lists/ok.txt"));
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_THAT(groups.at("web").block, ElementsAre("ads"));
  EXPECT_THAT(groups.at("web").allow, ElementsAre("exceptions"));
  EXPECT_EQ(groups.at("web").other_resolvers, OtherResolvers::redirect);
  EXPECT_EQ(groups.at("web").at.line, 5U);
  EXPECT_THAT(groups.at("lab").block, IsEmpty());
  EXPECT_EQ(groups.at("lab").other_resolvers, OtherResolvers::refuse);
  EXPECT_EQ(groups.at("office").other_resolvers, OtherResolvers::allow);
}

TEST(DnsGroups, ListsThatCantBeAreNamedWithTheirRemedy) {
  const BadFile kCases[] = {
      {"[dns.lists.ads]\n", {"f:1:12: the list ads needs files; write files = [\"/etc/vrouter/lists/ads.txt\"]"}},
      {"[dns.lists.ads]\nfiles = []\n",
       {"f:2:9: the list ads needs files; write files = [\"/etc/vrouter/lists/ads.txt\"]"}},
      {"[dns.lists.ads]\nfiles = [\"lists/ads.txt\"]\n",
       {"f:2:10: 'lists/ads.txt' is no file's full path; write one such as /etc/vrouter/lists/ads.txt"}},
      {"[dns.lists.ads]\nfiles = [\"/l/\"]\n",
       {"f:2:10: '/l/' is no file's full path; write one such as /etc/vrouter/lists/ads.txt"}},
      {"[dns.lists.ads]\nfiles = [\"/a\", \"/a\"]\n", {"f:2:16: /a stands twice in files; name it once"}},
      {"[dns.lists.\"my ads\"]\nfiles = [\"/a\"]\n",
       {"f:1:12: 'my ads' is no name of a list; write 1 to 63 letters, digits, '-' and '_'"}},
      {"[dns.lists]\nads = [\"/a\"]\n",
       {"f:2:7: a list is a table, not an array; write [dns.lists.ads] and files = "
        "[\"/etc/vrouter/lists/ads.txt\"] below"}},
      {"[dns.lists.ads]\nfiles = [\"/a\"]\nurl = \"https://example\"\n",
       {"f:3:1: unknown key 'url' in dns.lists.ads; it may have files"}},
  };
  for (const auto& [toml, problems] : kCases) EXPECT_EQ(problems_of(toml), problems) << toml;
}

TEST(DnsGroups, GroupsThatCantBeAreNamedWithTheirRemedy) {
  const std::pair<std::string, std::string> kCases[] = {
      {"block = [\"add\"]",
       "f:6:10: there is no list 'add'; name one of: ads, exceptions, malware; or declare [dns.lists.add]"},
      {"block = [\"ads\", \"ads\"]", "f:6:17: ads stands twice in block; name it once"},
      {"block = [\"ads\"]\nallow = [\"nil\"]",
       "f:7:10: there is no list 'nil'; name one of: ads, exceptions, malware; or declare [dns.lists.nil]"},
      {"block = [\"ads\"]\nallow = [\"ads\"]",
       "f:7:9: the list ads can't be blocked and allowed alike; leave it out of block or of allow"},
      {"allow = [\"exceptions\"]",
       "f:6:9: allow says what block lets pass, and there is none; write block = [\"ads\"] beside it"},
      {"other_resolvers = \"deny\"", "f:6:19: other_resolvers can't be 'deny'; write allow, redirect or refuse"},
  };
  for (const auto& [keys, problem] : kCases) {
    EXPECT_THAT(problems_of(kLists + "[dns.groups.web]\n" + keys + "\n"), ElementsAre(problem)) << keys;
  }
  EXPECT_THAT(problems_of("[dns.groups.web]\nblock = [\"ads\"]\n"),
              ElementsAre("f:2:10: there is no list 'ads'; declare [dns.lists.ads]"));
  EXPECT_THAT(problems_of("[dns.lists.ads]\n[dns.groups.web]\nblock = [\"ads\"]\n").size(), 1U)
      << "of a list that is wrong nothing else is said";
  EXPECT_THAT(problems_of("[dns.groups]\nweb = [\"ads\"]\n"),
              ElementsAre("f:2:7: what holds for a group is a table, not an array; write [dns.groups.web] and block = "
                          "[\"ads\"] below"));
}

TEST(DnsGroups, AreOfGroupsThatAPolicyFileDeclares) {
  EXPECT_THAT(problems_with_groups(kLists + "[dns.groups.web]\nblock = [\"ads\"]\n"), IsEmpty());
  EXPECT_THAT(problems_with_groups(kLists + "[dns.groups.wbe]\nblock = [\"ads\"]\n"),
              ElementsAre("f:5:13: no policy file declares the group 'wbe'; name one of: lab, web; or declare "
                          "[groups.wbe] in a policy file"));
  EXPECT_THAT(problems_of("[dns.groups.wbe]\n"), IsEmpty()) << "nothing is known of the policy";
}

}  // namespace
}  // namespace vrouter::config
