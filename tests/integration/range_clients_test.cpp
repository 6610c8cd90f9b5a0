// SPDX-License-Identifier: GPL-2.0-or-later
// Real clients of one range through all of a lease's life, on one bridge and at the same time, since a renewal takes
// half a minute: 60 s is the shortest lease that a file may ask for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/integration/shared_link.h"
#include "tests/unit/dhcp/clients.h"

namespace vrouter::lab {
namespace {

using dhcp::testing::ClientProgram;
using dhcp::testing::kClients;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kRange = R"(range = "10.9.0.100-10.9.0.109", lease_time = "60s")";
// Files that the clients of the matrix are told by, as copies: in /etc there are links to the machine's.
constexpr const char* kOwnFiles =
    "cp -rL /etc/dhcp /tmp/dhcp && rm /etc/dhcp && mv /tmp/dhcp /etc/dhcp && rm -f /etc/udhcpc && mkdir /etc/udhcpc && "
    "cp /tmp/script /etc/udhcpc/default.script";

struct RangeClients : ::testing::Test {
  RangeClients() {
    for (std::size_t i = 0; i < kClients.size(); ++i) {
      in(i, kOwnFiles);
      in(i, kClients[i].prepare);
      in(i, kClients[i].be_quick);
      in(i, kClients[i].start);
    }
    for (std::size_t i = 0; i < kClients.size(); ++i) {
      EXPECT_TRUE(wait_until([&] { return !link.client(i).address().empty(); }, 20s)) << said(i);
      addresses.push_back(link.client(i).address());
      EXPECT_THAT(addresses.back(), StartsWith("10.9.0.10")) << said(i);
    }
  }
  void in(std::size_t i, const std::string& command) {
    link.client(i).inside().must("{ " + command + "; } >>/tmp/log 2>&1 </dev/null || { cat /tmp/log; false; }", 40s);
  }
  std::string said(std::size_t i) {
    return std::string{kClients[i].name} + ":\n" + link.client(i).inside().sh("cat /tmp/log; ip address show eth0").out;
  }
  // When its lease ends, in seconds of the steady clock.
  double end(std::size_t i) const {
    const std::chrono::duration<double> now = std::chrono::steady_clock::now().time_since_epoch();
    const auto left = link.field(addresses.at(i), "expires_in");
    return left.empty() ? 0 : now.count() + std::stod(left);
  }
  void expect_all_served(const std::string& when) {
    for (std::size_t i = 0; i < kClients.size(); ++i) {
      EXPECT_EQ(link.client(i).address(), addresses[i]) << when << said(i);
      EXPECT_EQ(link.state(addresses[i]), "bound") << when << said(i);
      EXPECT_EQ(link.field(addresses[i], "client"), link.client(i).mac()) << when << said(i);
      EXPECT_TRUE(link.client(i).reaches(Scene::kWorld, 3)) << when << said(i) << link.traces(addresses[i]);
    }
  }
  // Whether the lease of each moves its end within this.
  void expect_all_extended(std::chrono::seconds limit, const std::string& how) {
    std::vector<double> before;
    for (std::size_t i = 0; i < kClients.size(); ++i) {
      before.push_back(0);
      ASSERT_TRUE(wait_until([&] { return (before[i] = end(i)) > 0; }, std::chrono::seconds{10})) << how << said(i);
    }
    for (std::size_t i = 0; i < kClients.size(); ++i) {
      EXPECT_TRUE(wait_until([&] { return end(i) > before[i] + 5; }, limit)) << how << said(i);
    }
  }

  SharedLink link{kRange, kClients.size()};
  std::vector<std::string> addresses;
};

TEST_F(RangeClients, RenewRebindAndRelease) {
  expect_all_served("at first: ");
  expect_all_extended(45s, "renewal: ");
  expect_all_served("renewed: ");
  // No renewal is heard, so each turns to everybody.
  link.scene.daemon->stop();
  link.scene.host.must(
      "nft 'table ip t { chain c { type filter hook input priority -300; "
      "ip daddr != 255.255.255.255 udp dport 67 drop; }; }'");
  link.scene.daemon->start();
  expect_all_extended(60s, "rebinding: ");
  link.scene.host.must("nft delete table ip t");
  expect_all_served("rebound: ");
  EXPECT_FALSE(link.scene.daemon->vrouter({"status"}).contains("nak "));
  for (std::size_t i = 0; i < kClients.size(); ++i) in(i, kClients[i].release);
  for (std::size_t i = 0; i < kClients.size(); ++i) {
    EXPECT_TRUE(wait_until([&] { return link.state(addresses[i]) == "released"; }, 10s)) << said(i);
    EXPECT_THAT(link.traces(addresses[i]), IsEmpty()) << said(i);
  }
}

TEST_F(RangeClients, ComeBackToTheirAddressesAfterAPowerCut) {
  for (std::size_t i = 0; i < kClients.size(); ++i) {
    in(i, std::string{"kill -9 $(cat /tmp/pid); "} + kClients[i].lose_power +
              "; ip -4 address flush dev eth0; ip -4 route flush dev eth0; ip link set eth0 down; ip link set eth0 up");
  }
  link.scene.daemon->kill9();
  link.scene.daemon->start();
  for (std::size_t i = 0; i < kClients.size(); ++i) {
    in(i, kClients[i].start);
    EXPECT_TRUE(wait_until([&] { return link.client(i).address() == addresses[i]; }, 20s)) << said(i);
  }
  expect_all_served("back: ");
}

}  // namespace
}  // namespace vrouter::lab
