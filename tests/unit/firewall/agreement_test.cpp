// SPDX-License-Identifier: GPL-2.0-or-later
// The evaluator says what the kernel does: whole configurations, each to each with several services, in both families.
#include "tests/unit/firewall/agreement.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall {
namespace {

using boost::asio::ip::make_address;
using config::Mode;
using testing::all_flows;
using testing::config_of;
using testing::disagreements;
using testing::Fate;
using testing::guest_of;
using testing::Kind;
using testing::network_of;
using testing::publish_of;

constexpr std::uint8_t kTcp = IPPROTO_TCP, kUdp = IPPROTO_UDP, kIcmp = IPPROTO_ICMP, kIcmp6 = IPPROTO_ICMPV6;
const MacAddress kPinned{{2, 0, 0, 0, 0, 0xb}}, kOther{{2, 0, 0, 0, 0, 0xe}};
const std::vector<Kind> kKinds{{kTcp, 80}, {kTcp, 8080}, {kTcp, 8081}, {kTcp, 22},           {kUdp, 53},
                               {kTcp, 53}, {kUdp, 547},  {kUdp, 9001}, {IPPROTO_SCTP, 9000}, {IPPROTO_GRE, 0},
                               {kIcmp, 8}, {kIcmp, 13},  {kIcmp, 0},   {kIcmp6, 128}};

// Three guests: one with all, one pinned, one of IPv4 alone.
config::Config guests_in(Mode mode) {
  auto config = config_of(network_of(mode));
  auto all = guest_of(0, true), pinned = guest_of(1, true), plain = guest_of(2);
  all.publish = {publish_of(8080, 80), publish_of(9000, 7000)};
  all.publish[1].last = 9002;
  all.publish[1].protocol = config::Protocol::udp;
  pinned.mac = kPinned;
  pinned.publish = {publish_of(8081, 80), publish_of(8081, 80)};
  pinned.publish[0].host = make_address("192.0.2.1");
  pinned.publish[1].host = make_address("2001:db8::1");
  plain.publish = {publish_of(9000, 9000)};
  plain.publish[0].protocol = config::Protocol::sctp;
  config.guests = {all, pinned, plain};
  return config;
}

void expect_agreement(const config::Config& config, const Surroundings& surroundings, std::vector<Packet> flows) {
  ASSERT_FALSE(flows.empty());
  for (const auto& d : disagreements(config, surroundings, std::move(flows))) ADD_FAILURE() << d.text;
}
void expect_agreement(const config::Config& config, const Surroundings& surroundings = {}) {
  expect_agreement(config, surroundings, all_flows(testing::topology_of(config), kKinds));
}

TEST(Agreement, OfGuestsBehindNat) {
  expect_agreement(guests_in(Mode::nat));
}

TEST(Agreement, OfRoutedGuests) {
  expect_agreement(guests_in(Mode::routed));
}

TEST(Agreement, OfIsolatedGuests) {
  expect_agreement(guests_in(Mode::isolated));
}

TEST(Agreement, OfAnUplinkThatWeMadeForward) {
  expect_agreement(guests_in(Mode::nat), {{"up0"}, {"up0"}, false, {}});
}

TEST(Agreement, OfTwoNetworks) {
  auto config = guests_in(Mode::nat);
  auto second = network_of(Mode::isolated);
  second.name = "second";
  second.prefix = boost::asio::ip::make_network_v4("10.0.6.0/24");
  second.gateway = boost::asio::ip::make_address_v4("10.0.6.1");
  second.prefix6.reset();
  second.gateway6.reset();
  config.networks.emplace(second.name, second);
  auto guest = guest_of(256);
  guest.network = "second";
  guest.publish = {publish_of(22, 22)};
  config.guests.push_back(guest);
  expect_agreement(config);
}

TEST(Agreement, OfAGuestWhoseTapIsNotAdopted) {
  const auto config = guests_in(Mode::nat);
  auto topology = testing::topology_of(config);
  topology.adopted.own().erase("tap0");
  testing::KernelHost host{topology};
  const auto ruleset = testing::ruleset_of(config, {});
  for (const auto& d : disagreements(host, ruleset, topology, all_flows(topology, kKinds))) ADD_FAILURE() << d.text;
}

// What no honest guest sends: on each TAP from each source, with each MAC, to each destination.
TEST(Agreement, OfSpoofedPackets) {
  const auto config = guests_in(Mode::nat);
  const auto topology = testing::topology_of(config);
  std::vector<Packet> flows;
  for (const auto* tap : {"tap0", "tap1", "tap2"}) {
    for (const auto& mac : {kPinned, kOther}) {
      for (auto packet : all_flows(topology, {{kUdp, 53}, {kUdp, 4000}, {kIcmp, 5}, {kIcmp6, 134}})) {
        packet.iifname = tap;
        packet.ether_saddr = mac;
        packet.skuid.reset();
        flows.push_back(packet);
      }
    }
  }
  expect_agreement(config, {}, flows);
}

Packet by_tap(const char* tap, const char* from, const char* to, std::uint8_t protocol, std::uint16_t port = 0) {
  Packet packet;
  packet.iifname = tap;
  packet.ether_saddr = std::string_view{tap} == "tap1" ? kPinned : kOther;
  packet.source = make_address(from);
  packet.destination = make_address(to);
  packet.protocol = protocol;
  packet.icmp_type = static_cast<std::uint8_t>(port);
  packet.source_port = 30000;
  packet.destination_port = port;
  return packet;
}

TEST(Agreement, OfWhatNeedsNoAddress) {
  std::vector<Packet> flows;
  for (const auto* tap : {"tap0", "tap1"}) {
    for (const auto source_port : std::initializer_list<std::uint16_t>{68, 67, 69}) {
      flows.push_back(by_tap(tap, "0.0.0.0", "255.255.255.255", kUdp, 67));
      flows.back().source_port = source_port;
      flows.push_back(flows.back());
      flows.back().ether_saddr = kOther;
    }
    for (const auto type : std::initializer_list<std::uint8_t>{128, 133, 134, 135, 136, 137, 143}) {
      for (const auto* from : {"fe80::2", "::", "fd76:7274:5::2", "fd76:7274:5::3"}) {
        for (const auto* to : {"ff02::1", "ff02::2"}) flows.push_back(by_tap(tap, from, to, kIcmp6, type));
      }
    }
  }
  expect_agreement(guests_in(Mode::nat), {}, flows);
}

TEST(Agreement, OfPlacesThatAreNobodys) {
  std::vector<Packet> flows;
  for (const auto* to : {"169.254.169.254", "10.0.5.77", "127.0.0.1", "0.0.0.0", "10.0.6.6"}) {
    flows.push_back(by_tap("tap0", "10.0.5.2", to, kTcp, 80));
    flows.push_back(by_tap("up0", "203.0.113.7", to, kTcp, 80));
  }
  for (const auto* to : {"fd00:ec2::254", "fd76:7274:5::77", "::1"}) {
    flows.push_back(by_tap("tap0", "fd76:7274:5::2", to, kTcp, 80));
    flows.push_back(by_tap("up0", "2001:db8:9::7", to, kTcp, 80));
  }
  flows.push_back(by_tap("up0", "127.0.0.1", "192.0.2.1", kTcp, 80));
  flows.push_back(by_tap("up0", "192.0.2.1", "192.0.2.1", kTcp, 80));
  std::uint16_t port = 30000;
  for (auto& flow : flows) flow.source_port = port++;
  expect_agreement(guests_in(Mode::nat), {}, flows);
}

TEST(Agreement, OfSegmentsThatBeginNoConnection) {
  std::vector<Packet> flows;
  const auto config = guests_in(Mode::nat);
  for (const auto flags : std::initializer_list<std::uint8_t>{0x10, 0x12, 0x04, 0x14, 0x11, 0x00}) {
    for (auto packet : all_flows(testing::topology_of(config), {{kTcp, 80}, {kTcp, 8080}})) {
      if (packet.iifname.empty()) continue;
      packet.tcp_flags = flags;
      flows.push_back(packet);
    }
  }
  expect_agreement(config, {}, flows);
}

TEST(Agreement, OfTheServiceProcesses) {
  const auto config = guests_in(Mode::nat);
  constexpr uid_t kDhcp = 64990, kDns = 64991;
  const auto topology = testing::topology_of(config);
  auto ruleset = testing::ruleset_of(config, {{}, {}, false, ServiceUsers{.dhcp = kDhcp, .dns = kDns}});
  ruleset.insert(upstream_elements({make_address("203.0.113.7"), make_address("2001:db8:9::7")}));
  std::vector<Packet> flows;
  for (const uid_t user : {uid_t{0}, kDhcp, kDns}) {
    for (auto packet : all_flows(topology, {{kUdp, 53}, {kTcp, 53}, {kUdp, 123}, {kTcp, 8080}, {kUdp, 68}})) {
      if (!packet.iifname.empty()) continue;
      packet.skuid = user;
      flows.push_back(packet);
    }
    auto offer = first_packet(topology, make_address("10.0.5.1"), make_address("255.255.255.255"), kUdp, 68);
    offer.skuid = user;
    for (const auto* link : {"tap0", "up0"}) {
      offer.oifname = link;
      offer.source_port = offer.oifname == "tap0" ? 67 : 66;  // another connection
      flows.push_back(offer);
    }
  }
  testing::KernelHost host{topology};
  for (const auto& d : disagreements(host, ruleset, topology, flows)) ADD_FAILURE() << d.text;
}

// As a test of many policies does it.
TEST(Agreement, OfOneHostWithOneRulesetAfterTheOther) {
  const auto topology = testing::topology_of(guests_in(Mode::nat));
  testing::KernelHost host{topology};
  for (const auto mode : {Mode::nat, Mode::isolated, Mode::routed, Mode::nat}) {
    const auto ruleset = testing::ruleset_of(guests_in(mode), {});
    for (const auto& d : disagreements(host, ruleset, topology, all_flows(topology, kKinds))) ADD_FAILURE() << d.text;
  }
}

// The test itself would see a difference: the kernel is given other rules than the evaluator.
TEST(Agreement, IsNoMatterOfCourse) {
  const auto nat = guests_in(Mode::nat);
  const auto topology = testing::topology_of(nat);
  testing::KernelHost host{topology};
  host.load(testing::ruleset_of(guests_in(Mode::isolated), {}));
  const auto ruleset = testing::ruleset_of(nat, {});
  const Evaluator evaluator{ruleset};
  auto packet = first_packet(topology, make_address("10.0.5.2"), make_address("203.0.113.7"), kTcp, 80);
  EXPECT_EQ(host.send({packet}).at(0).kind, Fate::Kind::reset);
  EXPECT_EQ(testing::fate_of(travel(evaluator, topology, packet)).kind, Fate::Kind::left);
  packet.protocol = kUdp;
  EXPECT_EQ(host.send({packet}).at(0).kind, Fate::Kind::prohibited);
  host.load(Ruleset{});
  EXPECT_EQ(host.send({packet}).at(0).to_string(), "left by up0: 10.0.5.2 port 49152 -> 203.0.113.7 port 80");
  host.load(ruleset);
  packet.destination = make_address("10.0.5.1");
  packet.destination_port = 53;
  EXPECT_EQ(host.send({packet}).at(0).kind, Fate::Kind::delivered);
  packet.source = make_address("10.0.5.3");
  EXPECT_EQ(host.send({packet}).at(0).kind, Fate::Kind::nothing);
}

}  // namespace
}  // namespace vrouter::firewall
