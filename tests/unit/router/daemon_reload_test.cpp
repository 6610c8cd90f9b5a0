// SPDX-License-Identifier: GPL-2.0-or-later
// Reloads of the policy: what the kernel refuses is told where it was written, and what is waited for holds.
#include <filesystem>

#include "daemon_fixture.h"

namespace vrouter::router {
namespace {

constexpr auto kPolicy = R"([groups.web]
[[rules]]
name  = "ping"
to    = "group:web"
allow = "ping"
)";

class Reloaded : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root";
    machine.write("policy.d/10-web.toml", kPolicy);
    begin(machine);
    auto guest = guest_on("tap1");
    guest.groups = {"web"};
    add(machine, std::move(guest));
  }
  control::Result<control::ReloadView> reload(const std::string& policy,
                                              std::optional<std::chrono::seconds> confirm_within = {}) {
    machine.write("policy.d/10-web.toml", policy);
    return machine.run(machine.router->reload(confirm_within, {}));
  }

  Machine machine;
};

TEST_F(Reloaded, WhatTheKernelRefusesIsToldWhereItWasWritten) {
  const auto web = std::string{kPolicy} + "[[rules]]\nname = \"shop\"\nto = \"group:web\"\nallow = \"tcp/443\"\n";
  auto& faults = machine.world.faults;
  faults.only = "change rules";
  const auto refused_for = [&](const std::string& subject) {
    faults.subject = subject;
    faults.arm(0, false);
    const auto reloaded = reload(web);
    faults.off();
    return reloaded ? std::string{} : reloaded.error().message;
  };
  const auto by_comment = refused_for("shop (10-web.toml:6)");
  EXPECT_NE(by_comment.find("10-web.toml:6:1: the kernel refused what rule \"shop\" becomes: change rules"),
            std::string::npos)
      << by_comment;
  std::string chain;
  for (const auto& [name, unused] : machine.world.nft.kernel.tables.at(firewall::Family::inet).chains) {
    if (name.starts_with("p_web_")) chain = name;
  }
  const auto by_chain = refused_for(chain);
  EXPECT_NE(by_chain.find("the kernel refused what group \"web\" becomes"), std::string::npos) << by_chain;
  EXPECT_NE(by_chain.find("10-web.toml:1:"), std::string::npos) << by_chain;
  EXPECT_EQ(refused_for("prof_eg").find("10-web.toml"), std::string::npos) << "that is of no file";
  EXPECT_TRUE(reload(web));
}

TEST_F(Reloaded, NobodyConfirmsTwiceOrWhatIsNotWaitedFor) {
  EXPECT_FALSE(machine.run(machine.router->confirm({})));
  ASSERT_TRUE(reload("[groups.web]\n", std::chrono::seconds{30}));
  EXPECT_EQ(machine.run(machine.router->status())->confirm_within, std::chrono::seconds{30});
  EXPECT_TRUE(machine.run(machine.router->confirm({})));
  EXPECT_FALSE(machine.run(machine.router->confirm({})));
  EXPECT_FALSE(machine.run(machine.router->status())->confirm_within);
}

// All that going back asks of the kernel may fail as well: it is tried until it works.
TEST_F(Reloaded, GoingBackThatFailsIsTriedAgain) {
  const auto before = portrait(machine.world);
  ASSERT_TRUE(reload("[groups.web]\negress = \"deny\"\n", std::chrono::seconds{1}));
  EXPECT_NE(difference(before, portrait(machine.world)), "");
  machine.world.faults.only = "change rules";
  machine.world.faults.arm(0, true);
  machine.run_until([&] { return !machine.world.faults.refused.empty(); });
  machine.world.faults.off();
  machine.run_until([&] { return portrait(machine.world) == before; });
  EXPECT_EQ(difference(before, portrait(machine.world)), "");
}

// An answer that is lost, and then no look at the tables: nobody knows what they hold, until somebody looks.
TEST_F(Reloaded, TablesThatNobodyKnowsAreLookedAtAgain) {
  auto& world = machine.world;
  const auto before = portrait(world);
  const auto kernel_before = world.nft.kernel;
  world.faults.lose_answer = true;
  world.faults.only = "dump rules";
  world.faults.arm(0, true);
  EXPECT_FALSE(machine.run(machine.router->change_guest("tap1", {}, {})));
  EXPECT_FALSE(world.nft.kernel == kernel_before) << "the kernel did what nobody heard of";
  world.faults.off();
  machine.run_until([&] { return portrait(world) == before; });
  EXPECT_EQ(difference(before, portrait(world)), "");
}

}  // namespace
}  // namespace vrouter::router
