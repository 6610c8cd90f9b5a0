// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/guests.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "config/specs.h"

namespace vrouter::config {
namespace {

struct Wish {
  std::string tap = "tap0";
  std::string address{};
  std::string name{};
  std::string network{};
  std::string address6{};
  std::vector<std::string> publish{};
};

Guest guest_of(const Wish& wish) {
  Guest guest;
  guest.tap = wish.tap;
  guest.name = wish.name;
  guest.network = wish.network;
  if (!wish.address.empty()) guest.address = parse_address4(wish.address).value();
  if (!wish.address6.empty()) guest.address6 = parse_address6(wish.address6).value();
  for (const auto& spec : wish.publish) guest.publish.push_back(parse_publish(spec).value());
  return guest;
}

class Guests : public testing::Test {
 protected:
  void configure(std::string_view toml) { config_ = parse_config(toml, "f").value(); }
  Guest add(const Wish& wish) {
    auto guest = table_.complete(config_, guest_of(wish));
    EXPECT_TRUE(guest.has_value()) << guest.error();
    if (guest) table_.insert(*guest);
    return guest.value_or(Guest{});
  }
  [[nodiscard]] std::string refusal(const Wish& wish) const {
    const auto guest = table_.complete(config_, guest_of(wish));
    return guest ? "taken in" : guest.error();
  }

  Config config_ = default_config();
  GuestTable table_;
};

TEST_F(Guests, AreCompletedFromTheTapAlone) {
  const auto guest = add({.tap = "tap0"});
  EXPECT_EQ(guest.name, "tap0");
  EXPECT_EQ(guest.network, "default");
  EXPECT_EQ(guest.address->to_string(), "10.0.5.2");
  EXPECT_FALSE(guest.address6.has_value());
}

TEST_F(Guests, CompleteLeavesTheTableAlone) {
  const auto first = table_.complete(config_, guest_of({}));
  EXPECT_EQ(table_.size(), 0U);
  EXPECT_EQ(table_.complete(config_, guest_of({})), first);
}

TEST_F(Guests, ACompleteGuestIsOnlyChecked) {
  const auto guest = table_.complete(config_, guest_of({.address = "10.0.5.77", .publish = {"80"}}));
  ASSERT_TRUE(guest.has_value());
  EXPECT_EQ(table_.complete(config_, *guest), guest);
}

TEST_F(Guests, HaveNoNameThatCommandsReadAsSomethingElse) {
  for (const auto* word : {"any", "host", "World"}) {
    EXPECT_THAT(refusal({.tap = "tap0", .name = word}), testing::HasSubstr("is a word of policies")) << word;
    EXPECT_THAT(refusal({.tap = word}), testing::HasSubstr("is a word of policies")) << word;
    EXPECT_EQ(refusal({.tap = word, .name = "web0"}), "taken in") << word;
  }
  add({.tap = "tap0", .name = "web1"});
  EXPECT_EQ(refusal({.tap = "tap1", .name = "tap0"}),
            "tap0 is the TAP of guest web1 on tap0; give the guest another name");
  EXPECT_EQ(refusal({.tap = "web1", .name = "db1"}),
            "web1 is the name of guest web1 on tap0; call the TAP otherwise, or give that guest another name");
  EXPECT_EQ(refusal({.tap = "tap1", .name = "tap1"}), "taken in") << "its own TAP";
}

TEST_F(Guests, AreOfAnotherRevisionAfterEachChange) {
  const auto empty = table_.revision();
  const auto guest = add({.tap = "tap0"});
  const auto one = table_.revision();
  EXPECT_NE(one, empty);
  auto copy = table_;
  EXPECT_EQ(copy.revision(), one);
  copy.erase("tap1");
  EXPECT_EQ(copy.revision(), one) << "nothing changed";
  copy.erase("tap0");
  table_.insert(guest);
  EXPECT_NE(copy.revision(), one);
  EXPECT_NE(copy.revision(), table_.revision()) << "two tables that changed apart from each other";
}

TEST_F(Guests, GetAHostNameFromAnyTap) {
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"tap0", "tap0"}, {"VM_1.net", "vm-1-net"}, {"_tap_", "tap"}, {"@@@", "guest"}, {"a", "a"}};
  for (const auto& [tap, name] : kCases) EXPECT_EQ(add({.tap = tap}).name, name);
}

TEST_F(Guests, TakeTheLowestFreeAddressOfThePool) {
  add({.tap = "a", .address = "10.0.5.3"});
  EXPECT_EQ(add({.tap = "b"}).address->to_string(), "10.0.5.2");
  EXPECT_EQ(add({.tap = "c"}).address->to_string(), "10.0.5.4");
  table_.erase("b");
  EXPECT_EQ(add({.tap = "d"}).address->to_string(), "10.0.5.2");
}

TEST_F(Guests, ThePoolPassesOverWhatIsNoGuests) {
  configure("[networks.a]\nprefix = \"10.0.0.0/28\"\ngateway = \"10.0.0.3\"\ndhcp.range = \"10.0.0.5-10.0.0.13\"\n");
  std::vector<std::string> given;
  for (int i = 0; i < 4; ++i) given.push_back(add({.tap = fmt::format("t{}", i)}).address->to_string());
  EXPECT_THAT(given, testing::ElementsAre("10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.14"));
  EXPECT_EQ(refusal({.tap = "t4"}),
            "network a (10.0.0.0/28) has no free address left; remove a guest, or widen the network's pool");
  EXPECT_THAT(refusal({.tap = "t5", .address = "10.0.0.7"}), testing::HasSubstr("in the dhcp range"))
      << "and so does a guest";
}

TEST_F(Guests, ThePoolIsARangeOfItsOwn) {
  configure("[networks.default]\npool = \"10.0.5.254-10.0.5.255\"\n");
  EXPECT_EQ(add({.tap = "a"}).address->to_string(), "10.0.5.254");
  EXPECT_THAT(refusal({.tap = "b"}), testing::HasSubstr("has no free address left"));
  EXPECT_EQ(add({.tap = "c", .address = "10.0.5.9"}).address->to_string(), "10.0.5.9") << "outside the pool is allowed";
}

TEST_F(Guests, TenThousandFromOnePoolAreOneRun) {
  configure("[networks.default]\nprefix = \"10.0.0.0/16\"\n");
  for (int i = 0; i < 10000; ++i) {
    auto guest =
        table_.complete(config_, guest_of({.tap = fmt::format("tap{}", i), .publish = {fmt::format("{}", 1000 + i)}}));
    ASSERT_TRUE(guest.has_value()) << guest.error();
    table_.insert(*std::move(guest));
  }
  EXPECT_EQ(table_.size(), 10000U);
  EXPECT_EQ(table_.find("10.0.39.17")->tap, "tap9999");
  EXPECT_THAT(refusal({.tap = "x", .publish = {"1000-65535"}}), testing::HasSubstr("held by guest tap0 on tap0"));
}

TEST_F(Guests, FindTheirNetwork) {
  configure(
      "[networks.a]\nprefix = \"10.0.6.0/24\"\nprefix6 = \"fd00:6::/64\"\n[networks.b]\nprefix = \"10.0.7.0/24\"\n"
      "prefix6 = \"fd00:7::/64\"\n");
  EXPECT_EQ(add({.tap = "t1", .address = "10.0.7.2"}).network, "b");
  EXPECT_EQ(add({.tap = "t2", .network = "A"}).network, "a");
  EXPECT_EQ(add({.tap = "t3", .address6 = "fd00:7::3"}).network, "b");
  EXPECT_EQ(refusal({.tap = "t4"}),
            "nothing says which network the guest is in; give it a network or an address of "
            "one of: a 10.0.6.0/24, b 10.0.7.0/24");
  EXPECT_EQ(refusal({.tap = "t4", .network = "c"}),
            "there is no network 'c'; name one of: a 10.0.6.0/24, b 10.0.7.0/24");
  configure("[networks.only]\nprefix = \"10.0.6.0/24\"\n");
  table_ = {};
  EXPECT_EQ(add({.tap = "t1"}).network, "only");
  configure("[networks.default]\n[networks.a]\nprefix = \"10.0.6.0/24\"\n");
  EXPECT_EQ(add({.tap = "t2"}).network, "default");
}

TEST_F(Guests, NameAtMostEightNetworks) {
  std::string toml;
  for (int i = 0; i < 12; ++i) toml += fmt::format("[networks.n{}]\nprefix = \"10.1.{}.0/24\"\n", i, i);
  configure(toml);
  const auto message = refusal({.address = "10.9.9.9"});
  EXPECT_EQ(std::ranges::count(message, '/'), 8);
  EXPECT_TRUE(message.ends_with(", ..."));
}

TEST_F(Guests, AreRefusedWithTheRemedy) {
  add({.tap = "tap7", .address = "10.0.5.2", .name = "web1", .address6 = "fd76:7274:5::2"});
  const std::pair<Wish, const char*> kCases[] = {
      {{.address = "10.9.9.9"}, "10.9.9.9 is in no network; take an address of one of: default 10.0.5.0/24"},
      {{.address = "10.9.9.9", .network = "default"},
       "10.9.9.9 is outside network default (10.0.5.0/24); take another, such as 10.0.5.3"},
      {{.address = "10.0.5.1"},
       "10.0.5.1 is the gateway of network default (10.0.5.0/24), the host's own address; take another, such as "
       "10.0.5.3"},
      {{.address = "10.0.5.0"},
       "10.0.5.0 is the address of network default (10.0.5.0/24) itself; take another, such as 10.0.5.3"},
      {{.address = "10.0.5.255"},
       "10.0.5.255 is the broadcast address of network default (10.0.5.0/24); take another, such as 10.0.5.3"},
      {{.address = "10.0.5.2"}, "10.0.5.2 is taken by guest web1 on tap7; take another, such as 10.0.5.3"},
      {{.tap = "tap7"}, "there is already guest web1 on tap7; name another TAP, or remove that guest first"},
      {{.tap = "a b"},
       "'a b' can't name an interface; write 1 to 15 printable characters without blanks and / : % * \" \\"},
      {{.tap = ""}, "'' can't name an interface; write 1 to 15 printable characters without blanks and / : % * \" \\"},
      {{.tap = "lo"}, "lo is the loopback of the host; name the guest's own TAP"},
      {{.name = "WEB1"}, "the name web1 is taken by guest web1 on tap7; give the guest another name"},
      {{.name = "a.b"},
       "'a.b' can't be a guest's host name; write 1 to 63 letters, digits and hyphens, no hyphen first or last"},
      {{.address6 = "fd00::2"},
       "fd00::2 is outside network default (fd76:7274:5::/64); take another address of fd76:7274:5::/64"},
      {{.address6 = "fd76:7274:5::1"},
       "fd76:7274:5::1 is the gateway of network default (fd76:7274:5::/64), the host's own address; take another "
       "address of fd76:7274:5::/64"},
      {{.address6 = "fd76:7274:5::"},
       "fd76:7274:5:: means the routers of network default (fd76:7274:5::/64); take another address of "
       "fd76:7274:5::/64"},
      {{.address6 = "fd76:7274:5::2"},
       "fd76:7274:5::2 is taken by guest web1 on tap7; take another address of fd76:7274:5::/64"},
  };
  for (const auto& [wish, message] : kCases) EXPECT_EQ(refusal(wish), message);
  configure("[networks.a]\nprefix = \"10.0.6.0/24\"\n");
  EXPECT_EQ(refusal({.address6 = "fd00::2"}),
            "network a has no IPv6 prefix, and the guest has fd00::2; leave the "
            "IPv6 address out, or give the network a prefix6");
}

TEST_F(Guests, MayNotHaveAGroupMacNorAnOwnerlessTapsOwner) {
  auto guest = guest_of({});
  guest.mac = MacAddress{{0x33, 0x33, 0, 0, 0, 1}};
  EXPECT_EQ(table_.complete(config_, guest).error(),
            "33:33:00:00:00:01 is a group address; give the address of the guest's own network card, such as "
            "52:54:00:12:34:56");
  guest.mac = MacAddress{};
  EXPECT_EQ(table_.complete(config_, guest).error(),
            "00:00:00:00:00:00 is no station's address; give the address of the guest's own network card, such as "
            "52:54:00:12:34:56");
  guest.mac.reset();
  guest.owner = "alice";
  EXPECT_EQ(table_.complete(config_, guest).error(),
            "only a TAP that vrouter makes can be given to user 'alice'; ask for the TAP to be created, or leave the "
            "user out");
  guest.create_tap = true;
  EXPECT_TRUE(table_.complete(config_, guest).has_value());
}

TEST_F(Guests, AreOnlyInGroupsThatThePolicyDeclares) {
  auto guest = guest_of({});
  guest.groups = {"web", "wbe"};
  EXPECT_EQ(table_.complete(config_, guest).error(),
            "no policy file declares the group 'web'; declare [groups.web] in a policy file");
  config_.policy.groups["web"].name = "web";
  config_.policy.groups["db"].name = "db";
  EXPECT_EQ(table_.complete(config_, guest).error(),
            "no policy file declares the group 'wbe'; name one of: db, web; or declare [groups.wbe] in a policy file");
  guest.groups = {"web", "db"};
  EXPECT_EQ(table_.complete(config_, guest)->groups, guest.groups);
  guest.groups = {"web", "db", "web"};
  EXPECT_EQ(table_.complete(config_, guest).error(), "group 'web' is named twice; name it once");
}

TEST_F(Guests, MayNotPublishWhatIsNotTheirs) {
  add({.tap = "tap7", .name = "web1", .publish = {"8080:80", "192.0.2.1:5000-5010/udp"}});
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"53/udp",
       "53/udp takes port 53, where vrouter itself answers DNS; publish it on an address of the host's uplink, such as "
       "192.0.2.1:53/udp"},
      {"50-60:1050",
       "50-60:1050/tcp takes port 53, where vrouter itself answers DNS; publish it on an address of the host's uplink, "
       "such as 192.0.2.1:50-60:1050/tcp"},
      {"67/udp",
       "67/udp takes port 67, where vrouter itself answers DHCP; publish it on an address of the host's uplink, such "
       "as 192.0.2.1:67/udp"},
      {"10.0.5.1:53",
       "10.0.5.1:53/tcp takes port 53, where vrouter itself answers DNS; publish it on an address of the host's "
       "uplink, such as 192.0.2.1:53/tcp"},
      {"10.0.5.9:80",
       "10.0.5.9 is a guest's address, not the host's; publish on an address of the host's own, or leave it out for "
       "all of them"},
      {"[2001:db8::1]:80",
       "[2001:db8::1]:80/tcp is on an IPv6 address, and the guest has none; give the guest an IPv6 address, or publish "
       "on an IPv4 address"},
      {"8080",
       "8080/tcp takes a port held by guest web1 on tap7; publish another host port, or on another host address"},
      {"192.0.2.9:8000-9000",
       "192.0.2.9:8000-9000/tcp takes a port held by guest web1 on tap7; publish another host port, or on another host "
       "address"},
      {"5010/udp",
       "5010/udp takes a port held by guest web1 on tap7; publish another host port, or on another host address"},
  };
  for (const auto& [spec, message] : kCases) EXPECT_EQ(refusal({.publish = {spec}}), message);
  EXPECT_EQ(refusal({.publish = {"80", "443", "1-80"}}),
            "1-80/tcp takes port 53, where vrouter itself answers DNS; publish it on an address of the host's uplink, "
            "such as 192.0.2.1:1-80/tcp");
  EXPECT_EQ(refusal({.publish = {"80", "192.0.2.1:80"}}),
            "192.0.2.1:80/tcp takes a port that this guest publishes already; publish each host port once");
  for (const auto* spec : {"53/sctp", "67", "192.0.2.1:53/udp", "192.0.2.1:1-8079", "8080/udp", "10.0.5.1:8081",
                           "192.0.2.2:5000-5010/udp"}) {
    EXPECT_EQ(refusal({.publish = {spec}}), "taken in") << spec;
  }
}

TEST_F(Guests, RefuseBrokenRangesFromElsewhere) {
  constexpr std::tuple<std::uint16_t, std::uint16_t, std::uint16_t> kRanges[] = {
      {0, 5, 1}, {9, 8, 1}, {1000, 2000, 65000}, {80, 80, 0}};
  for (const auto& [first, last, guest_first] : kRanges) {
    auto guest = guest_of({});
    guest.publish.push_back({.host = {}, .first = first, .last = last, .guest_first = guest_first});
    const auto result = table_.complete(config_, guest);
    ASSERT_FALSE(result.has_value());
    EXPECT_TRUE(result.error().ends_with("is no range of ports; give ports of 1 to 65535, the lower one first"));
  }
}

TEST_F(Guests, ChangeTheirPortsInOneStep) {
  add({.tap = "tap0", .publish = {"80", "443"}});
  add({.tap = "tap1", .publish = {"8080:80"}});
  auto changed = table_.with_publish(config_, "tap0", {parse_publish("443").value(), parse_publish("90").value()});
  ASSERT_TRUE(changed.has_value()) << changed.error();
  table_.insert(*changed);
  EXPECT_EQ(table_.size(), 2U);
  EXPECT_EQ(refusal({.tap = "tap2", .publish = {"80"}}), "taken in");
  EXPECT_THAT(refusal({.tap = "tap2", .publish = {"90"}}), testing::HasSubstr("held by guest tap0 on tap0"));
  EXPECT_EQ(table_.with_publish(config_, "tap0", {parse_publish("8080").value()}).error(),
            "8080/tcp takes a port held by guest tap1 on tap1; publish another host port, or on another host address");
  EXPECT_EQ(table_.with_publish(config_, "tap9", {}).error(), "there is no guest on 'tap9'; add it first");
}

TEST_F(Guests, AreFoundByTapNameAndAddress) {
  add({.tap = "tap0", .address = "10.0.5.2", .name = "web1", .address6 = "fd76:7274:5::2"});
  add({.tap = "tap1", .address = "10.0.5.3", .name = "b"});
  for (const auto* what : {"tap0", "web1", "WEB1", "10.0.5.2", "fd76:7274:5:0::2"}) {
    ASSERT_NE(table_.find(what), nullptr) << what;
    EXPECT_EQ(table_.find(what)->tap, "tap0") << what;
  }
  for (const auto* what : {"", "TAP0", "10.0.5.4", "fd76:7274:5::3", "web"})
    EXPECT_EQ(table_.find(what), nullptr) << what;
  EXPECT_EQ(table_.by_tap("web1"), nullptr);
}

TEST_F(Guests, LeaveNothingBehind) {
  const auto guest =
      add({.address = "10.0.5.2", .name = "web1", .address6 = "fd76:7274:5::2", .publish = {"80", "90-99"}});
  EXPECT_EQ(table_.erase("tap0"), guest);
  EXPECT_EQ(table_.erase("tap0"), std::nullopt);
  EXPECT_EQ(table_.size(), 0U);
  for (const auto* what : {"tap0", "web1", "10.0.5.2", "fd76:7274:5::2"}) EXPECT_EQ(table_.find(what), nullptr);
  EXPECT_EQ(add({.tap = "tap1", .name = "web1", .address6 = "fd76:7274:5::2", .publish = {"80-95"}}).address,
            guest.address);
}

}  // namespace
}  // namespace vrouter::config
