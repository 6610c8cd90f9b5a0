// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "router/processes/dhcp_verbs.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::router::dhcp_verbs {
namespace {

using namespace dhcp::testing;  // NOLINT(google-build-using-namespace)

dhcp::Binding full_binding() {
  auto b = binding();
  b.ifindex = 0xfedcba98;
  b.pinned_mac = kGuestMac;
  b.settings.addressing = config::Addressing::subnet;
  b.settings.prefix_length = 30;
  b.settings.mtu = 65535;
  b.settings.lease_time = std::chrono::seconds{0x1234567890};
  b.settings.options = {{43, {1, 2, 3}}, {224, {}}, {42, Bytes(255, 0xab)}};
  return b;
}

dhcp::Binding largest_binding() {
  auto b = full_binding();
  b.guest = b.host_name = std::string(63, 'g');
  b.tap = std::string(15, 't');
  b.settings.domain = std::string(253, 'd');
  b.settings.options.assign(kMaxOptions, {43, Bytes(kMaxOptionValue, 1)});
  return b;
}

Lease full_lease() {
  return {.orders = 0x0123456789abcdef,
          .state = dhcp::LeaseState::declined,
          .ifindex = 0xfedcba98,
          .address = ip("10.0.5.2"),
          .client = kGuestMac,
          .client_id = Bytes(255, 7),
          .host_name = std::string(63, 'h'),
          .expires = BootTime{std::chrono::nanoseconds{0x0102030405060708}}};
}

dhcp::Statistics full_statistics() {
  dhcp::Statistics s;
  std::uint64_t n = 0xfffffffffffffff0;
  for (const auto counter : dhcp::kCounters) s.*counter = n++;
  return s;
}

std::vector<Order> orders() {
  return {Socket{}, Begin{}, Bind{binding()}, Bind{full_binding()}, Bind{largest_binding()}, Unbind{0xfedcba98}, End{}};
}
std::vector<Report> reports() {
  Lease endless = full_lease();
  endless.client_id.clear();
  endless.host_name.clear();
  endless.expires = BootTime::max();
  return {full_lease(), endless, Lease{}, full_statistics()};
}

TEST(DhcpVerbs, GoThereAndComeBack) {
  for (const auto& order : orders()) {
    const auto bytes = encode(order);
    EXPECT_LE(bytes.size(), kMaxMessage);
    const auto back = decode_order(bytes);
    ASSERT_TRUE(back) << back.error();
    EXPECT_EQ(*back, order) << order.index();
  }
  for (const auto& report : reports()) {
    const auto back = decode_report(encode(report));
    ASSERT_TRUE(back) << back.error();
    EXPECT_EQ(*back, report) << report.index();
  }
}

TEST(DhcpVerbs, AreRefusedAtEveryOtherLength) {
  for (const auto& order : orders()) {
    auto bytes = encode(order);
    for (std::size_t n = 0; n < bytes.size(); ++n)
      ASSERT_FALSE(decode_order(std::span{bytes}.first(n))) << order.index() << " cut to " << n;
    bytes.push_back(0);
    const auto back = decode_order(bytes);
    ASSERT_FALSE(back);
    EXPECT_NE(back.error().find("1 bytes too long"), std::string::npos) << back.error();
  }
  for (const auto& report : reports()) {
    auto bytes = encode(report);
    for (std::size_t n = 0; n < bytes.size(); ++n) ASSERT_FALSE(decode_report(std::span{bytes}.first(n))) << n;
    bytes.push_back(0);
    EXPECT_FALSE(decode_report(bytes));
  }
}

TEST(DhcpVerbs, AreRefusedInTheOtherDirection) {
  for (const auto& order : orders()) EXPECT_FALSE(decode_report(encode(order))) << order.index();
  for (const auto& report : reports()) EXPECT_FALSE(decode_order(encode(report))) << report.index();
}

TEST(DhcpVerbs, NoOtherVerbIsKnown) {
  int orders_known = 0, reports_known = 0;
  for (unsigned verb = 0; verb < 256; ++verb) {
    const std::array bytes{static_cast<std::uint8_t>(verb)};
    const auto unknown = [](const auto& result) {
      return !result && result.error().find("is none that may come") != std::string::npos;
    };
    orders_known += unknown(decode_order(bytes)) ? 0 : 1;
    reports_known += unknown(decode_report(bytes)) ? 0 : 1;
  }
  EXPECT_EQ(orders_known, 5);
  EXPECT_EQ(reports_known, 2);
}

TEST(DhcpVerbs, ABindingBeyondABoundIsRefusedByItsName) {
  const auto why = [](void (*spoil)(dhcp::Binding&)) {
    auto b = largest_binding();
    spoil(b);
    const auto back = decode_order(encode(Order{Bind{b}}));
    return back ? std::string{"taken"} : back.error();
  };
  EXPECT_EQ(why([](auto& b) { b.guest += 'x'; }), "bind: length of the guest's name 64 is more than 63");
  EXPECT_EQ(why([](auto& b) { b.tap += 'x'; }), "bind: length of the TAP's name 16 is more than 15");
  EXPECT_EQ(why([](auto& b) { b.host_name += 'x'; }), "bind: length of the host name 64 is more than 63");
  EXPECT_EQ(why([](auto& b) { b.settings.domain += 'x'; }), "bind: length of the domain 254 is more than 253");
  EXPECT_EQ(why([](auto& b) { b.settings.prefix_length = 33; }), "bind: prefix length 33 is more than 32");
  EXPECT_EQ(why([](auto& b) { b.settings.options.push_back({1, {}}); }),
            "bind: number of options 235 is more than 234");
  EXPECT_EQ(why([](auto& b) { b.settings.options.back().value.push_back(1); }),
            "bind: length of an option 256 is more than 255");
}

TEST(DhcpVerbs, ALeaseBeyondABoundIsRefusedByItsName) {
  const auto why = [](void (*spoil)(Lease&)) {
    auto lease = full_lease();
    spoil(lease);
    const auto back = decode_report(encode(Report{lease}));
    return back ? std::string{"taken"} : back.error();
  };
  EXPECT_EQ(why([](auto& l) { l.state = static_cast<dhcp::LeaseState>(5); }), "lease: lease state 5 is more than 4");
  EXPECT_EQ(why([](auto& l) { l.client_id.push_back(1); }),
            "lease: length of the client identifier 256 is more than 255");
  EXPECT_EQ(why([](auto& l) { l.host_name += 'x'; }), "lease: length of the host name 64 is more than 63");
}

}  // namespace
}  // namespace vrouter::router::dhcp_verbs
