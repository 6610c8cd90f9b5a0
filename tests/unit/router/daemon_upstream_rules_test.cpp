// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "firewall/compile.h"
#include "router/daemon/upstream_rules.h"

namespace vrouter::router {
namespace {

using namespace std::chrono_literals;

UpstreamRules::Elements of(std::initializer_list<const char*> servers) {
  std::vector<config::DnsServer> all;
  for (const auto* server : servers) all.emplace_back(boost::asio::ip::make_address(server));
  auto elements = firewall::upstream_elements(all);
  std::ranges::sort(elements);
  return elements;
}

struct DaemonUpstreamRules : ::testing::Test {
  boost::asio::io_context io;
  std::vector<UpstreamRules::Elements> befores;
  UpstreamRules rules{io, [this](const auto& before) { befores.push_back(before); }, 20ms};
};

TEST_F(DaemonUpstreamRules, LetAServerThatIsLeftInForAWhile) {
  rules.want(of({"192.0.2.1"}));
  EXPECT_EQ(rules.elements(), of({"192.0.2.1"}));
  rules.want(of({"192.0.2.2"}));
  EXPECT_EQ(rules.elements(), of({"192.0.2.1", "192.0.2.2"}));
  io.run();
  EXPECT_EQ(rules.elements(), of({"192.0.2.2"}));
  const std::vector<UpstreamRules::Elements> wanted{{}, of({"192.0.2.1"}), of({"192.0.2.1", "192.0.2.2"})};
  EXPECT_EQ(befores, wanted);
}

TEST_F(DaemonUpstreamRules, KeepAServerThatIsWantedAgain) {
  rules.want(of({"192.0.2.1"}));
  rules.want(of({"192.0.2.2"}));
  rules.want(of({"192.0.2.1"}));
  io.run();
  EXPECT_EQ(rules.elements(), of({"192.0.2.1"}));
  rules.want(of({"192.0.2.1"}));
  io.restart();
  io.run();
  EXPECT_EQ(befores.size(), 3U) << "nothing of the same again";
}

TEST_F(DaemonUpstreamRules, OfServersThatChangeOnAndOnGoEachInItsTime) {
  rules.want(of({"192.0.2.1"}));
  rules.want(of({"192.0.2.2"}));
  rules.want(of({"192.0.2.3"}));
  for (int i = 1; i < 100 && rules.elements().size() > of({"192.0.2.2", "192.0.2.3"}).size(); ++i) {
    rules.want(of({i % 2 == 0 ? "192.0.2.3" : "192.0.2.2"}));
    io.restart();
    io.run_for(5ms);
  }
  EXPECT_EQ(rules.elements(), of({"192.0.2.2", "192.0.2.3"})) << "the first has gone, whatever the others did";
}

}  // namespace
}  // namespace vrouter::router
