// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon does with what the DNS process asks: whatever that says, a guest reaches what a rule of its own may
// mean, and nothing inside.
#include <gmock/gmock.h>

#include "daemon_fixture.h"
#include "firewall/domains.h"

namespace vrouter::router {
namespace {

using boost::asio::ip::make_address;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr auto kPolicy = R"([groups.build]
egress = "reject"
[groups.time]
[[rules]]
name  = "packages"
from  = "group:build"
to    = ["domain:*.debian.org", "domain:www.debian.org"]
allow = "tcp/443"
[[rules]]
name  = "time"
from  = "group:time"
to    = "domain:pool.ntp.org"
allow = "udp/123"
)";

class Admissions : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root";
    machine.write("policy.d/10-build.toml", kPolicy);
    begin(machine);
    add_to("tap0", "build");
    add_to("tap1", "time");
  }
  void add_to(const std::string& tap, const std::string& group) {
    auto guest = guest_on(tap);
    guest.groups = {group};
    add(machine, std::move(guest));
  }
  void ask(const std::string& tap, const std::string& name, std::vector<address> addresses, std::uint32_t ttl = 60) {
    ask(machine.index_of(tap), name, std::move(addresses), ttl);
  }
  void ask(unsigned ifindex, const std::string& name, std::vector<address> addresses, std::uint32_t ttl = 60) {
    machine.router->on_admission(
        {.number = ++number_, .ifindex = ifindex, .name = name, .addresses = std::move(addresses), .ttl = ttl});
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{5};
    machine.run_until([&] { return std::chrono::steady_clock::now() > until; });
  }
  // What is in, as "www.debian.org tap0 198.51.100.7".
  [[nodiscard]] std::vector<std::string> admitted() {
    std::vector<std::string> all;
    for (const auto& [set, elements] : machine.world.nft.kernel.elements) {
      for (const auto& [key, data] : elements) {
        if (const auto read = firewall::read_domain_element({set, key, data}))
          all.push_back(read->domain + " " + read->tap + " " + read->its.to_string());
      }
    }
    return all;
  }

  const address kWorld = make_address("198.51.100.7"), kWorld6 = make_address("2001:db8::7");
  Machine machine;
  std::uint64_t number_ = 0;
};

TEST_F(Admissions, LetAGuestReachWhatItsRulesMean) {
  ask("tap0", "www.debian.org.", {kWorld, kWorld6});
  EXPECT_THAT(admitted(), UnorderedElementsAre("*.debian.org tap0 198.51.100.7", "*.debian.org tap0 2001:db8::7",
                                               "www.debian.org tap0 198.51.100.7", "www.debian.org tap0 2001:db8::7"));
  const auto& last = machine.world.nft.applied.back();
  ASSERT_EQ(last.admit.size(), 4U);
  EXPECT_EQ(last.admit.front().seconds, 90U);
}

TEST_F(Admissions, AShorterAnswerCutsNoLongerOneShort) {
  const auto lives = [&] { return machine.world.nft.applied.back().admit.front().seconds; };
  ask("tap0", "a.debian.org.", {kWorld}, 3600);
  EXPECT_EQ(lives(), 3630U);
  ask("tap0", "b.debian.org.", {kWorld}, 20);
  EXPECT_GT(lives(), 3600U);
  ask("tap0", "b.debian.org.", {kWorld}, 7200);
  EXPECT_EQ(lives(), 7230U);
}

TEST_F(Admissions, NoOtherName) {
  ask("tap0", "debian.org.", {kWorld});
  ask("tap0", "pool.ntp.org.", {kWorld});
  ask("tap0", "debian.org.evil.example.", {kWorld});
  ask("tap0", "", {kWorld});
  EXPECT_THAT(admitted(), IsEmpty());
}

TEST_F(Admissions, NoOtherGuestAndNoOtherInterface) {
  ask("tap1", "www.debian.org.", {kWorld});
  ask("tap2", "www.debian.org.", {kWorld});
  for (const auto ifindex : {0U, 1U, 2U, 4711U}) ask(ifindex, "www.debian.org.", {kWorld});
  EXPECT_THAT(admitted(), IsEmpty());
  ask("tap1", "pool.ntp.org.", {kWorld});
  EXPECT_THAT(admitted(), ElementsAre("pool.ntp.org tap1 198.51.100.7"));
}

TEST_F(Admissions, NothingInside) {
  auto floating = guest_on("tap2");
  floating.floating.v4 = boost::asio::ip::make_address_v4("203.0.113.9");
  floating.prefixes4 = {boost::asio::ip::make_network_v4("203.0.113.64/28")};
  add(machine, std::move(floating));
  std::vector<address> inside;
  for (const auto* a : {"10.0.5.1", "10.0.5.3", "127.0.0.1", "192.168.1.1", "169.254.169.254", "224.0.0.1", "::1",
                        "fe80::1", "fd00::1", "203.0.113.9", "203.0.113.70"}) {
    inside.push_back(make_address(a));
  }
  ask("tap1", "pool.ntp.org.", inside);
  EXPECT_THAT(admitted(), IsEmpty());
  inside.push_back(kWorld);
  ask("tap1", "pool.ntp.org.", inside);
  EXPECT_THAT(admitted(), ElementsAre("pool.ntp.org tap1 198.51.100.7"));
}

TEST_F(Admissions, SharedTransactionsAndRepeatsDoNoHarm) {
  for (int i = 0; i < 300; ++i) {
    machine.router->on_admission({.number = ++number_,
                                  .ifindex = machine.index_of("tap1"),
                                  .name = "pool.ntp.org.",
                                  .addresses = {kWorld, i % 2 == 0 ? kWorld : kWorld6},
                                  .ttl = static_cast<std::uint32_t>(i)});
  }
  ask("tap1", "pool.ntp.org.", {});
  EXPECT_THAT(admitted(), UnorderedElementsAre("pool.ntp.org tap1 198.51.100.7", "pool.ntp.org tap1 2001:db8::7"));
  std::size_t transactions = 0;
  for (const auto& one : machine.world.nft.applied) transactions += one.admit.empty() ? 0 : 1;
  EXPECT_LE(transactions, 2U);
}

TEST_F(Admissions, OneGuestCannotKeepTheDaemonBusy) {
  std::vector<address> many;
  for (std::uint32_t i = 0; i < 5000; ++i) many.emplace_back(address_v4{0xc6336400U + i});
  ask("tap1", "pool.ntp.org.", many);
  EXPECT_LE(admitted().size(), kMaxAdmittedByDomain + kGuestAdmissionBurst);
  EXPECT_GE(admitted().size(), kGuestAdmissionBurst);
  ask("tap0", "www.debian.org.", {kWorld});
  EXPECT_THAT(admitted(), ::testing::Contains("www.debian.org tap0 198.51.100.7"));
}

TEST_F(Admissions, ARefusedChangeLetsNobodyIn) {
  machine.world.faults.only = "change rules";
  machine.world.faults.arm(0, false);
  ask("tap1", "pool.ntp.org.", {kWorld});
  machine.world.faults.off();
  EXPECT_THAT(admitted(), IsEmpty());
  ask("tap1", "pool.ntp.org.", {kWorld});
  EXPECT_THAT(admitted(), ElementsAre("pool.ntp.org tap1 198.51.100.7"));
}

TEST_F(Admissions, GoWithTheGuest) {
  ask("tap0", "www.debian.org.", {kWorld});
  ask("tap1", "pool.ntp.org.", {kWorld});
  ASSERT_TRUE(machine.run(machine.router->remove_guest("tap0", {})));
  EXPECT_THAT(admitted(), ElementsAre("pool.ntp.org tap1 198.51.100.7"));
}

TEST_F(Admissions, StayWhereRulesChangeAndGoWithTheirDomain) {
  ask("tap0", "www.debian.org.", {kWorld});
  const auto reload = [&](const std::string& policy) {
    machine.write("policy.d/10-build.toml", policy);
    const auto done = machine.run(machine.router->reload({}, {}));
    EXPECT_TRUE(done) << done.error().message;
  };
  reload(std::string{kPolicy} + "[[rules]]\nname = \"more\"\nto = \"group:time\"\nallow = \"ping\"\n");
  EXPECT_EQ(admitted().size(), 2U);
  reload(
      "[groups.build]\negress = \"reject\"\n[groups.time]\n[[rules]]\nname = \"packages\"\nfrom = "
      "\"group:build\"\nto = \"domain:*.debian.org\"\nallow = \"tcp/443\"\n");
  EXPECT_THAT(admitted(), ElementsAre("*.debian.org tap0 198.51.100.7"));
  ask("tap1", "pool.ntp.org.", {kWorld});
  EXPECT_EQ(admitted().size(), 1U) << "no rule names it any more";
  reload(kPolicy);
  EXPECT_EQ(admitted().size(), 1U);
  ask("tap0", "www.debian.org.", {kWorld});
  EXPECT_EQ(admitted().size(), 2U);
}

TEST_F(Admissions, ComeBackWithTablesThatWereTakenAway) {
  ask("tap1", "pool.ntp.org.", {kWorld});
  machine.world.nft.kernel = {};
  machine.router->on_rules_event(firewall::ChangesLost{});
  machine.run_until([&] { return !admitted().empty(); });
  EXPECT_THAT(admitted(), ElementsAre("pool.ntp.org tap1 198.51.100.7"));
}

TEST_F(Admissions, WithoutRulesToDomainsThereIsNothing) {
  machine.write("policy.d/10-build.toml", "[groups.build]\n[groups.time]\n");
  ASSERT_TRUE(machine.run(machine.router->reload({}, {})));
  ask("tap0", "www.debian.org.", {kWorld});
  EXPECT_THAT(admitted(), IsEmpty());
}

}  // namespace
}  // namespace vrouter::router
