// SPDX-License-Identifier: GPL-2.0-or-later
// A kernel that refuses: what held before holds, `vrouter status` tells what was refused and for whom, and it is tried
// again until it works.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// /proc/sys on a mount of its own, which can be made read-only under a running daemon: then no switch can be written.
struct Refusing {
  explicit Refusing(DaemonOptions options = {}) : scene{std::move(options), false} {
    scene.host.must("mount --bind /proc/sys /proc/sys");
    scene.daemon->start();
  }
  void refuse(bool on) { scene.host.must("mount -o remount,bind," + std::string{on ? "ro" : "rw"} + " /proc/sys"); }
  boost::json::value status() { return boost::json::parse(scene.daemon->vrouter({"--json", "status"})).at("status"); }
  std::string health() { return std::string{status().at("health").as_string()}; }

  Scene scene;
};

std::string plane(const Namespace& host) {
  return host.must(
      "nft list ruleset; ip route show table all; ip -o address show | sed 's/valid_lft.*//';"
      "ip -o link show | grep -o '^[0-9]*: [a-z0-9@]*\\|group [^ ]*\\|<.*UP'");
}

TEST(Degraded, AGuestThatTheKernelRefusesLeavesNothingBehind) {
  Refusing r;
  TapGuest guest{r.scene.host, "tap0"};
  const auto before = plane(r.scene.host);
  r.refuse(true);
  const auto refused = r.scene.daemon->cli({"add-guest", "tap0", "10.0.5.2"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_TRUE(contains(refused.err, "guest tap0 was not added: ")) << refused.err;
  EXPECT_TRUE(contains(refused.err, "disable_ipv6 to 1: Read-only file system")) << refused.err;
  EXPECT_EQ(plane(r.scene.host), before);
  EXPECT_FALSE(contains(r.scene.daemon->vrouter({"guests"}), "tap0"));
  EXPECT_EQ(r.health(), "ok") << "nothing that is wanted is missing";
  r.refuse(false);
  EXPECT_TRUE(r.scene.daemon->cli({"add-guest", "tap0", "10.0.5.2"}).ok());
}

TEST(Degraded, AGuestThatCanNotBeRemovedStays) {
  Refusing r;
  TapGuest guest{r.scene.host, "tap0"};
  r.scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  r.refuse(true);
  const auto refused = r.scene.daemon->cli({"remove-guest", "tap0"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_TRUE(contains(refused.err, "Read-only file system")) << refused.err;
  r.refuse(false);
  EXPECT_TRUE(wait_until([&] { return guest.inside().sh("ping -c 1 -W 1 192.0.2.80").ok(); }));
  EXPECT_TRUE(wait_until([&] { return r.health() == "ok"; }));
  r.scene.daemon->restart();
  EXPECT_TRUE(contains(r.scene.daemon->vrouter({"guests"}), "tap0")) << "it is on disk still";
  EXPECT_TRUE(r.scene.daemon->cli({"remove-guest", "tap0"}).ok());
}

TEST(Degraded, StatusNamesTheGuestItsLineAndTheKernelsWordsUntilItWorks) {
  Refusing r;
  TapGuest guest{r.scene.host, "tap0"};
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  r.refuse(true);
  r.scene.daemon->set_config("[[guests]]\nname = \"web1\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n");
  r.scene.daemon->vrouter({"reload"});
  const auto status = r.status();
  EXPECT_EQ(status.at("health").as_string(), "degraded");
  ASSERT_FALSE(status.at("problems").as_array().empty());
  const std::string problem{status.at("problems").at(0).as_string()};
  EXPECT_TRUE(contains(problem, "guest web1 (") && contains(problem, "vrouter.toml:1:")) << problem;
  EXPECT_TRUE(contains(problem, "Read-only file system")) << problem;
  EXPECT_TRUE(contains(r.scene.daemon->cli({"show", "web1"}).out, "Read-only file system"));
  EXPECT_FALSE(guest.inside().sh("ping -c 1 -W 1 192.0.2.80").ok()) << "nothing passes without its rules";
  EXPECT_FALSE(guest.inside().sh("ping -c 1 -W 1 10.0.5.1").ok());

  std::this_thread::sleep_for(4s);  // tried after 1, 2 and 4 seconds, and said once
  r.refuse(false);
  EXPECT_TRUE(wait_until([&] { return r.health() == "ok"; }, 15s));
  EXPECT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
  const auto log = r.scene.daemon->log();
  const std::string words = "Read-only file system";
  int lines = 0;
  for (auto at = log.find(words); at != log.npos; at = log.find(words, at + 1)) ++lines;
  EXPECT_LE(lines, 3) << log;
}

TEST(Degraded, AStartThatIsRefusedServesThoseWhoAreServedAndGoesOnTrying) {
  Refusing r;
  TapGuest guest{r.scene.host, "tap0"};
  r.scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  get_lease(guest);
  r.scene.daemon->stop();
  r.scene.daemon->set_config("[host]\nforwarding = \"global\"\n");  // a switch to write
  r.refuse(true);
  r.scene.daemon->start();
  EXPECT_EQ(r.health(), "degraded");
  EXPECT_TRUE(contains(r.scene.daemon->cli({"status"}).out, "ip_forward")) << r.scene.daemon->cli({"status"}).out;
  EXPECT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
  get_lease(guest);
  r.refuse(false);
  EXPECT_TRUE(wait_until([&] { return r.health() == "ok"; }, 15s)) << r.scene.daemon->cli({"status"}).out;
  EXPECT_EQ(r.scene.host.sysctl("net/ipv4/ip_forward"), "1");
}

TEST(Degraded, PublishingOnAnAddressThatTheHostLacksIsAWarning) {
  Scene scene;
  EXPECT_EQ(scene.daemon->cli({"add-guest", "tap0", "10.0.5.2", "--publish", "192.0.2.1:80/tcp"}).err, "");
  const auto lacking = scene.daemon->cli({"publish", "tap0", "198.51.100.7:443/tcp"});
  EXPECT_TRUE(lacking.ok()) << lacking.to_string();
  EXPECT_TRUE(contains(lacking.err, "198.51.100.7:443/tcp is published on an address that this host doesn't have"))
      << lacking.err;
}

TEST(Degraded, FilesThatAreRefusedAreToldUntilTheyAreInForce) {
  Refusing r;
  r.scene.daemon->set_config("[networks.default]\nprefix = \"10.0.5.0/24\"\ncolour = \"red\"\n");
  EXPECT_EQ(r.scene.daemon->cli({"reload"}).status, 1);
  EXPECT_EQ(r.health(), "degraded");
  const auto said = r.scene.daemon->cli({"status"}).out;
  EXPECT_TRUE(contains(said, "the files on disk are not in force") && contains(said, "vrouter.toml:3:")) << said;
  r.scene.daemon->set_config("");
  r.scene.daemon->vrouter({"reload"});
  EXPECT_EQ(r.health(), "ok");
}

}  // namespace
}  // namespace vrouter::lab
