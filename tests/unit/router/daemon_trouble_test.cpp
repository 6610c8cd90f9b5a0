// SPDX-License-Identifier: GPL-2.0-or-later
// What is done later, or beside something else: repairs, leases and services while a disk, a link or the rules don't
// work.
#include <iterator>

#include "daemon_fixture.h"

namespace vrouter::router {
namespace {

class Trouble : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root"; }
};

// A guest makes events as often as it likes, by a new MAC in each ARP: those must not put off what waits for its
// second try.
TEST_F(Trouble, WhatFailedIsTriedAgainThoughOtherGuestsKeepTheDaemonBusy) {
  Machine machine;
  begin(machine);
  add(machine, guest_on("tap1"));
  add(machine, guest_on("tap2"));
  const auto busy = machine.run(machine.router->show_guest("tap2"));
  ASSERT_TRUE(busy);
  machine.world.faults.only = "change tap1";
  machine.world.faults.arm(0, true);
  machine.spoil("tap1");
  machine.settle();
  EXPECT_FALSE(machine.is_ready("tap1"));
  machine.world.faults.off();
  std::uint8_t turn = 0;
  machine.run_until([&] {
    const NeighbourChanged event{.neighbour = {.ifindex = machine.index_of("tap2"),
                                               .address = *busy->guest.address,
                                               .mac = MacAddress{{0x52, 0x54, 0, 0, 0, ++turn}}}};
    machine.router->on_event(event);
    return machine.is_ready("tap1");
  });
  EXPECT_TRUE(machine.is_ready("tap1"));
}

// A command about one guest, and the end of another, wait for the disk: the links of all others are mended meanwhile.
TEST_F(Trouble, ADiskThatHangsHoldsUpNoOthersRepair) {
  Machine machine;
  begin(machine);
  auto ephemeral = guest_on("tap0");
  ephemeral.ephemeral = true;
  add(machine, std::move(ephemeral));
  add(machine, guest_on("tap1"));
  add(machine, guest_on("tap2"));
  machine.world.disk_hangs = true;
  machine.begin(machine.router->publish("tap1", port(2222, 22), {}));
  machine.lose("tap0");
  machine.settle();
  ASSERT_EQ(machine.world.hung.size(), 2U);
  machine.spoil("tap1");
  machine.spoil("tap2");
  machine.settle();
  EXPECT_TRUE(machine.is_ready("tap2"));
  EXPECT_FALSE(machine.is_ready("tap1"));
  machine.world.disk_wakes();
  machine.settle();
  EXPECT_TRUE(machine.is_ready("tap1"));
  EXPECT_FALSE(machine.run(machine.router->show_guest("tap0")));
}

TEST_F(Trouble, AnEphemeralGuestThatTheDiskWouldNotForgetGoesOnceItDoes) {
  Machine machine;
  begin(machine);
  auto ephemeral = guest_on("tap1");
  ephemeral.ephemeral = true;
  add(machine, std::move(ephemeral));
  machine.world.faults.only = "commit";
  machine.world.faults.arm(0, true);
  machine.lose("tap1");
  machine.settle();
  ASSERT_TRUE(machine.world.disk.guests.contains("tap1"));
  machine.world.faults.off();
  machine.run_until([&] { return machine.world.disk.guests.empty(); });
  EXPECT_FALSE(machine.world.disk.guests.contains("tap1"));
  EXPECT_FALSE(machine.run(machine.router->show_guest("tap1")));
}

dhcp::LeaseEvent lease_of(const config::Guest& guest, dhcp::LeaseState state, std::chrono::seconds left) {
  dhcp::LeaseEvent event;
  event.state = state;
  event.guest = guest.name;
  event.tap = guest.tap;
  event.address = guest.address.value();
  event.client = MacAddress{{0x52, 0x54, 0, 0, 0, 1}};
  event.expires = BootClock::now() + left;
  return event;
}

config::Guest guest_known(Machine& machine, const std::string& tap) {
  return machine.run(machine.router->show_guest(tap)).value().guest;
}

TEST_F(Trouble, ALeaseThatChangesSoonAfterItWasWrittenIsWrittenLater) {
  Machine machine;
  begin(machine);
  add(machine, guest_on("tap1"));
  const auto guest = guest_known(machine, "tap1");
  constexpr std::chrono::seconds kLong{3600};
  machine.router->on_lease(lease_of(guest, dhcp::LeaseState::bound, kLong));
  machine.settle();
  ASSERT_TRUE(machine.world.disk.leases.contains("tap1"));
  machine.router->on_lease(lease_of(guest, dhcp::LeaseState::released, {}));
  machine.settle();
  EXPECT_TRUE(machine.world.disk.leases.contains("tap1")) << "a flood must not keep the disk busy";
  machine.run_until([&] { return machine.world.disk.leases.empty(); }, std::chrono::seconds{20});
  EXPECT_FALSE(machine.world.disk.leases.contains("tap1"));
}

TEST_F(Trouble, ALeaseHeardOfWhileItsGuestIsRemovedStaysNowhere) {
  Machine machine;
  begin(machine);
  add(machine, guest_on("tap1"));
  const auto guest = guest_known(machine, "tap1");
  machine.world.disk_hangs = true;
  machine.begin(machine.router->remove_guest("tap1", {}));
  machine.router->on_lease(lease_of(guest, dhcp::LeaseState::bound, std::chrono::seconds{3600}));
  machine.settle();
  machine.world.disk_wakes();
  machine.settle();
  EXPECT_TRUE(machine.world.disk.guests.empty());
  EXPECT_TRUE(machine.world.disk.leases.empty());
}

TEST_F(Trouble, ALeaseWithNoTimeLeftIsShownAsExpired) {
  Machine machine;
  begin(machine);
  add(machine, guest_on("tap1"));
  machine.router->on_lease(lease_of(guest_known(machine, "tap1"), dhcp::LeaseState::bound, std::chrono::seconds{-5}));
  const auto leases = machine.run(machine.router->list_leases());
  ASSERT_TRUE(leases);
  ASSERT_EQ(leases->size(), 1U);
  EXPECT_EQ(leases->front().state, dhcp::LeaseState::expired);
  EXPECT_FALSE(leases->front().expires_in);
}

// Of this thread's network namespace.
bool serves_dhcp() {
  std::ifstream sockets{"/proc/thread-self/net/udp"};
  const std::string all{std::istreambuf_iterator<char>{sockets}, {}};
  return all.contains("00000000:0043 ");
}

TEST_F(Trouble, ServicesWaitForTheRulesAboutTheirProcesses) {
  Machine machine;
  machine.users = firewall::ServiceUsers{.dhcp = 901, .dns = 902};
  auto& faults = machine.world.faults;
  faults.only = "change rules";
  faults.arm(0, true);
  begin(machine);
  EXPECT_FALSE(serves_dhcp());
  faults.off();
  machine.run_until(serves_dhcp);
  EXPECT_TRUE(serves_dhcp());
  machine.kill();
  ASSERT_FALSE(serves_dhcp());
  // The next one finds the rules of this one, and can't change them.
  machine.write("vrouter.toml", "[[guests]]\nname = \"web\"\ntap = \"tap0\"\naddress = \"10.0.5.20\"\n");
  faults.arm(0, true);
  begin(machine);
  EXPECT_EQ(machine.run(machine.router->status())->health, control::Health::degraded);
  EXPECT_TRUE(serves_dhcp());
}

TEST_F(Trouble, ServicesEndWithTheRulesAboutTheirProcesses) {
  Machine machine;
  machine.users = firewall::ServiceUsers{.dhcp = 901, .dns = 902};
  begin(machine);
  add(machine, guest_on("tap1"));
  ASSERT_TRUE(serves_dhcp());
  auto& faults = machine.world.faults;
  faults.only = "change rules";
  faults.arm(0, true);
  machine.world.nft.kernel = {};
  machine.router->on_rules_event(firewall::ChangesLost{});
  machine.run_until([] { return !serves_dhcp(); });
  EXPECT_FALSE(serves_dhcp());
  faults.off();
  machine.run_until([&] { return serves_dhcp() && machine.is_ready("tap1"); });
  EXPECT_TRUE(serves_dhcp());
  EXPECT_TRUE(machine.is_ready("tap1"));
}

TEST_F(Trouble, TheNumberOfConnectionsIsRaisedOnceItCanBe) {
  Machine machine;
  auto& number = machine.world.sysctls.values["net/netfilter/nf_conntrack_max"];
  number = "4096";
  machine.world.faults.only = "write net/netfilter/nf_conntrack_max";
  machine.world.faults.arm(0, true);
  begin(machine);
  ASSERT_EQ(number, "4096");
  machine.world.faults.off();
  machine.router->on_rules_event(firewall::ChangesLost{});
  machine.run_until([&] { return number != "4096"; });
  EXPECT_NE(number, "4096");
}

}  // namespace
}  // namespace vrouter::router
