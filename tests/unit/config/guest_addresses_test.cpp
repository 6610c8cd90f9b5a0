// SPDX-License-Identifier: GPL-2.0-or-later
// What guests have besides their own address: what fits, and what is refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "config/guests.h"
#include "config/load.h"
#include "config/specs.h"

namespace vrouter::config {
namespace {

using testing::HasSubstr;

struct Wish {
  std::vector<std::string> floating{}, snat{}, prefixes{}, allowed{}, publish{};
  std::string address6 = "fd76:7274:5::9";
  std::string network{};
};

class GuestAddresses : public testing::Test {
 protected:
  static Guest guest_of(const std::string& tap, const Wish& wish) {
    Guest guest;
    guest.tap = tap;
    guest.network = wish.network;
    if (!wish.address6.empty()) guest.address6 = parse_address6(wish.address6).value();
    for (const auto& one : wish.floating) EXPECT_TRUE(guest.floating.add(parse_address(one).value()));
    for (const auto& one : wish.snat) EXPECT_TRUE(guest.snat.add(parse_address(one).value()));
    for (const auto& one : wish.prefixes) add_prefix(guest, parse_prefix(one).value());
    for (const auto& one : wish.allowed) guest.allowed_addresses.push_back(parse_address(one).value());
    for (const auto& one : wish.publish) guest.publish.push_back(parse_publish(one).value());
    return guest;
  }
  void add(const std::string& tap, const Wish& wish) {
    auto guest = table.complete(config, guest_of(tap, wish));
    ASSERT_TRUE(guest.has_value()) << guest.error();
    table.insert(*guest);
  }
  [[nodiscard]] std::string refusal(const Wish& wish) const {
    const auto guest = table.complete(config, guest_of("tap9", wish));
    return guest ? "taken in" : guest.error();
  }

  Config config =
      parse_config("[networks.default]\n[networks.open]\nprefix = \"10.0.6.0/24\"\nmode = \"routed\"\n", "f").value();
  GuestTable table;
};

TEST_F(GuestAddresses, FitWhereNobodyHasThem) {
  add("tap0", {.floating = {"192.0.2.50", "2001:db8::50"},
               .snat = {"192.0.2.60"},
               .prefixes = {"10.9.0.0/24", "fd00:9::/64"},
               .allowed = {"10.0.5.50", "10.99.0.1"},
               .address6 = "fd76:7274:5::2"});
  EXPECT_EQ(refusal({.floating = {"192.0.2.51"}, .snat = {"192.0.2.60"}, .prefixes = {"10.9.1.0/24"}}), "taken in");
  EXPECT_EQ(refusal({.allowed = {"10.0.5.50"}}), "taken in") << "several guests may have one (VRRP)";
}

TEST_F(GuestAddresses, AreRefusedByName) {
  add("tap0", {.floating = {"192.0.2.50"},
               .prefixes = {"10.9.0.0/24", "fd00:9::/64"},
               .allowed = {"10.0.5.50"},
               .address6 = "fd76:7274:5::2"});
  add("tap1", {.publish = {"192.0.2.51:80"}, .address6 = "fd76:7274:5::3"});
  const std::vector<std::pair<Wish, const char*>> cases{
      {{.floating = {"192.0.2.50"}}, "is the floating address of guest tap0"},
      {{.floating = {"10.0.5.1"}}, "is inside network default"},
      {{.floating = {"192.0.2.51"}}, "ports of guest tap1 on tap1 are published on 192.0.2.51"},
      {{.floating = {"10.9.0.7"}}, "is in a prefix of guest tap0"},
      {{.floating = {"10.0.6.9"}}, "is inside network open"},
      {{.floating = {"127.0.0.1"}}, "no address that the world could call"},
      {{.floating = {"2001:db8::50"}, .address6 = ""}, "the guest has none of its own"},
      {{.floating = {"192.0.2.52"}, .publish = {"192.0.2.52:80"}}, "which leads to it as a whole"},
      {{.publish = {"192.0.2.50:80"}}, "is the floating address of guest tap0"},
      {{.publish = {"[::1]:80"}}, "publish on 127.0.0.1"},
      {{.snat = {"10.0.5.7"}}, "inside the guests' own network"},
      {{.snat = {"224.0.0.1"}}, "no address that the world could answer"},
      {{.snat = {"192.0.2.60"}, .address6 = "", .network = "open"}, "network open is routed"},
      {{.prefixes = {"10.0.5.64/26"}}, "overlaps network default"},
      {{.prefixes = {"fd76:7274:5::/96"}}, "overlaps network default"},
      {{.prefixes = {"10.9.0.128/25"}}, "overlaps 10.9.0.0/24 of guest tap0"},
      {{.prefixes = {"10.8.0.0/15"}}, "overlaps 10.9.0.0/24 of guest tap0"},
      {{.prefixes = {"10.7.0.0/24", "10.7.0.0/25"}}, "of the same guest"},
      {{.prefixes = {"192.0.2.0/24"}}, "holds 192.0.2.50, the floating address of guest tap0"},
      {{.prefixes = {"0.0.0.0/0"}}, "too large"},
      {{.prefixes = {"fd00:a::/64"}, .address6 = ""}, "no IPv6 address to route it by"},
      {{.allowed = {"10.0.5.1"}}, "the gateway of network default"},
      {{.allowed = {"10.0.5.2"}}, "is the address of guest tap0"},
      {{.allowed = {"10.0.5.255"}}, "no host's address in network default"},
      {{.allowed = {"10.99.0.1", "10.99.0.1"}}, "already"},
      {{.allowed = {"10.9.0.7"}}, "is in a prefix of guest tap0"},
  };
  for (const auto& [wish, why] : cases) EXPECT_THAT(refusal(wish), HasSubstr(why));
}

TEST_F(GuestAddresses, AreFreeAgainWhenTheGuestIsGone) {
  const Wish wish{.floating = {"192.0.2.50"}, .prefixes = {"10.9.0.0/24"}, .allowed = {"10.0.5.2"}};
  auto first = guest_of("tap0", wish);
  first.address = parse_address4("10.0.5.7").value();
  table.insert(table.complete(config, first).value());
  EXPECT_EQ(table.allowed(parse_address("10.0.5.2").value()), std::set<std::string>{"tap0"});
  auto pooled = table.complete(config, guest_of("tap1", {.address6 = ""}));
  ASSERT_TRUE(pooled.has_value());
  EXPECT_EQ(pooled->address->to_string(), "10.0.5.3") << "the pool passes over an allowed address";
  table.erase("tap0");
  EXPECT_TRUE(table.complete(config, first).has_value());
  EXPECT_TRUE(table.allowed(parse_address("10.0.5.2").value()).empty());
}

TEST_F(GuestAddresses, APortOnLoopbackIsApartFromThoseOnAllAddresses) {
  add("tap0", {.publish = {"8080:80", "127.0.0.1:8080:80"}});
  EXPECT_THAT(refusal({.publish = {"127.0.0.1:8080:80"}, .address6 = ""}), HasSubstr("held by guest tap0"));
  EXPECT_EQ(refusal({.publish = {"127.0.0.1:8081:80"}, .address6 = ""}), "taken in");
}

TEST_F(GuestAddresses, OfFilesAreRefusedWhereTheyStand) {
  const auto loaded = parse_config(R"([networks.default]
snat = ["192.0.2.60", "192.0.2.61"]
[[guests]]
tap = "tap0"
address = "10.0.5.2"
floating = "192.0.2.50"
[[guests]]
tap = "tap1"
address = "10.0.5.3"
floating = ["192.0.2.50"]
snat = "nowhere"
prefixes = ["10.9.0.0/24", "10.9.0.0/25"]
allowed_addresses = ["10.0.5.50", "10.0.5.2"]
)",
                                   "f");
  ASSERT_FALSE(loaded.has_value());
  std::vector<std::string> said;
  for (const auto& problem : loaded.error()) said.push_back(problem.to_string());
  EXPECT_THAT(said, testing::ElementsAre(HasSubstr("f:2:23: snat holds a second address"),
                                         HasSubstr("f:10:13: 192.0.2.50 is the floating address of guest tap0"),
                                         HasSubstr("f:11:8: 'nowhere' is no address"),
                                         HasSubstr("f:12:28: 10.9.0.0/25 overlaps"),
                                         HasSubstr("f:13:35: 10.0.5.2 is the address of guest tap0")));
}

TEST_F(GuestAddresses, OfFilesAreRead) {
  const auto loaded = parse_config(R"([networks.default]
snat = "192.0.2.60"
[[guests]]
tap = "tap0"
address = "10.0.5.2"
address6 = "fd76:7274:5::2"
floating = ["192.0.2.50", "2001:db8::50"]
prefixes = ["10.9.0.0/24", "fd00:9::/64"]
allowed_addresses = ["10.0.5.50", "fd76:7274:5::50"]
)",
                                   "f");
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->networks.at("default").snat.v4->to_string(), "192.0.2.60");
  const auto& guest = loaded->guests.front();
  EXPECT_EQ(guest.floating.all().size(), 2U);
  EXPECT_THAT(prefixes_of(guest), testing::ElementsAre("10.9.0.0/24", "fd00:9::/64"));
  EXPECT_EQ(guest.allowed_addresses.size(), 2U);
}

}  // namespace
}  // namespace vrouter::config
