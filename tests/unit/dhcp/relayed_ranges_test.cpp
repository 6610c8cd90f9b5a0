// SPDX-License-Identifier: GPL-2.0-or-later
// What clients of a range are answered behind relays.
#include "dhcp/ranges.h"
#include "tests/unit/dhcp/ranges_fixture.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;

constexpr int kOffer = 2;

TEST_F(RangesTest, ARelayIsAnsweredWhereItAskedFromByTheHostsRoutes) {
  const auto offer = handle_relayed(relayed(from(1, discover().add(82, {1, 2, 'a', 'b'}))));
  ASSERT_EQ(offer.size(), 1u);
  EXPECT_EQ(offer[0].reply.type(), kOffer);
  EXPECT_EQ(offer[0].reply.giaddr, ip("192.0.2.7"));
  const auto& o = offer[0].outgoing;
  EXPECT_EQ(std::tuple(o.from, o.to, o.ifindex, o.port), std::tuple(ip("10.9.0.1"), ip("192.0.2.7"), 0u, 67u));
  static_cast<void>(handle_relayed(relayed(from(1, select("10.9.0.10")))));
  EXPECT_EQ(commits_.at(0).lease.ifindex, 0u);
  EXPECT_EQ(done().at(0).outgoing.to, ip("192.0.2.7"));
}

// There the gateway is on nobody's link: the relay is, in a subnet with others.
TEST_F(RangesTest, BehindARelayTheRelayIsTheRouterInARealSubnet) {
  change([](Pool& p) { p.relays = {ip("10.9.0.2"), ip("192.0.2.7"), ip("10.9.0.3")}; });
  const auto expect = [&](const ReplyView& reply, const char* server) {
    EXPECT_EQ(reply.at(1), octets(ip("255.255.255.0")));
    EXPECT_EQ(reply.at(3), octets(ip("10.9.0.2")) + octets(ip("10.9.0.3")));
    EXPECT_EQ(reply.at(28), octets(ip("10.9.0.255")));
    EXPECT_EQ(reply.at(54), octets(ip(server)));
    EXPECT_FALSE(reply.has(121) || reply.has(249) || reply.has(6));
  };
  const auto asked = [&](RequestBytes request) {
    return handle(relayed(from(1, std::move(request)), "10.9.0.3"), 3, "192.0.2.7", "198.51.100.1");
  };
  const auto offers = asked(discover());
  ASSERT_EQ(offers.size(), 1u);
  expect(offers[0].reply, "198.51.100.1");
  static_cast<void>(asked(selecting("10.9.0.10", "198.51.100.1")));
  ASSERT_EQ(commits_.size(), 1u);
  expect(done().at(0).reply, "198.51.100.1");
  // Past its relay it hears the same.
  static_cast<void>(handle(from(1, renewing("10.9.0.10")), 3, "10.9.0.10", "198.51.100.1"));
  ASSERT_EQ(commits_.size(), 1u);
  expect(done().at(0).reply, "198.51.100.1");
  // What the network says itself wins; a relay outside of the prefix is nobody's router.
  change([](Pool& p) {
    p.relays = {ip("192.0.2.7")};
    p.settings.options = {{6, {192, 0, 2, 53}}};
  });
  const auto others = handle_relayed(relayed(from(2, discover())));
  ASSERT_EQ(others.size(), 1u);
  EXPECT_FALSE(others[0].reply.has(3));
  EXPECT_EQ(others[0].reply.at(6), octets(ip("192.0.2.53")));
  change([](Pool& p) { p.settings.options = {{3, {10, 9, 0, 254}}}; });
  EXPECT_EQ(handle_relayed(relayed(from(2, discover()))).at(0).reply.at(3), octets(ip("10.9.0.254")));
  // A release says whom it tells.
  auto goodbye = RequestBytes{7}.add_ip(54, "198.51.100.1");
  goodbye.ciaddr = ip("10.9.0.10");
  static_cast<void>(handle(from(1, goodbye), 3, "10.9.0.10", "198.51.100.1"));
  EXPECT_EQ(commits_.size(), 1u);
}

TEST_F(RangesTest, StrangersAndTheirRelaysAreDroppedUnparsed) {
  EXPECT_TRUE(handle_relayed(relayed(from(1, discover())), "192.0.2.8").empty());
  EXPECT_TRUE(handle(from(1, discover()), 3).empty());
  EXPECT_EQ(statistics().dropped_unknown_interface, 2u);
  EXPECT_EQ(statistics().discover, 0u);
  EXPECT_TRUE(handle_relayed(relayed(from(1, discover()), "192.0.2.8")).empty());  // a giaddr that isn't listed
  EXPECT_EQ(statistics().dropped_not_ours, 1u);
}

TEST_F(RangesTest, NoClientOfALinkIsARelay) {
  EXPECT_TRUE(handle(relayed(from(1, discover())), kBridge, "192.0.2.7").empty());
  EXPECT_EQ(statistics().dropped_not_ours, 1u);
}

TEST_F(RangesTest, ARelayMayAskFromAnotherOfItsAddresses) {
  change([](Pool& p) { p.relays.push_back(ip("192.0.2.8")); });
  EXPECT_EQ(handle_relayed(relayed(from(1, discover())), "192.0.2.8").size(), 1u);
}

TEST_F(RangesTest, OfSeveralNetworksTheRelaysWordChooses) {
  auto lab = pool();
  lab.network = lab.settings.network = "lab";
  lab.settings.gateway = ip("10.8.0.1");
  lab.range = {ip("10.8.0.10"), ip("10.8.0.19")};
  lab.links = {};
  lab.relays = pool_.relays = {ip("192.0.2.7"), ip("10.9.0.2")};
  apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {}, .pools = {pool_, lab}});
  const auto given = [&](RequestBytes request, const char* relay = "192.0.2.7") {
    const auto sent = handle_relayed(relayed(from(1, std::move(request)), relay), relay);
    return sent.empty() ? std::string{} : sent[0].reply.yiaddr.to_string();
  };
  EXPECT_EQ(given(discover().add(82, Bytes{5, 4} + octets(ip("10.8.0.0")))), "10.8.0.10");
  EXPECT_EQ(given(discover().add(118, octets(ip("10.8.0.0")))), "10.8.0.10");
  EXPECT_EQ(given(discover().add(118, octets(ip("10.8.0.0"))).add(82, Bytes{5, 4} + octets(ip("10.9.0.0")))),
            "10.9.0.10");
  EXPECT_EQ(given(discover(), "10.9.0.2"), "10.9.0.10");
  EXPECT_EQ(given(discover()), "");  // 192.0.2.7 is in neither
  EXPECT_EQ(given(discover().add(118, octets(ip("172.16.0.0")))), "");
}

TEST_F(RangesTest, RenewalsPastTheRelayCountFromTheirOwnAddressOnly) {
  static_cast<void>(handle_relayed(relayed(from(1, discover().add(80, {})))));
  static_cast<void>(done());
  now_ += seconds{1800};
  static_cast<void>(handle(from(1, renewing("10.9.0.10")), 3, "10.9.0.10", "10.9.0.1"));
  ASSERT_EQ(commits_.size(), 1u);
  const auto ack = done();
  ASSERT_EQ(ack.size(), 1u);
  EXPECT_EQ(std::tuple(ack[0].outgoing.to, ack[0].outgoing.ifindex), std::tuple(ip("10.9.0.10"), 0u));
  // Another client, another address, from an address without a lease, from one of a shared link.
  ASSERT_EQ(bound(2), "10.9.0.11");
  EXPECT_TRUE(handle(from(2, renewing("10.9.0.10")), 3, "10.9.0.10").empty());
  EXPECT_TRUE(handle(from(1, renewing("10.9.0.11")), 3, "10.9.0.10").empty());
  EXPECT_TRUE(handle(from(1, renewing("10.9.0.15")), 3, "10.9.0.15").empty());
  EXPECT_TRUE(handle(from(2, renewing("10.9.0.11")), 3, "10.9.0.11").empty());
  EXPECT_TRUE(commits_.empty());
  EXPECT_EQ(std::tuple(statistics().dropped_not_ours, statistics().dropped_unknown_interface), std::tuple(2u, 2u));
  // A release as well, and one that is refused is told where it can be reached.
  change([](Pool& p) { p.excluded = {{ip("10.9.0.10"), ip("10.9.0.10")}}; });
  const auto nak = handle(from(1, renewing("10.9.0.10")), 3, "10.9.0.10");
  ASSERT_EQ(nak.size(), 1u);
  EXPECT_EQ(std::tuple(nak[0].outgoing.to, nak[0].outgoing.ifindex), std::tuple(ip("10.9.0.10"), 0u));
  static_cast<void>(handle(from(1, release("10.9.0.10")), 3, "10.9.0.10"));
  EXPECT_EQ(commits_.at(0).lease.state, LeaseState::released);
}

TEST_F(RangesTest, ARelaysRateIsThatOfASite) {
  unsigned offers = 0;
  for (unsigned i = 0; i < 30'000; ++i) offers += handle_relayed(relayed(from(i % 8, discover()))).empty() ? 0 : 1;
  EXPECT_EQ(offers, 30'000u);
}

}  // namespace
}  // namespace vrouter::dhcp
