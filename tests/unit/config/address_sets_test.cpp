// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/address_sets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "config/policy_specs.h"
#include "config/service_sets.h"

namespace vrouter::config {
namespace {

std::vector<network_v4> nets4(std::initializer_list<const char*> texts) {
  std::vector<network_v4> nets;
  for (const auto* text : texts) nets.push_back(parse_prefix4(text).value());
  return nets;
}

std::vector<network_v6> nets6(std::initializer_list<const char*> texts) {
  std::vector<network_v6> nets;
  for (const auto* text : texts) nets.push_back(parse_prefix6(text).value());
  return nets;
}

std::vector<Service> services(std::initializer_list<const char*> texts) {
  std::vector<Service> result;
  for (const auto* text : texts) {
    const auto one = parse_services(text).value();
    result.insert(result.end(), one.begin(), one.end());
  }
  return result;
}

TEST(AddressSets, AreTheFewestPrefixes) {
  EXPECT_EQ(normalised(nets4({})), nets4({}));
  EXPECT_EQ(normalised(nets4({"10.0.0.0/24", "10.0.0.0/25", "10.0.0.7/32", "10.0.0.0/24"})), nets4({"10.0.0.0/24"}));
  EXPECT_EQ(normalised(nets4({"10.0.1.0/24", "10.0.0.128/25", "10.0.0.0/25"})), nets4({"10.0.0.0/23"}));
  EXPECT_EQ(normalised(nets4({"10.0.1.0/24", "10.0.2.0/24"})), nets4({"10.0.1.0/24", "10.0.2.0/24"})) << "no halves";
  EXPECT_EQ(normalised(nets4({"128.0.0.0/1", "0.0.0.0/1"})), nets4({"0.0.0.0/0"}));
  EXPECT_EQ(normalised(nets4({"255.255.255.255/32", "0.0.0.0/0", "10.0.0.0/8"})), nets4({"0.0.0.0/0"}));
  EXPECT_EQ(normalised(nets6({"2001:db8:1::/48", "2001:db8::/48", "2001:db8::1/128"})), nets6({"2001:db8::/47"}));
  EXPECT_EQ(normalised(nets6({"8000::/1", "::/1"})), nets6({"::/0"}));
}

TEST(AddressSets, HoldTheSameAddressesAsBefore) {
  std::mt19937 random{1};  // NOLINT: the same numbers in every run
  for (int round = 0; round < 200; ++round) {
    std::vector<network_v4> written;
    for (int i = 0; i < 12; ++i) {
      written.push_back(network_v4{address_v4{static_cast<std::uint32_t>(random() % 256)},
                                   static_cast<unsigned short>(24 + random() % 9)}
                            .canonical());
    }
    const auto result = normalised(written);
    for (std::uint32_t a = 0; a < 256; ++a) {
      const auto holds = [&](const network_v4& n) { return contains(n, address_v4{a}); };
      EXPECT_EQ(std::ranges::count_if(result, holds), std::ranges::any_of(written, holds) ? 1 : 0);
      const network_v4 single{address_v4{a}, 32};
      EXPECT_EQ(includes(result, {single}), std::ranges::any_of(written, holds));
      EXPECT_EQ(overlaps(result, single), std::ranges::any_of(written, holds));
    }
  }
}

TEST(AddressSets, KnowWhatTheyIncludeAndOverlap) {
  const auto set = nets4({"10.0.0.0/24", "10.0.2.0/24"});
  EXPECT_TRUE(includes(set, nets4({"10.0.0.0/24", "10.0.2.5/32"})));
  EXPECT_TRUE(includes(set, {}));
  EXPECT_FALSE(includes(set, nets4({"10.0.0.0/23"})));
  EXPECT_FALSE(includes(set, nets4({"10.0.1.0/24"})));
  EXPECT_FALSE(includes(nets4({}), set));
  EXPECT_TRUE(overlaps(set, nets4({"10.0.0.0/8"})[0]));
  EXPECT_TRUE(overlaps(set, nets4({"10.0.2.255/32"})[0]));
  EXPECT_FALSE(overlaps(set, nets4({"10.0.1.0/24"})[0]));
  EXPECT_FALSE(overlaps(nets6({}), nets6({"::/0"})[0]));
  EXPECT_TRUE(includes(nets6({"::/0"}), nets6({"2001:db8::/32"})));
}

TEST(ServiceSets, AreTheFewestServices) {
  EXPECT_EQ(normalised(services({"tcp/443", "tcp/80", "tcp/80"})), services({"tcp/80", "tcp/443"}));
  EXPECT_EQ(normalised(services({"tcp/80-90", "tcp/85-95", "tcp/96", "tcp/98"})), services({"tcp/80-96", "tcp/98"}));
  EXPECT_EQ(normalised(services({"tcp/80-95", "tcp/85-90"})), services({"tcp/80-95"}));
  EXPECT_EQ(normalised(services({"tcp/80", "tcp", "udp/81"})), services({"tcp", "udp/81"}));
  EXPECT_EQ(normalised(services({"icmp/8", "icmp", "ping"})), services({"icmp", "icmpv6/128"}));
  EXPECT_EQ(normalised(services({"tcp/65535", "tcp/1-65534"})), services({"tcp/1-65535"}));
  EXPECT_EQ(normalised(services({})), std::vector<Service>{});
}

TEST(ServiceSets, NoneAreAll) {
  EXPECT_TRUE(includes(services({}), services({"tcp"})));
  EXPECT_TRUE(includes(std::vector<Service>{}, std::vector<Service>{}));
  EXPECT_FALSE(includes(services({"tcp"}), services({})));
  EXPECT_TRUE(includes(services({"tcp"}), services({"tcp/80"})));
  EXPECT_TRUE(includes(services({"tcp/80-90", "gre"}), services({"tcp/81-90", "gre"})));
  EXPECT_FALSE(includes(services({"tcp/80-90"}), services({"tcp/81-91"})));
  EXPECT_FALSE(includes(services({"tcp/80"}), services({"tcp"})));
  EXPECT_FALSE(includes(services({"tcp/80"}), services({"udp/80"})));
  EXPECT_FALSE(includes(services({"icmp/8"}), services({"icmp/0"})));
  EXPECT_TRUE(includes(services({"ping"}), services({"icmp/8"})));
}

}  // namespace
}  // namespace vrouter::config
