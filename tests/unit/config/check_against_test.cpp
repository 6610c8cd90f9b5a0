// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/guests.h"
#include "config/load.h"
#include "config/specs.h"

namespace vrouter::config {
namespace {

class CheckAgainst : public testing::Test {
 protected:
  // Guests added by command under the default networks: vm1 on tap1 with 10.0.5.2, port 80; vm2 on tap2 with 10.0.5.3.
  void SetUp() override {
    add("tap1", "vm1", {parse_publish("80").value()});
    add("tap2", "vm2", {});
  }
  void add(const char* tap, const char* name, std::vector<Publish> publish) {
    Guest guest;
    guest.tap = tap;
    guest.name = name;
    guest.publish = std::move(publish);
    added_.insert(added_.complete(default_config(), guest).value());
  }
  [[nodiscard]] std::vector<std::string> problems(std::string_view toml) const {
    std::vector<std::string> texts;
    for (const auto& problem : check_against(parse_config(toml, "f").value(), added_))
      texts.push_back(problem.to_string());
    return texts;
  }

  GuestTable added_;
};

TEST_F(CheckAgainst, FilesThatLeaveThemInPeace) {
  EXPECT_THAT(problems(""), testing::IsEmpty());
  EXPECT_THAT(problems("[[guests]]\ntap = \"tap3\"\naddress = \"10.0.5.9\"\npublish = [\"81\"]\n"), testing::IsEmpty());
  EXPECT_THAT(check_against(default_config(), added_), testing::IsEmpty());
}

TEST_F(CheckAgainst, DeclaredGuestsInTheTableArePassedOver) {
  const auto config = parse_config("[[guests]]\ntap = \"tap3\"\naddress = \"10.0.5.9\"\n", "f").value();
  added_.insert(config.guests[0]);
  EXPECT_THAT(check_against(config, added_), testing::IsEmpty());
}

TEST_F(CheckAgainst, GroupsMustStillBeDeclared) {
  auto guest = *added_.by_tap("tap2");
  guest.groups = {"web"};
  added_.insert(guest);
  const PolicyText policy{.file = "p", .text = "[groups.web]\n"};
  EXPECT_THAT(check_against(parse_config("", "f", std::span{&policy, 1}).value(), added_), testing::IsEmpty());
  EXPECT_THAT(problems(""), testing::ElementsAre(
                                "f: guest vm2, added by command on tap2, no longer fits: no policy file declares the "
                                "group 'web'; change this, or first run: vrouter remove-guest tap2"));
}

// vm1 has 10.0.5.2 and vm2 10.0.5.3: leases and reservations that come later must not be theirs.
TEST_F(CheckAgainst, WhatIsLeasedMustNotBeTheirs) {
  const std::string end = "; change this, or first run: vrouter remove-guest tap2";
  EXPECT_THAT(
      problems("[networks.default]\ndhcp.range = \"10.0.5.3-10.0.5.9\"\n"),
      testing::ElementsAre("f:1:11: guest vm2, added by command on tap2, no longer fits: 10.0.5.3 is in the dhcp "
                           "range 10.0.5.3-10.0.5.9 of network default" +
                           end));
  const std::string reserved =
      "[networks.default]\ndhcp.range = \"10.0.5.200-10.0.5.249\"\n"
      "dhcp.reservations = [{ mac = \"52:54:00:00:00:01\", ";
  EXPECT_THAT(
      problems(reserved + "address = \"10.0.5.3\" }]\n"),
      testing::ElementsAre("f:3:22: guest vm2, added by command on tap2, no longer fits: 10.0.5.3 is reserved for "
                           "52:54:00:00:00:01 (f:3:22)" +
                           end));
  EXPECT_THAT(
      problems(reserved + "address = \"10.0.5.9\", name = \"vm2\" }]\n"),
      testing::ElementsAre("f:3:22: guest vm2, added by command on tap2, no longer fits: the name vm2 is reserved "
                           "for 10.0.5.9 (f:3:22)" +
                           end));
}

// A shared one needs a range: taken away, its clients would have no addresses.
TEST_F(CheckAgainst, ASharedGuestKeepsItsRange) {
  const auto config = parse_config("[networks.default]\ndhcp.range = \"10.0.5.200-10.0.5.249\"\n", "f").value();
  Guest guest;
  guest.tap = "br0";
  guest.shared = true;
  const auto shared = added_.complete(config, guest);
  ASSERT_TRUE(shared.has_value()) << shared.error();
  EXPECT_FALSE(shared->address.has_value());
  added_.insert(*shared);
  EXPECT_FALSE(added_.with_publish(config, "br0", {parse_publish("81").value()}).has_value());
  EXPECT_THAT(check_against(config, added_), testing::IsEmpty());
  EXPECT_THAT(problems(""), testing::ElementsAre(testing::HasSubstr("network default has no dhcp range")));
}

TEST_F(CheckAgainst, NamesTheDeclaredGuestInTheWay) {
  EXPECT_THAT(problems("[[guests]]\ntap = \"tap1\"\naddress = \"10.0.5.9\"\n"),
              testing::ElementsAre("f:1:1: guest vm1, added by command on tap1, no longer fits: there is already guest "
                                   "tap1 on tap1 (f:1:1); change this, or first run: vrouter remove-guest tap1"));
  EXPECT_THAT(
      problems("\n[[guests]]\ntap = \"tap3\"\naddress = \"10.0.5.2\"\nname = \"vm2\"\npublish = [\"1024-2000\", "
               "\"192.0.2.1:80\"]\n"),
      testing::ElementsAre(
          "f:2:1: guest vm1, added by command on tap1, no longer fits: 10.0.5.2 is taken by guest vm2 on tap3 "
          "(f:2:1); change this, or first run: vrouter remove-guest tap1",
          "f:2:1: guest vm1, added by command on tap1, no longer fits: 80/tcp takes a port held by guest vm2 on "
          "tap3 (f:2:1); change this, or first run: vrouter remove-guest tap1",
          "f:2:1: guest vm2, added by command on tap2, no longer fits: the name vm2 is taken by guest vm2 on "
          "tap3 (f:2:1); change this, or first run: vrouter remove-guest tap2"));
}

TEST_F(CheckAgainst, NamesTheNetworkThatNoLongerHoldsThem) {
  EXPECT_THAT(problems("\n[networks.default]\nprefix = \"10.0.6.0/24\"\n"),
              testing::ElementsAre(
                  "f:2:11: guest vm1, added by command on tap1, no longer fits: 10.0.5.2 is outside network default "
                  "(10.0.6.0/24); change this, or first run: vrouter remove-guest tap1",
                  "f:2:11: guest vm2, added by command on tap2, no longer fits: 10.0.5.3 is outside network default "
                  "(10.0.6.0/24); change this, or first run: vrouter remove-guest tap2"));
  EXPECT_THAT(
      problems("[networks.default]\ngateway = \"10.0.5.3\"\n"),
      testing::ElementsAre("f:1:11: guest vm2, added by command on tap2, no longer fits: 10.0.5.3 is the gateway "
                           "of network default (10.0.5.0/24), the host's own address; change this, or first "
                           "run: vrouter remove-guest tap2"));
  EXPECT_THAT(
      problems("[networks.lab]\nprefix = \"10.0.5.0/24\"\n"),
      testing::Contains("f: guest vm1, added by command on tap1, no longer fits: there is no network 'default'; "
                        "change this, or first run: vrouter remove-guest tap1"));
  EXPECT_THAT(problems("[host]\nuplinks = [\"tap2\"]\n"),
              testing::ElementsAre("f: guest vm2, added by command on tap2, no longer fits: tap2 is an uplink of the "
                                   "host; change this, or first run: vrouter remove-guest tap2"));
}

}  // namespace
}  // namespace vrouter::config
