// SPDX-License-Identifier: GPL-2.0-or-later
// Networks and the host around them: modes, siblings, uplinks, and what vrouter must not do to a host.
#include <gtest/gtest.h>

#include "tests/integration/scene.h"
#include "tests/lab/lib/paths.h"

namespace vrouter::lab {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kThreeNetworks = R"(
[networks.default]
prefix = "10.0.5.0/24"
gateway = "10.0.5.1"
addressing = "subnet"
[networks.closed]
prefix = "10.0.6.0/24"
gateway = "10.0.6.1"
mode = "isolated"
[networks.public]
prefix = "198.51.100.0/24"
gateway = "198.51.100.1"
mode = "routed"
)";

struct Networks : ::testing::Test {
  Networks() : scene{{.config = kThreeNetworks}} {}
  Scene scene;
};

TEST_F(Networks, IsolatedGuestsReachTheirGatewayAndNothingElse) {
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.6.2"});
  get_lease(guest);
  EXPECT_TRUE(guest.inside().sh("ping -c 1 -W 2 10.0.6.1").ok());
  EXPECT_EQ(guest.inside().must("dig +short +time=2 +tries=1 @10.0.6.1 www.world.example"), "192.0.2.80\n");
  EXPECT_EQ(fetch(guest.inside(), "http://192.0.2.80/"), "");
  EXPECT_FALSE(guest.inside().sh("ping -c 1 -W 1 192.0.2.1").ok()) << "the host's other addresses";
}

TEST_F(Networks, RoutedGuestsKeepTheirAddress) {
  TapGuest guest{scene.host, "tap0"};
  scene.world.must("ip route add 198.51.100.0/24 via 192.0.2.1");
  scene.daemon->vrouter({"add-guest", "tap0", "198.51.100.2"});
  get_lease(guest);
  EXPECT_EQ(fetch(guest.inside(), "http://192.0.2.80/"), "hello from the world");
  EXPECT_EQ(scene.web->requests().back().address, "198.51.100.2");
}

TEST_F(Networks, SubnetGuestsResolveTheirSiblingsByProxyArpAndStayClosedToThem) {
  TapGuest one{scene.host, "tap0"};
  TapGuest two{scene.host, "tap1"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3"});
  get_lease(one);
  EXPECT_TRUE(contains(one.inside().must("ip -4 -o address show dev eth0"), "10.0.5.2/24"));
  static_cast<void>(one.inside().sh("ping -c 1 -W 1 10.0.5.3; ping -c 1 -W 1 10.0.5.77"));
  const auto neighbours = one.inside().must("ip neighbour show");
  EXPECT_TRUE(contains(neighbours, "10.0.5.3 dev eth0 lladdr")) << neighbours;
  EXPECT_FALSE(contains(neighbours, "10.0.5.77 dev eth0 lladdr")) << "nobody has that address: " << neighbours;
  EXPECT_FALSE(one.inside().sh("ping -c 1 -W 1 10.0.5.3").ok());
  EXPECT_EQ(fetch(one.inside(), "http://192.0.2.80/"), "hello from the world");
}

TEST(Host, IsNoRouterForOthers) {
  Scene scene;
  Namespace stranger{"stranger"};
  connect({scene.host, "eth1", "203.0.113.1/24"}, {stranger, "eth0", "203.0.113.9/24"});
  stranger.must("ip route add default via 203.0.113.1");
  scene.world.must("ip route add 203.0.113.0/24 via 192.0.2.1");
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  ASSERT_TRUE(guest.inside().sh("ping -c 1 -W 2 192.0.2.80").ok());
  EXPECT_EQ(scene.host.sysctl("net/ipv4/conf/eth0/forwarding"), "1") << "the uplink forwards, for guests";
  EXPECT_FALSE(scene.world.sh("ping -c 2 -i 0.2 -W 1 203.0.113.9").ok()) << "for nobody else";
  EXPECT_EQ(scene.host.sysctl("net/ipv4/conf/eth1/forwarding"), "0");
  EXPECT_EQ(scene.host.sysctl("net/ipv4/ip_forward"), "0");
}

TEST(Host, ThatForwardedForOthersStillDoes) {
  Scene scene{{}, false};
  Namespace stranger{"stranger"};
  connect({scene.host, "eth1", "203.0.113.1/24"}, {stranger, "eth0", "203.0.113.9/24"});
  stranger.must("ip route add default via 203.0.113.1");
  scene.world.must("ip route add 203.0.113.0/24 via 192.0.2.1");
  scene.host.set_sysctl("net/ipv4/ip_forward", "1");
  scene.daemon->start();
  EXPECT_TRUE(scene.world.sh("ping -c 2 -i 0.2 -W 1 203.0.113.9").ok());
}

TEST(Host, UplinkIsFollowedAsTheDefaultRouteMoves) {
  Scene scene;
  Namespace second{"second"};
  connect({scene.host, "eth1", "203.0.113.1/24"}, {second, "eth0", "203.0.113.9/24"});
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  scene.host.must("ip route replace default via 203.0.113.9");
  EXPECT_TRUE(wait_until([&] { return scene.host.sysctl("net/ipv4/conf/eth1/forwarding") == "1"; }));
  EXPECT_TRUE(guest.inside().sh("ping -c 1 -W 2 203.0.113.9").ok());
  EXPECT_TRUE(wait_until([&] { return scene.host.sysctl("net/ipv4/conf/eth0/forwarding") == "0"; }))
      << "no uplink any more";
}

TEST(Host, ItsOwnUplinkDeclaredAsAGuestsTapIsLeftAlone) {
  Scene scene{{.config = "[[guests]]\nname = \"web1\"\ntap = \"eth0\"\naddress = \"10.0.5.2\"\n"}};
  EXPECT_TRUE(scene.host.sh("ping -c 1 -W 2 192.0.2.80").ok());
  const auto status = scene.daemon->vrouter({"status"});
  EXPECT_TRUE(contains(status, "eth0 is an uplink of this host")) << status;
}

TEST(Host, ATapThatLeavesItsBridgeIsAdopted) {
  Scene scene{{.config = "[[guests]]\nname = \"web1\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n"}, false};
  TapGuest guest{scene.host, "tap0"};
  scene.host.must("ip link add br0 type bridge; ip link set tap0 master br0 up");
  scene.daemon->start();
  EXPECT_TRUE(contains(scene.daemon->vrouter({"show", "web1"}), "br0"));
  scene.host.must("ip link set tap0 nomaster");
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  EXPECT_TRUE(wait_until([&] { return guest.inside().sh("ping -c 1 -W 1 192.0.2.80").ok(); }));
}

TEST(Host, ANetworkThatCollidesWithARouteIsRefusedWithTheRemedy) {
  Scene scene{{}, false};
  scene.host.must("ip route add 10.0.0.0/16 via 192.0.2.80");
  EXPECT_THROW(scene.daemon->start(5s), LabError);
  const auto log = scene.daemon->log();
  EXPECT_TRUE(contains(log, "10.0.0.0/16") && contains(log, "10.0.5.0/24") && contains(log, "prefix")) << log;
  EXPECT_EQ(scene.host.must("nft list tables"), "") << "nothing half done";
}

TEST(Host, AnotherTablesDropPolicyIsWarnedOfWithTheRemedy) {
  Scene scene;
  scene.host.must(
      "nft 'add table ip docker; add chain ip docker FORWARD { type filter hook forward priority 0; policy drop; }'");
  TapGuest guest{scene.host, "tap0"};
  const auto added = scene.daemon->cli({"add-guest", "tap0", "10.0.5.2"});
  EXPECT_TRUE(added.ok()) << added.to_string();
  EXPECT_TRUE(contains(added.out + added.err, "table ip docker")) << added.to_string();
}

TEST(Host, BridgeNetfilterIsSwitchedOffAndRestored) {
  Scene scene{{}, false};
  // The switches appear in a network namespace with br_netfilter, which this kernel has built in.
  if (!scene.host.sh("test -e /proc/sys/net/bridge/bridge-nf-call-iptables").ok()) {
    GTEST_SKIP() << "this kernel has no br_netfilter";
  }
  scene.host.set_sysctl("net/bridge/bridge-nf-call-iptables", "1");
  scene.host.set_sysctl("net/bridge/bridge-nf-filter-vlan-tagged", "1");
  scene.daemon->start();
  EXPECT_EQ(scene.host.sysctl("net/bridge/bridge-nf-call-iptables"), "0");
  EXPECT_EQ(scene.host.sysctl("net/bridge/bridge-nf-filter-vlan-tagged"), "0");
  scene.daemon->vrouter({"teardown"});
  EXPECT_EQ(scene.host.sysctl("net/bridge/bridge-nf-call-iptables"), "1");
  EXPECT_EQ(scene.host.sysctl("net/bridge/bridge-nf-filter-vlan-tagged"), "1");
}

TEST(Host, NoProcessIsEverStarted) {
  Scene scene{{.wrapper = {"strace", "-f", "-e", "trace=execve,execveat", "-o", "/run/trace"}}};
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--publish", "8080:80/tcp"});
  get_lease(guest);
  EXPECT_EQ(fetch(guest.inside(), "http://www.world.example/"), "hello from the world");
  scene.daemon->vrouter({"reload"});
  scene.daemon->vrouter({"teardown"});
  static_cast<void>(scene.daemon->stop());  // leaks can't be looked for under strace: the status says nothing here
  const auto trace = scene.host.read_file("/run/trace");
  std::size_t started = 0;
  for (std::size_t at = trace.find("execve"); at != std::string::npos; at = trace.find("execve", at + 1)) ++started;
  EXPECT_EQ(started, 1U) << "vrouterd itself, and nothing else:\n" << trace;
}

struct Refusals : ::testing::Test {
  Refusals() { scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--name", "web1"}); }
  void refuses(const Arguments& command, const std::string& because) {
    const auto refused = scene.daemon->cli(command);
    EXPECT_EQ(refused.status, 1) << refused.to_string();
    EXPECT_TRUE(contains(refused.err, because)) << because << " expected in: " << refused.to_string();
  }
  Scene scene;
};

TEST_F(Refusals, SayWhatIsWrongAndChangeNothing) {
  const auto rules = scene.host.must("nft list ruleset");
  refuses({"add-guest", "tap1", "10.9.9.9"}, "10.0.5.0/24");
  refuses({"add-guest", "tap1", "10.0.5.2"}, "web1");
  refuses({"add-guest", "tap1", "10.0.5.1"}, "gateway");
  refuses({"add-guest", "tap0", "10.0.5.3"}, "tap0");
  refuses({"add-guest", "tap1", "10.0.5.3", "--name", "web1"}, "web1");
  refuses({"add-guest", "eth0", "10.0.5.3"}, "uplink");
  refuses({"add-guest", "lo", "10.0.5.3"}, "loopback");
  refuses({"remove-guest", "nobody"}, "nobody");
  EXPECT_EQ(scene.host.must("nft list ruleset"), rules);
  EXPECT_EQ(scene.daemon->cli({"add-guest", "tap1", "not-an-address"}).status, 2);
  EXPECT_EQ(scene.daemon->cli({"fly"}).status, 2);
  EXPECT_EQ(scene.host.run({built_program("vrouter"), "--socket", "/run/none.sock", "guests"}).status, 3);
}

TEST_F(Refusals, AddGuestThatTheKernelRefusesIsUndone) {
  // A port of a bridge can't be a guest's; found out only when the link is looked at.
  scene.host.must("ip link add br0 type bridge; ip tuntap add tap1 mode tap; ip link set tap1 master br0");
  refuses({"add-guest", "tap1", "10.0.5.3"}, "br0");
  EXPECT_FALSE(contains(scene.daemon->vrouter({"guests"}), "tap1"));
  scene.host.must("ip link set tap1 nomaster");
  EXPECT_TRUE(scene.daemon->cli({"add-guest", "tap1", "10.0.5.3"}).ok());
}

TEST_F(Refusals, AFailedAddLeavesTheTapAsItWas) {
  TapGuest guest{scene.host, "tap1"};
  scene.host.must("ip link set tap1 up; ip route add 10.0.5.3/32 dev eth0");
  refuses({"add-guest", "tap1", "10.0.5.3"}, "10.0.5.3");
  const auto link = scene.host.must("ip -o link show tap1");
  EXPECT_TRUE(contains(link, ",UP") && contains(link, "group default")) << link;
  // But what it was refused meanwhile is counted: the guest's kernel says on its own who it is, as soon as it can.
  const auto rules = scene.host.must("nft -s list ruleset | grep -v '\"tap[0-9]\" \\(counter\\|limit\\)'");
  EXPECT_FALSE(contains(rules, "tap1")) << rules;
  EXPECT_FALSE(contains(scene.daemon->vrouter({"guests"}), "tap1"));
  scene.host.must("ip route del 10.0.5.3/32 dev eth0");
  EXPECT_TRUE(scene.daemon->cli({"add-guest", "tap1", "10.0.5.3"}).ok());
}

TEST_F(Refusals, AHardwareInterfaceIsNoTap) {
  scene.host.must("ip link add br7 type bridge");
  refuses({"add-guest", "br7", "10.0.5.3"}, "br7 is a bridge, which several clients share");
}

TEST_F(Refusals, PoolGivesTheNextFreeAddress) {
  EXPECT_TRUE(contains(scene.daemon->vrouter({"add-guest", "tap1"}), "10.0.5.3"));
}

TEST_F(Refusals, CreateTapMakesAndRemovesIt) {
  scene.daemon->vrouter({"add-guest", "tap7", "10.0.5.7", "--create-tap", "--owner", "nobody"});
  EXPECT_TRUE(contains(scene.host.must("ip -d tuntap show; ip -d link show tap7"), "tap7"));
  scene.daemon->vrouter({"remove-guest", "tap7"});
  EXPECT_FALSE(scene.host.sh("ip link show tap7").ok());
}

}  // namespace
}  // namespace vrouter::lab
