// SPDX-License-Identifier: GPL-2.0-or-later
// What guests are called in the world is on this host only while the rules lead it to them: else the host's own sockets
// would answer there. Looked at after every single change of the kernel's.
#include <boost/asio/ip/address.hpp>

#include "daemon_fixture.h"

namespace vrouter::router {
namespace {

const auto kOne = boost::asio::ip::make_address("192.0.2.50"), kTwo = boost::asio::ip::make_address("192.0.2.51");
const auto kOne6 = boost::asio::ip::make_address("2001:db8::50");

config::Guest outside_guest(const std::string& tap) {
  auto guest = guest_on(tap);
  guest.address6 = boost::asio::ip::make_address_v6("fd76:7274:5::9");
  EXPECT_TRUE(guest.floating.add(kOne) && guest.floating.add(kOne6));
  guest.prefixes4 = {boost::asio::ip::make_network_v4("10.9.0.0/24")};
  guest.prefixes6 = {boost::asio::ip::make_network_v6("fd00:9::/64")};
  return guest;
}

std::string file_with(const std::string& tap, const std::string& floating) {
  return "[[guests]]\nname = \"" + tap + "\"\ntap = \"" + tap + "\"\naddress = \"10.0.5.2" + tap.back() + "\"\n" +
         (floating.empty() ? "" : "floating = \"" + floating + "\"\n");
}

class Outside : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root";
    machine.world.after_each = [this] { look(); };
  }

  [[nodiscard]] bool on_host(const address& its) const {
    return std::ranges::any_of(machine.world.net.address_table, [&](const auto& a) { return a.local == its; });
  }
  [[nodiscard]] bool led_to_a_guest(const address& its) const {
    const auto& elements = machine.world.nft.kernel.elements;
    const auto set = elements.find({firewall::Family::inet, its.is_v4() ? "float4" : "float6"});
    if (set == elements.end()) return false;
    const auto is_it = [&](const auto& key) {
      if (its.is_v4()) return std::ranges::equal(key, its.to_v4().to_bytes());
      return std::ranges::equal(key, its.to_v6().to_bytes());
    };
    return std::ranges::any_of(set->second, [&](const auto& element) { return is_it(element.first.first); });
  }
  void look() {
    for (const auto& its : {kOne, kTwo, kOne6}) {
      if (on_host(its) && !led_to_a_guest(its)) bare.insert(its.to_string());
    }
  }
  [[nodiscard]] bool answered_for(const address& its) const { return on_host(its) && led_to_a_guest(its); }
  [[nodiscard]] bool gone(const address& its) const { return !on_host(its) && !led_to_a_guest(its); }
  void reload(const std::string& file) {
    machine.write("vrouter.toml", file);
    const auto reloaded = machine.run(machine.router->reload({}, {}));
    ASSERT_TRUE(reloaded) << reloaded.error().message;
  }

  Machine machine;
  std::set<std::string> bare;  // were on the host while no rule led them to a guest
};

// It is the first with an IPv6 address, and the host is made ready for those before the guest's rules are in.
TEST_F(Outside, AGuestComesAndGoes) {
  begin(machine);
  for (int time = 0; time < 2; ++time) {
    add(machine, outside_guest("tap1"));
    EXPECT_TRUE(answered_for(kOne));
    EXPECT_TRUE(answered_for(kOne6));
    EXPECT_TRUE(machine.run(machine.router->remove_guest("tap1", {})));
    EXPECT_TRUE(gone(kOne));
    EXPECT_TRUE(gone(kOne6));
  }
  EXPECT_EQ(bare, std::set<std::string>{});
}

TEST_F(Outside, FilesMoveIt) {
  machine.write("vrouter.toml", file_with("tap0", "192.0.2.50") + file_with("tap1", ""));
  begin(machine);
  EXPECT_TRUE(answered_for(kOne));
  reload(file_with("tap0", "192.0.2.51") + file_with("tap1", ""));
  EXPECT_TRUE(gone(kOne));
  EXPECT_TRUE(answered_for(kTwo));
  reload(file_with("tap0", "") + file_with("tap1", "192.0.2.51"));
  EXPECT_TRUE(answered_for(kTwo)) << "another guest's";
  reload(file_with("tap0", ""));
  EXPECT_TRUE(gone(kTwo));
  EXPECT_EQ(bare, std::set<std::string>{});
}

TEST_F(Outside, FilesThatAreNotAppliedLeaveItWhereItWas) {
  machine.write("vrouter.toml", file_with("tap0", "192.0.2.50"));
  begin(machine);
  machine.write("vrouter.toml", file_with("tap0", "192.0.2.51"));
  machine.world.faults.only = "change rules";
  machine.world.faults.arm(0, true);
  EXPECT_FALSE(machine.run(machine.router->reload({}, {})));
  machine.world.faults.off();
  EXPECT_TRUE(answered_for(kOne));
  EXPECT_TRUE(gone(kTwo));
  EXPECT_EQ(bare, std::set<std::string>{});
}

TEST_F(Outside, FilesMoveItWhileNoDaemonRuns) {
  machine.write("vrouter.toml", file_with("tap0", "192.0.2.50"));
  begin(machine);
  machine.kill();
  machine.write("vrouter.toml", file_with("tap0", "192.0.2.51"));
  begin(machine);
  EXPECT_TRUE(gone(kOne));
  EXPECT_TRUE(answered_for(kTwo));
  EXPECT_EQ(bare, std::set<std::string>{});
}

TEST_F(Outside, AGuestThatCanNotGoIsAnsweredForAgain) {
  begin(machine);
  add(machine, outside_guest("tap1"));
  const auto before = portrait(machine.world);
  machine.world.faults.only = "change rules";
  machine.world.faults.arm(0, true);
  EXPECT_FALSE(machine.run(machine.router->remove_guest("tap1", {})));
  machine.world.faults.off();
  machine.run_until([&] { return portrait(machine.world) == before; });
  EXPECT_EQ(difference(before, portrait(machine.world)), "");
  EXPECT_EQ(bare, std::set<std::string>{});
}

}  // namespace
}  // namespace vrouter::router
