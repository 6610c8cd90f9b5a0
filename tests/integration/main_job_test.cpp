// SPDX-License-Identifier: GPL-2.0-or-later
// The main job without any file: `vrouter add-guest tap0 10.0.5.2`, and the guest is on the network.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

using ::testing::Test;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(MainJob, GuestGetsItsLeaseResolvesNamesAndReachesTheWorld) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  get_lease(guest);

  const auto addresses = guest.inside().must("ip -4 -o address show dev eth0");
  EXPECT_TRUE(contains(addresses, "inet 10.0.5.2/32")) << addresses;
  EXPECT_TRUE(guest.inside().sh("ping -c 3 -i 0.2 -W 2 10.0.5.1").ok());
  EXPECT_EQ(guest.inside().must("dig +short +time=2 +tries=1 @10.0.5.1 www.world.example"), "192.0.2.80\n");
  EXPECT_EQ(fetch(guest.inside(), "http://www.world.example/"), "hello from the world");
  ASSERT_FALSE(scene.web->requests().empty());
  EXPECT_EQ(scene.web->requests().back().address, Scene::kHost) << "the world must see the host's address";
}

TEST(MainJob, ShowsWhatItDoesAsTablesAndAsJson) {
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--name", "web1"});
  get_lease(guest);

  const auto table = scene.daemon->vrouter({"guests"});
  EXPECT_TRUE(contains(table, "web1") && contains(table, "tap0") && contains(table, "10.0.5.2") &&
              contains(table, "ready"))
      << table;
  const auto shown = boost::json::parse(scene.daemon->vrouter({"--json", "show", "web1"}));
  EXPECT_EQ(shown.at_pointer("/guest/address").as_string(), "10.0.5.2");
  EXPECT_TRUE(contains(scene.daemon->vrouter({"leases"}), "10.0.5.2"));
  const auto status = boost::json::parse(scene.daemon->vrouter({"status", "--json"}));
  EXPECT_EQ(status.at_pointer("/status/health").as_string(), "ok") << status;
  EXPECT_TRUE(contains(scene.daemon->vrouter({"ruleset"}), "table inet vrouter"));
}

}  // namespace
}  // namespace vrouter::lab
