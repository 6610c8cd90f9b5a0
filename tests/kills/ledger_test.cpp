// SPDX-License-Identifier: GPL-2.0-or-later
// That the judge of `./dev kills` would notice.
#include "tests/kills/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kills/wire.h"

namespace vrouter::kills {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::uint32_t kOne = 0x0a090101, kTwo = 0x0a090102;
const Who kAnna{{{0x52, 0x54, 0, 0, 0, 1}}, {}}, kBert{{{0x52, 0x54, 0, 0, 0, 2}}, {1, 2}};

struct KillsLedger : ::testing::Test {
  Time now{1000s};
  Ledger ledger;
  void give(const Who& who, std::uint32_t address, Time at) { ledger.acknowledged(who, address, at, at + 1s, 60s); }
};

TEST_F(KillsLedger, AddressOfALeaseThatLastsIsNobodyElses) {
  give(kAnna, kOne, now);
  give(kBert, kOne, now + 58s);
  EXPECT_THAT(ledger.failures(), ElementsAre(StartsWith("DOUBLED: 10.9.1.1 was given to 52:54:00:00:00:02")));
}

TEST_F(KillsLedger, AddressIsFreeAfterItsEndAndAfterARelease) {
  give(kAnna, kOne, now);
  give(kBert, kOne, now + 60s);
  ledger.released(kBert);
  give(kAnna, kOne, now + 62s);
  EXPECT_THAT(ledger.failures(), IsEmpty());
}

TEST_F(KillsLedger, ALeaseThatLastsIsOfferedAndAcknowledgedToItsClient) {
  give(kAnna, kOne, now);
  ledger.offered(kAnna, kOne, now + 2s);
  ledger.refused(kAnna, kTwo, now + 2s);
  EXPECT_THAT(ledger.failures(), IsEmpty());
  ledger.offered(kAnna, kTwo, now + 2s);
  ledger.refused(kAnna, kOne, now + 2s);
  give(kAnna, kTwo, now + 2s);
  EXPECT_THAT(ledger.failures(), ElementsAre(StartsWith("LOST"), StartsWith("LOST"), StartsWith("LOST")));
}

TEST_F(KillsLedger, DaemonKnowsWhatLasts) {
  give(kAnna, kOne, now);
  give(kBert, kTwo, now);
  const auto before = ledger.lasting(now + 2s);
  EXPECT_EQ(ledger.compare(before, {{kOne, {kAnna, true, 57s}}, {kTwo, {kBert, true, 57s}}}, now + 3s), 2U);
  EXPECT_THAT(ledger.failures(), IsEmpty());
  ledger.compare(before, {{kTwo, {kBert, false, 57s}}}, now + 3s);
  ledger.compare(before, {{kOne, {kAnna, true, 55s}}, {kTwo, {kAnna, true, 57s}}}, now + 3s);
  EXPECT_THAT(ledger.failures(),
              ElementsAre(StartsWith("LOST: the daemon knows no lease of 10.9.1.1"),
                          StartsWith("LOST: the daemon knows no lease of 10.9.1.2"),
                          StartsWith("LOST: the daemon ends the lease of 10.9.1.1 in 55 s"), StartsWith("DOUBLED")));
}

TEST_F(KillsLedger, WhatEndedMeanwhileDoesNotCount) {
  give(kAnna, kOne, now);
  give(kBert, kTwo, now);
  const auto before = ledger.lasting(now + 2s);
  ledger.released(kBert);
  EXPECT_EQ(ledger.compare(before, {}, now + 61s), 0U);
  EXPECT_THAT(ledger.failures(), IsEmpty());
}

TEST(KillsWire, ReadsWhatAServerWouldSay) {
  auto bytes =
      encode({.type = Message::ack, .transaction = 7, .mac = kAnna.mac, .relay = kTwo, .server = kOne, .seconds = 60});
  EXPECT_FALSE(decode(bytes)) << "a client's own message";
  bytes[0] = 2;
  bytes[19] = 9;  // the last of yiaddr
  const auto heard = decode(bytes);
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->type, Message::ack);
  EXPECT_EQ(heard->transaction, 7U);
  EXPECT_EQ(heard->mac, kAnna.mac);
  EXPECT_EQ(heard->address, 9U);
  EXPECT_EQ(heard->server, kOne);
  EXPECT_EQ(heard->seconds, 60U);
  bytes.resize(200);
  EXPECT_FALSE(decode(bytes));
}

}  // namespace
}  // namespace vrouter::kills
