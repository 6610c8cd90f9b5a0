// SPDX-License-Identifier: GPL-2.0-or-later
// Disks that are slow, full or read-only, and databases that are damaged: a clear error for what must be written,
// and nobody else hears of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "tests/integration/scene.h"
#include "tests/lab/lib/paths.h"

namespace vrouter::lab {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

boost::json::value json(const Daemon& daemon, const Arguments& arguments) {
  Arguments all{"--json"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return boost::json::parse(daemon.cli(all).out);
}

std::string health(const Daemon& daemon) {
  return std::string{json(daemon, {"status"}).at_pointer("/status/health").as_string()};
}

std::string status(const Daemon& daemon) {
  return daemon.cli({"status"}).out;
}

bool reaches_world(TapGuest& guest) {
  return guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok();
}

// A scene whose state directory is a file system of its own, with one guest that works.
struct OwnDisk {
  explicit OwnDisk(DaemonOptions options = {}) : scene{std::move(options), false}, guest{scene.host, "tap0"} {
    scene.host.must("mkdir -p " + dir() + " && mount -t tmpfs -o size=512k none " + dir());
    scene.daemon->start();
    scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--publish", "8080:80/tcp"});
    get_lease(guest);
  }
  std::string dir() const { return scene.daemon->state_dir(); }
  void fill() { static_cast<void>(scene.host.sh("dd if=/dev/zero of=" + dir() + "/ballast bs=4k")); }
  void empty() { scene.host.must("rm " + dir() + "/ballast"); }
  void set_writable(bool on) { scene.host.must("mount -o remount," + std::string{on ? "rw " : "ro "} + dir()); }
  // Guests are added until one is refused; SQLite may still find room in pages that it has.
  Finished refused_guest() {
    for (int i = 10; i < 100; ++i) {
      auto finished = scene.daemon->cli({"add-guest", "tap" + std::to_string(i), "10.0.5." + std::to_string(i)});
      if (!finished.ok()) return finished;
    }
    throw LabError{"the disk never became full"};
  }

  Scene scene;
  TapGuest guest;
};

TEST(Disk, AFlushThatHangsStallsNobodyElse) {
  const std::string hold = "/run/hold";
  DaemonOptions options;
  options.wrapper = {"env", "HOLD_FSYNC=" + hold, "LD_PRELOAD=" + binary_directory() + "/tests/libhold_fsync.so"};
  Scene scene{std::move(options)};
  TapGuest served{scene.host, "tap0"};
  TapGuest waiting{scene.host, "tap1"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  scene.host.write_file(hold, "");
  auto adding = scene.host.spawn(
      {built_program("vrouter"), "--socket", scene.daemon->socket_path(), "add-guest", "tap1", "10.0.5.3"});
  ASSERT_TRUE(wait_until([&] { return scene.daemon->cli({"show", "tap1"}).ok(); })) << "its name is taken at once";

  std::vector<Milliseconds> times;
  for (int i = 0; i < 9; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(scene.daemon->cli({"status"}).ok());
    times.push_back(std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin));
  }
  std::ranges::sort(times);
  EXPECT_LT(times[times.size() / 2], 1s);
  EXPECT_TRUE(scene.daemon->cli({"guests"}).ok());
  get_lease(served);
  EXPECT_EQ(fetch(served.inside(), "http://www.world.example/"), "hello from the world");
  // What others break is mended: a link, a route, the gateway.
  scene.host.must("ip link set tap0 down; ip link set tap0 up");
  EXPECT_TRUE(wait_until([&] { return reaches_world(served); }));
  scene.host.must("ip address del 10.0.5.1/32 dev lo");
  EXPECT_TRUE(wait_until([&] { return contains(scene.host.must("ip address show dev lo"), "10.0.5.1/32"); }));
  EXPECT_FALSE(waiting.inside().sh("ping -c 1 -W 1 10.0.5.1").ok()) << "not on disk, not on the network";

  EXPECT_TRUE(adding.running()) << "it was answered before it was on disk: " << adding.output();
  scene.host.must("rm " + hold);
  EXPECT_EQ(adding.wait(), 0) << adding.output();
  get_lease(waiting);
}

TEST(Disk, AFullDiskIsToldAndHarmsNobody) {
  OwnDisk disk;
  auto& daemon = *disk.scene.daemon;
  disk.fill();
  const auto refused = disk.refused_guest();
  EXPECT_TRUE(contains(refused.err, "the disk is full: free some space in " + disk.dir())) << refused.to_string();
  EXPECT_EQ(health(daemon), "degraded");
  EXPECT_TRUE(contains(status(daemon), "the disk is full")) << status(daemon);
  EXPECT_TRUE(reaches_world(disk.guest));
  get_lease(disk.guest);
  EXPECT_EQ(fetch(disk.guest.inside(), "http://www.world.example/"), "hello from the world");

  const auto guests = daemon.vrouter({"guests"});
  daemon.restart();
  EXPECT_EQ(daemon.vrouter({"guests"}), guests) << "what was on disk is known";
  EXPECT_TRUE(reaches_world(disk.guest));

  disk.empty();
  EXPECT_TRUE(wait_until([&] { return health(daemon) == "ok"; }, 40s)) << status(daemon);
  EXPECT_TRUE(daemon.cli({"add-guest", "tap200", "10.0.5.200"}).ok());
}

TEST(Disk, AStartOnAReadOnlyDiskServesAllThatIsKnown) {
  OwnDisk disk;
  auto& daemon = *disk.scene.daemon;
  const auto guests = daemon.vrouter({"guests"});
  for (const bool killed : {false, true}) {
    SCOPED_TRACE(killed ? "killed: its write-ahead log stays behind" : "stopped");
    if (killed) {
      daemon.kill9();
    } else {
      daemon.stop();
    }
    disk.set_writable(false);
    daemon.start();
    EXPECT_EQ(daemon.vrouter({"guests"}), guests);
    EXPECT_EQ(health(daemon), "degraded");
    EXPECT_TRUE(contains(status(daemon), "writable")) << status(daemon);
    const auto refused = daemon.cli({"add-guest", "tap1", "10.0.5.3"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_TRUE(contains(refused.err, "writable for vrouterd")) << refused.err;
    EXPECT_TRUE(reaches_world(disk.guest));
    get_lease(disk.guest);

    disk.set_writable(true);
    EXPECT_TRUE(wait_until([&] { return health(daemon) == "ok"; }, 40s)) << status(daemon);
    EXPECT_TRUE(daemon.cli({"add-guest", "tap1", "10.0.5.3"}).ok());
    daemon.vrouter({"remove-guest", "tap1"});
    daemon.restart();
    EXPECT_EQ(daemon.vrouter({"guests"}), guests);
  }
}

// What packets see of vrouter.
// Without what packets made: who was refused something, and who holds connections.
std::string plane(const Namespace& host) {
  return host.must(
      "nft list ruleset | grep -v '^table\\|flags\\|expires\\|\" ct count' | sort; ip route show table all | grep "
      "'proto 118' | sort; ip -o "
      "address show dev lo; "
      "ip -o link show group 7672 | grep -o '^[0-9]*: [a-z0-9]*'; cat /proc/sys/net/ipv4/conf/*/forwarding");
}

const std::vector<std::string> kWaysToDamage{
    "dd if=/dev/urandom of=DB bs=4096 count=4 conv=notrunc",          // from its head on
    "dd if=/dev/urandom of=DB bs=512 seek=10 conv=notrunc count=40",  // in the middle of its pages
    "truncate -s 5000 DB",
};

TEST(Disk, ADamagedDatabaseIsKeptAsideAndItsGuestsGoOn) {
  for (const auto& damage : kWaysToDamage) {
    SCOPED_TRACE(damage);
    Scene scene;
    auto& daemon = *scene.daemon;
    TapGuest guest{scene.host, "tap0"};
    TapGuest pinned{scene.host, "tap1", {{0x52, 0x54, 0, 1, 2, 3}}};
    daemon.vrouter({"add-guest", "tap0", "10.0.5.2", "--name", "web1", "--publish", "8080-8082:80/tcp"});
    daemon.vrouter({"add-guest", "tap1", "10.0.5.3", "--mac", "52:54:00:01:02:03", "--publish", "192.0.2.1:53/udp"});
    get_lease(guest);
    get_lease(pinned);
    daemon.stop();
    const auto before = plane(scene.host);
    const auto file = daemon.state_dir() + "/vrouter.db";
    auto command = damage;
    command.replace(command.find("DB"), 2, file);
    scene.host.must(command);
    const auto bytes = scene.host.must("sha256sum < " + file);
    auto flood = guest.inside().spawn({"ping", "-q", "-i", "0.02", "-c", "100", "-W", "1", "192.0.2.80"});
    daemon.start();

    EXPECT_EQ(scene.host.must("sha256sum < " + file + ".damaged-1"), bytes);
    EXPECT_EQ(plane(scene.host), before);
    EXPECT_EQ(flood.wait(30s), 0);
    EXPECT_TRUE(contains(flood.output(), " 0% packet loss")) << flood.output();
    get_lease(guest);
    get_lease(pinned);
    const auto guests = json(daemon, {"guests"}).at("guests").as_array();
    ASSERT_EQ(guests.size(), 2U);
    EXPECT_EQ(guests[0].at("address").as_string(), "10.0.5.2");
    EXPECT_EQ(guests[0].at("publish").at(0).as_string(), "8080-8082:80/tcp");
    EXPECT_EQ(guests[1].at("mac").as_string(), "52:54:00:01:02:03");
    EXPECT_EQ(guests[1].at("publish").at(0).as_string(), "192.0.2.1:53/udp");

    daemon.restart();  // it is not forgotten
    EXPECT_EQ(health(daemon), "degraded");
    EXPECT_TRUE(contains(status(daemon), file + ".damaged-1")) << status(daemon);
    EXPECT_EQ(plane(scene.host), before);
    EXPECT_TRUE(daemon.cli({"add-guest", "tap2", "10.0.5.4"}).ok());
    daemon.vrouter({"reload"});
    EXPECT_EQ(health(daemon), "ok") << status(daemon);
    daemon.restart();
    EXPECT_EQ(health(daemon), "ok");
    EXPECT_TRUE(reaches_world(guest));
  }
}

// A guest whose address no network of the files holds any more can't be one; it must not be cut off for that.
TEST(Disk, WhatCanNotBeRebuiltStaysUntilAReload) {
  Scene scene{{.config = "[networks.second]\nprefix = \"10.0.6.0/24\"\n"}};
  auto& daemon = *scene.daemon;
  TapGuest guest{scene.host, "tap0"};
  daemon.vrouter({"add-guest", "tap0", "10.0.6.2"});
  guest.set_static("10.0.6.2/24", "10.0.6.1");
  ASSERT_TRUE(reaches_world(guest));
  daemon.stop();
  scene.host.must("dd if=/dev/urandom of=" + daemon.state_dir() + "/vrouter.db bs=4096 count=4");
  daemon.set_config("");
  daemon.start();
  EXPECT_EQ(health(daemon), "degraded");
  EXPECT_TRUE(contains(scene.host.must("ip route"), "10.0.6.2 dev tap0"));
  EXPECT_TRUE(contains(scene.host.must("nft list ruleset"), "\"tap0\" . 10.0.6.2"));
  scene.host.must("ip link set tap0 down; ip link set tap0 up");  // an event is no reason to let it go either
  EXPECT_TRUE(contains(scene.host.must("ip -d link show tap0"), "group 7672"));
  daemon.vrouter({"reload"});
  EXPECT_FALSE(contains(scene.host.must("nft list ruleset"), "10.0.6.2"));
  EXPECT_EQ(scene.host.must("ip route show 10.0.6.2"), "");
}

TEST(Disk, TeardownAfterADamageSaysWhatItDoesNotKnow) {
  Scene scene;
  auto& daemon = *scene.daemon;
  TapGuest guest{scene.host, "tap0"};
  daemon.vrouter({"add-guest", "tap0", "10.0.5.2"});
  daemon.stop();
  scene.host.must("dd if=/dev/urandom of=" + daemon.state_dir() + "/vrouter.db bs=4096 count=4");
  daemon.start();
  const auto said = daemon.vrouter({"teardown"});
  EXPECT_TRUE(contains(said, "vrouter.db.damaged-1")) << said;
  EXPECT_FALSE(contains(scene.host.must("nft list ruleset"), "vrouter"));
  EXPECT_FALSE(contains(scene.host.must("ip address show dev lo"), "10.0.5.1")) << "what is certain is put back";
  EXPECT_EQ(scene.host.sysctl("net/ipv4/conf/eth0/forwarding"), "0");
}

TEST(Disk, TeardownWorksOverADamagedDatabaseAndWithoutADaemon) {
  Scene scene;
  auto& daemon = *scene.daemon;
  TapGuest guest{scene.host, "tap0"};
  daemon.vrouter({"add-guest", "tap0", "10.0.5.2"});
  daemon.stop();
  scene.host.must("dd if=/dev/urandom of=" + daemon.state_dir() + "/vrouter.db bs=4096 count=4");
  const Arguments offline{"teardown", "--state-dir", daemon.state_dir(), "--config", daemon.config_path()};
  const auto torn = daemon.cli(offline);
  EXPECT_TRUE(torn.ok()) << torn.to_string();
  EXPECT_TRUE(contains(torn.out, "firewall tables removed") && contains(torn.out, "could not be put back")) << torn.out;
  EXPECT_FALSE(contains(scene.host.must("nft list ruleset"), "vrouter"));
  EXPECT_FALSE(contains(scene.host.must("ip route show table all"), "proto 118"));
  const auto again = daemon.cli(offline);
  EXPECT_FALSE(contains(again.out, "firewall tables removed")) << "there were none: " << again.out;
}

TEST(Disk, ADatabaseThatNeverWasOneIsNoReasonNotToStart) {
  Scene scene{{}, false};
  auto& daemon = *scene.daemon;
  scene.host.write_file(daemon.state_dir() + "/vrouter.db", "this is no database, but long enough to look like one\n");
  daemon.start();
  EXPECT_EQ(health(daemon), "degraded");
  TapGuest guest{scene.host, "tap0"};
  daemon.vrouter({"add-guest", "tap0", "10.0.5.2"});
  get_lease(guest);
  EXPECT_TRUE(reaches_world(guest));
}

}  // namespace
}  // namespace vrouter::lab
