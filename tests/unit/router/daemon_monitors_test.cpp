// SPDX-License-Identifier: GPL-2.0-or-later
// Who is told what the firewall logs, and what one misses that doesn't read.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "router/daemon/monitors.h"

namespace vrouter::router {
namespace {

using control::Feed;
using control::MonitorView;
using control::PacketView;

struct MonitorsTest : ::testing::Test {
  boost::asio::io_context io;
  std::vector<bool> wanted;
  Monitors monitors{io, [this](bool on) { wanted.push_back(on); }};

  static PacketView packet(std::string in, std::string out = {}) {
    PacketView view;
    view.in = std::move(in);
    view.out = std::move(out);
    return view;
  }
  std::shared_ptr<Feed> open(std::string tap = {}) {
    auto feed = monitors.open(std::move(tap), {});
    EXPECT_TRUE(feed.has_value());
    return feed ? *feed : nullptr;
  }
  static boost::asio::awaitable<void> keep(std::shared_ptr<Feed> feed,
                                           std::optional<std::optional<MonitorView>>& into) {
    into = co_await feed->next();
  }
  // What next() says; nothing while it waits.
  std::optional<std::optional<MonitorView>> next(const std::shared_ptr<Feed>& feed) {
    std::optional<std::optional<MonitorView>> told;
    boost::asio::co_spawn(io, keep(feed, told), boost::asio::detached);
    io.restart();
    io.poll();
    return told;
  }
};

TEST_F(MonitorsTest, TheFirstMessageSaysThatItHasBegun) {
  const auto feed = open();
  const auto first = next(feed);
  ASSERT_TRUE(first && *first);
  EXPECT_FALSE((*first)->packet);
  monitors.tell(packet("tap0"));
  const auto second = next(feed);
  ASSERT_TRUE(second && *second && (*second)->packet);
  EXPECT_EQ((*second)->packet->in, "tap0");
}

TEST_F(MonitorsTest, OneGuestsMonitorHearsOfNoOther) {
  const auto feed = open("tap1");
  static_cast<void>(next(feed));
  monitors.tell(packet("tap0"));
  monitors.tell(packet("tap0", "tap1"));
  const auto told = next(feed);
  ASSERT_TRUE(told && *told && (*told)->packet);
  EXPECT_EQ((*told)->packet->out, "tap1");
}

TEST_F(MonitorsTest, WhoDoesntReadIsToldWhatItMissed) {
  const auto feed = open();
  static_cast<void>(next(feed));
  for (std::size_t i = 0; i < kMaxWaitingPackets + 5; ++i) monitors.tell(packet("tap0"));
  for (std::size_t i = 0; i < kMaxWaitingPackets; ++i) EXPECT_EQ((**next(feed)).missed, 0U);
  monitors.tell_missed(2);
  monitors.tell(packet("tap1"));
  EXPECT_EQ((**next(feed)).missed, 7U);
}

TEST_F(MonitorsTest, PacketsAreWantedWhileThereIsAMonitor) {
  auto feed = open();
  auto other = open();
  EXPECT_EQ(wanted, std::vector{true});
  feed->close();
  feed.reset();
  io.restart();
  io.poll();
  EXPECT_EQ(wanted, std::vector{true}) << "the other one still reads";
  other.reset();
  io.restart();
  io.poll();
  EXPECT_EQ(wanted, (std::vector{true, false}));
}

TEST_F(MonitorsTest, ThereAreNoMoreThanTheirBound) {
  std::vector<std::shared_ptr<Feed>> feeds;
  for (std::size_t i = 0; i < control::kMaxMonitors; ++i) feeds.push_back(open());
  EXPECT_FALSE(monitors.open({}, {}).has_value());
  feeds.pop_back();
  EXPECT_TRUE(monitors.open({}, {}).has_value()) << "one has gone";
}

TEST_F(MonitorsTest, AClosedFeedIsOver) {
  const auto feed = open();
  static_cast<void>(next(feed));
  std::optional<std::optional<MonitorView>> told;
  boost::asio::co_spawn(io, keep(feed, told), boost::asio::detached);
  io.restart();
  io.poll();
  EXPECT_FALSE(told) << "it waits";
  feed->close();
  io.restart();
  io.poll();
  ASSERT_TRUE(told);
  EXPECT_FALSE(*told);
}

}  // namespace
}  // namespace vrouter::router
