// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <functional>

#include "router/processes/dhcp_verbs.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::router::dhcp_verbs {
namespace {

using namespace dhcp::testing;  // NOLINT(google-build-using-namespace)

dhcp::Binding full_binding() {
  auto b = binding();
  b.ifindex = 0xfedcba98;
  b.pinned_mac = kGuestMac;
  b.settings.own().addressing = config::Addressing::subnet;
  b.settings.own().prefix_length = 30;
  b.settings.own().mtu = 65535;
  b.settings.own().lease_time = std::chrono::seconds{0x1234567890};
  b.settings.own().options = {{43, {1, 2, 3}}, {224, {}}, {42, Bytes(255, 0xab)}};
  b.settings.own().network = "default";
  b.settings.own().mask = 0;
  b.settings.own().bootp = true;
  b.settings.own().boot = {.server = ip("10.0.5.9"), .files = {{0, "b"}, {7, "c"}}, .file = "a", .ipxe = "d"};
  return b;
}

dhcp::Binding largest_binding() {
  auto b = full_binding();
  b.guest = b.host_name = std::string(63, 'g');
  b.tap = std::string(15, 't');
  b.settings.own().domain = std::string(253, 'd');
  b.settings.own().options.assign(kMaxOptions, {43, Bytes(kMaxOptionValue, 1)});
  b.settings.own().network = std::string(kMaxLabel, 'n');
  b.settings.own().boot.file = b.settings.own().boot.ipxe = std::string(kMaxBootFile, 'f');
  for (std::uint16_t i = 0; i < kMaxBootFiles; ++i) b.settings.own().boot.files[i] = std::string(kMaxBootFile, 'a');
  return b;
}

PutPool largest_pool() {
  PutPool put;
  auto& pool = put.pool;
  pool.settings = *largest_binding().settings;
  pool.network = pool.settings.network;
  pool.range = {ip("10.9.0.0"), ip("10.9.255.255")};
  pool.excluded.assign(kMaxRanges, {ip("10.9.0.1"), ip("10.9.0.2")});
  pool.identity = config::Identity::mac;
  pool.links.assign(kMaxLinks, 0xfedcba98);
  pool.relays.assign(kMaxRelays, ip("192.0.2.7"));
  pool.quarantine = std::chrono::seconds{0x1234567890};
  pool.probe = std::chrono::milliseconds{0x1234567891};
  pool.from_the_end = true;
  put.reservations = 0xfedcba99;
  put.tailored = 0xfedcba9a;
  return put;
}

config::Reservation largest_reservation() {
  config::Reservation reservation;
  reservation.mac = kGuestMac;
  reservation.client_id = Bytes(kMaxClientId, 3);
  reservation.address = ip("10.9.0.5");
  reservation.name = std::string(kMaxLabel, 'r');
  return reservation;
}

dhcp::Lease largest_lease() {
  return {.network = std::string(kMaxLabel, 'n'),
          .address = ip("10.9.0.5"),
          .ifindex = 0xfedcba98,
          .client = {kGuestMac, Bytes(kMaxClientId, 4)},
          .host_name = std::string(kMaxLabel, 'h'),
          .state = dhcp::LeaseState::expired,
          .expires = BootTime{std::chrono::nanoseconds{0x0102030405060708}}};
}
dhcp::Lease small_lease(BootTime expires) {
  return {.network = "n", .address = {}, .client = {}, .host_name = {}, .expires = expires};
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
dhcp::Statistics largest_statistics() {
  auto s = full_statistics();
  std::uint64_t n = 1;
  for (std::size_t i = 0; i < kMaxNetworks; ++i) {
    auto name = std::to_string(i);
    name.resize(kMaxLabel, 'n');
    for (const auto counter : dhcp::kNetworkCounters) s.networks[name].*counter = n++ << 40;
  }
  return s;
}

std::vector<Order> orders() {
  config::Reservation by_id;
  by_id.client_id = {1, 2};
  const dhcp::Lease before_this_boot = small_lease(BootTime{std::chrono::nanoseconds{-5}});
  return {Socket{},
          Begin{},
          Bind{binding()},
          Bind{full_binding()},
          Bind{largest_binding()},
          Unbind{0xfedcba98},
          End{},
          PutPool{},
          largest_pool(),
          Reserve{},
          Reserve{{largest_reservation(), by_id}},
          Reserve{std::vector(kMaxReservations, largest_reservation())},
          Tailor{},
          Tailor{{0xfedcba98, ip("10.9.0.5"), *largest_binding().settings}},
          DropPool{"office"},
          DropPool{std::string(kMaxLabel, 'n')},
          PutLeases{},
          PutLeases{{before_this_boot, small_lease(BootTime::min()), small_lease(BootTime::max())}},
          PutLeases{std::vector(kMaxLeases, largest_lease())},
          DropLeases{},
          DropLeases{std::vector(kMaxLeases, ip("10.9.0.5"))},
          Committed{},
          Committed{{{1, true}, {0xfedcba9876543210, false}}},
          Committed{std::vector(kMaxLeases, dhcp::CommitResult{7, true})},
          Heard{{0xfedcba98, ip("10.9.0.5")}, kGuestMac}};
}
std::vector<Report> reports() {
  Lease endless = full_lease();
  endless.client_id.clear();
  endless.host_name.clear();
  endless.expires = BootTime::max();
  Lease before_this_boot = full_lease();
  before_this_boot.expires = BootTime{std::chrono::nanoseconds{-5}};
  return {full_lease(),
          endless,
          before_this_boot,
          Lease{},
          full_statistics(),
          largest_statistics(),
          Commits{},
          Commits{{{0xfedcba9876543210, small_lease(BootTime{std::chrono::nanoseconds{-5}})}}},
          Commits{std::vector(kMaxLeases, dhcp::Commit{7, largest_lease()})},
          Ask{{0xfedcba98, ip("10.9.0.5")}}};
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
    EXPECT_LE(encode(report).size(), kMaxMessage);
    EXPECT_EQ(*back, report) << report.index();
  }
}

// Each length of most; of the largest, whose middle is the same over and over, a thousand.
std::size_t step_of(std::size_t size) {
  return size / 1000 | 1;
}

TEST(DhcpVerbs, AreRefusedAtEveryOtherLength) {
  for (const auto& order : orders()) {
    auto bytes = encode(order);
    for (std::size_t n = 0; n < bytes.size(); n += step_of(bytes.size()))
      ASSERT_FALSE(decode_order(std::span{bytes}.first(n))) << order.index() << " cut to " << n;
    ASSERT_FALSE(decode_order(std::span{bytes}.first(bytes.size() - 1)));
    bytes.push_back(0);
    const auto back = decode_order(bytes);
    ASSERT_FALSE(back);
    EXPECT_NE(back.error().find("1 bytes too long"), std::string::npos) << back.error();
  }
  for (const auto& report : reports()) {
    auto bytes = encode(report);
    for (std::size_t n = 0; n < bytes.size(); n += step_of(bytes.size()))
      ASSERT_FALSE(decode_report(std::span{bytes}.first(n))) << n;
    ASSERT_FALSE(decode_report(std::span{bytes}.first(bytes.size() - 1)));
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
  EXPECT_EQ(orders_known, 13);
  EXPECT_EQ(reports_known, 4);
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
  EXPECT_EQ(why([](auto& b) { b.settings.own().domain += 'x'; }), "bind: length of the domain 254 is more than 253");
  EXPECT_EQ(why([](auto& b) { b.settings.own().prefix_length = 33; }), "bind: prefix length 33 is more than 32");
  EXPECT_EQ(why([](auto& b) { b.settings.own().options.push_back({1, {}}); }),
            "bind: number of options 235 is more than 234");
  EXPECT_EQ(why([](auto& b) { b.settings.own().options.back().value.push_back(1); }),
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

// What of a largest one is said once it is one more.
template <typename Message>
std::string why(Message message, const std::function<void(Message&)>& spoil) {
  spoil(message);
  if constexpr (std::is_constructible_v<Order, Message>) {
    const auto back = decode_order(encode(Order{message}));
    return back ? "taken" : back.error();
  } else {
    const auto back = decode_report(encode(Report{message}));
    return back ? "taken" : back.error();
  }
}

TEST(DhcpVerbs, SettingsBeyondABoundAreRefusedByTheirName) {
  const auto of = [](const std::function<void(dhcp::Settings&)>& spoil) {
    return why<Bind>({largest_binding()}, [&](Bind& b) { spoil(b.binding.settings.own()); });
  };
  EXPECT_EQ(of([](auto& s) { s.network += 'x'; }), "bind: length of the network's name 64 is more than 63");
  EXPECT_EQ(of([](auto& s) { s.mask = 33; }), "bind: mask length 33 is more than 32");
  EXPECT_EQ(of([](auto& s) { s.addressing = static_cast<config::Addressing>(2); }),
            "bind: addressing 2 is more than 1");
  EXPECT_EQ(of([](auto& s) { s.boot.file += 'x'; }), "bind: length of the boot file 256 is more than 255");
  EXPECT_EQ(of([](auto& s) { s.boot.ipxe += 'x'; }), "bind: length of iPXE's file 256 is more than 255");
  EXPECT_EQ(of([](auto& s) { s.boot.files[0] += 'x'; }), "bind: length of a boot file 256 is more than 255");
  EXPECT_EQ(of([](auto& s) { s.boot.files[99] = "x"; }), "bind: number of boot files 9 is more than 8");
}

TEST(DhcpVerbs, APoolBeyondABoundIsRefusedByItsName) {
  const auto of = [](const std::function<void(dhcp::Pool&)>& spoil) {
    return why<PutPool>(largest_pool(), [&](PutPool& p) { spoil(p.pool); });
  };
  EXPECT_EQ(of([](auto& p) { p.network += 'x'; }), "put-pool: length of the network's name 64 is more than 63");
  EXPECT_EQ(of([](auto& p) { p.identity = static_cast<config::Identity>(2); }), "put-pool: identity 2 is more than 1");
  EXPECT_EQ(of([](auto& p) { p.excluded.emplace_back(); }),
            "put-pool: number of excluded ranges 1025 is more than 1024");
  EXPECT_EQ(of([](auto& p) { p.links.push_back(1); }), "put-pool: number of links 8193 is more than 8192");
  EXPECT_EQ(of([](auto& p) { p.relays.emplace_back(); }), "put-pool: number of relays 257 is more than 256");
  EXPECT_EQ(why<DropPool>({std::string(kMaxLabel + 1, 'n')}, [](auto&) {}),
            "drop-pool: length of the network's name 64 is more than 63");
}

TEST(DhcpVerbs, ListsBeyondABoundAreRefusedByTheirName) {
  const auto reserve = [](const std::function<void(config::Reservation&)>& spoil) {
    return why<Reserve>({{largest_reservation()}}, [&](Reserve& r) { spoil(r.reservations[0]); });
  };
  EXPECT_EQ(reserve([](auto& r) { r.client_id.push_back(1); }),
            "reserve: length of the client identifier 256 is more than 255");
  EXPECT_EQ(reserve([](auto& r) { r.name += 'x'; }), "reserve: length of the name 64 is more than 63");
  const auto of_lease = [](const std::function<void(dhcp::Lease&)>& spoil) {
    return why<PutLeases>({{largest_lease()}}, [&](PutLeases& p) { spoil(p.leases[0]); });
  };
  EXPECT_EQ(of_lease([](auto& l) { l.network += 'x'; }), "put-leases: length of the network's name 64 is more than 63");
  EXPECT_EQ(of_lease([](auto& l) { l.host_name += 'x'; }), "put-leases: length of the host name 64 is more than 63");
  EXPECT_EQ(of_lease([](auto& l) { l.client.client_id.push_back(1); }),
            "put-leases: length of the client identifier 256 is more than 255");
  EXPECT_EQ(of_lease([](auto& l) { l.state = static_cast<dhcp::LeaseState>(5); }),
            "put-leases: lease state 5 is more than 4");
  const auto none = [](auto&) {};
  EXPECT_EQ(why<Reserve>({std::vector<config::Reservation>(kMaxReservations + 1)}, none),
            "reserve: number of reservations 101 is more than 100");
  EXPECT_EQ(why<PutLeases>({std::vector<dhcp::Lease>(kMaxLeases + 1)}, none),
            "put-leases: number of leases 101 is more than 100");
  EXPECT_EQ(why<DropLeases>({std::vector<address_v4>(kMaxLeases + 1)}, none),
            "drop-leases: number of leases 101 is more than 100");
  EXPECT_EQ(why<Committed>({std::vector<dhcp::CommitResult>(kMaxLeases + 1)}, none),
            "committed: number of results 101 is more than 100");
  EXPECT_EQ(why<Commits>({std::vector<dhcp::Commit>(kMaxLeases + 1)}, none),
            "commits: number of commits 101 is more than 100");
}

TEST(DhcpVerbs, StatisticsBeyondABoundOrOutOfOrderAreRefused) {
  EXPECT_EQ(why<dhcp::Statistics>(largest_statistics(), [](auto& s) { s.networks["x"] = {}; }),
            "statistics: number of networks 101 is more than 100");
  EXPECT_EQ(why<dhcp::Statistics>({}, [](auto& s) { s.networks[std::string(64, 'n')] = {}; }),
            "statistics: length of the network's name 64 is more than 63");
  dhcp::Statistics two;
  two.networks = {{"a", {}}, {"b", {}}};
  auto bytes = encode(Report{two});
  const std::size_t second = bytes.size() - dhcp::kNetworkCounters.size() * 8 - 1;
  ASSERT_EQ(bytes[second], 'b');
  bytes[second] = 'a';  // the same twice
  const auto back = decode_report(bytes);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error(), "statistics: the networks are in no order");
}

TEST(DhcpVerbs, ABooleanIsNoughtOrOne) {
  auto committed = encode(Order{Committed{{{7, true}}}});
  committed.back() = 2;
  EXPECT_EQ(decode_order(committed).error(), "committed: result 2 is more than 1");
  config::Reservation reservation;
  auto reserve = encode(Order{Reserve{{reservation}}});
  reserve[3] = 2;
  EXPECT_EQ(decode_order(reserve).error(), "reserve: reserved by MAC 2 is more than 1");
}

}  // namespace
}  // namespace vrouter::router::dhcp_verbs
