// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/decompile.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "config/specs.h"
#include "firewall/compile.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall {
namespace {

using testing::config_of;
using testing::guest_of;
using testing::network_of;

config::Publish publish_of(const char* text) {
  return config::parse_publish(text).value();
}

// What the rules know of a guest.
config::Guest as_ruled(config::Guest guest) {
  config::Guest known;
  known.tap = guest.tap;
  known.address = guest.address;
  known.address6 = guest.address6;
  known.mac = guest.mac;
  known.publish = guest.publish;
  known.floating = guest.floating;
  known.snat = guest.snat;
  known.allowed_addresses = guest.allowed_addresses;
  known.limits = guest.limits;
  for (const auto& spec : config::kLimitSpecs) {
    auto& limit = known.limits.*(spec.member);
    if (!limit) limit = 0;
  }
  return known;
}

std::vector<config::Guest> there_and_back(const std::vector<config::Guest>& guests) {
  Profiles profiles;
  for (const auto& guest : guests) profiles.add(guest, network_of());
  auto rules = compile(config_of(network_of()), {}, profiles);
  for (const auto& guest : guests) rules.insert(compile_guest(guest, network_of()));
  return decompile_guests(rules.elements);
}

TEST(Decompile, GuestsComeBackAsTheRulesKnowThem) {
  std::vector<config::Guest> guests;
  for (unsigned i = 0; i < 4; ++i) guests.push_back(guest_of(i));
  guests[1].mac = MacAddress{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
  guests[1].publish = {publish_of("8000-8010:9000/tcp"), publish_of("192.0.2.1:53/udp")};
  guests[2].address6 = boost::asio::ip::make_address_v6("fd76:7274:5::2");
  guests[2].publish = {publish_of("2222:22/tcp")};
  guests[3].tap = "fifteen-letters";
  guests[0].floating.v4 = boost::asio::ip::make_address_v4("192.0.2.50");
  guests[0].allowed_addresses = {boost::asio::ip::make_address("10.0.5.50")};
  guests[3].allowed_addresses = guests[0].allowed_addresses;
  guests[3].snat.v4 = boost::asio::ip::make_address_v4("192.0.2.60");
  guests[3].limits = {1, 8000, 2, 100'000'000, 3, 4};
  std::vector<config::Guest> expected;
  for (const auto& guest : guests) expected.push_back(as_ruled(guest));
  std::ranges::sort(expected, {}, &config::Guest::tap);
  auto back = there_and_back(guests);
  ASSERT_EQ(back.size(), expected.size());
  for (std::size_t i = 0; i < back.size(); ++i) {
    std::ranges::sort(back[i].publish, {}, &config::Publish::to_string);
    std::ranges::sort(expected[i].publish, {}, &config::Publish::to_string);
    EXPECT_EQ(back[i], expected[i]) << expected[i].tap;
  }
}

TEST(Decompile, CompilesToTheSameElements) {
  auto guest = guest_of(0);
  guest.address6 = boost::asio::ip::make_address_v6("fd76:7274:5::2");
  guest.mac = MacAddress{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
  guest.publish = {publish_of("8000-8010:9000/tcp"), publish_of("[2001:db8::1]:443/tcp")};
  const auto back = there_and_back({guest});
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(compile_guest(back.front(), network_of()), compile_guest(guest, network_of()));
}

TEST(Decompile, EverySetOfAGuestIsKnownAsSuchAndNoOther) {
  auto guest = guest_of(0);
  guest.address6 = boost::asio::ip::make_address_v6("fd76:7274:5::2");
  guest.publish = {publish_of("80/tcp"), publish_of("192.0.2.1:53/udp"), publish_of("[2001:db8::1]:443/tcp")};
  guest.limits = {1, 8000, 2, 8000, 3};
  for (const auto& element : compile_guest(guest, network_of()))
    EXPECT_TRUE(holds_guests(element.set)) << element.set.set;
  guest.mac = MacAddress{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
  guest.floating.v4 = boost::asio::ip::make_address_v4("192.0.2.50");
  guest.snat.v6 = boost::asio::ip::make_address_v6("2001:db8::60");
  guest.prefixes4 = {boost::asio::ip::make_network_v4("10.9.0.0/24")};
  guest.prefixes6 = {boost::asio::ip::make_network_v6("fd00:9::/64")};
  guest.allowed_addresses = {boost::asio::ip::make_address("10.0.5.50")};
  for (const auto& element : compile_guest(guest, network_of()))
    EXPECT_TRUE(holds_guests(element.set)) << element.set.set;
  const Surroundings guarded{.guarded_interfaces = {"eth0"}, .guarded_interfaces6 = {"eth0"}};
  for (const auto& [set, elements] : compile(config_of(network_of()), guarded).elements)
    EXPECT_FALSE(holds_guests(set)) << set.set;
}

TEST(Decompile, WhatIsNotOursIsPassedOver) {
  std::map<SetRef, ElementMap> elements;
  elements[{Family::inet, "taps"}].own()[{{1, 2, 3}, {}}] = {};
  elements[{Family::inet, "spoof4"}].own()[{Bytes(7, 1), {}}] = {};
  elements[{Family::inet, "pub4any"}].own()[{Bytes(8, 1), {}}] = {Bytes(2, 1), {}};
  EXPECT_TRUE(decompile_guests(elements).empty());
}

}  // namespace
}  // namespace vrouter::firewall
