// SPDX-License-Identifier: GPL-2.0-or-later
// What is counted, what is told, and how often a repair may come: no kernel, and a clock of the test's own.
#include <gmock/gmock.h>

#include "router/daemon/mending.h"

namespace vrouter::router {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr BootTime kStart{std::chrono::hours{1}};

PutRoute route_of(const std::string& link) {
  Route route;
  route.destination = boost::asio::ip::make_network_v4("10.0.5.2/32");
  return {route, link, std::nullopt};
}

TEST(Pace, ABurstIsFreeThenItIsOneInEvery) {
  Pace pace{3, seconds{1}};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(pace.wait(kStart).count(), 0) << i;
    pace.use(kStart);
  }
  EXPECT_EQ(pace.wait(kStart), seconds{1});
  EXPECT_EQ(pace.wait(kStart + milliseconds{400}), milliseconds{600});
  pace.use(kStart + seconds{1});
  EXPECT_EQ(pace.wait(kStart + seconds{1}), seconds{1});
  EXPECT_EQ(pace.wait(kStart + seconds{60}).count(), 0);
  pace.use(kStart + seconds{60});
  EXPECT_EQ(pace.wait(kStart + seconds{60}).count(), 0) << "the whole burst is free again";
}

TEST(Pace, OneThatTakesLongRestsLong) {
  Pace pace{1, milliseconds{100}};
  pace.slow_down(milliseconds{900});
  pace.use(kStart);
  EXPECT_EQ(pace.wait(kStart), milliseconds{900});
}

TEST(Paces, EachNameHasItsOwn) {
  Paces paces{2, seconds{1}};
  paces.use("tap0", kStart);
  paces.use("tap0", kStart);
  EXPECT_EQ(paces.wait("tap0", kStart), seconds{1});
  EXPECT_EQ(paces.wait("tap1", kStart).count(), 0);
  for (int i = 0; i < 1000; ++i) paces.use("other" + std::to_string(i), kStart);
  EXPECT_EQ(paces.wait("tap0", kStart), seconds{1}) << "not forgotten while it has to wait";
}

struct Mending : testing::Test {
  std::vector<std::string> lines;
  MendLog log{[this](const std::string& line) { lines.push_back(line); }};
};

TEST_F(Mending, EveryKindHasItsCounter) {
  LinkChange group;
  group.group = 7672;
  LinkChange conf;
  conf.conf[Conf::rp_filter] = 1;
  const Neighbour neighbour{7, boost::asio::ip::make_address_v4("10.0.5.2"), {}, NeighbourState::permanent, false};
  for (const Operation& operation :
       std::vector<Operation>{ChangeLink{7, "tap0", group, {}}, ChangeLink{7, "tap0", conf, {}}, PutAddress{{}, "lo"},
                              route_of("tap0"), RemoveRoute{{}, "tap0"}, PutNeighbour{neighbour, "tap0", std::nullopt},
                              WriteSysctl{"net/ipv4/conf/eth0/forwarding", "1", "0"},
                              WriteSysctl{"net/bridge/bridge-nf-call-iptables", "0", "1"}}) {
    EXPECT_TRUE(mends(operation)) << describe(operation);
    log.mended("tap0", operation, kStart);
  }
  firewall::Transaction elements;
  elements.add_elements.resize(3);
  elements.delete_elements.resize(1);
  log.mended_rules(elements, "nft (pid 7) changed 4 elements", kStart);
  auto chains = elements;
  chains.refill_chains.resize(1);
  log.mended_rules(chains, "", kStart);
  EXPECT_EQ(log.counts(), (control::Repairs{.links = 1,
                                            .addresses = 1,
                                            .routes = 2,
                                            .neighbours = 1,
                                            .sysctls = 2,
                                            .bridge_netfilter = 1,
                                            .rules = 1,
                                            .elements = 1}));
  EXPECT_THAT(lines, testing::Contains("mended: put back 3 elements, and took out 1 element of vrouter's tables, after "
                                       "nft (pid 7) changed 4 elements"));
}

TEST_F(Mending, ToMarkWhatArpLearnedIsTheDailyWork) {
  const MacAddress mac{{0x52, 0x54, 0, 0, 0, 1}};
  const Neighbour learned{7, boost::asio::ip::make_address_v4("10.0.5.2"), mac, NeighbourState::dynamic, false};
  auto marked = learned;
  marked.ext_learned = true;
  EXPECT_FALSE(mends(PutNeighbour{marked, "tap0", learned}));
  EXPECT_TRUE(mends(PutNeighbour{marked, "tap0", std::nullopt}));
  auto stranger = learned;
  stranger.mac.bytes[5] = 9;
  EXPECT_TRUE(mends(PutNeighbour{marked, "tap0", stranger}));
}

TEST_F(Mending, AToolThatUndoesItWithoutEndGetsFewLinesAndAllAreCounted) {
  auto now = kStart;
  for (int i = 0; i < 360000; ++i, now += milliseconds{10}) {  // an hour
    log.mended("tap0", route_of("tap0"), now);
    if (i % 100 == 0) log.sum_up(now);
  }
  EXPECT_EQ(log.counts().routes, 360000U);
  EXPECT_GE(lines.size(), 60U);
  EXPECT_LE(lines.size(), 5U + 60 + 61) << "five, then one a minute, and a sum a minute";
}

TEST_F(Mending, ThousandAtOnceAreToldInFewLines) {
  for (int i = 0; i < 1000; ++i) log.mended("tap" + std::to_string(i), route_of("tap" + std::to_string(i)), kStart);
  EXPECT_EQ(lines.size(), 20U);
  log.sum_up(kStart);
  ASSERT_EQ(lines.size(), 21U);
  EXPECT_EQ(lines.back(),
            "mended: 980 more since the last such line, not told one by one; `vrouter status` counts all by kind");
  log.sum_up(kStart + std::chrono::hours{1});
  EXPECT_EQ(lines.size(), 21U) << "nothing new to say";
}

TEST(Describe, ATransactionInWords) {
  firewall::Transaction t;
  t.add_tables = {firewall::Family::inet, firewall::Family::arp};
  t.add_elements.resize(100);
  EXPECT_EQ(describe(t), "made table inet vrouter and table arp vrouter again");
  t = {};
  t.delete_chains.resize(1);
  EXPECT_EQ(describe(t), "took out 1 chain of vrouter's tables");
  t = {};
  t.add_sets.resize(2);
  EXPECT_EQ(describe(t), "put back 2 sets of vrouter's tables");
}

}  // namespace
}  // namespace vrouter::router
