// SPDX-License-Identifier: GPL-2.0-or-later
// Debian's udhcpc behind a link whose clients get their addresses out of a range.
#include <gtest/gtest.h>

#include "tests/unit/dhcp/lab.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

constexpr const char* kUdhcpc = "busybox udhcpc -R -t 5 -T 1 -p /tmp/pid -i eth0 -s /etc/udhcpc/default.script";

TEST(RangeLab, AClientGetsAnAddressRenewsAndReleasesIt) {
  enter_host_namespace("10.0.5.1");
  RunningServer server;
  const Guest guest;
  Pool pool;
  pool.network = pool.settings.network = "office";
  pool.settings.gateway = ip("10.0.5.1");
  pool.settings.domain = "guests.internal";
  pool.settings.lease_time = std::chrono::seconds{8};  // udhcpc renews at half of it
  pool.range = {ip("10.0.5.2"), ip("10.0.5.9")};
  pool.links = {connect(guest, "vr0", "10.0.5.2")};
  server.apply({.snapshot = true, .upserts = {}, .removed_ifindexes = {}, .pools = {pool}});

  const auto started = guest.run(std::string{kUdhcpc} + " >/tmp/log 2>&1 </dev/null &");
  ASSERT_EQ(started.status, 0);
  const auto bound = [&](std::size_t n) { return eventually([&] { return server.committed().size() >= n; }); };
  ASSERT_TRUE(bound(1)) << guest.output("cat /tmp/log");
  const auto lease = server.committed().front();
  EXPECT_EQ(lease.address, ip("10.0.5.2"));
  EXPECT_EQ(lease.ifindex, pool.links.front());
  EXPECT_TRUE(eventually([&] {
    return guest.output("ip -4 address show dev eth0").find("inet 10.0.5.2") != std::string::npos &&
           guest.run("ping -c1 -W2 10.0.5.1").status == 0;
  })) << guest.output("ip address show eth0; ip route; cat /tmp/log");

  ASSERT_TRUE(bound(2));
  EXPECT_EQ(server.committed().at(1).address, ip("10.0.5.2"));
  EXPECT_GT(server.committed().at(1).expires, lease.expires);
  EXPECT_EQ(server.statistics().networks.at("office").discover, 1u);
  static_cast<void>(guest.run("kill -USR2 $(cat /tmp/pid)"));
  EXPECT_TRUE(eventually([&] { return server.committed().back().state == LeaseState::released; }));
  EXPECT_EQ(server.statistics().networks.at("office").release, 1u);
}

}  // namespace
}  // namespace vrouter::dhcp
