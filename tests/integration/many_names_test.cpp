// SPDX-License-Identifier: GPL-2.0-or-later
// The names of as many guests as we promise, each of them, forward and reverse.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

constexpr int kGuests = 10'000;

// .0.0 is the network and .0.1 the gateway.
std::string address_of(int number) {
  const int at = number + 2;
  return fmt::format("10.5.{}.{}", at / 256, at % 256);
}

DaemonOptions many_guests() {
  DaemonOptions options;
  // Questions are connections to the firewall, of which a guest has 500 a second and 16,384 at once where nothing is
  // said.
  options.config =
      "[networks.default]\nprefix = \"10.5.0.0/16\"\ngateway = \"10.5.0.1\"\nlimits = { new_connections = 0, "
      "connections = 0 }\n";
  for (int i = 0; i < kGuests; ++i)
    options.config +=
        fmt::format("[[guests]]\ntap = \"tap{}\"\naddress = \"{}\"\nname = \"guest-{}\"\n", i, address_of(i), i);
  return options;
}

// The first line that is other than it should be, or "".
std::string first_difference(const std::string& told, const std::string& wanted) {
  if (told == wanted) return {};
  const auto at = static_cast<std::size_t>(std::ranges::mismatch(told, wanted).in1 - told.begin());
  const auto begin = at == 0 ? 0 : told.rfind('\n', at - 1) + 1;
  return fmt::format("at {} of {} bytes, {} wanted: {}", at, told.size(), wanted.size(), told.substr(begin, 200));
}

TEST(ManyNames, OfTenThousandGuestsAreToldForwardAndReverse) {
  Scene scene{many_guests(), false};
  scene.daemon->start(60s);
  TapGuest guest{scene.host, "tap0"};
  guest.set_static(address_of(0) + "/16", "10.5.0.1", "10.5.0.1");
  ASSERT_TRUE(
      wait_until([&] { return guest.inside().sh("dig +short +time=1 +tries=1 guest-0.guests.internal").ok(); }));

  std::string questions, wanted;
  for (int i = 0; i < kGuests; ++i) {
    questions += fmt::format("+short +time=4 +tries=1 guest-{}.guests.internal\n", i);
    questions += fmt::format("+short +time=4 +tries=1 -x {}\n", address_of(i));
    wanted += fmt::format("{}\nguest-{}.guests.internal.\n", address_of(i), i);
  }
  guest.inside().write_file("/tmp/questions", questions);
  EXPECT_EQ(first_difference(guest.inside().must("dig -f /tmp/questions", 120s), wanted), "");
  for (const auto& asked : scene.names->queries())
    EXPECT_EQ(asked.what.find("internal"), std::string::npos) << asked.what << " went to the world";
}

}  // namespace
}  // namespace vrouter::lab
