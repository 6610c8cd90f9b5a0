// SPDX-License-Identifier: GPL-2.0-or-later
// Leases of a range with real clients behind a bridge: who gets what, what holds for them, and what is left after.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/integration/shared_link.h"
#include "tests/lab/lib/paths.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kRange = R"(range = "10.9.0.100-10.9.0.105", lease_time = "60s")";
constexpr const char* kReserved =
    R"(range = "10.9.0.100-10.9.0.105", lease_time = "60s", reservations = [{ mac = "02:00:00:00:00:02", )"
    R"(address = "10.9.0.50", name = "pc", groups = ["trusted"] }])";
constexpr const char* kNoProbe = R"(range = "10.9.0.100-10.9.0.105", lease_time = "60s", probe = false)";

std::string dig(Namespace& from, const std::string& name) {
  auto text = from.sh("dig +short +time=2 +tries=1 @10.9.0.1 " + name).out;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.starts_with(";") ? std::string{} : text;  // it tells errors there too
}

TEST(Ranges, EachClientKeepsItsAddressOverRestartsOfItAndOfTheDaemon) {
  SharedLink link{kRange, 3};
  const std::vector<std::string> starts{
      "busybox udhcpc -f -n -q -i eth0 -s /tmp/script -t 8 -T 1 2>&1",
      "dhclient -1 -v -lf /tmp/leases -pf /tmp/pid eth0 2>&1; until [ -s /tmp/pid ]; do sleep 0.1; done; kill $(cat "
      "/tmp/pid); rm /tmp/pid",
      "dhcpcd -4 -w -p -t 15 eth0 2>&1; dhcpcd -4 -p -x eth0 2>&1",
  };
  const auto start = [&](std::size_t i) {
    auto& inside = link.client(i).inside();
    const auto said = inside.must(starts[i], 30s);
    const auto address = link.client(i).address();
    EXPECT_THAT(address, StartsWith("10.9.0.10")) << said;
    return address;
  };
  std::vector<std::string> addresses;
  for (std::size_t i = 0; i < 3; ++i) addresses.push_back(start(i));
  EXPECT_EQ(std::set<std::string>(addresses.begin(), addresses.end()).size(), 3u);
  const auto expect_all = [&](const std::string& when) {
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(link.client(i).reaches(kLabGateway, 3)) << when << i;
      EXPECT_EQ(fetch(link.client(i).inside(), "http://192.0.2.80/"), "hello from the world") << when << i;
      EXPECT_EQ(link.state(addresses[i]), "bound") << when << i;
      EXPECT_EQ(link.field(addresses[i], "client"), link.client(i).mac()) << when << i;
      EXPECT_EQ(link.field(addresses[i], "tap"), "br0") << when << i;
      EXPECT_EQ(link.field(addresses[i], "dynamic"), "true") << when << i;
    }
  };
  expect_all("at first: ");
  link.scene.daemon->kill9();
  link.scene.daemon->start();
  expect_all("after kill -9: ");
  for (std::size_t i = 0; i < 3; ++i) {
    link.client(i).flush();
    EXPECT_EQ(start(i), addresses[i]);
  }
  expect_all("after the clients' restart: ");
}

TEST(Ranges, ASiblingsAddressOrAnotherMacReachesNothing) {
  SharedLink link{kNoProbe, 2};
  auto& victim = link.client(0);
  auto& thief = link.client(1);
  const auto its = victim.lease();
  const auto own = thief.lease();
  ASSERT_TRUE(!its.empty() && !own.empty() && its != own);
  ASSERT_TRUE(thief.reaches(kLabGateway));
  thief.set(its);
  EXPECT_FALSE(thief.reaches(kLabGateway, 2)) << "a sibling's address";
  EXPECT_EQ(fetch(thief.inside(), "http://192.0.2.80/"), "");
  thief.set("10.9.0.105");
  EXPECT_FALSE(thief.reaches(kLabGateway)) << "an address that nobody leased";
  thief.inside().must("ip link set eth0 address 02:00:00:00:00:77");
  thief.set(own);
  EXPECT_FALSE(thief.reaches(kLabGateway)) << "its own address from another MAC";
  thief.inside().must("ip link set eth0 address " + thief.mac());
  thief.set(own);
  EXPECT_TRUE(thief.reaches(kLabGateway, 3)) << link.traces(own);
  EXPECT_TRUE(victim.reaches(kLabGateway)) << "it was never disturbed";
  // Nor does it take anybody's lease to say so.
  EXPECT_EQ(link.field(its, "client"), victim.mac());
}

constexpr const char* kPolicy = R"([groups.office]
[groups.trusted]
[[rules]]
name   = "no web for the office"
from   = "group:office"
to     = "world"
reject = "tcp/80"
)";

TEST(Ranges, GroupsAndReservationsHoldForTheClients) {
  SharedLink link{kReserved, 2, {.policies = {{"10-base.toml", kPolicy}}}, "groups = [\"office\"]\n"};
  auto& office = link.client(0);
  auto& pc = link.client(1);
  EXPECT_THAT(office.lease(), StartsWith("10.9.0.10"));
  EXPECT_EQ(pc.lease("-x hostname:something"), "10.9.0.50");
  EXPECT_TRUE(office.reaches(Scene::kWorld));
  EXPECT_EQ(fetch(office.inside(), "http://192.0.2.80/"), "") << "the shared guest's group";
  EXPECT_EQ(fetch(pc.inside(), "http://192.0.2.80/"), "hello from the world") << "the reservation's";
  EXPECT_EQ(dig(office.inside(), "pc.guests.internal"), "10.9.0.50");
  EXPECT_EQ(link.field("10.9.0.50", "guest"), "pc");
  // A restart finds them again.
  link.scene.daemon->kill9();
  link.scene.daemon->start();
  EXPECT_EQ(fetch(office.inside(), "http://192.0.2.80/"), "");
  EXPECT_EQ(fetch(pc.inside(), "http://192.0.2.80/"), "hello from the world");
  EXPECT_EQ(dig(office.inside(), "pc.guests.internal"), "10.9.0.50");
}

// The files are sound; only that the next hop can't be anybody's address shows when they are put in force.
TEST(Ranges, FilesThatAreTakenBackCostNoLease) {
  SharedLink link{kNoProbe, 1};
  auto& client = link.client(0);
  const auto address = client.lease();
  ASSERT_THAT(address, StartsWith("10.9.0.10"));
  link.scene.daemon->set_config(shared_config(R"(range = "10.9.0.200-10.9.0.205", lease_time = "60s", probe = false)") +
                                "[networks.other]\nprefix = \"10.8.0.0/24\"\n[[guests]]\ntap = \"tap8\"\nnetwork = "
                                "\"other\"\naddress = \"10.8.0.2\"\nfloating = \"192.0.2.80\"\n");
  EXPECT_THAT(link.scene.daemon->cli({"reload"}).to_string(), HasSubstr("what held before holds"));
  EXPECT_EQ(link.state(address), "bound");
  EXPECT_TRUE(client.reaches(Scene::kWorld));
  EXPECT_EQ(client.lease("-r " + address), address);
  link.scene.daemon->kill9();
  link.scene.daemon->set_config(shared_config(kNoProbe));
  link.scene.daemon->start();
  EXPECT_EQ(link.state(address), "bound");
}

std::string ntp_told(LinkClient& client) {
  client.inside().write_file("/tmp/say", "#!/bin/sh\n[ $1 != bound ] || echo $ntpsrv > /tmp/said\n");
  return client.inside().must(
      "chmod 755 /tmp/say; busybox udhcpc -f -n -q -i eth0 -s /tmp/say -t 8 -T 1 -O ntpsrv > /tmp/log 2>&1; cat "
      "/tmp/said",
      20s);
}

TEST(Ranges, GroupsSayWhatTheirClientsAreTold) {
  SharedLink link{kReserved,
                  2,
                  {.policies = {{"10-base.toml", kPolicy}}},
                  "groups = [\"office\"]\n[dhcp.groups.office]\nntp = \"192.0.2.1\"\n[dhcp.groups.trusted]\nntp = "
                  "\"192.0.2.2\"\n"};
  EXPECT_EQ(ntp_told(link.client(0)), "192.0.2.1\n") << "the shared guest's group";
  EXPECT_EQ(ntp_told(link.client(1)), "192.0.2.2\n") << "the reservation's";
  // With a policy that changes as well.
  link.scene.daemon->set_config(
      shared_config(kReserved, "groups = [\"office\"]\n[dhcp.groups.office]\nntp = \"192.0.2.3\"\n"));
  link.scene.daemon->set_policy(
      "10-base.toml", std::string{kPolicy} +
                          "[[rules]]\nname = \"more\"\nfrom = \"group:office\"\nto = \"world\"\nreject = \"tcp/81\"\n");
  link.scene.daemon->vrouter({"reload"});
  EXPECT_EQ(ntp_told(link.client(0)), "192.0.2.3\n");
}

TEST(Ranges, NobodyTakesTheNameThatAReservationKeeps) {
  SharedLink link{kReserved, 3, {.policies = {{"10-base.toml", kPolicy}}}};
  const auto pretender = link.client(0).lease("-x hostname:PC");
  const auto other = link.client(2).lease("-x hostname:laptop");
  ASSERT_TRUE(!pretender.empty() && !other.empty());
  EXPECT_EQ(dig(link.client(2).inside(), "laptop.guests.internal"), other);
  EXPECT_EQ(dig(link.client(2).inside(), "pc.guests.internal"), "") << "its client is away";
  EXPECT_EQ(link.client(1).lease(), "10.9.0.50");
  EXPECT_EQ(dig(link.client(2).inside(), "pc.guests.internal"), "10.9.0.50");
  // Nor when the pretender renews, nor a name of a sibling.
  EXPECT_EQ(link.client(0).lease("-x hostname:laptop"), pretender);
  EXPECT_EQ(dig(link.client(0).inside(), "laptop.guests.internal"), other);
  EXPECT_EQ(dig(link.client(0).inside(), "pc.guests.internal"), "10.9.0.50");
  // Once the sibling is gone a renewal that says the same as before has the name.
  link.scene.daemon->vrouter({"leases", "release", other});
  EXPECT_EQ(dig(link.client(0).inside(), "laptop.guests.internal"), "");
  EXPECT_EQ(link.client(0).lease("-x hostname:laptop"), pretender);
  EXPECT_EQ(dig(link.client(0).inside(), "laptop.guests.internal"), pretender);
}

TEST(Ranges, APortOfTheBridgeHasItsShareAndTheOthersHaveTheRest) {
  SharedLink link{R"(range = "10.9.0.100-10.9.0.105", lease_time = "60s", leases_per_port = 2)", 2};
  auto& greedy = link.client(0);
  const auto as_another = [&](int number) {
    greedy.flush();
    greedy.inside().must("ip link set eth0 address 02:00:00:00:01:0" + std::to_string(number));
    return greedy.lease();
  };
  const auto first = as_another(1), second = as_another(2);
  EXPECT_THAT(first, StartsWith("10.9.0.10"));
  EXPECT_THAT(second, StartsWith("10.9.0.10"));
  EXPECT_NE(first, second);
  EXPECT_EQ(as_another(3), "") << "two of its stations have addresses already";
  EXPECT_EQ(link.bound(), 2u);
  EXPECT_EQ(as_another(2), second) << "who has one keeps it";
  EXPECT_THAT(link.client(1).lease(), StartsWith("10.9.0.10")) << "another port is not concerned";
  link.scene.daemon->vrouter({"leases", "release", first});
  EXPECT_THAT(as_another(3), StartsWith("10.9.0.10"));
}

TEST(Ranges, NamesRulesAndRoutesGoWithTheLease) {
  SharedLink link{
      kNoProbe, 3, {}, "[[guests]]\ntap = \"tap0\"\nname = \"web1\"\naddress = \"10.9.0.2\"\nnetwork = \"lab\"\n"};
  TapGuest guest{link.scene.host, "tap0"};
  guest.set_static("10.9.0.2/32", kLabGateway);
  const auto released = link.client(0).lease("-x hostname:printer");
  const auto expired = link.client(1).lease("-x hostname:scanner");
  auto& third = link.client(2).inside();
  third.must("dhclient -1 -v -lf /tmp/leases -pf /tmp/pid eth0 2>&1", 30s);
  const auto given_back = link.client(2).address();
  EXPECT_EQ(dig(guest.inside(), "printer.guests.internal"), released);
  EXPECT_EQ(dig(guest.inside(), "scanner.guests.internal"), expired);
  EXPECT_EQ(dig(guest.inside(), "-x " + expired), "scanner.guests.internal.");
  EXPECT_THAT(link.traces(released), HasSubstr("proto"));
  EXPECT_THAT(link.traces(released), HasSubstr("PERMANENT"));

  link.scene.daemon->vrouter({"leases", "release", released});
  EXPECT_EQ(dig(guest.inside(), "printer.guests.internal"), "");
  EXPECT_EQ(link.state(released), "released");
  EXPECT_THAT(link.traces(released), IsEmpty());
  EXPECT_FALSE(link.client(0).reaches(kLabGateway));

  third.must("dhclient -r -v -lf /tmp/leases -pf /tmp/pid eth0 2>&1", 30s);
  EXPECT_TRUE(wait_until([&] { return link.state(given_back) == "released"; }));
  EXPECT_THAT(link.traces(given_back), IsEmpty());

  link.age_leases(50s);
  EXPECT_EQ(dig(guest.inside(), "scanner.guests.internal"), expired) << "it has some seconds still";
  EXPECT_TRUE(wait_until([&] { return link.state(expired) == "expired"; }, 15s));
  EXPECT_EQ(dig(guest.inside(), "scanner.guests.internal"), "");
  EXPECT_THAT(link.traces(expired), IsEmpty());
  EXPECT_FALSE(link.client(1).reaches(kLabGateway));
  // Each comes back to what it had.
  EXPECT_EQ(link.client(1).lease(), expired);
  EXPECT_TRUE(link.client(1).reaches(kLabGateway));
  EXPECT_EQ(link.client(0).lease(), released);
}

TEST(Ranges, LeasesAreToldAsTheyHappen) {
  SharedLink link{kNoProbe, 1};
  auto monitor =
      link.scene.host.spawn({built_program("vrouter"), "--socket", link.scene.daemon->socket_path(), "monitor"});
  ASSERT_TRUE(wait_until([&] { return monitor.output().find("as it happens") != std::string::npos; }));
  const auto address = link.client(0).lease("-x hostname:printer");
  link.scene.daemon->vrouter({"leases", "release", address});
  const auto told = [&](const std::string& what) {
    return wait_until([&] { return monitor.output().find(what) != std::string::npos; }, 5s);
  };
  EXPECT_TRUE(told("bound") && told(address) && told("printer") && told("br0")) << monitor.output();
  EXPECT_TRUE(told("released")) << monitor.output();
}

TEST(Ranges, ASquattersAddressRestsAndTheNextIsGiven) {
  SharedLink link{kRange, 2};
  link.client(0).set("10.9.0.100");
  EXPECT_EQ(link.client(1).lease(), "10.9.0.101");
  EXPECT_EQ(link.state("10.9.0.100"), "declined");
  EXPECT_EQ(link.field("10.9.0.100", "client"), link.client(0).mac());
  EXPECT_GE(link.logged("somebody else was found to use this address"), 1u);
  EXPECT_TRUE(link.says("conflicts 1"));
  EXPECT_TRUE(link.says("1 resting"));
  EXPECT_FALSE(link.client(0).reaches(kLabGateway)) << "it was given nothing";
}

TEST(Ranges, WhatAClientDeclinesRests) {
  SharedLink link{kNoProbe, 2};
  link.client(0).set("10.9.0.100");
  // dhcpcd asks by ARP itself before it takes an address (RFC 5227).
  const auto said = link.client(1).inside().sh("dhcpcd -4 -w -t 12 eth0 2>&1", 30s).out;
  EXPECT_EQ(link.client(1).address(), "10.9.0.101") << said;
  EXPECT_EQ(link.state("10.9.0.100"), "declined") << said;
  EXPECT_TRUE(link.says("decline 1")) << link.scene.daemon->vrouter({"status"});
}

TEST(Ranges, AnExhaustedRangeSaysSoOnceAndFreesUp) {
  SharedLink link{R"(range = "10.9.0.100-10.9.0.101", lease_time = "60s", probe = false)", 3};
  const auto first = link.client(0).lease();
  EXPECT_FALSE(link.client(1).lease().empty());
  EXPECT_EQ(link.client(2).lease(), "") << "there is none left";
  EXPECT_TRUE(link.says("has no address free"));
  EXPECT_TRUE(link.says("requests unanswered"));
  EXPECT_EQ(link.logged("has no address free"), 1u);
  link.scene.daemon->vrouter({"leases", "release", first});
  EXPECT_EQ(link.client(2).lease(), first);
  EXPECT_TRUE(link.client(2).reaches(kLabGateway));
}

TEST(Ranges, TheBridgeOrItsGuestMayGoAndComeBack) {
  SharedLink link{kNoProbe, 1};
  auto& client = link.client(0);
  const auto address = client.lease();
  ASSERT_TRUE(client.reaches(kLabGateway));
  // Another interface of the same name.
  link.scene.host.must("ip link del br0");
  SharedLink::make_bridge(link.scene.host);
  link.scene.host.must("ip link set port1 master br0");
  EXPECT_TRUE(wait_until([&] { return client.reaches(kLabGateway); })) << link.scene.daemon->vrouter({"guests"});
  EXPECT_EQ(link.state(address), "bound");
  EXPECT_EQ(client.lease(), address);
  // Without its guest nothing passes, and the lease is kept for it.
  link.scene.daemon->set_config(
      std::string{"[networks.lab]\nprefix = \"10.9.0.0/24\"\ngateway = \"10.9.0.1\"\ndhcp = { "} + kNoProbe + " }\n");
  link.scene.daemon->vrouter({"reload"});
  EXPECT_FALSE(client.reaches(kLabGateway));
  EXPECT_THAT(link.traces(address), IsEmpty());
  link.scene.daemon->set_config(shared_config(kNoProbe));
  link.scene.daemon->vrouter({"reload"});
  EXPECT_TRUE(wait_until([&] { return client.reaches(kLabGateway); })) << link.scene.daemon->vrouter({"guests"});
  EXPECT_EQ(client.lease(), address);
}

}  // namespace
}  // namespace vrouter::lab
