// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel tells of changes to nf_tables, in a namespace of the test's own.
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "firewall/nft/events.h"
#include "firewall/nft/port.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall {
namespace {

using testing::config_of;
using testing::guest_of;
using testing::network_of;
using testing::run;

class NftEventsTest : public testing::InNamespace {
 protected:
  void SetUp() override {
    InNamespace::SetUp();
    auto opened = open_nft();
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    port = std::move(*opened);
  }
  void listen(int buffer = NftEvents::kDefaultBuffer) {
    auto opened = NftEvents::open(
        io, port->port_id(),
        [this](const NftEvent& event) {
          if (const auto* change = std::get_if<ForeignChange>(&event)) {
            changes.push_back(*change);
          } else {
            ++lost;
          }
        },
        buffer);
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    events = std::move(*opened);
  }
  // The kernel queues its events before the command that made them ends: what is there now is all there is.
  void hear() {
    changes.clear();
    while (io.poll() > 0) {
    }
  }
  Ruleset desired(unsigned guests) const {
    auto ruleset = compile(config_of(network_of()), {{"eth0"}, {}, false});
    for (unsigned i = 0; i < guests; ++i) ruleset.insert(compile_guest(guest_of(i), network_of()));
    return ruleset;
  }
  void install(unsigned guests) {
    const auto observed = port->observe();
    ASSERT_TRUE(observed.has_value());
    const auto done = port->apply(diff(desired(guests), *observed));
    ASSERT_TRUE(done.has_value()) << done.error().to_string();
  }

  boost::asio::io_context io;
  std::unique_ptr<NftPort> port;
  std::unique_ptr<NftEvents> events;
  std::vector<ForeignChange> changes;
  int lost = 0;
};

TEST_F(NftEventsTest, OursAndThoseOfOtherTablesAreNotTold) {
  listen(64 << 10);  // too little for what follows, were it not dropped before it is queued
  install(500);
  run("nft 'add table inet others; add chain inet others c; add rule inet others c counter; flush ruleset inet'"
      " 2>&1 || true; nft 'table ip vrouter { chain c { }; }'");
  install(500);
  hear();
  for (const auto& change : changes) EXPECT_TRUE(change.tables_deleted.contains(Family::inet)) << change.what();
  EXPECT_EQ(lost, 0);
}

TEST_F(NftEventsTest, BaseChainsOfOtherTablesAreTold) {
  listen();
  run("nft 'add table inet others; add chain inet others c { type filter hook forward priority 0; policy drop; }'");
  hear();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_TRUE(changes[0].other_chains);
  EXPECT_FALSE(changes[0].of_ours());
  run("nft add rule inet others c counter");
  hear();
  EXPECT_TRUE(changes.empty()) << "what is in them is none of our business";
  run("nft delete table inet others");
  hear();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_TRUE(changes[0].other_chains);
}

TEST_F(NftEventsTest, AChangeIsToldOnceWithWhoDidIt) {
  install(2);
  listen();
  run("nft delete element inet vrouter id4 '{ 10.0.5.2 }'");
  hear();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].process, "nft");
  EXPECT_GT(changes[0].pid, 1U);
  EXPECT_EQ(changes[0].who(), "nft (pid " + std::to_string(changes[0].pid) + ")");
  EXPECT_EQ(changes[0].what(), "changed 1 element of vrouter's tables");
  EXPECT_EQ(changes[0].sets, (std::set{SetRef{Family::inet, "id4"}}));

  run("nft 'flush chain inet vrouter from_guest; add set arp vrouter alien { type ipv4_addr; }'");
  hear();
  ASSERT_EQ(changes.size(), 1U) << "one transaction, one change";
  EXPECT_TRUE(changes[0].counts.contains("rule") && changes[0].counts.at("set") == 1) << changes[0].what();
  EXPECT_EQ(changes[0].sets, (std::set{SetRef{Family::arp, "alien"}}));

  run("nft flush ruleset");
  hear();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].what(), "deleted table inet vrouter and table arp vrouter");
}

TEST_F(NftEventsTest, AnotherPortOfThisProcessIsAForeigner) {
  install(1);
  listen();
  auto other = open_nft();
  ASSERT_TRUE(other.has_value());
  ASSERT_NE((*other)->port_id(), port->port_id());
  ASSERT_TRUE((*other)->teardown().has_value());
  hear();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(changes[0].tables_deleted.size(), 2U);
}

TEST_F(NftEventsTest, LostEventsAreToldAndHearingGoesOn) {
  install(1);
  listen(8 << 10);
  for (int i = 0; i < 60; ++i) run("nft add rule inet vrouter from_guest counter");
  hear();
  EXPECT_GE(lost, 1);
  EXPECT_LT(changes.size(), 60U);
  lost = 0;
  run("nft add rule inet vrouter from_guest counter");
  hear();
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(changes.size(), 1U);
}

TEST_F(NftEventsTest, OnlyTheSetsThatWereTouchedAreReadAndMended) {
  install(3);
  run("nft delete element inet vrouter id4 '{ 10.0.5.2 }'; nft delete element inet vrouter dst4 '{ \"tap0\" . "
      "10.0.5.2 }'; nft flush chain inet vrouter guest_in; nft delete element arp vrouter taps '{ \"tap1\" }'");
  const std::set<SetRef> touched{{Family::inet, "id4"}, {Family::arp, "taps"}};
  const auto observed = port->observe_sets(touched);
  ASSERT_TRUE(observed.has_value());
  EXPECT_EQ(observed->elements.size(), 2U);
  const auto mend = diff(desired(3), *observed, &touched);
  EXPECT_EQ(mend.refill_chains.size(), 1U);
  EXPECT_EQ(mend.add_elements.size(), 2U);
  EXPECT_TRUE(mend.delete_elements.empty() && mend.add_sets.empty());
  ASSERT_TRUE(port->apply(mend).has_value());
  const auto rest = diff(desired(3), *port->observe());
  EXPECT_EQ(rest.add_elements.size(), 1U) << "dst4, which nobody told of";
}

TEST_F(NftEventsTest, ASetThatIsGoneComesBackWithItsElementsWhateverWasTold) {
  install(3);
  run("nft 'flush chain inet vrouter to_guest'; nft flush ruleset");
  const std::set<SetRef> nothing;
  ASSERT_TRUE(port->apply(diff(desired(3), *port->observe_sets(nothing), &nothing)).has_value());
  EXPECT_TRUE(diff(desired(3), *port->observe()).empty());
}

TEST(ChangeReader, GarbageIsPassedOver) {
  ChangeReader reader;
  std::vector<char> bytes(512);
  unsigned seed = 1;
  int told = 0;
  const auto next = [&seed] { return seed = seed * 1664525U + 1013904223U; };
  for (int round = 0; round < 20000; ++round) {
    for (auto& byte : bytes) byte = static_cast<char>(next() >> 24);
    bytes[0] = static_cast<char>(next() >> 26);  // a length that is small enough to be right now and then
    bytes[1] = bytes[2] = bytes[3] = 0;
    bytes[5] = 10;  // NFNL_SUBSYS_NFTABLES
    reader.read(bytes.data(), next() % bytes.size(),
                [&told](const ForeignChange& change) { told += change.of_ours() ? 1 : 0; });
  }
  EXPECT_EQ(told, 0) << "none of it names our tables";
}

}  // namespace
}  // namespace vrouter::firewall
