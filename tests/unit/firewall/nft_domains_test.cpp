// SPDX-License-Identifier: GPL-2.0-or-later
// Domains' sets in the real nf_tables, in a namespace of the test's own.
#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "firewall/domains.h"
#include "firewall/nft/port.h"
#include "firewall/words.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall {
namespace {

using boost::asio::ip::make_address;
using ::testing::HasSubstr;
using ::testing::Not;

class DomainSets : public testing::InNamespace {
 protected:
  void SetUp() override {
    InNamespace::SetUp();
    auto port = open_nft();
    ASSERT_TRUE(port.has_value()) << port.error().to_string();
    port_ = std::move(*port);
    rules_ = compile(testing::config_of(testing::network_of()), {});
    auto& table = rules_.tables.front();
    for (const bool v6 : {false, true})
      table.sets.push_back(words::domain_set(domain_set_name("*.example-1.org", v6), v6));
    const Lookup told{{Field::iifname, Field::ip_daddr}, domain_set_name("*.example-1.org", false)};
    table.chains.push_back({"asks", std::nullopt, {{{told, Verdict{Verdict::Kind::accept, {}}}, "told"}}});
    const auto observed = port_->observe();
    ASSERT_TRUE(observed.has_value());
    const auto made = port_->apply(diff(rules_, *observed));
    ASSERT_TRUE(made.has_value()) << made.error().to_string();
  }

  static Element told(const char* tap, const char* address) {
    return domain_element("*.example-1.org", tap, make_address(address));
  }
  void admit(std::vector<Admitted> admitted) {
    Transaction t;
    t.admit = std::move(admitted);
    const auto done = port_->apply(t);
    ASSERT_TRUE(done.has_value()) << done.error().to_string();
  }
  static std::string shown(const char* set) { return testing::run(std::string{"nft list set inet vrouter "} + set); }

  std::unique_ptr<NftPort> port_;
  Ruleset rules_;
};

TEST_F(DomainSets, AreReadAsTheyWereMade) {
  admit({{told("tap0", "198.51.100.7"), 60}});
  const auto observed = port_->observe();
  ASSERT_TRUE(observed.has_value());
  EXPECT_TRUE(diff(rules_, *observed).empty()) << "what guests were told is no difference";
}

TEST_F(DomainSets, HoldForAsLongAsWasSaid) {
  admit({{told("tap0", "198.51.100.7"), 100}, {told("tap1", "2001:db8::7"), 200}});
  EXPECT_THAT(shown("w_example-1.org_4"), HasSubstr("\"tap0\" . 198.51.100.7 timeout 1m40s"));
  EXPECT_THAT(shown("w_example-1.org_6"), HasSubstr("\"tap1\" . 2001:db8::7 timeout 3m20s"));
}

TEST_F(DomainSets, AreTakenAnewForLongerAndForLess) {
  admit({{told("tap0", "198.51.100.7"), 60}});
  admit({{told("tap0", "198.51.100.7"), 3600}, {told("tap0", "198.51.100.8"), 60}});
  EXPECT_THAT(shown("w_example-1.org_4"), HasSubstr("198.51.100.7 timeout 1h"));
  EXPECT_THAT(shown("w_example-1.org_4"), HasSubstr("198.51.100.8 timeout 1m"));
  admit({{told("tap0", "198.51.100.7"), 60}});
  EXPECT_THAT(shown("w_example-1.org_4"), HasSubstr("198.51.100.7 timeout 1m"));
}

TEST_F(DomainSets, WhatExpiredCanBeTakenAnew) {
  admit({{told("tap0", "198.51.100.7"), 1}});
  for (int i = 0; i < 8; ++i) {  // before and after the kernel has swept it out
    std::this_thread::sleep_for(std::chrono::milliseconds{300});
    admit({{told("tap0", "198.51.100.7"), i < 5 ? 1U : 60U}});
  }
  EXPECT_THAT(shown("w_example-1.org_4"), HasSubstr("198.51.100.7 timeout 1m"));
}

TEST_F(DomainSets, LetGoOfWhatIsThereAndOfWhatIsNot) {
  admit({{told("tap0", "198.51.100.7"), 60}, {told("tap1", "198.51.100.7"), 60}});
  Transaction t;
  t.expel = {told("tap0", "198.51.100.7"), told("tap0", "198.51.100.9")};
  t.admit = {{told("tap2", "198.51.100.7"), 60}};
  const auto done = port_->apply(t);
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
  const auto left = shown("w_example-1.org_4");
  EXPECT_THAT(left, Not(HasSubstr("tap0")));
  EXPECT_THAT(left, HasSubstr("tap1"));
  EXPECT_THAT(left, HasSubstr("tap2"));
}

TEST_F(DomainSets, TakeThousandsAtOnce) {
  std::vector<Admitted> many;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    many.push_back({domain_element("*.example-1.org", "tap0", address_v4{0xc6336400U + i}), 60 + i});
  }
  admit(many);
  admit(many);
  EXPECT_THAT(shown("w_example-1.org_4"), HasSubstr("198.51.111.183 timeout 50m59s"));
}

}  // namespace
}  // namespace vrouter::firewall
