// SPDX-License-Identifier: GPL-2.0-or-later
// A real guest, another kernel with busybox in it, that has of us its lease and every name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/scene.h"
#include "tests/lab/lib/qemu.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;

TEST(QemuNames, AGuestResolvesAsItsLeaseSays) {
  Scene scene;
  scene.names.reset();
  scene.names = std::make_unique<DnsServer>(
      scene.world, Scene::kWorld,
      std::multimap<std::string, std::string>{{"www.world.example A", Scene::kWorld},
                                              {"www.world.example AAAA", "2001:db8::80"},
                                              {"alias.world.example CNAME", "www.world.example"}});
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3", "--name", "db1"});
  QemuGuest guest{scene.host};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--name", "web1"});
  guest.wait_booted();
  ASSERT_THAT(guest.retry("cat /run/lease 2> /dev/null").out, HasSubstr("dns 10.0.5.1\n"));

  const auto both = guest.run("nslookup www.world.example");
  EXPECT_THAT(both.out, HasSubstr(Scene::kWorld)) << both.to_string();
  EXPECT_THAT(both.out, HasSubstr("2001:db8::80")) << both.to_string();
  EXPECT_THAT(guest.run("nslookup db1.guests.internal").out, HasSubstr("10.0.5.3"));
  EXPECT_THAT(guest.run("nslookup 10.0.5.3").out, HasSubstr("db1.guests.internal"));
  EXPECT_THAT(guest.run("nslookup nothing.world.example").out, HasSubstr("NXDOMAIN"));
  EXPECT_THAT(guest.run("ping -c 1 -W 1 db1").out, HasSubstr("10.0.5.3")) << "the search domain";
  const auto page = guest.run("wget -qO- http://alias.world.example/");
  EXPECT_EQ(page.out, "hello from the world\n") << page.to_string();
}

}  // namespace
}  // namespace vrouter::lab
