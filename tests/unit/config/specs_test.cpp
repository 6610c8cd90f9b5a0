// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/specs.h"

#include <gtest/gtest.h>

namespace vrouter::config {
namespace {

using std::string_view_literals::operator""sv;

template <typename T>
std::string error_of(const Parsed<T>& parsed) {
  return parsed ? "no error" : parsed.error();
}

TEST(Specs, ReadPrefixes) {
  EXPECT_EQ(parse_prefix4("10.0.5.0/24")->to_string(), "10.0.5.0/24");
  EXPECT_EQ(parse_prefix4("0.0.0.0/0")->prefix_length(), 0);
  EXPECT_EQ(error_of(parse_prefix4("10.0.5.1/24")), "'10.0.5.1/24' has bits set after its length; write 10.0.5.0/24");
  for (const auto text : {"10.0.0.0/33"sv, "10.0.0.0"sv, "10.0.0.0/"sv, "10.0.0.0/-1"sv, "10.0.0/24"sv, "/24"sv, ""sv,
                          "10.0.0.0/99999999999999"sv, "10.0.0.0\0/24"sv, "fd00::/8"sv, "10.00.0.0/8"sv}) {
    EXPECT_TRUE(error_of(parse_prefix4(text)).ends_with("is no IPv4 prefix; write one such as 10.0.5.0/24")) << text;
  }
  EXPECT_EQ(parse_prefix6("fd76:7274:5::/64")->to_string(), "fd76:7274:5::/64");
  EXPECT_EQ(error_of(parse_prefix6("fd00::1/64")), "'fd00::1/64' has bits set after its length; write fd00::/64");
  for (const auto text : {"fd00::/129"sv, "fd00::"sv, "fe80::%lo/64"sv, "10.0.0.0/8"sv}) {
    EXPECT_TRUE(error_of(parse_prefix6(text)).ends_with("is no IPv6 prefix; write one such as fd76:7274:5::/64"));
  }
}

TEST(Specs, ReadAddresses) {
  EXPECT_EQ(parse_address4("10.0.5.2")->to_string(), "10.0.5.2");
  EXPECT_EQ(error_of(parse_address4("10.0.5.256")), "'10.0.5.256' is no IPv4 address; write one such as 10.0.5.2");
  EXPECT_EQ(error_of(parse_address4("10.0.5.2/24")), "'10.0.5.2/24' is no IPv4 address; write one such as 10.0.5.2");
  EXPECT_EQ(parse_address6("FD76:7274:5:0::2")->to_string(), "fd76:7274:5::2");
  EXPECT_EQ(error_of(parse_address6("::ffff:10.0.5.2")),
            "'::ffff:10.0.5.2' is an IPv4 address in IPv6 clothes; write 10.0.5.2");
  EXPECT_EQ(error_of(parse_address6("fe80::1%eth0")),
            "'fe80::1%eth0' is no IPv6 address; write one such as fd76:7274:5::2");
  EXPECT_TRUE(parse_address("192.0.2.53")->is_v4());
  EXPECT_TRUE(parse_address("2001:db8::53")->is_v6());
  EXPECT_EQ(error_of(parse_address("dns.example")),
            "'dns.example' is no address; write one such as 192.0.2.53 or 2001:db8::53");
}

TEST(Specs, ReadTheAddressesOfAGuest) {
  const auto one = parse_guest_addresses("10.0.5.2");
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->address.to_string(), "10.0.5.2");
  EXPECT_FALSE(one->address6.has_value());
  const auto two = parse_guest_addresses("10.0.5.2,fd76:7274:5::2");
  ASSERT_TRUE(two.has_value());
  EXPECT_EQ(two->address6->to_string(), "fd76:7274:5::2");
  EXPECT_EQ(error_of(parse_guest_addresses("fd76::2,10.0.5.2")),
            "'fd76::2' is no IPv4 address; write one such as 10.0.5.2");
  EXPECT_EQ(error_of(parse_guest_addresses("10.0.5.2,")), "'' is no IPv6 address; write one such as fd76:7274:5::2");
}

TEST(Specs, ReadRanges) {
  const auto range = parse_range("10.0.5.100-10.0.5.199");
  ASSERT_TRUE(range.has_value());
  EXPECT_TRUE(range->contains(range->first) && range->contains(range->last));
  EXPECT_FALSE(range->contains(address_v4{range->last.to_uint() + 1}));
  EXPECT_EQ(error_of(parse_range("10.0.5.9-10.0.5.2")),
            "'10.0.5.9-10.0.5.2' ends before it begins; write 10.0.5.2-10.0.5.9");
  for (const auto* text : {"10.0.5.9", "10.0.5.9-", "-", "10.0.5.9-20", "10.0.5.9 - 10.0.5.10"}) {
    EXPECT_TRUE(
        error_of(parse_range(text)).ends_with("is no range of addresses; write one such as 10.0.5.100-10.0.5.199"))
        << text;
  }
}

TEST(Specs, ReadDurations) {
  using std::chrono_literals::operator""s;
  EXPECT_EQ(parse_duration("90s"), 90s);
  EXPECT_EQ(parse_duration("15m"), 900s);
  EXPECT_EQ(parse_duration("1h"), 3600s);
  EXPECT_EQ(parse_duration("2d"), 172800s);
  EXPECT_EQ(parse_duration("0s"), 0s);
  for (const auto* text : {"", "h", "1", "1w", "-1h", "1.5h", " 1h", "1h ", "99999999999s"}) {
    EXPECT_TRUE(error_of(parse_duration(text))
                    .ends_with("is no duration; write a whole number and s, m, h or d, such as 90s or 1h"))
        << text;
  }
  EXPECT_EQ(error_of(parse_duration("4294967295d")), "'4294967295d' is longer than ten years; write less");
}

TEST(Specs, ReadGuestNames) {
  EXPECT_EQ(parse_guest_name("Web-1"), "web-1");
  EXPECT_EQ(parse_guest_name("1"), "1");
  EXPECT_EQ(parse_guest_name(std::string(63, 'a')), std::string(63, 'a'));
  for (const auto& text : {std::string{}, std::string{"-a"}, std::string{"a-"}, std::string{"a.b"}, std::string{"a_b"},
                           std::string{"a b"}, std::string{"\xc3\xa4"}, std::string(64, 'a')}) {
    EXPECT_TRUE(error_of(parse_guest_name(text))
                    .ends_with("can't be a guest's host name; write 1 to 63 letters, digits and hyphens, no hyphen "
                               "first or last"))
        << text;
  }
  EXPECT_EQ(parse_network_name("Lab"), "lab");
  EXPECT_EQ(error_of(parse_network_name("a/b")),
            "'a/b' can't name a network; write 1 to 63 letters, digits and hyphens, no hyphen first or last");
}

TEST(Specs, ReadGroupNames) {
  EXPECT_EQ(parse_group_name("Web_servers-2"), "Web_servers-2");
  for (const auto& text : {std::string{}, std::string{"a b"}, std::string{"a:b"}, std::string(64, 'a')}) {
    EXPECT_TRUE(error_of(parse_group_name(text))
                    .ends_with("can't name a group; write 1 to 63 letters, digits, hyphens and underscores"));
  }
}

TEST(Specs, ReadInterfaceNames) {
  for (const auto* text : {"tap0", "vm.1-tap_2", "a", "fifteen-bytes-x", "vnet@0"}) {
    EXPECT_EQ(parse_interface_name(text), text);
  }
  for (const auto text : {""sv, "."sv, ".."sv, "a/b"sv, "a:1"sv, "tap%d"sv, "tap*"sv, "a b"sv, "a\"b"sv, "a\\b"sv,
                          "a\0b"sv, "a\nb"sv, "\xc3\xa4"sv, "sixteen-bytes-xx"sv}) {
    EXPECT_TRUE(error_of(parse_interface_name(text))
                    .ends_with("can't name an interface; write 1 to 15 printable characters without blanks and "
                               "/ : % * \" \\"))
        << text;
  }
}

TEST(Specs, ReadDomains) {
  EXPECT_EQ(parse_domain("Guests.Internal."), "guests.internal");
  EXPECT_EQ(parse_domain("lan"), "lan");
  const std::string label(63, 'a');
  const auto longest = label + '.' + label + '.' + label + '.' + std::string(61, 'a');
  EXPECT_EQ(parse_domain(longest), longest);
  for (const auto& text : {std::string{}, std::string{"."}, std::string{"a..b"}, std::string{".a"}, std::string{"a_b"},
                           std::string{"-a.b"}, std::string{"a."} + std::string(64, 'b'), longest + 'a'}) {
    EXPECT_TRUE(error_of(parse_domain(text))
                    .ends_with("is no domain; write labels of letters, digits and hyphens with dots between, such as "
                               "guests.internal"))
        << text;
  }
}

TEST(Specs, MessagesHoldOnlyPrintableText) {
  EXPECT_EQ(error_of(parse_address4("\x1b[2J\xff")), "'?[2J?' is no IPv4 address; write one such as 10.0.5.2");
  const auto message = error_of(parse_address4(std::string(100000, 'x')));
  EXPECT_LT(message.size(), 200U);
  EXPECT_NE(message.find("...'"), std::string::npos);
}

}  // namespace
}  // namespace vrouter::config
