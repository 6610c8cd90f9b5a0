// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <fstream>

#include "router/cli/run.h"

namespace vrouter::router::cli {
namespace {

using control::Failure;
using control::FailureKind;
using ::testing::HasSubstr;

TEST_F(Program, AddsShowsAndRemovesAGuest) {
  const auto added = ask({"add-guest", "tap0", "10.0.5.2", "--name", "web1"});
  EXPECT_EQ(added.status, kDone) << added.err;
  EXPECT_EQ(added.out, "web1 on tap0 has 10.0.5.2 in network default: ready\n");
  EXPECT_EQ(added.err, "");
  EXPECT_EQ(ask({"guests"}).out,
            "NAME  TAP   ADDRESS   NETWORK  STATE  GROUPS  PUBLISHED\n"
            "web1  tap0  10.0.5.2  default  ready  -       -\n")
      << "no colour: stdout is no terminal";
  EXPECT_THAT(ask({"show", "tap0"}).out, HasSubstr("declared  by add-guest\n"));
  EXPECT_EQ(ask({"remove-guest", "tap0"}).out, "web1 on tap0 is removed\n");
  EXPECT_EQ(ask({"guests"}).out, "NAME  TAP  ADDRESS  NETWORK  STATE  GROUPS  PUBLISHED\n");
}

TEST_F(Program, PublishesAndCloses) {
  ask({"add-guest", "tap0"});
  EXPECT_THAT(ask({"publish", "tap0", "8080:80"}).out, HasSubstr("8080:80/tcp is published; tap0 on tap0"));
  EXPECT_THAT(ask({"guests"}).out, HasSubstr("8080:80/tcp\n"));
  EXPECT_EQ(ask({"unpublish", "tap0", "8080:80"}).status, kDone);
  const auto again = ask({"unpublish", "tap0", "8080:80"});
  EXPECT_EQ(again.status, kRefused);
}

TEST_F(Program, ExplainsAndTellsByItsStatus) {
  ask({"add-guest", "tap0"});
  const auto refused = ask({"explain", "tap0", "world", "tcp/25"});
  EXPECT_EQ(refused.status, kRefused);
  EXPECT_EQ(refused.out,
            "tcp/25 from tap0 to world: rejected by \"no mail\" (mail.toml:3) on the sender's side\n"
            "  the sender's side: rejected by \"no mail\" (mail.toml:3) (chain r_no_mail_eg)\n");
  const auto json = boost::json::parse(ask({"--json", "explain", "tap0", "world", "udp/53"}).out).as_object();
  EXPECT_EQ(json.at("verdict").as_string(), "reject");
  EXPECT_EQ(json.at("packet").as_string(), "udp/53");
  const auto side = json.at("sides").at(0);
  EXPECT_EQ(side.at("side"), "sender");
  EXPECT_EQ(side.at("rule"), "no mail");
  EXPECT_EQ(side.at("declared_at").at("line"), 3);
  EXPECT_EQ(ask({"explain", "nobody", "world"}).status, kRefused);
  const auto wrong = ask({"explain", "tap0", "world", "tcp"});
  EXPECT_EQ(wrong.status, kUsage);
  EXPECT_THAT(wrong.err, HasSubstr("PACKET"));
}

TEST_F(Program, JsonIsWhatTheSocketReturned) {
  for (const auto& words :
       {std::vector<std::string>{"--json", "status"}, std::vector<std::string>{"status", "--json"}}) {
    const auto ran = ask(words);
    EXPECT_EQ(ran.status, kDone);
    EXPECT_EQ(boost::json::parse(ran.out).at("status").at("health"), "degraded");
    EXPECT_EQ(ran.out.find('\n'), ran.out.size() - 1);
  }
  EXPECT_EQ(boost::json::parse(ask({"--json", "ruleset"}).out).at("ruleset"), "table inet vrouter {\n}\n");
  EXPECT_TRUE(boost::json::parse(ask({"--json", "leases"}).out).at("leases").is_array());
  EXPECT_EQ(boost::json::parse(ask({"--json", "reload"}).out).at("changes").at(0), "guest web1 is new");
  const auto refused = ask({"--json", "show", "nobody"});
  EXPECT_EQ(refused.status, kRefused);
  EXPECT_EQ(boost::json::parse(refused.out).at("error"), "io.vrouter.NotFound");
}

TEST_F(Program, ARefusalIsStatus1WithItsReasonOnStderr) {
  ask({"add-guest", "tap0"});
  const auto ran = ask({"add-guest", "tap0"});
  EXPECT_EQ(ran.status, kRefused);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "vrouter: tap0 is taken already; take another TAP\n");
}

TEST_F(Program, WrongWordsAreStatus2) {
  const auto ran = ask({"add-guest", "tap0", "10.0.5"});
  EXPECT_EQ(ran.status, kUsage);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("See vrouter add-guest --help"));
  EXPECT_TRUE(server_.on_loop([this] { return server_.service.guests.empty(); }));
}

TEST_F(Program, NoDaemonIsStatus3) {
  for (const auto* command : {"status", "guests", "reload"}) {
    const auto ran = run({"--socket", (directory_ / "none.sock").string(), command});
    EXPECT_EQ(ran.status, kNoDaemon);
    EXPECT_THAT(ran.err, HasSubstr("systemctl start vrouterd"));
    const auto json = run({"--json", "--socket", (directory_ / "none.sock").string(), command});
    EXPECT_EQ(json.status, kNoDaemon);
    const auto reason = boost::json::parse(json.out).at_pointer("/parameters/reason").as_string();
    EXPECT_THAT(std::string{reason}, HasSubstr("systemctl start vrouterd"));
  }
}

TEST_F(Program, WaitsUntilTheGuestIsReady) {
  server_.on_loop([this] { server_.service.shows_until_ready = 3; });
  const auto ran = ask({"add-guest", "tap0", "--wait"});
  EXPECT_EQ(ran.status, kDone) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr(": ready\n"));
}

TEST_F(Program, WithoutWaitItDoesNotWait) {
  server_.on_loop([this] { server_.service.shows_until_ready = 1'000'000; });
  const auto ran = ask({"add-guest", "tap0"});
  EXPECT_EQ(ran.status, kDone);
  EXPECT_THAT(ran.out, HasSubstr(": waiting for tap0\n"));
}

TEST_F(Program, SaysWhyTheGuestIsNotReadyInTime) {
  server_.on_loop([this] { server_.service.shows_until_ready = 1'000'000; });
  const auto ran = ask({"add-guest", "tap0", "--wait=1"});
  EXPECT_EQ(ran.status, kRefused);
  EXPECT_THAT(ran.err, HasSubstr("is added, but not ready after 1 s: there is no interface tap0"));
}

TEST_F(Program, WarningsAreOnStderr) {
  const auto ran = ask({"reload"});
  EXPECT_EQ(ran.status, kDone);
  EXPECT_EQ(ran.out, "guest web1 is new\n");
  EXPECT_EQ(ran.err, "vrouter: warning: table filter drops what is forwarded\n");
}

TEST_F(Program, AReloadThatWaitsSaysWhatToDoNext) {
  const auto ran = ask({"reload", "--confirm", "90"});
  EXPECT_EQ(ran.status, kDone);
  EXPECT_THAT(ran.out, HasSubstr("run it within 1m 30s"));
  EXPECT_EQ(boost::json::parse(ask({"--json", "reload", "--confirm", "90"}).out).at("confirm_within"), 90);
  EXPECT_THAT(ask({"confirm"}).out, HasSubstr("confirmed, with 1m 30s left"));
  EXPECT_EQ(ask({"confirm"}).status, kRefused);
}

TEST_F(Program, PutsAGuestIntoOtherGroups) {
  ask({"add-guest", "tap0"});
  EXPECT_THAT(ask({"change-guest", "tap0", "--group", "web", "--group", "db"}).out,
              HasSubstr("in web, db now; tap0 on"));
  EXPECT_EQ(boost::json::parse(ask({"--json", "change-guest", "tap0", "--no-groups"}).out).at("guest").at("groups"),
            boost::json::array{});
  EXPECT_EQ(ask({"change-guest", "nobody", "--no-groups"}).status, kRefused);
}

TEST_F(Program, ChecksPolicyFilesByTheirKind) {
  const auto file = [&](const char* name, const char* text) {
    const auto path = directory_ / name;
    std::ofstream{path} << text;
    return path.string();
  };
  const auto guests = file("guests.toml", "[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\ngroups = [\"web\"]\n");
  const auto web = file("web.toml",
                        "[groups.web]\n[[rules]]\nto = \"group:web\"\nallow = \"22\"\n"
                        "[[expect]]\nfrom = \"world\"\nto = \"group:web\"\npacket = \"tcp/22\"\nverdict = "
                        "\"reject\"\n"
                        "[[expect]]\nfrom = \"world\"\nto = \"guest:later\"\npacket = \"tcp/22\"\nverdict = "
                        "\"reject\"\n");
  const auto together = run({"check", guests, web});
  EXPECT_EQ(together.status, kDone) << together.err;
  EXPECT_THAT(together.out, HasSubstr("1 guests, 1 groups, 1 rules, 1 expectations hold, 1 untried\n"));
  const auto none = (directory_ / "none.toml").string();
  EXPECT_EQ(run({"check", "--config", none, web}).status, kDone);
  const auto wrong = file("wrong.toml", "[[rules]]\nto = \"group:wen\"\nallow = \"tcp/1\"\n");
  const auto refused = run({"check", guests, web, wrong});
  EXPECT_EQ(refused.status, kRefused);
  EXPECT_THAT(refused.err, HasSubstr("wrong.toml:2:"));
  // One mistake must not hide what is only odd.
  std::filesystem::create_directory(directory_ / "policy.d");
  std::filesystem::rename(web, directory_ / "policy.d" / "web.toml");
  std::filesystem::rename(wrong, directory_ / "policy.d" / "wrong.toml");
  const auto both = run({"check", "--config", guests, "--policy-dir", (directory_ / "policy.d").string()});
  EXPECT_EQ(both.status, kRefused);
  EXPECT_THAT(both.err, HasSubstr("wrong.toml:2:"));
  EXPECT_THAT(both.err, HasSubstr("22 is IP protocol 22, not a port"));
  const auto missing = run({"check", "--config", none, "--policy-dir", (directory_ / "p").string()});
  EXPECT_THAT(missing.err, HasSubstr("there is no such policy directory"));
}

TEST_F(Program, ChecksFilesWithoutADaemon) {
  const auto good = directory_ / "good.toml";
  std::ofstream{good} << "[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n";
  const auto ran = run({"check", good.string()});
  EXPECT_EQ(ran.status, kDone) << ran.err;
  EXPECT_EQ(ran.out, good.string() + ": ok, 1 networks, 1 guests\n");

  const auto bad = directory_ / "bad.toml";
  std::ofstream{bad} << "[host]\nuplink = [\"eth0\"]\n";
  const auto refused = run({"check", good.string(), bad.string()});
  EXPECT_EQ(refused.status, kRefused);
  EXPECT_THAT(refused.err, HasSubstr(bad.string() + ":2:1: "));

  const auto json = run({"--json", "check", bad.string()});
  EXPECT_EQ(json.status, kRefused);
  const auto parsed = boost::json::parse(json.out);
  EXPECT_EQ(parsed.at("ok"), false);
  EXPECT_EQ(parsed.at("problems").at(0).at("line"), 2);

  const auto missing = run({"check", (directory_ / "missing.toml").string()});
  EXPECT_EQ(missing.status, kRefused);
  EXPECT_THAT(missing.err, HasSubstr("missing.toml"));

  const auto defaults =
      run({"check", "--config", (directory_ / "x.toml").string(), "--policy-dir", (directory_ / "p").string()});
  EXPECT_EQ(defaults.status, kDone) << defaults.err;
  EXPECT_THAT(defaults.out, HasSubstr("embedded defaults"));
}

TEST_F(Program, ChecksTheFilesOfLists) {
  const auto list = directory_ / "ads.txt", file = directory_ / "lists.toml";
  std::ofstream{file} << "[dns.lists.ads]\nfiles = [\"" << list.string() << "\"]\n";
  const auto check = [&] { return run({"check", "--config", file.string()}); };
  const auto missing = check();
  EXPECT_EQ(missing.status, kRefused);
  EXPECT_THAT(missing.err, HasSubstr(file.string() + ":1:12: list ads: the list file " + list.string() +
                                     " can't be read (No such file or directory); mend its path"));
  const auto elsewhere = run({"check", file.string()});
  EXPECT_EQ(elsewhere.status, kDone) << "a file that is named may be another host's";
  EXPECT_THAT(elsewhere.err, HasSubstr("can't be read"));
  std::ofstream{list} << "ads.example\n||ads.example^\n";
  const auto misread = check();
  EXPECT_EQ(misread.status, kDone) << misread.err;
  EXPECT_THAT(misread.err, HasSubstr(list.string() + ":2: the line is neither a domain"));
}

TEST_F(Program, TeardownAsksTheDaemonAndDoesWithoutOne) {
  EXPECT_EQ(ask({"teardown"}).out, "removed table inet vrouter\n");
  Request request;
  request.command = Command::teardown;
  request.socket = directory_ / "none.sock";
  request.config_file = "/config";
  request.state_dir = "/state";
  EXPECT_EQ(cli::run(request, {}), kNoDaemon);
  Hooks hooks;
  hooks.teardown_offline = [](const auto& config,
                              const auto& state) -> std::expected<std::vector<std::string>, std::string> {
    if (config != "/config" || state != "/state") return std::unexpected("asked about another host");
    return std::vector<std::string>{"restored net.ipv4.ip_forward"};
  };
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(cli::run(request, hooks), kDone);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "restored net.ipv4.ip_forward\n");
  request.json = true;
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(cli::run(request, hooks), kDone);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "{\"done\":[\"restored net.ipv4.ip_forward\"]}\n");
  request.state_dir = "/other";
  EXPECT_EQ(cli::run(request, hooks), kRefused);
}

TEST_F(Program, AFullDiskBehindStdoutIsNoSuccess) {
  ask({"add-guest", "tap0"});
  const std::string command =
      std::string{VROUTER_PROGRAM} + " --socket " + server_.socket.string() + " guests > /dev/full 2> /dev/null";
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), kRefused);
}

}  // namespace
}  // namespace vrouter::router::cli
