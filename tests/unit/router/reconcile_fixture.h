// SPDX-License-Identifier: GPL-2.0-or-later
// A host with lo, the uplink eth0 and the TAP tap0, and the daemon's way through a plan.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fake_kernel.h"
#include "router/reconcile/apply.h"
#include "router/reconcile/diff.h"

namespace vrouter::router {

inline address_v4 v4(const char* text) {
  return boost::asio::ip::make_address_v4(text);
}
inline network_v4 net4(const char* text) {
  return boost::asio::ip::make_network_v4(text);
}

inline constexpr std::uint32_t kLo = 1;
inline constexpr std::uint32_t kEth0 = 2;
inline constexpr std::uint32_t kTap0 = 3;

class ReconcileTest : public testing::Test {
 protected:
  ReconcileTest() {
    fake.add_link(kLo, "lo", "");
    fake.add_link(kEth0, "eth0", "veth").up = true;
    fake.add_link(kTap0, "tap0", "tun");
    sysctls.links = &fake;
    desired.host.uplinks = {"eth0"};
    desired.host.networks = {{"default", net4("10.0.5.0/24"), v4("10.0.5.1")}};
    see();
  }

  DesiredGuest& add_guest(const std::string& tap, const char* address) {
    DesiredGuest guest;
    guest.tap = tap;
    guest.address = v4(address);
    guest.gateway = v4("10.0.5.1");
    return desired.guests[tap] = guest;
  }
  [[nodiscard]] DesiredGuest& guest() { return desired.guests.at("tap0"); }

  void see() {
    auto seen = observe(kernel());
    ASSERT_TRUE(seen.has_value());
    observed = std::move(*seen);
    for (const auto& [tap, guest] : desired.guests) observe_guest_sysctls(sysctls, guest, observed);
  }
  [[nodiscard]] Kernel kernel() { return {fake, sysctls}; }

  void run(const Plan& plan) {
    record(originals, plan);
    const auto applied = apply(plan.operations, kernel(), observed);
    ASSERT_FALSE(applied.error) << applied.error->to_string();
    forget(originals, plan);
  }
  void run(const FullPlan& plan) {
    run(plan.host.host);
    for (const auto& [name, part] : plan.release) run(part);
    for (const auto& [name, part] : plan.guests) run(part);
    run(plan.host.stale);
  }
  void reconcile() { run(diff(desired, observed, originals)); }
  [[nodiscard]] Plan guest_plan() { return diff_guest(desired.host, guest(), observed, originals); }

  [[nodiscard]] static std::vector<std::string> sentences(const Plan& plan) {
    std::vector<std::string> result;
    for (const auto& operation : plan.operations) result.push_back(describe(operation));
    return result;
  }
  [[nodiscard]] Link& tap0() { return fake.link_table.at(kTap0); }

  FakeKernel fake;
  FakeSysctls sysctls;
  Desired desired;
  Observed observed;
  Originals originals;
};

}  // namespace vrouter::router
