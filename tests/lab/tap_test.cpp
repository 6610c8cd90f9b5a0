// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/tap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What vrouterd will do, by hand: the guest's route on its TAP.
void route_by_hand(const Namespace& host, const std::string& tap) {
  host.must("ip link set " + tap + " up");
  host.must("ip addr replace 10.0.5.1/32 dev lo");
  host.must("ip route replace 10.0.5.2/32 dev " + tap + " src 10.0.5.1");
}

TEST(TapGuest, IsAnOrdinaryHostToItsClients) {
  Namespace host{"host"};
  TapGuest guest{host, "tap0"};
  EXPECT_THAT(host.must("ip link show tap0"), HasSubstr("state DOWN"));  // the router's to set up
  route_by_hand(host, "tap0");
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  EXPECT_THAT(guest.inside().must("ip link show eth0"), HasSubstr("52:54:00:12:34:56"));
  EXPECT_TRUE(guest.inside().sh("ping -c2 -i0.1 -W5 10.0.5.1").ok());
  EXPECT_TRUE(host.sh("ping -c2 -i0.1 -W5 10.0.5.2").ok());
}

TEST(TapGuest, GoesAndComesBackAsANewInterface) {
  Namespace host{"host"};
  TapGuest guest{host, "tap0"};
  route_by_hand(host, "tap0");
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  const auto before = host.must("cat /sys/class/net/tap0/ifindex");

  guest.unplug();
  EXPECT_FALSE(host.sh("ip link show tap0").ok());
  EXPECT_THAT(guest.inside().must("ip link show eth0"), HasSubstr("NO-CARRIER"));
  EXPECT_THROW(guest.inject(Bytes(60)), LabError);

  guest.plug();
  EXPECT_NE(host.must("cat /sys/class/net/tap0/ifindex"), before);
  route_by_hand(host, "tap0");
  EXPECT_TRUE(host.sh("ping -c1 -W5 10.0.5.2").ok());
}

TEST(TapGuest, SurvivesItsTapBeingDeletedUnderIt) {
  Namespace host{"host"};
  TapGuest guest{host, "tap0"};
  host.must("ip link del tap0");
  guest.unplug();
  guest.plug();
  route_by_hand(host, "tap0");
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  EXPECT_TRUE(host.sh("ping -c1 -W5 10.0.5.2").ok());
}

TEST(TapGuest, InjectsFramesBesideItsOwn) {
  Namespace host{"host"};
  TapGuest guest{host, "tap0"};
  route_by_hand(host, "tap0");
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  auto capture = host.spawn({"tcpdump", "-ni", "tap0", "-c1", "--immediate-mode", "src", "10.0.5.66"});
  ASSERT_TRUE(wait_until([&] { return capture.output().find("listening on") != std::string::npos; }));
  guest.inject(udp({.to = kBroadcastMac, .from = guest.mac()}, {.from = "10.0.5.66", .to = "10.0.5.1"}, 7, 9, "spoof"));
  EXPECT_EQ(capture.wait(10s), 0);
  EXPECT_THAT(capture.output(), HasSubstr("10.0.5.66.7 > 10.0.5.1.9: UDP, length 5"));
  EXPECT_TRUE(guest.inside().sh("ping -c1 -W5 10.0.5.1").ok());
}

// Not a bar: it says that offloads go through, without which TCP crawls at a fraction of this.
TEST(TapGuest, CarriesTcpInLargeSegments) {
  Namespace host{"host"};
  TapGuest guest{host, "tap0"};
  route_by_hand(host, "tap0");
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  auto server = host.spawn({"iperf3", "-s", "-1", "-B", "10.0.5.1", "--forceflush"});
  ASSERT_TRUE(wait_until([&] { return server.output().find("listening") != std::string::npos; }));
  const auto client = guest.inside().run({"iperf3", "-c", "10.0.5.1", "-n", "64M", "-f", "m"}, 60s);
  ASSERT_TRUE(client.ok()) << client.to_string();
  std::smatch rate;
  ASSERT_TRUE(std::regex_search(client.out, rate, std::regex{R"(([0-9.]+) Mbits/sec\s+receiver)"})) << client.out;
  std::cout << "iperf3 through a TAP guest: " << rate[1] << " Mbit/s\n";
  const auto packets = std::stol(host.must("cat /sys/class/net/tap0/statistics/rx_packets"));
  EXPECT_LT(packets, 64L * 1024 * 1024 / 1448);  // fewer frames than MTU-sized ones would have been
}

TEST(RawTap, SeesTheHostAskAndCanAnswer) {
  Namespace host{"host"};
  const RawTap tap{host, "tap0"};
  route_by_hand(host, "tap0");
  auto pinging = host.spawn({"ping", "-c1", "-W10", "10.0.5.2"});
  const auto request = tap.receive(10s, [](const Seen& seen) { return seen.type == kEtherArp; });
  ASSERT_TRUE(request);
  EXPECT_EQ(request->to, "10.0.5.2");
  const MacAddress mac{{2, 0, 0, 0, 0, 5}};
  tap.send(arp({.to = request->ethernet.from, .from = mac}, {.operation = 2,
                                                             .sender_mac = mac,
                                                             .sender = "10.0.5.2",
                                                             .target_mac = request->ethernet.from,
                                                             .target = request->from}));
  const auto echo = tap.receive(10s, [](const Seen& seen) { return seen.protocol == kProtocolIcmp; });
  ASSERT_TRUE(echo);
  EXPECT_EQ(echo->ethernet.to, mac);
  EXPECT_EQ(echo->to, "10.0.5.2");
  EXPECT_FALSE(tap.receive(50ms, [](const Seen& seen) { return seen.to == "10.0.5.3"; }));
}

}  // namespace
}  // namespace vrouter::lab
