// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/policy_specs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vrouter::config {
namespace {

template <typename Value>
std::string error_of(const Parsed<Value>& parsed) {
  return parsed ? "taken" : parsed.error();
}

std::string services_of(std::string_view text) {
  const auto services = parse_services(text);
  if (!services) return services.error();
  std::string shown;
  for (const auto& service : *services) shown += (shown.empty() ? "" : " ") + service.to_string();
  return shown;
}

TEST(PolicySpecs, PeersPrintAsTheyAreWritten) {
  constexpr const char* kCases[] = {
      "any",     "world",           "host",          "group:Web_1",      "guest:web1", "network:lab",
      "set:off", "net:10.0.5.0/24", "net:0.0.0.0/0", "net:2001:db8::/32"};
  for (const auto* text : kCases) {
    const auto peer = parse_peer(text);
    ASSERT_TRUE(peer.has_value()) << peer.error();
    EXPECT_EQ(peer->to_string(), text);
  }
  EXPECT_EQ(parse_peer("guest:WEB1")->name, "web1");
  EXPECT_EQ(parse_peer("network:Lab")->name, "lab");
  EXPECT_EQ(parse_peer("net:10.0.5.2")->to_string(), "net:10.0.5.2/32");
  EXPECT_EQ(parse_peer("net:2001:DB8::1")->to_string(), "net:2001:db8::1/128");
  EXPECT_FALSE(parse_peer("net:10.0.5.2")->net6.has_value());
}

TEST(PolicySpecs, PeersAreRefusedWithTheRemedy) {
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"",
       "'' says nobody; write group:NAME, guest:NAME, network:NAME, set:NAME, net:ADDRESS/LENGTH, domain:NAME, world, "
       "host or any"},
      {"web",
       "'web' says nobody; write group:NAME, guest:NAME, network:NAME, set:NAME, net:ADDRESS/LENGTH, domain:NAME, "
       "world, host "
       "or any"},
      {"gruop:web", "'gruop:web' says nobody; write group:web"},
      {"!group:web",
       "'!group:web' says nobody, since there is no \"all but\"; put a rule for those whom it leaves out before this "
       "one"},
      {"group:", "'group:' says nobody; write group:NAME"},
      {"net", "'net' says nobody; write net:192.0.2.0/24"},
      {"wrold", "'wrold' says nobody; write world"},
      {"Any", "'Any' says nobody; write any"},
      {"group:a b", "'a b' can't name a group; write 1 to 63 letters, digits, hyphens and underscores"},
      {"set:a.b", "'a.b' can't name a set; write 1 to 63 letters, digits, hyphens and underscores"},
      {"guest:a_b",
       "'a_b' can't be a guest's host name; write 1 to 63 letters, digits and hyphens, no hyphen first or last"},
      {"10.0.5.0/24", "'10.0.5.0/24' lacks the word before it; write net:10.0.5.0/24"},
      {"2001:db8::1", "'2001:db8::1' lacks the word before it; write net:2001:db8::1"},
      {"net:10.0.5.2/24", "'10.0.5.2/24' has bits set after its length; write 10.0.5.0/24"},
      {"net:2001:db8::1/64", "'2001:db8::1/64' has bits set after its length; write 2001:db8::/64"},
      {"net:10.0.5.0/33", "'10.0.5.0/33' is no IPv4 prefix; write one such as 10.0.5.0/24"},
      {"net:10.0.5", "'10.0.5' is no address; write one such as 192.0.2.53 or 2001:db8::53"},
      {"net:::ffff:10.0.0.0/104", "'::ffff:10.0.0.0/104' is an IPv4 prefix in IPv6 clothes; write 10.0.0.0/8"},
      {"net:::ffff:10.0.0.1", "'::ffff:10.0.0.1' is an IPv4 address in IPv6 clothes; write 10.0.0.1"},
  };
  for (const auto& [text, message] : kCases) EXPECT_EQ(error_of(parse_peer(text)), message);
}

TEST(PolicySpecs, ServicesPrintInTheirShortestForm) {
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"any", ""},
      {"tcp", "tcp"},
      {"6", "tcp"},
      {"6/80", "tcp/80"},
      {"tcp/80-80", "tcp/80"},
      {"udp/1-65535", "udp/1-65535"},
      {"sctp/7-8", "sctp/7-8"},
      {"dccp/5", "dccp/5"},
      {"udplite/5", "udplite/5"},
      {"icmp", "icmp"},
      {"icmp/echo-request", "icmp/8"},
      {"icmpv6/echo-request", "icmpv6/128"},
      {"ipv6-icmp/0", "icmpv6/0"},
      {"ping", "icmp/8 icmpv6/128"},
      {"gre", "gre"},
      {"255", "255"},
      {"igmp", "igmp"},
      {"112", "vrrp"},
  };
  for (const auto& [text, shown] : kCases) EXPECT_EQ(services_of(text), shown) << text;
}

TEST(PolicySpecs, ServicesAreRefusedWithTheRemedy) {
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"", "'' names no protocol; write any, tcp, tcp/80, tcp/80-90, icmp/echo-request, ping or a protocol number"},
      {"http",
       "'http' names no protocol; write any, tcp, tcp/80, tcp/80-90, icmp/echo-request, ping or a protocol number"},
      {"tpc/80", "'tpc/80' names no protocol; did you mean tcp?"},
      {"TCP", "'TCP' names no protocol; did you mean tcp?"},
      {"pings", "'pings' names no protocol; did you mean ping?"},
      {"80/tcp", "'80/tcp' is the wrong way round; write tcp/80"},
      {"0", "'0' is no protocol number of 1 to 255; a port has its protocol first: write tcp/443"},
      {"443", "'443' is no protocol number of 1 to 255; a port has its protocol first: write tcp/443"},
      {"tcp/", "'tcp/' has no port of 1 to 65535; write tcp/80 or tcp/80-90"},
      {"tcp/0", "'tcp/0' has no port of 1 to 65535; write tcp/80 or tcp/80-90"},
      {"tcp/65536", "'tcp/65536' has no port of 1 to 65535; write tcp/80 or tcp/80-90"},
      {"tcp/80-", "'tcp/80-' has no port of 1 to 65535; write tcp/80 or tcp/80-90"},
      {"tcp/+80", "'tcp/+80' has no port of 1 to 65535; write tcp/80 or tcp/80-90"},
      {"tcp/80,443", "'tcp/80,443' is a list; write an array: [\"tcp/80\", \"tcp/443\"]"},
      {"tcp/90-80", "'tcp/90-80' has a range that ends before it begins; write the lower port first"},
      {"gre/80", "'gre/80' gives ports to a protocol that has none; write gre"},
      {"99/80", "'99/80' gives ports to a protocol that has none; write 99"},
      {"icmp/256", "'icmp/256' names no type; write a number of 0 to 255, or a name such as echo-request"},
      {"icmp/eco-request", "'icmp/eco-request' names no type; did you mean echo-request?"},
      {"icmp/packet-too-big",
       "'icmp/packet-too-big' names no type; write a number of 0 to 255, or a name such as "
       "echo-request"},
  };
  for (const auto& [text, message] : kCases) EXPECT_EQ(services_of(text), message);
}

TEST(PolicySpecs, APacketIsOne) {
  EXPECT_EQ(parse_packet("tcp/80")->to_string(), "tcp/80");
  EXPECT_EQ(parse_packet("icmp/echo-request")->to_string(), "icmp/8");
  EXPECT_EQ(parse_packet("gre")->to_string(), "gre");
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"any", "'any' is more than one packet; write one, such as tcp/80"},
      {"ping", "'ping' is of either family; write icmp/echo-request or icmpv6/echo-request"},
      {"tcp", "'tcp' goes to no port; write one, such as tcp/80"},
      {"udp/5-6", "'udp/5-6' is more than one packet; write one port, such as udp/5"},
      {"icmpv6", "'icmpv6' has no type; write one, such as icmpv6/echo-request"},
  };
  for (const auto& [text, message] : kCases) EXPECT_EQ(error_of(parse_packet(text)), message);
}

TEST(PolicySpecs, Limits) {
  EXPECT_EQ(parse_rate_limit("10/minute")->to_string(), "10/minute burst 5");
  EXPECT_EQ(parse_rate_limit("1000000/day burst 65535")->to_string(), "1000000/day burst 65535");
  EXPECT_EQ(parse_rate_limit("1/second")->unit, RateLimit::Unit::second);
  EXPECT_EQ(parse_rate_limit("1/hour")->unit, RateLimit::Unit::hour);
  constexpr auto kNone = " is no limit; write 1 to 1000000 per unit of time, such as 10/minute or 10/minute burst 20";
  for (const auto* text : {"", "10", "0/second", "1000001/second", "-1/second", "/second"}) {
    EXPECT_EQ(error_of(parse_rate_limit(text)), "'" + std::string{text} + "'" + kNone);
  }
  EXPECT_EQ(error_of(parse_rate_limit("10/s")), "'10/s' has no unit of time; write /second, /minute, /hour or /day");
  for (const auto* text : {"10/day burst 0", "10/day burst 65536", "10/day burst x"}) {
    EXPECT_EQ(error_of(parse_rate_limit(text)),
              "'" + std::string{text} + "' has no burst of 1 to 65535; write one, such as burst 20, or leave it out");
  }
}

TEST(PolicySpecs, ActionsAndNames) {
  EXPECT_EQ(parse_action("reject"), Action::reject);
  EXPECT_EQ(error_of(parse_action("drop")), "'drop' is no verdict; write allow, deny or reject");
  EXPECT_EQ(parse_rule_name("web to db").value(), "web to db");
  EXPECT_TRUE(parse_rule_name(std::string(64, 'x')).has_value());
  for (const auto& name : {std::string{}, std::string{" a"}, std::string{"a "}, std::string{"a\"b"},
                           std::string{"a\\b"}, std::string{"\u00e4"}, std::string(65, 'x')}) {
    EXPECT_THAT(error_of(parse_rule_name(name)),
                testing::HasSubstr(" can't name a rule; write 1 to 64 printable ASCII"));
  }
}

}  // namespace
}  // namespace vrouter::config
