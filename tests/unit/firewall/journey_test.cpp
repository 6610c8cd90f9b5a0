// SPDX-License-Identifier: GPL-2.0-or-later
// Whole ways through the compiled rules, by a table: who sends what to whom, and what becomes of it.
#include "firewall/journey.h"

#include <gtest/gtest.h>
#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/netfilter/nf_conntrack_common.h>

#include <map>

#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall {
namespace {

using boost::asio::ip::make_address;
using config::Mode;
using testing::config_of;
using testing::guest_of;
using testing::network_of;
using testing::publish_of;

constexpr std::uint8_t kTcp = IPPROTO_TCP, kUdp = IPPROTO_UDP, kIcmp = IPPROTO_ICMP, kIcmp6 = IPPROTO_ICMPV6;
const MacAddress kPinned{{2, 0, 0, 0, 0, 0xb}}, kOther{{2, 0, 0, 0, 0, 0xe}};

// tap0 is a guest that publishes 8080; tap1 has a pinned MAC and publishes 8081 on one address of each family.
class Journeys : public ::testing::Test {
 protected:
  void SetUp() override { build(Mode::nat, {}); }

  void build(Mode mode, const Surroundings& surroundings, config::Policy policy = {}) {
    const auto network = network_of(mode);
    auto config = config_of(network);
    config.policy = std::move(policy);
    ruleset_ = compile(config, surroundings);
    auto a = guest_of(0, true), b = guest_of(1, true);
    a.publish = {publish_of(8080, 80)};
    b.mac = kPinned;
    b.publish = {publish_of(8081, 80), publish_of(8081, 80)};
    b.publish[0].host = make_address("192.0.2.1");
    b.publish[1].host = make_address("2001:db8::1");
    topology_ = {};
    topology_.uplink = "up0";
    topology_.host = {{make_address("192.0.2.1"), "up0"},
                      {make_address("203.0.113.1"), "lo"},
                      {make_address("2001:db8::1"), "up0"},
                      {make_address("fe80::1"), "tap0"}};
    topology_.add(network);
    for (const auto& guest : {a, b}) {
      ruleset_.insert(compile_guest(guest, network));
      topology_.add(guest);
    }
    evaluator_.emplace(ruleset_);
  }

  [[nodiscard]] Journey go(const Packet& packet) const { return travel(*evaluator_, topology_, packet); }
  [[nodiscard]] Packet packet(const char* from, const char* to, std::uint8_t protocol, std::uint16_t port) const {
    return first_packet(topology_, make_address(from), make_address(to), protocol, port);
  }
  [[nodiscard]] std::string tell(const char* from, const char* to, std::uint8_t protocol,
                                 std::uint16_t port = 0) const {
    return tell(go(packet(from, to, protocol, port)));
  }

  // "forwarded by up0: 192.0.2.1 -> 198.51.100.7 port 443", "to_host", "drop: no such sender", "lost: there is no
  // uplink".
  static std::string tell(const Journey& journey) {
    if (!journey.lost.empty()) return "lost: " + std::string{journey.lost};
    if (const auto* refusal = journey.refusal()) {
      const std::string how = journey.ruling == Ruling::drop              ? "drop"
                              : journey.answer == Reject::Kind::tcp_reset ? "reset"
                                                                          : "prohibited";
      return how + ": " + std::string{refusal->comment()};
    }
    const auto& end = journey.arrived;
    std::string text{name(journey.way)};
    if (!end.oifname.empty()) {
      text += " by " + end.oifname + ": " + end.source.to_string() + " -> " + end.destination.to_string();
      if (end.destination_port != 0) text += " port " + std::to_string(end.destination_port);
    }
    return text;
  }

  Ruleset ruleset_;
  Topology topology_;
  std::optional<Evaluator> evaluator_;
};

TEST_F(Journeys, AGuestReachesTheWorldBehindTheHostsAddress) {
  EXPECT_EQ(tell("10.0.5.2", "198.51.100.7", kTcp, 443), "forwarded by up0: 192.0.2.1 -> 198.51.100.7 port 443");
  EXPECT_EQ(tell("10.0.5.2", "198.51.100.7", kIcmp, 8), "forwarded by up0: 192.0.2.1 -> 198.51.100.7");
  EXPECT_EQ(tell("fd76:7274:5::2", "2001:db8:9::7", kTcp, 443),
            "forwarded by up0: 2001:db8::1 -> 2001:db8:9::7 port 443");
  const auto journey = go(packet("10.0.5.2", "198.51.100.7", kTcp, 443));
  EXPECT_TRUE(journey.source_translated());
  EXPECT_FALSE(journey.destination_translated());
  EXPECT_EQ(journey.sent.source, make_address("10.0.5.2"));
  ASSERT_NE(journey.egress(), nullptr);
  EXPECT_EQ(journey.egress()->way.front().rule().comment, "may the sender?");
  EXPECT_EQ(journey.egress()->comment(), "what the sender may");
  ASSERT_NE(journey.ingress(), nullptr);
  EXPECT_EQ(journey.ingress()->decider(), nullptr) << "the world has no rules: the policy";
}

TEST_F(Journeys, ARoutedGuestKeepsItsAddress) {
  build(Mode::routed, {});
  EXPECT_EQ(tell("10.0.5.2", "198.51.100.7", kTcp, 443), "forwarded by up0: 10.0.5.2 -> 198.51.100.7 port 443");
}

TEST_F(Journeys, AnIsolatedGuestIsRefused) {
  build(Mode::isolated, {});
  EXPECT_EQ(tell("10.0.5.2", "198.51.100.7", kTcp, 443), "reset: refused, and told so");
  EXPECT_EQ(tell("10.0.5.2", "198.51.100.7", kUdp, 443), "prohibited: refused, and told so");
}

TEST_F(Journeys, GuestsAreClosedToEachOther) {
  EXPECT_EQ(tell("10.0.5.2", "10.0.5.3", kTcp, 80), "reset: refused, and told so");
  EXPECT_EQ(tell("10.0.5.2", "10.0.5.3", kIcmp, 8), "prohibited: refused, and told so");
  EXPECT_EQ(tell("fd76:7274:5::2", "fd76:7274:5::3", kUdp, 80), "prohibited: refused, and told so");
  const auto journey = go(packet("10.0.5.2", "10.0.5.3", kTcp, 80));
  EXPECT_EQ(journey.egress()->ruling, Ruling::accept);
  EXPECT_EQ(journey.ingress()->ruling, Ruling::reject);
  EXPECT_EQ(journey.refusal(), journey.ingress());
  std::vector<std::string> chains;
  for (const auto& place : journey.ingress()->way) chains.push_back(place.chain->name);
  EXPECT_EQ(chains,
            (std::vector<std::string>{"fwd_ingress", "to_guest", "to_profile", "uninvited", "ungrouped", "deny"}));
}

TEST_F(Journeys, TheWorldReachesOnlyWhatIsPublished) {
  EXPECT_EQ(tell("198.51.100.7", "192.0.2.1", kTcp, 8080), "forwarded by tap0: 198.51.100.7 -> 10.0.5.2 port 80");
  EXPECT_EQ(tell("198.51.100.7", "203.0.113.1", kTcp, 8080), "forwarded by tap0: 198.51.100.7 -> 10.0.5.2 port 80");
  EXPECT_EQ(tell("198.51.100.7", "192.0.2.1", kUdp, 8080), "to_host");
  EXPECT_EQ(tell("198.51.100.7", "10.0.5.2", kTcp, 80), "reset: refused, and told so") << "not by its own address";
  EXPECT_EQ(tell("2001:db8:9::7", "2001:db8::1", kTcp, 8080),
            "forwarded by tap0: 2001:db8:9::7 -> fd76:7274:5::2 port 80");
  const auto journey = go(packet("198.51.100.7", "192.0.2.1", kTcp, 8080));
  EXPECT_TRUE(journey.destination_translated());
  EXPECT_FALSE(journey.source_translated());
  EXPECT_EQ(journey.ingress()->comment(), "published: the map is the permission");
}

TEST_F(Journeys, APortOnOneAddressIsOfThatAddressAlone) {
  EXPECT_EQ(tell("198.51.100.7", "192.0.2.1", kTcp, 8081), "forwarded by tap1: 198.51.100.7 -> 10.0.5.3 port 80");
  EXPECT_EQ(tell("198.51.100.7", "203.0.113.1", kTcp, 8081), "to_host");
  EXPECT_EQ(tell("2001:db8:9::7", "2001:db8::1", kTcp, 8081),
            "forwarded by tap1: 2001:db8:9::7 -> fd76:7274:5::3 port 80");
}

TEST_F(Journeys, APublishedPortWorksFromGuestsAndBackToTheGuestItself) {
  EXPECT_EQ(tell("10.0.5.3", "192.0.2.1", kTcp, 8080), "forwarded by tap0: 10.0.5.3 -> 10.0.5.2 port 80");
  EXPECT_EQ(tell("10.0.5.2", "192.0.2.1", kTcp, 8080), "forwarded by tap0: 10.0.5.1 -> 10.0.5.2 port 80");
  EXPECT_EQ(tell("fd76:7274:5::2", "2001:db8::1", kTcp, 8080),
            "forwarded by tap0: fd76:7274:5::1 -> fd76:7274:5::2 port 80");
}

TEST_F(Journeys, TheHostReachesItsGuestsTheWorldAndItself) {
  EXPECT_EQ(tell("10.0.5.1", "10.0.5.2", kTcp, 22), "from_host by tap0: 10.0.5.1 -> 10.0.5.2 port 22");
  EXPECT_EQ(tell("192.0.2.1", "198.51.100.7", kTcp, 22), "from_host by up0: 192.0.2.1 -> 198.51.100.7 port 22");
  EXPECT_EQ(tell("127.0.0.1", "127.0.0.1", kTcp, 22), "within_host");
  EXPECT_EQ(tell("192.0.2.1", "192.0.2.1", kTcp, 22), "within_host");
  EXPECT_EQ(tell("192.0.2.1", "192.0.2.1", kTcp, 8080), "from_host by tap0: 192.0.2.1 -> 10.0.5.2 port 80");
  EXPECT_EQ(tell("127.0.0.1", "127.0.0.1", kTcp, 8080), "within_host") << "loopback stays on this host";
  EXPECT_EQ(tell("127.0.0.1", "192.0.2.1", kTcp, 8080), "lost: loopback addresses stay on their host");
  EXPECT_EQ(tell("::1", "::1", kTcp, 8080), "within_host");
}

TEST_F(Journeys, OfTheHostAGuestGetsItsGatewayAndNothingElse) {
  EXPECT_EQ(tell("10.0.5.2", "10.0.5.1", kUdp, 53), "to_host");
  EXPECT_EQ(tell("10.0.5.2", "10.0.5.1", kTcp, 53), "to_host");
  EXPECT_EQ(tell("10.0.5.2", "10.0.5.1", kIcmp, 8), "to_host");
  EXPECT_EQ(tell("fd76:7274:5::2", "fd76:7274:5::1", kUdp, 53), "to_host");
  EXPECT_EQ(tell("fd76:7274:5::2", "fd76:7274:5::1", kIcmp6, 128), "to_host");
  EXPECT_EQ(tell("10.0.5.2", "10.0.5.1", kTcp, 22), "reset: refused, and told so");
  EXPECT_EQ(tell("10.0.5.2", "192.0.2.1", kUdp, 53), "prohibited: refused, and told so");
  EXPECT_EQ(go(packet("10.0.5.2", "10.0.5.1", kUdp, 53)).ingress()->comment(), "DNS");
}

TEST_F(Journeys, DnsOverUdpIsNoConnection) {
  const auto tracked = [this](const char* to, std::uint8_t protocol, std::uint16_t from_port) {
    auto question = packet("10.0.5.2", to, protocol, 53);
    question.source_port = from_port;
    return go(question).arrived.ct_state != kCtUntracked;
  };
  EXPECT_FALSE(tracked("10.0.5.1", kUdp, 1024));
  EXPECT_FALSE(tracked("10.0.5.1", kUdp, 65535));
  EXPECT_TRUE(tracked("10.0.5.1", kUdp, 53)) << "where something may listen";
  EXPECT_TRUE(tracked("10.0.5.1", kTcp, 40000));
  EXPECT_TRUE(tracked("198.51.100.7", kUdp, 40000)) << "another's server is behind NAT";
}

TEST_F(Journeys, DhcpNeedsNoAddress) {
  auto request = packet("10.0.5.2", "255.255.255.255", kUdp, 67);
  request.source_port = 68;
  EXPECT_EQ(go(request).ingress()->comment(), "DHCP") << "renewal";
  request.source = make_address("0.0.0.0");
  EXPECT_EQ(tell(go(request)), "to_host");
  request.source_port = 69;
  EXPECT_EQ(tell(go(request)), "drop: not its own address");
  auto solicit = packet("fd76:7274:5::2", "ff02::1:2", kUdp, 547);
  solicit.source = make_address("fe80::2");
  solicit.source_port = 546;
  EXPECT_EQ(tell(go(solicit)), "prohibited: refused, and told so") << "nobody serves it yet";
}

TEST_F(Journeys, ASpoofedSourceGoesNowhere) {
  for (const auto* source : {"10.0.5.3", "10.0.5.1", "198.51.100.7", "10.0.5.77"}) {
    auto spoofed = packet("10.0.5.2", "198.51.100.7", kUdp, 4000);
    spoofed.source = make_address(source);
    const auto journey = go(spoofed);
    EXPECT_EQ(tell(journey), "drop: not its own address") << source;
    EXPECT_EQ(journey.way, Journey::Way::nowhere);
    EXPECT_EQ(journey.refusal()->base->name, "raw_pre");
    EXPECT_EQ(journey.egress(), nullptr);
  }
  auto spoofed = packet("fd76:7274:5::2", "2001:db8:9::7", kUdp, 4000);
  spoofed.source = make_address("fd76:7274:5::3");
  EXPECT_EQ(tell(go(spoofed)), "drop: not its own address");
}

TEST_F(Journeys, APinnedMacMustBeItsOwn) {
  for (const auto* source : {"10.0.5.3", "fd76:7274:5::3"}) {
    const bool v6 = make_address(source).is_v6();
    auto sent = packet(source, v6 ? "2001:db8:9::7" : "198.51.100.7", kUdp, 4000);
    EXPECT_TRUE(go(sent).passes());
    sent.ether_saddr = kOther;
    EXPECT_EQ(tell(go(sent)), "drop: not its own address or MAC");
  }
  auto loose = packet("10.0.5.2", "198.51.100.7", kUdp, 4000);
  loose.ether_saddr = kOther;
  EXPECT_TRUE(go(loose).passes()) << "nothing is pinned there";
}

TEST_F(Journeys, AGuestIsNoRouterAndNoDhcpServer) {
  auto advertisement = packet("fd76:7274:5::2", "ff02::1", kIcmp6, 134);
  advertisement.source = make_address("fe80::2");
  EXPECT_EQ(tell(go(advertisement)), "drop: a guest is no router");
  EXPECT_EQ(tell("10.0.5.2", "198.51.100.7", kIcmp, 5), "drop: a guest is no router");
  auto offer = packet("10.0.5.2", "10.0.5.3", kUdp, 68);
  offer.source_port = 67;
  EXPECT_EQ(tell(go(offer)), "drop: a guest never answers DHCP");
}

TEST_F(Journeys, NeighboursAreFound) {
  auto solicitation = packet("fd76:7274:5::2", "ff02::1:ff00:1", kIcmp6, 135);
  EXPECT_EQ(tell(go(solicitation)), "to_host");
  solicitation.source = make_address("fe80::2");
  EXPECT_EQ(tell(go(solicitation)), "to_host");
  solicitation.destination = make_address("fe80::1");
  EXPECT_EQ(go(solicitation).ingress()->comment(), "neighbours");
  solicitation.source = make_address("::");
  solicitation.destination = make_address("ff02::1:ff00:2");
  EXPECT_EQ(tell(go(solicitation)), "to_host") << "duplicate address detection";
}

TEST_F(Journeys, TheCloudsMetadataIsTheHosts) {
  EXPECT_EQ(tell("10.0.5.2", "169.254.169.254", kTcp, 80),
            "drop: link-local stays on its link (RFC 3927, 7): the cloud's metadata is this host's");
  EXPECT_EQ(tell("fd76:7274:5::2", "fd00:ec2::254", kTcp, 80), "drop: the cloud's metadata is this host's");
  EXPECT_EQ(go(packet("10.0.5.2", "169.254.169.254", kTcp, 80)).refusal()->base->name, "fwd_egress");
}

TEST_F(Journeys, ATapThatIsNotAdoptedIsClosed) {
  topology_.adopted.own().erase("tap0");
  const std::string closed = "drop: TAP of a guest that vrouter has not adopted: closed";
  EXPECT_EQ(tell("10.0.5.2", "198.51.100.7", kTcp, 443), closed);
  EXPECT_EQ(tell("10.0.5.2", "10.0.5.1", kUdp, 53), closed);
  EXPECT_EQ(tell("198.51.100.7", "192.0.2.1", kTcp, 8080), closed);
  EXPECT_EQ(go(packet("198.51.100.7", "192.0.2.1", kTcp, 8080)).ingress()->ruling, Ruling::drop);
}

TEST_F(Journeys, AnUplinkThatWeMadeForwardForwardsForGuestsOnly) {
  EXPECT_EQ(tell("198.51.100.7", "198.51.100.8", kUdp, 4000),
            "forwarded by up0: 198.51.100.7 -> 198.51.100.8 port 4000");
  build(Mode::nat, {{"up0"}, {}, false, {}});
  EXPECT_EQ(tell("198.51.100.7", "198.51.100.8", kUdp, 4000),
            "drop: vrouter made this interface forward: for guests only");
  EXPECT_EQ(tell("2001:db8:9::7", "2001:db8:9::8", kUdp, 4000),
            "forwarded by up0: 2001:db8:9::7 -> 2001:db8:9::8 port 4000");
  EXPECT_TRUE(go(packet("198.51.100.7", "192.0.2.1", kTcp, 8080)).passes());
}

TEST_F(Journeys, ServiceProcessesSendWhatTheyAreFor) {
  build(Mode::nat, {{}, {}, false, ServiceUsers{.dhcp = 64990, .dns = 64991}});
  ruleset_.insert(upstream_elements({make_address("198.51.100.53")}));
  evaluator_.emplace(ruleset_);
  auto question = packet("192.0.2.1", "198.51.100.53", kUdp, 53);
  question.skuid = 64991;
  EXPECT_EQ(tell(go(question)), "from_host by up0: 192.0.2.1 -> 198.51.100.53 port 53");
  question.destination = make_address("198.51.100.54");
  EXPECT_EQ(tell(go(question)), "drop: nothing else");
  auto offer = packet("10.0.5.1", "255.255.255.255", kUdp, 68);
  offer.source_port = 67;
  offer.oifname = "tap0";
  offer.skuid = 64990;
  EXPECT_EQ(tell(go(offer)), "from_host by tap0: 10.0.5.1 -> 255.255.255.255 port 68");
  offer.oifname = "up0";
  EXPECT_EQ(tell(go(offer)), "drop: nothing else");
}

TEST_F(Journeys, RoutingRefusesWhatHasNoWay) {
  EXPECT_EQ(tell("10.0.5.2", "10.0.5.77", kTcp, 80), "lost: no guest has this address");
  EXPECT_EQ(tell("fd76:7274:5::2", "fd76:7274:5::77", kTcp, 80), "lost: no guest has this address");
  EXPECT_EQ(tell("10.0.5.2", "127.0.0.1", kTcp, 80), "drop: loopback is this host's alone");
  auto martian = packet("198.51.100.7", "192.0.2.1", kTcp, 22);
  martian.source = make_address("192.0.2.1");
  EXPECT_EQ(tell(go(martian)), "lost: its source is this host's own");
  topology_.uplink.clear();
  EXPECT_EQ(tell("10.0.5.2", "198.51.100.7", kTcp, 443), "lost: there is no uplink");
  EXPECT_FALSE(go(packet("10.0.5.2", "198.51.100.7", kTcp, 443)).passes());
}

TEST_F(Journeys, WhatIsUnderWayIsNotAskedAgain) {
  build(Mode::isolated, {});
  auto reply = packet("198.51.100.7", "10.0.5.2", kTcp, 5000);
  reply.ct_state = kCtEstablished;
  reply.ct_status = IPS_CONFIRMED | IPS_SEEN_REPLY;
  EXPECT_EQ(tell(go(reply)), "forwarded by tap0: 198.51.100.7 -> 10.0.5.2 port 5000");
  EXPECT_EQ(go(reply).egress()->comment(), "under way already");
  reply.ct_state = kCtInvalid;
  EXPECT_EQ(tell(go(reply)), "drop: of no connection");
}

TEST_F(Journeys, WithAPolicyATcpConnectionBeginsWithASyn) {
  constexpr std::uint8_t kAck = 0x10;
  const auto middle = [&](const char* from, const char* to, std::uint16_t port) {
    auto segment = packet(from, to, kTcp, port);
    segment.tcp_flags = kAck;
    return tell(go(segment));
  };
  EXPECT_EQ(middle("10.0.5.2", "198.51.100.7", 443), tell("10.0.5.2", "198.51.100.7", kTcp, 443))
      << "a guest that has migrated here goes on";
  config::Policy policy;
  policy.groups["web"].name = "web";
  build(Mode::nat, {}, policy);
  EXPECT_EQ(middle("10.0.5.2", "198.51.100.7", 443), "reset: refused, and told so");
  EXPECT_EQ(middle("fd76:7274:5::2", "2001:db8:9::7", 443), "reset: refused, and told so");
  EXPECT_EQ(middle("198.51.100.7", "192.0.2.1", 8080), "drop: from its middle");
  EXPECT_EQ(middle("10.0.5.2", "10.0.5.1", 53), "reset: refused, and told so");
}

}  // namespace
}  // namespace vrouter::firewall
