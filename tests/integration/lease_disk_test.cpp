// SPDX-License-Identifier: GPL-2.0-or-later
// What is acknowledged is never forgotten: kill -9 right after it, of the daemon or of its DHCP process, and a file of
// leases that is damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <thread>

#include "tests/integration/shared_link.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kConfig = R"(range = "10.9.0.100-10.9.0.163", lease_time = "1h", probe = false)";
constexpr int kRounds = 6;

// Each round three clients, each as somebody new, ask at once, and the kill comes into the middle of that; whoever says
// that it has an address is believed.
std::map<std::string, std::string> ask_while(SharedLink& link, int round, const std::function<void()>& kill) {
  std::vector<Process> asking;
  for (std::size_t i = 0; i < link.clients.size(); ++i) {
    auto& inside = link.client(i).inside();
    inside.must("ip -4 address flush dev eth0");
    asking.push_back(inside.spawn({"busybox", "udhcpc", "-f", "-n", "-q", "-i", "eth0", "-s", "/tmp/script", "-t", "12",
                                   "-T", "1", "-x", "0x3d:00" + std::to_string(10 + round) + std::to_string(10 + i)}));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds{30 + 25 * round});
  kill();
  std::map<std::string, std::string> given;
  for (std::size_t i = 0; i < asking.size(); ++i) {
    EXPECT_TRUE(asking[i].wait(15s)) << asking[i].output();
    const auto address = link.client(i).address();
    EXPECT_NE(address, "") << asking[i].output();
    EXPECT_TRUE(given.emplace(address, link.client(i).mac()).second) << address << " was given twice";
  }
  return given;
}

void expect_kept(SharedLink& link, const std::function<void()>& kill) {
  std::map<std::string, std::string> all;
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& [address, mac] : ask_while(link, round, kill)) {
      EXPECT_TRUE(all.emplace(address, mac).second) << address << " was given twice, round " << round;
    }
    for (const auto& [address, mac] : all) {
      EXPECT_EQ(link.state(address), "bound") << address;
      EXPECT_EQ(link.field(address, "client"), mac) << address;
    }
  }
}

TEST(LeaseDisk, KillingTheDaemonLosesNoLeaseAndDoublesNone) {
  SharedLink link{kConfig, 3};
  expect_kept(link, [&] {
    link.scene.daemon->kill9();
    link.scene.daemon->start();
  });
}

TEST(LeaseDisk, KillingTheServiceLosesNoLeaseAndDoublesNone) {
  SharedLink link{kConfig, 3};
  expect_kept(link, [&] {
    link.scene.host.must("until pid=$(pgrep -f '^vrouterd: dhcp'); do sleep 0.02; done; kill -9 $pid");
  });
}

TEST(LeaseDisk, ADamagedFileIsKeptAsideAndClientsGoOn) {
  SharedLink link{kConfig, 2};
  const auto first = link.client(0).lease();
  const auto second = link.client(1).lease();
  ASSERT_TRUE(!first.empty() && !second.empty());
  link.scene.daemon->kill9();
  const auto state = link.scene.daemon->state_dir();
  link.scene.host.must("rm -f " + state + "/leases.db-*; head -c 8192 /dev/urandom > " + state + "/leases.db");
  link.scene.daemon->start();
  EXPECT_TRUE(link.says("the file of the leases was damaged"));
  EXPECT_THAT(link.scene.host.must("ls " + state), HasSubstr("leases.db.damaged-"));
  EXPECT_TRUE(link.client(0).reaches(kLabGateway) && link.client(1).reaches(kLabGateway));
  EXPECT_EQ(link.state(first), "bound");
  // Each renews what it has, and nobody else gets it.
  EXPECT_EQ(link.client(0).lease("-r " + first), first);
  EXPECT_EQ(link.client(1).lease("-r " + second), second);
  LinkClient third{link.scene.host, 7};
  const auto other = third.lease();
  EXPECT_EQ(other, "10.9.0.163");  // from the end, far from whatever the file may have held
  link.scene.daemon->vrouter({"reload"});
  EXPECT_EQ(link.scene.daemon->vrouter({"status"}).find("was damaged"), std::string::npos);
  link.scene.daemon->kill9();
  link.scene.daemon->start();
  EXPECT_EQ(link.scene.daemon->vrouter({"status"}).find("was damaged"), std::string::npos);
  EXPECT_EQ(link.state(first), "bound");
}

}  // namespace
}  // namespace vrouter::lab
