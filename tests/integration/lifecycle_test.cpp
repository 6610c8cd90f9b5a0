// SPDX-License-Identifier: GPL-2.0-or-later
// TAPs that come late, come again or go; daemons that are killed; and a host given back as it was found.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>
#include <sstream>

#include "tests/integration/scene.h"
#include "tests/lab/lib/paths.h"

namespace vrouter::lab {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// What differs, line by line: whole portraits are too long to read in a failed test.
std::string differences(const std::string& before, const std::string& after) {
  const auto lines = [](const std::string& text) {
    std::multiset<std::string> all;
    std::istringstream stream{text};
    for (std::string line; std::getline(stream, line);) all.insert(line);
    return all;
  };
  const auto old_lines = lines(before);
  const auto new_lines = lines(after);
  std::string text;
  for (const auto& line : old_lines) text += new_lines.contains(line) ? "" : "- " + line + "\n";
  for (const auto& line : new_lines) text += old_lines.contains(line) ? "" : "+ " + line + "\n";
  return text;
}

// All that vrouter may change on a host, as text.
std::string portrait(const Namespace& host) {
  return host.must(
      "grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/*/disable_ipv6 "
      "/proc/sys/net/ipv4/neigh "
      "2>/dev/null | sort;"
      "ip -o address show | sed 's/valid_lft.*//'; ip route show table all | sort; ip neighbour show nud permanent;"
      "ip -o link show | grep -o '^[0-9]*: [a-z0-9@]*\\|group [^ ]*\\|<.*UP\\|mtu [0-9]*'; nft list ruleset");
}

// Its uplink has an IPv6 address of its own only a while after it has a carrier.
void settle(const Namespace& host) {
  EXPECT_TRUE(wait_until([&] {
    const auto there = host.must("ip -6 -o address show dev eth0 scope link");
    return !there.empty() && there.find("tentative") == std::string::npos;
  }));
}

std::string state_of(const Daemon& daemon, const std::string& guest) {
  return std::string{
      boost::json::parse(daemon.vrouter({"--json", "show", guest})).at_pointer("/guest/state").as_string()};
}

TEST(Lifecycle, ATapThatComesLateIsAdopted) {
  Scene scene;
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  EXPECT_EQ(state_of(*scene.daemon, "tap0"), "waiting for tap0");
  TapGuest guest{scene.host, "tap0"};
  ASSERT_TRUE(wait_until([&] { return state_of(*scene.daemon, "tap0") == "ready"; }));
  get_lease(guest);
  EXPECT_EQ(fetch(guest.inside(), "http://192.0.2.80/"), "hello from the world");
}

TEST(Lifecycle, ATapMadeAgainIsAdoptedAgain) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  for (int round = 0; round < 3; ++round) {
    guest.unplug();
    ASSERT_TRUE(wait_until([&] { return state_of(*scene.daemon, "tap0") == "waiting for tap0"; }));
    guest.plug();
    ASSERT_TRUE(wait_until([&] { return guest.inside().sh("ping -c 1 -W 1 192.0.2.80").ok(); }))
        << "round " << round << "\nguest:\n"
        << guest.inside().must("ip neighbour; ip route; ip -o link") << "host:\n"
        << scene.host.must("ip neighbour; ip route; ip -o link");
  }
}

TEST(Lifecycle, WaitReturnsWhenTheGuestIsReadyAndSaysWhyNot) {
  Scene scene;
  const auto late = scene.daemon->cli({"add-guest", "tap0", "10.0.5.2", "--wait=1"});
  EXPECT_EQ(late.status, 1);
  EXPECT_TRUE(contains(late.err, "tap0")) << late.err;
  TapGuest guest{scene.host, "tap1"};
  EXPECT_TRUE(scene.daemon->cli({"add-guest", "tap1", "10.0.5.3", "--wait=10"}).ok());
}

TEST(Lifecycle, LinkDownAndUpBringsTheGuestBack) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  scene.host.must("ip link set tap0 down");
  scene.host.must("ip link set tap0 up");
  EXPECT_TRUE(wait_until([&] { return guest.inside().sh("ping -c 1 -W 1 192.0.2.80").ok(); }));
}

TEST(Lifecycle, KillAndStartLoseNoPacketAndNoConnection) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  auto server = scene.world.spawn({"iperf3", "-s", "-1", "-B", "192.0.2.80"});
  ASSERT_TRUE(wait_until([&] { return scene.world.sh("ss -tln | grep -q :5201").ok(); }));
  // Bounded: 800 pings in 8 seconds, 8 seconds of a TCP stream that must never stall long enough to be reset.
  auto flood = guest.inside().spawn({"ping", "-q", "-i", "0.01", "-c", "800", "-W", "1", "192.0.2.80"});
  auto stream = guest.inside().spawn({"iperf3", "-c", "192.0.2.80", "-t", "8", "-b", "20M", "-J"});
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(700ms);
    scene.daemon->kill9();
    std::this_thread::sleep_for(300ms);
    scene.daemon->start();
  }
  EXPECT_EQ(flood.wait(30s), 0);
  EXPECT_TRUE(contains(flood.output(), " 0% packet loss")) << flood.output();
  EXPECT_EQ(stream.wait(30s), 0) << stream.output();
  static_cast<void>(server);
}

TEST(Lifecycle, AStartOverARunningDataPlaneTouchesNothing) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--publish", "8080:80/tcp"});
  scene.daemon->kill9();
  const auto monitor = scene.host.spawn({"ip", "monitor", "link", "address", "route"});
  const auto rules = scene.host.spawn({"nft", "monitor"});
  std::this_thread::sleep_for(300ms);
  scene.daemon->start();
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(monitor.output(), "");
  // Taking the table over is the one thing that can't go unsaid: an owner that died has to be replaced.
  for (const auto* change :
       {"rule ", "element ", "chain ", "delete table inet vrouter\n", "delete table arp vrouter\n"}) {
    EXPECT_FALSE(contains(rules.output(), change)) << change << "\n" << rules.output();
  }
}

TEST(Lifecycle, GuestsSurviveARestart) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter(
      {"add-guest", "tap0", "--name", "web1", "--publish", "8080:80/tcp", "--mac", "52:54:00:12:34:56"});
  const auto before = scene.daemon->vrouter({"--json", "show", "web1"});
  scene.daemon->kill9();
  scene.daemon->start();
  const auto after = scene.daemon->vrouter({"--json", "show", "web1"});
  const auto address = [](const std::string& json) { return boost::json::parse(json).at_pointer("/guest/address"); };
  const auto ports = [](const std::string& json) { return boost::json::parse(json).at_pointer("/guest/publish"); };
  EXPECT_EQ(address(before), address(after));
  EXPECT_EQ(ports(before), ports(after));
}

TEST(Lifecycle, AnEphemeralGuestGoesWithItsTap) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--ephemeral"});
  guest.unplug();
  EXPECT_TRUE(wait_until([&] { return scene.daemon->cli({"show", "tap0"}).status == 1; }));
}

TEST(Lifecycle, ARemovedGuestIsOffTheNetworkAndItsAddressIsFree) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  ASSERT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
  scene.daemon->vrouter({"remove-guest", "10.0.5.2"});
  EXPECT_FALSE(guest.inside().sh("ping -c 1 -W 1 10.0.5.1").ok());
  EXPECT_FALSE(guest.inside().sh("ping -c 1 -W 1 192.0.2.1").ok());
  EXPECT_FALSE(contains(scene.host.must("nft list ruleset"), "10.0.5.2"));
  EXPECT_EQ(scene.host.must("ip route show 10.0.5.2"), "");
  TapGuest next{scene.host, "tap1"};
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.2"});
  next.set_static("10.0.5.2/24", "10.0.5.1");
  EXPECT_TRUE(next.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
}

TEST(Lifecycle, TeardownLeavesTheHostAsItWasFound) {
  Scene scene{{}, false};
  TapGuest guest{scene.host, "tap0"};
  scene.host.must("ip link set tap0 up; echo 2 > /proc/sys/net/ipv4/conf/tap0/rp_filter");
  settle(scene.host);
  const auto before = portrait(scene.host);
  scene.daemon->start();
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--publish", "8080:80/tcp"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  ASSERT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
  ASSERT_NE(portrait(scene.host), before);
  scene.daemon->kill9();
  scene.daemon->start();  // what was there before us is known after a crash, too
  scene.daemon->vrouter({"teardown"});
  EXPECT_EQ(differences(before, portrait(scene.host)), "");
  EXPECT_EQ(scene.daemon->cli({"add-guest", "tap9", "10.0.5.9"}).status, 1) << "torn down";
  scene.daemon->vrouter({"reload"});
  EXPECT_TRUE(wait_until([&] { return guest.inside().sh("ping -c 1 -W 1 192.0.2.80").ok(); }))
      << "the guests were kept";
}

TEST(Lifecycle, TeardownWorksWithoutADaemon) {
  Scene scene{{}, false};
  TapGuest guest{scene.host, "tap0"};
  settle(scene.host);
  const auto before = portrait(scene.host);
  scene.daemon->start();
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  scene.daemon->kill9();
  const auto torn = scene.host.run({built_program("vrouter"), "--socket", scene.daemon->socket_path(), "teardown",
                                    "--state-dir", scene.daemon->state_dir(), "--config", scene.daemon->config_path()});
  EXPECT_TRUE(torn.ok()) << torn.to_string();
  EXPECT_EQ(differences(before, portrait(scene.host)), "");
}

TEST(Lifecycle, AReloadAppliesTheFileOrNothing) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->set_config("[[guests]]\nname = \"web1\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n");
  scene.daemon->vrouter({"reload"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  ASSERT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
  const auto rules = scene.host.must("nft list ruleset");

  scene.daemon->set_config("[[guests]]\nname = \"web1\"\ntap = \"tap0\"\naddress = \"10.9.5.2\"\ncolour = \"red\"\n");
  const auto refused = scene.daemon->cli({"reload"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_TRUE(contains(refused.err, "vrouter.toml:4:11") && contains(refused.err, "vrouter.toml:5:")) << refused.err;
  EXPECT_EQ(scene.host.must("nft list ruleset"), rules);
  EXPECT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());

  const auto declared = scene.daemon->cli({"remove-guest", "web1"});
  EXPECT_EQ(declared.status, 1);
  EXPECT_TRUE(contains(declared.err, "vrouter.toml:1:")) << declared.err;

  scene.daemon->set_config("");
  scene.daemon->vrouter({"reload"});
  EXPECT_FALSE(guest.inside().sh("ping -c 1 -W 1 10.0.5.1").ok());
}

// A guest taken out of the file while the daemon is away: its TAP, still up, must not be left open to the host.
TEST(Lifecycle, AGuestGoneFromTheFileIsOffTheNetworkAfterARestart) {
  Scene scene{{.config = "[[guests]]\nname = \"web1\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n"}, false};
  TapGuest guest{scene.host, "tap0"};
  scene.host.must("ip link set tap0 up");
  scene.daemon->start();
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  ASSERT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.1 || ping -c 1 -W 2 10.0.5.1").ok());
  scene.daemon->stop();
  scene.daemon->set_config("");
  scene.daemon->start();
  guest.inside().must("ip route add 192.0.2.1/32 dev eth0");
  EXPECT_FALSE(guest.inside().sh("ping -c 2 -i 0.2 -W 1 192.0.2.1").ok());
  EXPECT_FALSE(contains(scene.host.must("ip link show tap0"), ",UP"));
}

TEST(Lifecycle, ACreatedTapThatSomebodyDeletesComesBack) {
  Scene scene;
  scene.daemon->vrouter({"add-guest", "tap7", "10.0.5.7", "--create-tap"});
  scene.host.must("ip link del tap7");
  EXPECT_TRUE(wait_until([&] { return state_of(*scene.daemon, "tap7") == "ready"; }));
  EXPECT_TRUE(contains(scene.host.must("ip route"), "10.0.5.7 dev tap7"));
  const auto again = scene.daemon->cli({"add-guest", "tap7", "10.0.5.8", "--create-tap"});
  EXPECT_EQ(again.status, 1);
}

TEST(Lifecycle, TheGatewayCanMoveWithinItsPrefix) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  scene.daemon->set_config("[networks.default]\nprefix = \"10.0.5.0/24\"\ngateway = \"10.0.5.254\"\n");
  scene.daemon->vrouter({"reload"});
  get_lease(guest);
  EXPECT_TRUE(guest.inside().sh("ping -c 1 -W 2 10.0.5.254").ok());
  EXPECT_EQ(fetch(guest.inside(), "http://192.0.2.80/"), "hello from the world");
  EXPECT_FALSE(contains(scene.host.must("ip -o address show dev lo"), "10.0.5.1/"));
}

TEST(Lifecycle, ManyCommandsAtOnceAllHoldAndAStopInTheMiddleLosesNoneThatWasAnswered) {
  Scene scene;
  std::vector<Process> commands;
  constexpr int kGuests = 40;
  for (int i = 2; i < 2 + kGuests; ++i) {
    commands.push_back(scene.host.spawn({built_program("vrouter"), "--socket", scene.daemon->socket_path(), "add-guest",
                                         "tap" + std::to_string(i), "10.0.5." + std::to_string(i)}));
  }
  static_cast<void>(scene.daemon->stop());
  std::vector<std::string> answered;
  for (int i = 0; i < kGuests; ++i) {
    if (commands[static_cast<std::size_t>(i)].wait(20s) == 0)
      answered.push_back("10.0.5." + std::to_string(i + 2) + " ");
  }
  scene.daemon->start();
  const auto guests = scene.daemon->vrouter({"guests"});
  for (const auto& address : answered) EXPECT_TRUE(contains(guests, address)) << address;
}

TEST(Lifecycle, AFullDiskRefusesTheGuestAndHarmsNobody) {
  Scene scene{{}, false};
  TapGuest guest{scene.host, "tap0"};
  scene.host.must("mkdir -p " + scene.daemon->state_dir() + " && mount -t tmpfs -o size=512k none " +
                  scene.daemon->state_dir());
  scene.daemon->start();
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  static_cast<void>(scene.host.sh("dd if=/dev/zero of=" + scene.daemon->state_dir() + "/full bs=4k"));
  const auto refused = scene.daemon->cli({"add-guest", "tap1", "10.0.5.3", "--name", std::string(60, 'x')});
  if (refused.status != 0) {  // SQLite may still find room in pages that it has
    EXPECT_EQ(refused.status, 1) << refused.to_string();
    EXPECT_FALSE(contains(scene.daemon->vrouter({"guests"}), "tap1"));
    EXPECT_FALSE(contains(scene.host.must("nft list ruleset"), "tap1"));
  }
  EXPECT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
  scene.host.must("rm " + scene.daemon->state_dir() + "/full");
  EXPECT_TRUE(scene.daemon->cli({"add-guest", "tap2", "10.0.5.4"}).ok());
}

TEST(Lifecycle, APolicyFileThatIsWrongIsRefused) {
  Scene scene;
  scene.daemon->set_policy("10-web.toml", "[groups.web]\ningress = \"open\"\n");
  const auto refused = scene.daemon->cli({"reload"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_TRUE(contains(refused.err, "10-web.toml:2:11: ")) << refused.err;
}

}  // namespace
}  // namespace vrouter::lab
