// SPDX-License-Identifier: GPL-2.0-or-later
// What a range makes of the rarer messages, and of what is none.
#include <gtest/gtest.h>

#include <random>

#include "dhcp/ranges.h"
#include "tests/unit/dhcp/ranges_fixture.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;

constexpr std::uint16_t kPort = 4321;

// RFC 8357: a relay that can't have port 67 says so by sub-option 19, and is answered where it asked from.
class RelaysPort : public RangesTest {
 protected:
  static RequestBytes with_port(RequestBytes request) { return request.add(82, {1, 1, 'x', 19, 0}); }
  // The port of the one reply, which leaves at once or when the lease is written.
  std::uint16_t port_of(const RequestBytes& request) {
    auto sent = handle_relayed(relayed(from(1, request)), "192.0.2.7", kPort);
    if (sent.empty() && !commits_.empty()) sent = done();
    EXPECT_EQ(sent.size(), 1u);
    if (sent.empty()) return 0;
    EXPECT_EQ(sent[0].outgoing.to, ip("192.0.2.7"));
    return sent[0].outgoing.port;
  }
};

TEST_F(RelaysPort, IsWhatEveryReplyGoesToIfItSaysSo) {
  EXPECT_EQ(port_of(with_port(discover())), kPort);
  EXPECT_EQ(port_of(with_port(select("10.9.0.10"))), kPort);
  EXPECT_EQ(port_of(with_port(renewing("10.9.0.10"))), kPort);
  EXPECT_EQ(port_of(with_port(init_reboot("10.9.0.18"))), kPort) << "a NAK";
  EXPECT_EQ(port_of(with_port(discover().add(80, {}))), kPort) << "rapid commit";
  EXPECT_EQ(statistics().nak, 1u);
}

TEST_F(RelaysPort, IsTheServersOtherwise) {
  EXPECT_EQ(port_of(discover()), 67);
  EXPECT_EQ(port_of(select("10.9.0.10")), 67);
  EXPECT_EQ(port_of(init_reboot("10.9.0.18").add(82, {1, 1, 'x'})), 67);
}

TEST_F(RelaysPort, ComesBackInOption82) {
  const auto offer = handle_relayed(relayed(from(1, with_port(discover()))), "192.0.2.7", kPort);
  ASSERT_EQ(offer.size(), 1u);
  EXPECT_EQ(offer[0].reply.at(82), (Bytes{1, 1, 'x', 19, 0}));
}

// A client's own word for it changes nothing: no relay said it.
TEST_F(RelaysPort, IsNoClientsToChoose) {
  const auto offer = handle(from(1, with_port(discover())), kBridge, "0.0.0.0", "0.0.0.0", kPort);
  ASSERT_EQ(offer.size(), 1u);
  EXPECT_EQ(offer[0].outgoing.port, 68);
}

// RFC 2131, 4.3.5, leaves an INFORM without ciaddr to the address that it came from.
TEST_F(RangesTest, AnInformWithoutCiaddrIsOfItsSource) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  ASSERT_EQ(bound(2), "10.9.0.11");
  const RequestBytes inform{8};
  const auto sent = handle(from(1, inform), kBridge, "10.9.0.10");
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].reply.type(), 5);
  EXPECT_EQ(sent[0].outgoing.to, ip("10.9.0.10"));
  EXPECT_EQ(sent[0].outgoing.ifindex, kBridge);
  EXPECT_EQ(sent[0].outgoing.port, 68);
  EXPECT_EQ(sent[0].reply.yiaddr, address_v4{});
  EXPECT_EQ(sent[0].reply.ciaddr, address_v4{});
  for (const int timer : {51, 58, 59}) EXPECT_FALSE(sent[0].reply.has(timer)) << timer;
  EXPECT_TRUE(handle(from(1, inform)).empty()) << "neither";
  EXPECT_TRUE(handle(from(1, inform), kBridge, "10.9.0.11").empty()) << "a neighbour's";
  EXPECT_TRUE(handle(from(1, inform), kBridge, "192.0.2.1").empty()) << "nobody's";
  EXPECT_TRUE(handle(from(1, inform), kOtherBridge, "10.9.0.10").empty());
  EXPECT_EQ(statistics().dropped_not_ours, 4u);
  EXPECT_TRUE(commits_.empty()) << "it is no lease";
}

TEST_F(RangesTest, AnInformOfALeaseThatEndedIsDropped) {
  ASSERT_EQ(bound(1), "10.9.0.10");
  now_ += seconds{3600};
  EXPECT_TRUE(handle(from(1, RequestBytes{8}), kBridge, "10.9.0.10").empty());
}

// Nor what is reserved: that is a lease too, which a client of BOOTP can't renew.
TEST_F(RangesTest, BootpGetsNothingOfARangeWhateverTheNetworkAllows) {
  change([](Pool& p) {
    p.settings.bootp = true;
    config::Reservation kept;
    kept.mac = mac(2);
    kept.address = ip("10.9.0.50");
    p.reservations = {kept};
  });
  for (const unsigned client : {1u, 2u}) {
    EXPECT_TRUE(handle(from(client, RequestBytes{})).empty());
    EXPECT_TRUE(handle_relayed(relayed(from(client, RequestBytes{}))).empty());
  }
  EXPECT_TRUE(all_commits_.empty());
  EXPECT_EQ(counts().bootp, 4u);
  EXPECT_EQ(statistics().dropped_malformed, 4u);
  EXPECT_EQ(offered(2), "10.9.0.50");
}

// Bytes of any kind, one in two with a sound beginning.
class Garbage {
 public:
  Bytes next() {
    Bytes bytes = random_() % 2 == 0 ? Bytes{} : discover().bytes();
    bytes.resize(bytes.size() + random_() % 300);
    const auto from = std::min<std::size_t>(bytes.size(), 240);
    for (auto i = bytes.size() > from ? from : 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(random_());
    return bytes;
  }

 private:
  std::minstd_rand random_{8357};
};

// The bucket stands before the parser: what is above the allowance isn't even found to be garbage.
TEST_F(RangesTest, AFloodOfGarbageIsCutOffUnparsedAndTouchesNoOtherLink) {
  auto guest = testing::binding();
  apply({.snapshot = false, .upserts = {guest}, .removed_ifindexes = {}});
  Garbage garbage;
  constexpr unsigned kTooMany = 500;
  for (unsigned i = 0; i < kBurstPerLink + kTooMany; ++i) static_cast<void>(handle_bytes(garbage.next()));
  EXPECT_EQ(statistics().dropped_rate_limited, kTooMany);
  EXPECT_EQ(statistics().received, kBurstPerLink + kTooMany);
  const auto parsed = statistics().dropped_malformed + statistics().dropped_not_ours + counts().discover +
                      counts().request + counts().inform + counts().release + counts().decline;
  EXPECT_GE(parsed, kBurstPerLink);
  EXPECT_TRUE(handle(from(1, discover())).empty()) << "the flooded link has nothing left";
  EXPECT_NE(offered(1, kOtherBridge), "");
  EXPECT_EQ(handle_relayed(relayed(from(2, discover()))).size(), 1u);
  EXPECT_EQ(handle(discover(), guest.ifindex).size(), 1u);
  now_ += seconds{1};
  EXPECT_NE(offered(3), "") << "a second later";
}

TEST_F(RangesTest, AGuestsFloodOfGarbageTouchesNoRangeAndNoOtherGuest) {
  auto guest = testing::binding();
  auto other = guest;
  other.guest = other.tap = "db1";
  other.ifindex = 8;
  other.address = ip("10.0.5.3");
  apply({.snapshot = false, .upserts = {guest, other}, .removed_ifindexes = {}});
  for (unsigned i = 0; i < 1000; ++i) static_cast<void>(handle_bytes(Bytes(300, 0xff), guest.ifindex));
  EXPECT_EQ(statistics().dropped_malformed, kBurstPerInterface);
  EXPECT_EQ(statistics().dropped_rate_limited, 1000 - kBurstPerInterface);
  EXPECT_TRUE(handle(discover(), guest.ifindex).empty());
  EXPECT_EQ(handle(discover(), other.ifindex).size(), 1u);
  EXPECT_NE(bound(1), "");
}

}  // namespace
}  // namespace vrouter::dhcp
