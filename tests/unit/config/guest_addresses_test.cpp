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

// Whoever comes second is told who was first, and where that one stands.
TEST_F(GuestAddresses, AreRefusedInEitherOrder) {
  struct Pair {
    Wish one, other;
    const char *one_first, *other_first;  // what is said to the second
  };
  const std::vector<Pair> pairs{
      {{.floating = {"192.0.2.50"}},
       {.snat = {"192.0.2.50"}},
       "192.0.2.50 is the floating address of guest tap0 on tap0 (f:7:1)",
       "192.0.2.50 is the snat address of guest tap0 on tap0 (f:7:1)"},
      {{.floating = {"2001:db8::50"}},
       {.snat = {"2001:db8::50"}},
       "2001:db8::50 is the floating address of guest tap0 on tap0 (f:7:1)",
       "2001:db8::50 is the snat address of guest tap0 on tap0 (f:7:1)"},
      {{.prefixes = {"192.0.2.0/24"}},
       {.snat = {"192.0.2.50"}},
       "192.0.2.50 is in a prefix of guest tap0 on tap0 (f:7:1)",
       "192.0.2.0/24 holds 192.0.2.50, the snat address of guest tap0 on tap0 (f:7:1)"},
      {{.prefixes = {"2001:db8::/64"}},
       {.snat = {"2001:db8::50"}},
       "2001:db8::50 is in a prefix of guest tap0 on tap0 (f:7:1)",
       "2001:db8::/64 holds 2001:db8::50, the snat address of guest tap0 on tap0 (f:7:1)"},
      {{.allowed = {"10.99.0.1"}},
       {.snat = {"10.99.0.1"}},
       "10.99.0.1 is an allowed address of guest tap0 on tap0 (f:7:1)",
       "10.99.0.1 is the snat address of guest tap0 on tap0 (f:7:1)"},
      {{.prefixes = {"10.99.0.0/24"}},
       {.allowed = {"10.99.0.1"}},
       "10.99.0.1 is in a prefix of guest tap0 on tap0 (f:7:1)",
       "10.99.0.0/24 holds 10.99.0.1, an allowed address of guest tap0 on tap0 (f:7:1)"},
      {{.prefixes = {"fd00:99::/64"}},
       {.allowed = {"fd00:99::1"}},
       "fd00:99::1 is in a prefix of guest tap0 on tap0 (f:7:1)",
       "fd00:99::/64 holds fd00:99::1, an allowed address of guest tap0 on tap0 (f:7:1)"},
      {{.prefixes = {"192.0.2.0/24"}},
       {.floating = {"192.0.2.50"}},
       "192.0.2.50 is in a prefix of guest tap0 on tap0 (f:7:1)",
       "192.0.2.0/24 holds 192.0.2.50, the floating address of guest tap0 on tap0 (f:7:1)"},
      {{.floating = {"10.99.0.1"}},
       {.allowed = {"10.99.0.1"}},
       "10.99.0.1 is the floating address of guest tap0 on tap0 (f:7:1)",
       "10.99.0.1 is an allowed address of guest tap0 on tap0 (f:7:1)"},
  };
  for (const auto& pair : pairs) {
    const auto told_second = [&](Wish first, const Wish& second) {
      table = {};
      first.address6 = "fd76:7274:5::2";
      auto guest = guest_of("tap0", first);
      guest.declared_at = {"f", 7, 1};
      auto fitted = table.fit(config, guest);
      EXPECT_TRUE(fitted.refusals.empty());
      table.insert(fitted.guest);
      const auto [unused, refusals] = table.fit(config, guest_of("tap9", second));
      EXPECT_EQ(refusals.size(), 1U);
      EXPECT_EQ(refusals.empty() ? 0U : refusals.front().other.line, 7U);
      return refusals.empty() ? "taken in" : refusals.front().reason;
    };
    EXPECT_EQ(told_second(pair.one, pair.other), pair.one_first);
    EXPECT_EQ(told_second(pair.other, pair.one), pair.other_first);
  }
}

TEST_F(GuestAddresses, OfOneGuestMayNotContradictEachOther) {
  EXPECT_EQ(refusal({.floating = {"192.0.2.50"}, .snat = {"192.0.2.50"}}), "taken in") << "the same, said twice";
  EXPECT_THAT(refusal({.snat = {"10.9.0.7"}, .prefixes = {"10.9.0.0/24"}}), HasSubstr("in a prefix of the same guest"));
  EXPECT_THAT(refusal({.floating = {"10.9.0.7"}, .prefixes = {"10.9.0.0/24"}}),
              HasSubstr("in a prefix of the same guest"));
  EXPECT_THAT(refusal({.snat = {"10.99.0.1"}, .allowed = {"10.99.0.1"}}), HasSubstr("allowed address of the same"));
}

TEST_F(GuestAddresses, AreNoSnatOfAnyNetworkNorInsideOne) {
  config = parse_config(
               "[networks.open]\nprefix = \"10.0.6.0/24\"\nprefix6 = \"fd00:6::/64\"\nmode = \"routed\"\n"
               "[networks.default]\nsnat = [\"192.0.2.60\", \"2001:db8::60\"]\n",
               "f")
               .value();
  const std::vector<std::pair<Wish, const char*>> cases{
      {{.snat = {"10.0.6.9"}}, "10.0.6.9 is inside network open, 10.0.6.0/24 (f:1:11)"},
      {{.snat = {"fd00:6::9"}}, "fd00:6::9 is inside network open, fd00:6::/64 (f:1:11)"},
      {{.floating = {"192.0.2.60"}}, "192.0.2.60 is the snat address of network default, 10.0.5.0/24 (f:5:11)"},
      {{.prefixes = {"192.0.2.0/25"}},
       "192.0.2.0/25 holds 192.0.2.60, the snat address of network default, 10.0.5.0/24 (f:5:11)"},
      {{.prefixes = {"2001:db8::/96"}},
       "2001:db8::/96 holds 2001:db8::60, the snat address of network default, 10.0.5.0/24 (f:5:11)"},
      {{.allowed = {"192.0.2.60"}}, "192.0.2.60 is the snat address of network default, 10.0.5.0/24 (f:5:11)"},
      {{.prefixes = {"10.0.6.0/25"}}, "10.0.6.0/25 overlaps network open, 10.0.6.0/24 (f:1:11)"},
  };
  for (const auto& [wish, why] : cases) EXPECT_THAT(refusal(wish), HasSubstr(why));
  EXPECT_EQ(refusal({.snat = {"192.0.2.60"}}), "taken in") << "as its network";
}

TEST_F(GuestAddresses, AreFreeAgainWhenTheGuestIsGone) {
  const Wish wish{
      .floating = {"192.0.2.50"}, .snat = {"192.0.2.60"}, .prefixes = {"10.9.0.0/24"}, .allowed = {"10.0.5.2"}};
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
  EXPECT_EQ(refusal({.floating = {"192.0.2.60"}}), "taken in");
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
