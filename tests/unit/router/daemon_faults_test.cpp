// SPDX-License-Identifier: GPL-2.0-or-later
// Every command with every single call to kernel and disk refused in turn: it is done whole or not at all, and its
// answer says which.
#include "daemon_fixture.h"

namespace vrouter::router {
namespace {

struct Step {
  std::function<void(Machine&)> prepare;
  std::function<std::optional<std::string>(Machine&)> run;  // what it was refused with
};

template <typename T>
std::optional<std::string> refusal(const control::Result<T>& result) {
  if (result) return std::nullopt;
  return result.error().message;
}

config::Guest rich_guest(const std::string& tap) {
  auto guest = guest_on(tap);
  guest.mac = parse_mac_address("52:54:00:12:34:56").value();
  guest.publish = {port(8080, 80), port(8443, 443)};
  return guest;
}

class Faulty : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root"; }

  static void try_every_fault(const Step& step) {
    Portrait before, after;
    int calls = 0;
    {
      Machine machine;
      step.prepare(machine);
      before = portrait(machine.world);
      machine.world.faults.calls = 0;
      const auto refused = step.run(machine);
      ASSERT_FALSE(refused) << *refused;
      after = portrait(machine.world);
      calls = machine.world.faults.calls;
    }
    ASSERT_NE(difference(before, after), "");
    ASSERT_GT(calls, 1);
    for (int call = 0; call < calls; ++call) {
      one_refusal(step, call, before, after);
      an_outage(step, call, after);
      a_crash(step, call, before, after);
    }
  }

  // One call is refused; those that take back what was done are not.
  static void one_refusal(const Step& step, int call, const Portrait& before, const Portrait& after) {
    Machine machine;
    step.prepare(machine);
    auto& faults = machine.world.faults;
    faults.arm(call, false);
    const auto refused = step.run(machine);
    faults.off();
    SCOPED_TRACE(
        fmt::format("call {} ({}) was refused; the answer: {}", call, faults.refused, refused.value_or("done")));
    if (refused) {
      // A disk that refused is asked again in a second: until then it keeps an original that was given back.
      machine.run_until([&] { return portrait(machine.world) == before; });
      EXPECT_EQ(difference(before, portrait(machine.world)), "");
      EXPECT_TRUE(refused->contains("the test says so") || refused->contains("the disk is full")) << *refused;
      expect_next_try(machine, step, after);
      return;
    }
    if (portrait(machine.world) != after) expect_told_and_mended(machine, after);
  }

  // What stops no others is tried again by itself, and told until it is right.
  static void expect_told_and_mended(Machine& machine, const Portrait& after) {
    const auto status = machine.run(machine.router->status());
    EXPECT_TRUE(status && std::ranges::any_of(status->problems,
                                              [](const std::string& problem) {
                                                return problem.contains("the test says so") ||
                                                       problem.contains("the disk is full");
                                              }))
        << fmt::format("{}", fmt::join(status->problems, "\n"));
    machine.run_until([&] { return portrait(machine.world) == after; });
    EXPECT_EQ(difference(after, portrait(machine.world)), "");
  }

  // Nothing works from that call on, so not all can be taken back; once it works again, the same command does.
  static void an_outage(const Step& step, int call, const Portrait& after) {
    Machine machine;
    step.prepare(machine);
    auto& faults = machine.world.faults;
    faults.arm(call, true);
    const auto refused = step.run(machine);
    SCOPED_TRACE(fmt::format("nothing works from call {} ({}) on; the answer: {}", call, faults.refused,
                             refused.value_or("done")));
    if (refused) EXPECT_TRUE(refused->contains("the test says so") || refused->contains("the disk is full"));
    faults.off();
    if (refused) expect_next_try(machine, step, after);
  }

  static void expect_next_try(Machine& machine, const Step& step, const Portrait& after) {
    const auto again = step.run(machine);
    EXPECT_FALSE(again) << *again;
    EXPECT_EQ(difference(after, portrait(machine.world)), "");
  }

  // Nothing works from that call on, and the daemon dies of it: the next one goes back or finishes.
  static void a_crash(const Step& step, int call, const Portrait& before, const Portrait& after) {
    Machine machine;
    step.prepare(machine);
    auto& faults = machine.world.faults;
    faults.arm(call, true);
    static_cast<void>(step.run(machine));
    machine.kill();
    faults.off();
    SCOPED_TRACE(fmt::format("dead from call {} ({}) on", call, faults.refused));
    const auto started = machine.start();
    ASSERT_TRUE(started) << started.error();
    const auto now = portrait(machine.world);
    if (now == before) return;
    EXPECT_EQ(difference(after, now), "") << "nor is it as before:\n" << difference(before, now);
  }
};

TEST_F(Faulty, AddGuest) {
  try_every_fault({begin, [](Machine& m) { return refusal(m.run(m.router->add_guest(rich_guest("tap1"), {}))); }});
}

config::Guest ipv6_guest(const std::string& tap) {
  auto guest = rich_guest(tap);
  guest.address6 = boost::asio::ip::make_address_v6("fd76:7274:5::9");
  return guest;
}

// The first of them takes the host's part of IPv6 along, and the last gives it back.
TEST_F(Faulty, AddGuestWithIpv6) {
  try_every_fault({begin, [](Machine& m) { return refusal(m.run(m.router->add_guest(ipv6_guest("tap1"), {}))); }});
}

TEST_F(Faulty, RemoveGuestWithIpv6) {
  try_every_fault({[](Machine& m) {
                     begin(m);
                     add(m, ipv6_guest("tap1"));
                   },
                   [](Machine& m) { return refusal(m.run(m.router->remove_guest("tap1", {}))); }});
}

config::Guest guest_with_more(const std::string& tap) {
  auto guest = ipv6_guest(tap);
  static_cast<void>(guest.floating.add(boost::asio::ip::make_address("192.0.2.50")));
  static_cast<void>(guest.floating.add(boost::asio::ip::make_address("2001:db8::50")));
  guest.prefixes4 = {boost::asio::ip::make_network_v4("10.9.0.0/24")};
  guest.prefixes6 = {boost::asio::ip::make_network_v6("fd00:9::/64")};
  return guest;
}

TEST_F(Faulty, AddGuestWithMoreThanItsAddress) {
  try_every_fault({begin, [](Machine& m) { return refusal(m.run(m.router->add_guest(guest_with_more("tap1"), {}))); }});
}

TEST_F(Faulty, RemoveGuestWithMoreThanItsAddress) {
  try_every_fault({[](Machine& m) {
                     begin(m);
                     add(m, guest_with_more("tap1"));
                   },
                   [](Machine& m) { return refusal(m.run(m.router->remove_guest("tap1", {}))); }});
}

TEST_F(Faulty, AddGuestWithATapOfItsOwn) {
  try_every_fault({begin, [](Machine& m) {
                     auto guest = guest_on("tap7");
                     guest.create_tap = true;
                     return refusal(m.run(m.router->add_guest(std::move(guest), {})));
                   }});
}

TEST_F(Faulty, RemoveGuest) {
  try_every_fault({[](Machine& m) {
                     begin(m);
                     add(m, rich_guest("tap1"));
                   },
                   [](Machine& m) { return refusal(m.run(m.router->remove_guest("tap1", {}))); }});
}

TEST_F(Faulty, RemoveGuestWithATapOfItsOwn) {
  try_every_fault({[](Machine& m) {
                     begin(m);
                     auto guest = guest_on("tap7");
                     guest.create_tap = true;
                     add(m, std::move(guest));
                   },
                   [](Machine& m) { return refusal(m.run(m.router->remove_guest("tap7", {}))); }});
}

TEST_F(Faulty, Publish) {
  try_every_fault({[](Machine& m) {
                     begin(m);
                     add(m, rich_guest("tap1"));
                   },
                   [](Machine& m) { return refusal(m.run(m.router->publish("tap1", port(2222, 22), {}))); }});
}

TEST_F(Faulty, Unpublish) {
  try_every_fault({[](Machine& m) {
                     begin(m);
                     add(m, rich_guest("tap1"));
                   },
                   [](Machine& m) { return refusal(m.run(m.router->unpublish("tap1", port(8080, 80), {}))); }});
}

constexpr auto kOldFile = R"([[guests]]
name = "old"
tap = "tap0"
address = "10.0.5.20"
)";
constexpr auto kNewFile = R"([networks.default]
prefix = "10.0.5.0/24"
[networks.second]
prefix = "10.0.6.0/24"
[[guests]]
name = "new"
tap = "tap2"
address = "10.0.6.20"
)";

void with_old_file(Machine& machine) {
  machine.write("vrouter.toml", kOldFile);
  begin(machine);
  add(machine, rich_guest("tap1"));
  machine.write("vrouter.toml", kNewFile);
}

TEST_F(Faulty, Reload) {
  try_every_fault({with_old_file, [](Machine& m) { return refusal(m.run(m.router->reload({}, {}))); }});
}

TEST_F(Faulty, Teardown) {
  try_every_fault({[](Machine& m) {
                     begin(m);
                     add(m, rich_guest("tap1"));
                   },
                   [](Machine& m) { return refusal(m.run(m.router->teardown({}))); }});
}

TEST_F(Faulty, ReloadAfterTeardown) {
  try_every_fault({[](Machine& m) {
                     begin(m);
                     add(m, rich_guest("tap1"));
                     ASSERT_TRUE(m.run(m.router->teardown({})));
                   },
                   [](Machine& m) { return refusal(m.run(m.router->reload({}, {}))); }});
}

// A start over a host that needs work, each call refused in turn: either it doesn't start and has changed nothing, or
// it starts, tells what is wrong, and makes it right.
TEST_F(Faulty, Start) {
  const auto prepare = [](Machine& m) {
    m.write("vrouter.toml", kOldFile);
    begin(m);
    add(m, rich_guest("tap1"));
    m.kill();
    m.write("vrouter.toml", kNewFile);
  };
  Machine right;
  prepare(right);
  right.world.faults.calls = 0;
  begin(right);
  const auto after = portrait(right.world);
  const int calls = right.world.faults.calls;
  right.kill();
  for (int call = 0; call < calls; ++call) {
    Machine machine;
    prepare(machine);
    const auto before = portrait(machine.world);
    auto& faults = machine.world.faults;
    faults.arm(call, false);
    const auto started = machine.start();
    faults.off();
    SCOPED_TRACE(
        fmt::format("call {} ({}) was refused; {}", call, faults.refused, started ? "it started" : started.error()));
    if (!started) {
      EXPECT_EQ(difference(before, portrait(machine.world)), "");
      continue;
    }
    if (portrait(machine.world) != after) expect_told_and_mended(machine, after);
    EXPECT_EQ(difference(after, portrait(machine.world)), "");
  }
}

// The kernel holds a guest of which no disk knows: it is rebuilt, and what can't be is left alone.
TEST_F(Faulty, StartWithoutADatabase) {
  const auto prepare = [](Machine& m) {
    m.write("vrouter.toml",
            "[networks.default]\nprefix = \"10.0.5.0/24\"\n[networks.second]\nprefix = \"10.0.6.0/24\"\n");
    begin(m);
    add(m, rich_guest("tap1"));
    auto stranger = guest_on("tap2");
    stranger.address = boost::asio::ip::make_address_v4("10.0.6.2");
    add(m, std::move(stranger));
    m.kill();
    m.write("vrouter.toml", "");
    m.world.disk = {};
    m.world.disk.damaged = 1;
  };
  const auto of_kernel = [](const Machine& m) {
    auto lines = portrait(m.world);
    std::erase_if(lines, [](const std::string& line) {
      return line.starts_with("disk:") || line.starts_with("element of inet gateways") ||
             line.starts_with("element of inet masq");
    });
    return lines;
  };
  Machine counted;
  prepare(counted);
  counted.world.faults.calls = 0;
  begin(counted);
  const int calls = counted.world.faults.calls;
  counted.kill();
  for (int call = -1; call < calls; ++call) {
    Machine machine;
    prepare(machine);
    const auto before = of_kernel(machine);
    auto& faults = machine.world.faults;
    faults.arm(call, false);
    const auto started = machine.start();
    faults.off();
    SCOPED_TRACE(fmt::format("call {} ({}) was refused", call, faults.refused));
    EXPECT_EQ(difference(before, of_kernel(machine)), "");
    if (!started) continue;
    const auto status = machine.run(machine.router->status());
    EXPECT_EQ(status->health, control::Health::degraded);
    const auto shown = machine.run(machine.router->show_guest("tap1"));
    ASSERT_TRUE(shown);
    EXPECT_EQ(shown->guest.publish, rich_guest("tap1").publish);
    EXPECT_EQ(shown->guest.mac, rich_guest("tap1").mac);
    EXPECT_FALSE(machine.run(machine.router->show_guest("tap2")));
  }
}

TEST_F(Faulty, ConnectionsAreTrackedForAllGuestsAndTheHostsNumberComesBack) {
  Machine machine;
  auto& sysctls = machine.world.sysctls.values;
  const std::string key = "net/netfilter/nf_conntrack_max";
  sysctls[key] = "4096";
  begin(machine);
  const auto raised = std::stoull(sysctls[key]);
  EXPECT_GT(raised, 4096U);
  add(machine, rich_guest("tap1"));
  EXPECT_EQ(sysctls[key], std::to_string(raised)) << "within the step";
  machine.kill();
  begin(machine);
  ASSERT_TRUE(machine.run(machine.router->teardown({})));
  EXPECT_EQ(sysctls[key], "4096");
  sysctls[key] = "999999999";
  ASSERT_TRUE(machine.run(machine.router->reload({}, {})));
  EXPECT_EQ(sysctls[key], "999999999") << "never lowered";
}

TEST_F(Faulty, WhereTheNumberOfConnectionsIsNotOursToSetItIsAWarning) {
  Machine machine;
  machine.world.sysctls.values["net/netfilter/nf_conntrack_max"] = "4096";
  begin(machine);
  machine.kill();
  machine.world.sysctls.values["net/netfilter/nf_conntrack_max"] = "4096";
  machine.world.faults.arm(0, true);
  machine.world.faults.only = "write net/netfilter/nf_conntrack_max";
  begin(machine);
  const auto status = machine.run(machine.router->status());
  EXPECT_TRUE(std::ranges::any_of(status->warnings, [](const std::string& warning) {
    return warning.starts_with("this host tracks at most 4096 connections");
  }));
  EXPECT_TRUE(std::ranges::none_of(status->problems, [](const std::string& p) { return p.contains("conntrack"); }));
}

}  // namespace
}  // namespace vrouter::router
