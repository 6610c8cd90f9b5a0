// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/pool.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <functional>
#include <set>

#include "tests/unit/dhcp/pools.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;

class LeaseTableTest : public ::testing::Test {
 protected:
  static Asker asker(unsigned n, unsigned ifindex = kBridge) { return {{mac(n), {}}, {}, ifindex}; }
  static config::Reservation reserved(const char* address, unsigned client) {
    config::Reservation r;
    r.mac = mac(client);
    r.address = ip(address);
    return r;
  }
  void change(const std::function<void(Pool&)>& what) {
    auto p = table_.pool();
    what(p);
    table_.change(p);
  }
  // The address that would be offered, as text; empty: none.
  std::string choose(const Asker& who, const char* wanted = nullptr) {
    const auto address = table_.choose(who, wanted ? std::optional{ip(wanted)} : std::nullopt, now_);
    return address ? address->to_string() : "";
  }
  std::string offer(unsigned n, unsigned ifindex = kBridge) {
    const auto address = choose(asker(n, ifindex));
    if (!address.empty()) table_.hold(asker(n, ifindex), ip(address.c_str()), HoldKind::offered, now_);
    return address;
  }
  void put(const char* address, unsigned client, BootTime expires, LeaseState state = LeaseState::bound,
           unsigned ifindex = kBridge) {
    auto l = lease(address, client, expires, state);
    l.ifindex = ifindex;
    table_.put(record_of(l));
  }
  Claim claim(unsigned n, const char* address, unsigned ifindex = kBridge) {
    return table_.claim(asker(n, ifindex), ip(address), now_);
  }
  // Every address of the range, bound to somebody for an hour.
  void fill() {
    for (unsigned i = 0; i < 10; ++i) {
      put(("10.9.0." + std::to_string(10 + i)).c_str(), 100 + i, now_ + seconds{3600 + i});
    }
  }

  BootTime now_{seconds{10'000}};
  LeaseTable table_{pool()};
};

TEST_F(LeaseTableTest, EachClientIsOfferedAnAddressOfItsOwn) {
  std::set<std::string> offered;
  for (unsigned n = 1; n <= 10; ++n) offered.insert(offer(n));
  EXPECT_EQ(offered.size(), 10u);
  EXPECT_EQ(*offered.begin(), "10.9.0.10");
  EXPECT_EQ(*offered.rbegin(), "10.9.0.19");
  EXPECT_EQ(offer(11), "");
}

TEST_F(LeaseTableTest, WhoAsksAgainIsOfferedTheSame) {
  const auto first = offer(1);
  offer(2);
  EXPECT_EQ(offer(1), first);
  EXPECT_EQ(table_.holds(), 2u);
}

TEST_F(LeaseTableTest, AnOfferEnds) {
  const auto address = offer(1);
  EXPECT_EQ(claim(1, address.c_str()), Claim::grant);
  EXPECT_EQ(claim(2, address.c_str()), Claim::refuse);
  now_ += kOfferTime;
  EXPECT_EQ(claim(2, address.c_str()), Claim::grant);  // nobody's, and who asks knows it from somewhere
  static_cast<void>(choose(asker(3)));
  EXPECT_EQ(table_.holds(), 0u);
}

TEST_F(LeaseTableTest, AnOfferThatNobodyTookGoesToAnotherOnlyWhenNothingElseIsLeft) {
  for (unsigned n = 1; n <= 10; ++n) {
    static_cast<void>(offer(n));
    now_ += seconds{1};
  }
  // The first is 10 s old.
  EXPECT_EQ(offer(11), "10.9.0.10");
  EXPECT_EQ(offer(12), "");
  EXPECT_EQ(claim(1, "10.9.0.10"), Claim::refuse);
  EXPECT_EQ(claim(11, "10.9.0.10"), Claim::grant);
}

TEST_F(LeaseTableTest, CurrentComesBeforeWanted) {
  put("10.9.0.15", 1, now_ + seconds{60});
  EXPECT_EQ(choose(asker(1), "10.9.0.17"), "10.9.0.15");
}

TEST_F(LeaseTableTest, PreviousComesBeforeWantedUnlessAnotherHasIt) {
  put("10.9.0.15", 1, now_ - seconds{60}, LeaseState::expired);
  EXPECT_EQ(choose(asker(1), "10.9.0.17"), "10.9.0.15");
  put("10.9.0.15", 2, now_ + seconds{60});
  EXPECT_EQ(choose(asker(1), "10.9.0.17"), "10.9.0.17");
}

TEST_F(LeaseTableTest, WantedOnlyIfItIsFreeAndAnybodys) {
  put("10.9.0.15", 2, now_ + seconds{60});
  change([](Pool& p) { p.excluded = {{ip("10.9.0.16"), ip("10.9.0.16")}}; });
  for (const auto* taken : {"10.9.0.15", "10.9.0.16", "10.9.0.20", "10.9.0.9", "0.0.0.0", "255.255.255.255"}) {
    EXPECT_NE(choose(asker(1), taken), taken);
  }
  EXPECT_EQ(choose(asker(1), "10.9.0.17"), "10.9.0.17");
}

TEST_F(LeaseTableTest, NeverUsedComesBeforeTheLongestEnded) {
  fill();
  table_.erase(ip("10.9.0.14"));
  put("10.9.0.12", 102, now_ - seconds{500}, LeaseState::released);
  put("10.9.0.13", 103, now_ - seconds{900}, LeaseState::expired);
  EXPECT_EQ(offer(1), "10.9.0.14");
  EXPECT_EQ(offer(2), "10.9.0.13");
  EXPECT_EQ(offer(3), "10.9.0.12");
  EXPECT_EQ(offer(4), "");
}

// Where leases may be out that nobody knows of, those that are most likely had come from the front.
TEST_F(LeaseTableTest, FromTheEndWhoIsNewGetsTheLastOnesFirst) {
  change([](Pool& p) {
    p.range = {ip("10.9.0.10"), ip("10.9.0.200")};
    p.from_the_end = true;
  });
  for (unsigned n = 0; n < 191; ++n) {
    EXPECT_EQ(offer(n + 1), address_v4{ip("10.9.0.200").to_uint() - n}.to_string());
  }
  EXPECT_EQ(offer(300), "");
}

TEST_F(LeaseTableTest, ALeaseThatEndsIsFreeFromThatMoment) {
  fill();
  now_ += seconds{3600} - std::chrono::nanoseconds{1};
  EXPECT_EQ(choose(asker(1)), "");
  now_ += std::chrono::nanoseconds{1};
  EXPECT_EQ(choose(asker(1)), "10.9.0.10");
}

TEST_F(LeaseTableTest, ARenewedLeaseIsFreeFromItsNewEndOnAndOthersComeBeforeIt) {
  fill();
  put("10.9.0.10", 100, now_ + seconds{3700});  // the first to end, renewed past all others
  now_ += seconds{3605};
  EXPECT_EQ(offer(1), "10.9.0.11");
  EXPECT_EQ(offer(2), "10.9.0.12");
  put("10.9.0.13", 103, now_, LeaseState::released);  // ended later than .14 and .15 did, earlier than it was to
  put("10.9.0.16", 106, now_ - seconds{3}, LeaseState::released);
  EXPECT_EQ(offer(3), "10.9.0.16");
  EXPECT_EQ(offer(4), "10.9.0.14");
  EXPECT_EQ(offer(5), "10.9.0.13");
  EXPECT_EQ(offer(6), "10.9.0.15");
  EXPECT_EQ(offer(7), "");
  now_ += seconds{4};
  EXPECT_EQ(offer(7), "10.9.0.17");
  now_ += seconds{91};
  EXPECT_EQ(offer(8), "10.9.0.18");
  EXPECT_EQ(offer(9), "10.9.0.19");
  EXPECT_EQ(offer(10), "10.9.0.10");
}

TEST_F(LeaseTableTest, WhatWasKeptBackHasItsTurnByItsEndOnceItIsNot) {
  fill();
  now_ += seconds{3602};
  EXPECT_EQ(offer(1), "10.9.0.10");
  EXPECT_EQ(offer(2), "10.9.0.11");
  table_.unhold(ip("10.9.0.10"));
  EXPECT_EQ(offer(3), "10.9.0.10");
  table_.avoid(ip("10.9.0.12"), now_);
  EXPECT_EQ(offer(4), "");
  now_ += kAvoidTime;
  EXPECT_EQ(offer(4), "10.9.0.12");
}

TEST_F(LeaseTableTest, AnEndBeforeAllTimeIsAnEnd) {
  fill();
  put("10.9.0.10", 100, BootTime::min(), LeaseState::released);
  put("10.9.0.11", 101, BootTime::min(), LeaseState::released);
  EXPECT_EQ(offer(1), "10.9.0.10");
  EXPECT_EQ(offer(2), "10.9.0.11");
  EXPECT_EQ(offer(3), "");
  put("10.9.0.10", 100, now_ + seconds{60});
  table_.erase(ip("10.9.0.11"));
  now_ += seconds{30};
  EXPECT_EQ(offer(3), "10.9.0.11");
  EXPECT_EQ(offer(4), "");
}

TEST_F(LeaseTableTest, AClockThatStepsBackFreesNothing) {
  fill();
  now_ -= seconds{5000};
  EXPECT_EQ(choose(asker(1)), "");
  EXPECT_EQ(choose(asker(100)), "10.9.0.10");
}

TEST_F(LeaseTableTest, QuarantineRestsUntilItsTime) {
  fill();
  put("10.9.0.12", 102, now_ + seconds{3600}, LeaseState::declined);
  EXPECT_EQ(choose(asker(1)), "");
  EXPECT_EQ(choose(asker(102)), "");  // nor for who declined it
  EXPECT_EQ(claim(102, "10.9.0.12"), Claim::refuse);
  EXPECT_EQ(claim(1, "10.9.0.12"), Claim::refuse);
  now_ += seconds{3600};
  EXPECT_EQ(choose(asker(102), "10.9.0.12"), "10.9.0.12");
}

TEST_F(LeaseTableTest, ReservedIsForItsClientAloneInTheRangeOrOutside) {
  change([](Pool& p) { p.reservations = {reserved("10.9.0.10", 7), reserved("10.9.0.200", 8)}; });
  EXPECT_EQ(offer(1), "10.9.0.11");
  EXPECT_EQ(choose(asker(7)), "10.9.0.10");
  EXPECT_EQ(choose(asker(8)), "10.9.0.200");
  EXPECT_EQ(claim(1, "10.9.0.10"), Claim::refuse);
  EXPECT_EQ(claim(1, "10.9.0.200"), Claim::refuse);
  EXPECT_EQ(claim(8, "10.9.0.200"), Claim::grant);
  EXPECT_EQ(claim(8, "10.9.0.12"), Claim::refuse);  // it is to take its own
}

TEST_F(LeaseTableTest, AReservationByClientIdIsForTheFirstOfItsClones) {
  const Bytes id{1, 2, 3};
  change([&](Pool& p) {
    config::Reservation r;
    r.client_id = id;
    r.address = ip("10.9.0.12");
    p.reservations = {r};
  });
  const Asker first{{mac(1), id}, id, kBridge}, second{{mac(2), id}, id, kBridge};
  EXPECT_EQ(choose(first), "10.9.0.12");
  table_.hold(first, ip("10.9.0.12"), HoldKind::offered, now_);
  EXPECT_EQ(choose(second), "10.9.0.10");
  EXPECT_EQ(table_.claim(second, ip("10.9.0.12"), now_), Claim::refuse);
}

TEST_F(LeaseTableTest, AReservationThatRestsIsReplacedForTheTime) {
  change([](Pool& p) { p.reservations = {reserved("10.9.0.10", 7)}; });
  put("10.9.0.10", 7, now_ + seconds{60}, LeaseState::declined);
  EXPECT_EQ(choose(asker(7)), "10.9.0.11");
  now_ += seconds{60};
  EXPECT_EQ(choose(asker(7)), "10.9.0.10");
}

TEST_F(LeaseTableTest, ClonesWithOneClientIdAreTwoClients) {
  const Bytes id{1, 2, 3};
  const Asker first{{mac(1), id}, id, kBridge}, second{{mac(2), id}, id, kBridge};
  const auto address = table_.choose(first, {}, now_);
  table_.hold(first, *address, HoldKind::offered, now_);
  EXPECT_NE(table_.choose(second, {}, now_), address);
}

TEST_F(LeaseTableTest, TheClientIdCountsOnlyWhereItIsPartOfTheIdentity) {
  const Bytes id{1, 2, 3};
  EXPECT_EQ(table_.identity(mac(1), id).client_id.size(), 3u);
  change([](Pool& p) { p.identity = config::Identity::mac; });
  EXPECT_TRUE(table_.identity(mac(1), id).client_id.empty());
}

TEST_F(LeaseTableTest, OnAnotherLinkItIsAnotherClient) {  // clones, or one who pretends
  put("10.9.0.15", 1, now_ + seconds{60});
  EXPECT_NE(choose(asker(1, kOtherBridge)), "10.9.0.15");
  EXPECT_NE(choose(asker(1, 0)), "10.9.0.15");
  EXPECT_EQ(claim(1, "10.9.0.15", kOtherBridge), Claim::refuse);
  put("10.9.0.16", 1, now_ + seconds{60}, LeaseState::bound, kOtherBridge);
  EXPECT_EQ(choose(asker(1, kOtherBridge)), "10.9.0.16");
  EXPECT_EQ(choose(asker(1)), "10.9.0.15");
}

TEST_F(LeaseTableTest, ALinkThatIsGoneHoldsNothingForItself) {
  put("10.9.0.15", 1, now_ + seconds{60}, LeaseState::bound, 99);
  EXPECT_EQ(choose(asker(1)), "10.9.0.15");
  EXPECT_EQ(claim(1, "10.9.0.15"), Claim::grant);
}

TEST_F(LeaseTableTest, AnEndedLeaseFollowsItsClientToAnotherLink) {
  put("10.9.0.15", 1, now_ - seconds{60}, LeaseState::released);
  EXPECT_EQ(choose(asker(1, kOtherBridge)), "10.9.0.15");
}

TEST_F(LeaseTableTest, ClaimsOfWhatNobodyHolds) {
  put("10.9.0.12", 1, now_ - seconds{60}, LeaseState::expired);
  EXPECT_EQ(claim(1, "10.9.0.12"), Claim::grant);   // its own earlier one
  EXPECT_EQ(claim(2, "10.9.0.12"), Claim::refuse);  // another's earlier one
  EXPECT_EQ(claim(2, "10.9.0.13"), Claim::grant);   // unknown and free
  EXPECT_EQ(claim(2, "10.9.0.20"), Claim::refuse);
  EXPECT_EQ(claim(2, "0.0.0.0"), Claim::refuse);
  put("10.9.0.14", 2, now_ + seconds{60});
  EXPECT_EQ(claim(2, "10.9.0.13"), Claim::refuse);  // one address for each
  EXPECT_EQ(claim(2, "10.9.0.14"), Claim::grant);
  EXPECT_EQ(claim(1, "10.9.0.14"), Claim::refuse);
}

TEST_F(LeaseTableTest, WhatTheDaemonRefusedIsLeftAloneForAWhile) {
  table_.avoid(ip("10.9.0.10"), now_);
  EXPECT_EQ(claim(1, "10.9.0.10"), Claim::silent);
  EXPECT_EQ(choose(asker(1), "10.9.0.10"), "10.9.0.11");
  now_ += kAvoidTime;
  EXPECT_EQ(choose(asker(1), "10.9.0.10"), "10.9.0.10");
}

TEST_F(LeaseTableTest, WhatIsAskedForByArpIsNobodysYet) {
  table_.hold(asker(1), ip("10.9.0.10"), HoldKind::probing, now_);
  EXPECT_EQ(claim(1, "10.9.0.10"), Claim::silent);
  EXPECT_EQ(choose(asker(1)), "10.9.0.10");
  EXPECT_EQ(choose(asker(2)), "10.9.0.11");
}

TEST_F(LeaseTableTest, OfAClientsLeasesTheHeldOneCountsInWhateverOrderTheyAreTold) {
  put("10.9.0.15", 1, now_ + seconds{60});
  put("10.9.0.16", 1, now_ - seconds{60}, LeaseState::expired);
  EXPECT_EQ(choose(asker(1)), "10.9.0.15");
  put("10.9.0.17", 2, now_ - seconds{60}, LeaseState::expired);
  put("10.9.0.18", 2, now_ + seconds{60});
  EXPECT_EQ(choose(asker(2)), "10.9.0.18");
}

TEST_F(LeaseTableTest, AChangedRangeKeepsLeasesAndOffersThatFit) {
  put("10.9.0.11", 1, now_ + seconds{60});
  put("10.9.0.18", 2, now_ + seconds{60});
  const auto kept = offer(3);
  table_.hold(asker(4), ip("10.9.0.19"), HoldKind::offered, now_);
  change([](Pool& p) { p.range.last = ip("10.9.0.12"); });
  EXPECT_EQ(table_.size(), 2u);
  EXPECT_EQ(choose(asker(1)), "10.9.0.11");
  EXPECT_EQ(claim(2, "10.9.0.18"), Claim::refuse);
  EXPECT_EQ(choose(asker(3)), kept);
  EXPECT_EQ(claim(4, "10.9.0.19"), Claim::refuse);
  EXPECT_EQ(table_.holds(), 1u);
  EXPECT_EQ(offer(5), "10.9.0.12");
  EXPECT_EQ(offer(6), "");
  change([](Pool& p) { p.range.last = ip("10.9.0.13"); });
  EXPECT_EQ(offer(6), "10.9.0.13");
}

TEST_F(LeaseTableTest, ARecordIsTheLeaseAgain) {
  auto l = lease("10.9.0.11", 1, now_);
  l.client.client_id = {1, 2, 3};
  l.host_name = "web1";
  EXPECT_EQ(lease_of(record_of(l), "office"), l);
}

TEST(LeaseTableSize, ASlashSixteenIsFilledFastAndStaysWithinItsMemory) {
  auto p = pool();
  p.range = {ip("10.9.0.0"), ip("10.9.255.255")};
  const auto before = ::mallinfo2().uordblks;
  LeaseTable table{p};
  const BootTime now{seconds{1000}};
  const Bytes id{1, 0x52, 0x54, 0, 1, 2, 3};
  std::set<address_v4> given;
  for (unsigned n = 0; n < 65'536; ++n) {
    const Asker who{{mac(n), id}, id, 0};
    const auto address = table.choose(who, {}, now);
    ASSERT_TRUE(address);
    ASSERT_TRUE(given.insert(*address).second);
    table.put(record_of({"office", *address, 0, {mac(n), id}, "host", LeaseState::bound, now + seconds{60 + n}}));
  }
  EXPECT_FALSE(table.choose({{mac(99'999), id}, id, 0}, {}, now));
  if (::mallinfo2().uordblks == 0) return;  // a sanitizer's allocator
  const auto held = ::mallinfo2().uordblks - before - given.size() * 48;
  EXPECT_LT(held, 16u << 20) << held / 65'536 << " bytes each";
}

}  // namespace
}  // namespace vrouter::dhcp
