// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/qemu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lab/lib/servers.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;

TEST(QemuGuest, BootsOnATapAndTalksOnItsConsole) {
  Namespace host{"host"};
  QemuGuest guest{host, {.dhcp = false, .host_name = "web1"}};
  guest.wait_booted();
  EXPECT_EQ(guest.run("hostname").out, "web1\n");
  EXPECT_EQ(guest.run("false").status, 1);
  EXPECT_EQ(guest.run("true").out, "");
  EXPECT_EQ(guest.run("echo a; echo b >&2; exit 5").status, 5);
  EXPECT_THAT(guest.run("ip link show eth0").out, HasSubstr("52:54:00:12:34:56"));

  host.must("ip link set tap0 up; ip addr add 10.0.5.1/32 dev lo; ip route add 10.0.5.2/32 dev tap0 src 10.0.5.1");
  const HttpServer page{host, "10.0.5.1", 80, {{"/", "from the host"}}};
  const auto configured = guest.run("ip addr add 10.0.5.2/24 dev eth0 && ip route add default via 10.0.5.1");
  ASSERT_TRUE(configured.ok()) << configured.to_string();
  const auto pinged = guest.run("ping -c 2 10.0.5.1");
  EXPECT_TRUE(pinged.ok()) << pinged.to_string();
  EXPECT_EQ(guest.run("wget -qO- http://10.0.5.1/").out, "from the host");

  ASSERT_TRUE(guest.run("echo served by the guest > /var/www/index.html; httpd -h /var/www").ok());
  EXPECT_EQ(host.must("curl -fsS --max-time 20 http://10.0.5.2/"), "served by the guest\n");

  guest.kill();
  EXPECT_TRUE(wait_until([&] { return !host.sh("ip link show tap0").ok(); }));
  EXPECT_THROW(static_cast<void>(guest.run("true")), LabError);
}

}  // namespace
}  // namespace vrouter::lab
