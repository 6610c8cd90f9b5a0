// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "router/processes/dhcp_claims.h"
#include "tests/unit/dhcp/pools.h"

namespace vrouter::router {
namespace {

using namespace dhcp::testing;  // NOLINT(google-build-using-namespace)
using dhcp::LeaseState;
using dhcp_verbs::Lease;
using std::chrono::seconds;

const BootTime kNow{seconds{1000}};

Lease honest() {
  return {.orders = 0,
          .state = LeaseState::bound,
          .ifindex = 7,
          .address = ip("10.0.5.2"),
          .client = kGuestMac,
          .client_id = {1, 2},
          .host_name = "vm-1",
          .expires = kNow + seconds{3600}};
}

enum class Judged { event, dropped, lie };

Judged judged(const Lease& claim, const std::optional<dhcp::Binding>& told = binding(),
              Knowledge knowledge = Knowledge::all) {
  const auto result = check_lease(claim, told ? &*told : nullptr, knowledge, kNow);
  if (!result) return Judged::lie;
  return *result ? Judged::event : Judged::dropped;
}

template <typename Change>
Lease with(Change change) {
  auto claim = honest();
  change(claim);
  return claim;
}

TEST(DhcpClaims, AnHonestOneBecomesAnEventWithTheNamesThatTheDaemonKnows) {
  const auto b = binding();
  const auto event = check_lease(honest(), &b, Knowledge::all, kNow);
  ASSERT_TRUE(event && *event);
  EXPECT_EQ(
      **event,
      (dhcp::LeaseEvent{
          LeaseState::bound, 7, "web1", "tap0", ip("10.0.5.2"), kGuestMac, {1, 2}, "vm-1", kNow + seconds{3600}}));
  for (const auto state : {LeaseState::released, LeaseState::declined, LeaseState::expired}) {
    EXPECT_EQ(judged(with([&](Lease& l) { l.state = state, l.expires = kNow; })), Judged::event);
  }
  EXPECT_EQ(judged(with([](Lease& l) { l.client_id.clear(), l.host_name.clear(); })), Judged::event);
}

TEST(DhcpClaims, WhatTheTableDeniesIsALieOfWhoKnowsIt) {
  auto pinned = binding();
  pinned.pinned_mac = kOtherMac;
  const auto elsewhere = with([](Lease& l) { l.address = ip("10.0.5.3"); });
  const auto for_long = with([](Lease& l) { l.expires += seconds{60}; });
  EXPECT_EQ(judged(honest(), std::nullopt), Judged::lie);
  EXPECT_EQ(judged(elsewhere), Judged::lie);
  EXPECT_EQ(judged(honest(), pinned), Judged::lie);
  EXPECT_EQ(judged(for_long), Judged::lie);
  // The same from one that can't have read the table yet: nobody acts on it, nobody is punished.
  EXPECT_EQ(judged(honest(), std::nullopt, Knowledge::maybe_less), Judged::dropped);
  EXPECT_EQ(judged(elsewhere, binding(), Knowledge::maybe_less), Judged::dropped);
  EXPECT_EQ(judged(honest(), pinned, Knowledge::maybe_less), Judged::dropped);
  EXPECT_EQ(judged(for_long, binding(), Knowledge::maybe_less), Judged::dropped);
  EXPECT_EQ(judged(honest(), binding(), Knowledge::maybe_less), Judged::event);
}

TEST(DhcpClaims, NonsenseIsALieOfAnybody) {
  const std::vector<Lease> nonsense{
      with([](Lease& l) { l.state = LeaseState::offered; }),
      with([](Lease& l) { l.client = kBroadcastMac; }),
      with([](Lease& l) { l.client = MacAddress{{0x33, 0x33, 0, 0, 0, 1}}; }),
      with([](Lease& l) { l.client = MacAddress{}; }),
      with([](Lease& l) { l.client_id = {1}; }),
      with([](Lease& l) { l.host_name = "two.labels"; }),
      with([](Lease& l) { l.host_name = "Upper"; }),
      with([](Lease& l) { l.host_name = "-hyphen"; }),
      with([](Lease& l) { l.host_name = "line\nbreak"; }),
      with([](Lease& l) { l.host_name = std::string{"nul\0", 4}; }),
      with([](Lease& l) { l.state = LeaseState::released, l.expires = kNow + seconds{5}; }),
      with([](Lease& l) { l.state = LeaseState::expired, l.expires = BootTime::max(); }),
  };
  for (const auto& claim : nonsense) {
    EXPECT_EQ(judged(claim), Judged::lie) << claim.host_name << claim.client.to_string();
    EXPECT_EQ(judged(claim, binding(), Knowledge::maybe_less), Judged::lie);
  }
}

TEST(DhcpClaims, NonsenseInALeaseOfARangeIsALieToo) {
  const auto of = [](auto change) {
    auto lease = dhcp::testing::lease("10.9.0.10", 1, kNow);
    change(lease);
    return nonsense_in(lease).value_or("");
  };
  using L = dhcp::Lease;
  EXPECT_EQ(of([](L& l) { l.state = LeaseState::offered; }), "a lease was offered for keeps");
  EXPECT_EQ(of([](L& l) { l.client.hardware = kBroadcastMac; }), "ff:ff:ff:ff:ff:ff is no station's address");
  EXPECT_EQ(of([](L& l) { l.client.hardware = {}; }), "00:00:00:00:00:00 is no station's address");
  EXPECT_EQ(of([](L& l) { l.client.client_id = {1}; }), "a client identifier has 1 byte");
  for (const std::string name : {"two.labels", "Upper", "-hyphen", "line\nbreak"})
    EXPECT_EQ(of([&](L& l) { l.host_name = name; }), "the host name is no DNS label") << name;
  // Who may have what, and until when, is for whoever holds the tables.
  for (const auto state : {LeaseState::bound, LeaseState::released, LeaseState::declined, LeaseState::expired})
    EXPECT_EQ(of([&](L& l) { l.state = state, l.expires = BootTime::max(); }), "");
  EXPECT_EQ(of([](L& l) { l.client.client_id = {1, 2}, l.host_name = "vm-1", l.expires = BootTime::min(); }), "");
}

TEST(DhcpClaims, NoLeaseIsLongerThanItsBinding) {
  auto endless = binding();
  endless.settings.own().lease_time = seconds{0xffffffff};
  const auto for_ever = with([](Lease& l) { l.expires = BootTime::max(); });
  EXPECT_EQ(judged(for_ever, endless), Judged::event);
  EXPECT_EQ(judged(for_ever), Judged::lie);
  auto bootp = binding();
  bootp.settings.own().bootp = true;
  EXPECT_EQ(judged(for_ever, bootp), Judged::event);
  EXPECT_EQ(judged(with([](Lease& l) { l.expires += kClockSlack; })), Judged::event);
  EXPECT_EQ(judged(with([](Lease& l) { l.expires += kClockSlack + std::chrono::nanoseconds{1}; })), Judged::lie);
  EXPECT_EQ(judged(with([](Lease& l) { l.expires = BootTime::min(); })), Judged::dropped);
  EXPECT_EQ(judged(with([](Lease& l) { l.expires = kNow; })), Judged::dropped);  // over before it was told
}

TEST(DhcpClaims, TheErrorTellsTheOperatorWhatWasClaimed) {
  const auto b = binding();
  const auto result = check_lease(with([](Lease& l) { l.address = ip("10.0.5.3"); }), &b, Knowledge::all, kNow);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(),
            "it claims that 52:54:00:12:34:56 on interface 7 has 10.0.5.3 (bound), but the address there is 10.0.5.2");
}

}  // namespace
}  // namespace vrouter::router
