// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "router/cli/options.h"

namespace vrouter::router::cli {
namespace {

using ::testing::HasSubstr;

std::expected<Request, Leave> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "vrouter");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

TEST(Options, AddGuestWithEverything) {
  const auto request = parse({"add-guest",
                              "tap0",
                              "10.0.5.2,fd76:7274:5::2",
                              "--name",
                              "web1",
                              "--mac",
                              "52:54:0:1:2:3",
                              "--network",
                              "default",
                              "--group",
                              "web",
                              "--group",
                              "db",
                              "--publish",
                              "8080:80",
                              "--publish",
                              "53/udp",
                              "--create-tap",
                              "--owner",
                              "qemu",
                              "--ephemeral",
                              "--wait=5"});
  // One digit is no pair: the MAC is judged before the daemon is asked.
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().status, kUsage);
  EXPECT_THAT(request.error().text, HasSubstr("--mac"));

  const auto right = parse({"add-guest",
                            "tap0",
                            "10.0.5.2,fd76:7274:5::2",
                            "--name",
                            "web1",
                            "--mac",
                            "52:54:00:01:02:03",
                            "--network",
                            "default",
                            "--group",
                            "web",
                            "--group",
                            "db",
                            "--publish",
                            "8080:80",
                            "--publish",
                            "53/udp",
                            "--limit",
                            "egress.bits=100M",
                            "--limit",
                            "new_connections=0",
                            "--create-tap",
                            "--owner",
                            "qemu",
                            "--ephemeral",
                            "--wait=5"});
  ASSERT_TRUE(right) << right.error().text;
  EXPECT_EQ(right->command, Command::add_guest);
  EXPECT_EQ(right->wanted.tap, "tap0");
  EXPECT_EQ(right->wanted.address->to_string(), "10.0.5.2");
  EXPECT_EQ(right->wanted.address6->to_string(), "fd76:7274:5::2");
  EXPECT_EQ(right->wanted.name, "web1");
  EXPECT_EQ(right->wanted.mac->to_string(), "52:54:00:01:02:03");
  EXPECT_EQ(right->wanted.groups, (std::vector<std::string>{"web", "db"}));
  ASSERT_EQ(right->wanted.publish.size(), 2U);
  EXPECT_EQ(right->wanted.publish[0].guest_first, 80);
  EXPECT_EQ(right->wanted.publish[1].protocol, config::Protocol::udp);
  EXPECT_EQ(right->wanted.limits, (config::Limits{.egress_bits = 100'000'000, .new_connections = 0}));
  EXPECT_TRUE(right->wanted.create_tap);
  EXPECT_EQ(right->wanted.owner, "qemu");
  EXPECT_TRUE(right->wanted.ephemeral);
  EXPECT_EQ(right->wait, std::chrono::seconds{5});
}

TEST(Options, AddGuestTakesWhatIsSaidOfDhcp) {
  const auto shared = parse({"add-guest", "br0", "--shared", "--network", "lab", "--group", "web"});
  ASSERT_TRUE(shared) << shared.error().text;
  EXPECT_TRUE(shared->wanted.shared);
  EXPECT_FALSE(shared->wanted.dhcp.mask);
  EXPECT_EQ(parse({"add-guest", "tap0", "--dhcp-mask", "24"})->wanted.dhcp.mask, 24);
  for (const auto* mask : {"0", "7", "33", "280"}) {
    EXPECT_THAT(parse({"add-guest", "tap0", "--dhcp-mask", mask}).error().text, HasSubstr("--dhcp-mask: takes 8 to 32"))
        << mask;
  }
  EXPECT_THAT(parse({"add-guest", "br0", "10.0.5.2", "--shared"}).error().text, HasSubstr("leave ADDRESS out"));
}

TEST(Options, WaitTakesNoWordThatFollows) {
  const auto request = parse({"add-guest", "--wait", "tap0", "10.0.5.2"});
  ASSERT_TRUE(request) << request.error().text;
  EXPECT_EQ(request->wanted.tap, "tap0");
  EXPECT_EQ(request->wait, std::chrono::seconds{30});
  EXPECT_FALSE(parse({"add-guest", "tap0"})->wait);
}

TEST(Options, OptionsOfTheProgramStandBeforeOrAfter) {
  for (const auto& words : {std::vector<const char*>{"--json", "--socket", "/x", "guests"},
                            std::vector<const char*>{"guests", "--json", "--socket", "/x"}}) {
    const auto request = parse(words);
    ASSERT_TRUE(request) << request.error().text;
    EXPECT_TRUE(request->json);
    EXPECT_EQ(request->socket, "/x");
  }
}

TEST(Options, TheEnvironmentNamesTheSocketUnlessItIsSaid) {
  EXPECT_EQ(parse({"status"})->socket, "/run/vrouter/vrouter.sock");
  ::setenv("VROUTER_SOCKET", "/from/environment", 1);
  EXPECT_EQ(parse({"status"})->socket, "/from/environment");
  EXPECT_EQ(parse({"status", "--socket", "/said"})->socket, "/said");
  ::unsetenv("VROUTER_SOCKET");
}

TEST(Options, AMonitorTakesOneGuestOrNone) {
  const auto all = parse({"monitor"});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->command, Command::monitor);
  EXPECT_EQ(all->guest, "");
  EXPECT_EQ(parse({"monitor", "--guest", "web1"})->guest, "web1");
  EXPECT_EQ(parse({"rules"})->command, Command::rules);
}

TEST(Options, CheckTakesFilesAndPlaces) {
  const auto request = parse({"check", "a.toml", "b.toml", "--policy-dir", "/p"});
  ASSERT_TRUE(request);
  EXPECT_EQ(request->files.size(), 2U);
  EXPECT_EQ(request->policy_dir, "/p");
  EXPECT_EQ(parse({"check"})->config_file, "/etc/vrouter/vrouter.toml");
}

TEST(Options, AReloadMayWaitToBeConfirmed) {
  EXPECT_FALSE(parse({"reload"})->confirm_within);
  EXPECT_EQ(parse({"reload", "--confirm", "60"})->confirm_within, std::chrono::seconds{60});
  EXPECT_THAT(parse({"reload", "--confirm", "0"}).error().text, HasSubstr("--confirm: takes 1 to 3600 seconds"));
  EXPECT_EQ(parse({"confirm"})->command, Command::confirm);
}

TEST(Options, GroupsAreSaidOneByOneOrNone) {
  const auto changed = parse({"change-guest", "web1", "--group", "web", "--group", "db"});
  ASSERT_TRUE(changed) << changed.error().text;
  EXPECT_EQ(changed->guest, "web1");
  EXPECT_EQ(changed->wanted.groups, (std::vector<std::string>{"web", "db"}));
  EXPECT_TRUE(parse({"change-guest", "web1", "--no-groups"})->wanted.groups.empty());
  EXPECT_THAT(parse({"change-guest", "web1"}).error().text, HasSubstr("--group GROUP, or --no-groups"));
  EXPECT_FALSE(parse({"change-guest", "web1", "--no-groups", "--group", "web"}));
  EXPECT_THAT(parse({"add-guest", "tap0", "--group", "web,db"}).error().text, HasSubstr("--group web --group db"));
}

TEST(Options, ListsWatchesOrReleasesLeases) {
  const auto all = parse({"leases"});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->command, Command::leases);
  EXPECT_EQ(all->network, "");
  EXPECT_FALSE(all->watch);
  const auto some = parse({"leases", "--network", "lab", "--watch"});
  ASSERT_TRUE(some);
  EXPECT_EQ(some->network, "lab");
  EXPECT_TRUE(some->watch);
  const auto release = parse({"leases", "release", "10.0.6.200", "--json"});
  ASSERT_TRUE(release) << release.error().text;
  EXPECT_EQ(release->command, Command::release_lease);
  EXPECT_EQ(release->address.to_string(), "10.0.6.200");
  EXPECT_TRUE(release->json);
  EXPECT_THAT(parse({"leases", "release", "10.0.6"}).error().text, HasSubstr("ADDRESS: "));
  EXPECT_THAT(parse({"leases", "release", "--help"}).error().text, HasSubstr("vrouter leases release"));
}

TEST(Options, ShowsOrEmptiesTheDnsCache) {
  EXPECT_EQ(parse({"dns"})->command, Command::dns);
  const auto all = parse({"dns", "flush"});
  ASSERT_TRUE(all) << all.error().text;
  EXPECT_EQ(all->command, Command::flush_dns);
  EXPECT_EQ(all->name, "");
  EXPECT_EQ(parse({"dns", "flush", "www.example"})->name, "www.example");
  EXPECT_FALSE(parse({"dns", "flush", "a", "b"}));
}

TEST(Options, AsksDnsForNamesOrAddresses) {
  const auto name = parse({"dns", "query", "www.example"});
  ASSERT_TRUE(name) << name.error().text;
  EXPECT_EQ(name->command, Command::query_dns);
  EXPECT_EQ(name->name, "www.example");
  EXPECT_FALSE(name->record_type);
  EXPECT_FALSE(name->tcp);
  const auto typed = parse({"dns", "query", "--tcp", "www.example", "https", "--json"});
  ASSERT_TRUE(typed) << typed.error().text;
  EXPECT_EQ(typed->record_type, 65);
  EXPECT_TRUE(typed->tcp);
  EXPECT_TRUE(typed->json);
  EXPECT_THAT(parse({"dns", "query", "www.example", "AAA"}).error().text, HasSubstr("\"AAA\" is no type of record"));
  EXPECT_THAT(parse({"dns", "query", "www..example"}).error().text, HasSubstr("\"www..example\" is no name"));
  EXPECT_EQ(parse({"dns", "query"}).error().status, kUsage);
}

TEST(Options, NamesTheCommandThatThereIsNot) {
  EXPECT_THAT(parse({"fly"}).error().text, HasSubstr("there is no command fly"));
  EXPECT_THAT(parse({"--socket", "status", "fly", "tap0"}).error().text, HasSubstr("there is no command fly"));
}

class Usage : public ::testing::TestWithParam<std::vector<const char*>> {};
TEST_P(Usage, IsStatus2AndSaysWhereToLook) {
  const auto request = parse(GetParam());
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().status, kUsage);
  EXPECT_THAT(request.error().text, HasSubstr("--help"));
}
INSTANTIATE_TEST_SUITE_P(
    Words, Usage,
    ::testing::Values(std::vector<const char*>{}, std::vector<const char*>{"fly"},
                      std::vector<const char*>{"add-guest"}, std::vector<const char*>{"add-guest", "tap0", "10.0.5"},
                      std::vector<const char*>{"add-guest", "a/b"},
                      std::vector<const char*>{"add-guest", "tap0", "10.0.5.2", "extra"},
                      std::vector<const char*>{"add-guest", "tap0", "--owner", "qemu"},
                      std::vector<const char*>{"add-guest", "tap0", "--wait=0"},
                      std::vector<const char*>{"add-guest", "tap0", "--wait=x"},
                      std::vector<const char*>{"add-guest", "tap0", "--group", "a b"},
                      std::vector<const char*>{"add-guest", "tap0", "--publish", "http"},
                      std::vector<const char*>{"add-guest", "tap0", "--limit", "egress.bits"},
                      std::vector<const char*>{"publish", "web1"}, std::vector<const char*>{"publish", "web1", "0"},
                      std::vector<const char*>{"show"}, std::vector<const char*>{"guests", "--colour"},
                      std::vector<const char*>{"guests", "show"}, std::vector<const char*>{"leases", "10.0.6.200"},
                      std::vector<const char*>{"leases", "release"},
                      std::vector<const char*>{"leases", "release", "web1"},
                      std::vector<const char*>{"leases", "release", "10.0.6.200", "--watch"},
                      std::vector<const char*>{"leases", "--network", "lab", "release", "10.0.6.200"}));

TEST(Options, HelpOfTheProgramAndOfEachCommandIsStatus0) {
  const auto help = parse({"--help"});
  ASSERT_FALSE(help);
  EXPECT_EQ(help.error().status, kDone);
  for (const auto* command : {"add-guest", "remove-guest", "guests", "show", "status", "leases", "publish", "unpublish",
                              "change-guest", "ruleset", "reload", "confirm", "check", "teardown"}) {
    EXPECT_THAT(help.error().text, HasSubstr(command));
    const auto of_command = parse({command, "--help"});
    ASSERT_FALSE(of_command);
    EXPECT_EQ(of_command.error().status, kDone);
    EXPECT_THAT(of_command.error().text, HasSubstr(command));
  }
  EXPECT_EQ(parse({"--version"}).error().status, kDone);
}

}  // namespace
}  // namespace vrouter::router::cli
