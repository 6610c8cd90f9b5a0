// SPDX-License-Identifier: GPL-2.0-or-later
// What the service's process does, on a thread of the test with a guest on a TAP, and the daemon played here.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <thread>

#include "dhcp/server.h"
#include "router/processes/channel.h"
#include "router/processes/dhcp_job.h"
#include "router/processes/dhcp_verbs.h"
#include "tests/unit/dhcp/lab.h"
#include "tests/unit/dhcp/packets.h"
#include "tests/unit/dhcp/tap.h"

namespace vrouter::router {
namespace {

using namespace dhcp::testing;  // NOLINT(google-build-using-namespace)
using namespace dhcp_verbs;     // NOLINT(google-build-using-namespace)

class DhcpJobTest : public ::testing::Test {
 protected:
  DhcpJobTest() {
    enter_host_namespace("10.0.5.1");
    socket_ = std::move(*dhcp::open_socket());
    auto [ours, theirs] = std::move(*open_channel_pair());
    channel_ = Channel::open(io_, std::move(ours), Channel::Accepts::messages,
                             {.message = [this](Message message) { hear(message); },
                              .closed = [this](const std::string& /*why*/) { closed_ = true; }});
    job_ = std::thread{[this, end = std::move(theirs)]() mutable { status_ = run_dhcp(std::move(end)); }};
  }
  ~DhcpJobTest() override {
    channel_.reset();
    if (job_.joinable()) job_.join();
  }

  void hear(const Message& message) {
    const auto report = decode_report(message.bytes);
    ASSERT_TRUE(report) << report.error();
    if (const auto* lease = std::get_if<Lease>(&*report)) leases_.push_back(*lease);
    if (const auto* statistics = std::get_if<dhcp::Statistics>(&*report)) statistics_.push_back(*statistics);
  }
  void send(const Order& order, UniqueFd fd = {}) {
    ASSERT_EQ(channel_->send({encode(order), std::move(fd)}), Channel::Sent::yes);
  }
  bool run_until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!condition() && std::chrono::steady_clock::now() < end) io_.run_one_for(std::chrono::milliseconds{50});
    return condition();
  }
  // The process's exit status once it ends by itself, and what it said.
  std::pair<int, std::string> ended() {
    EXPECT_TRUE(run_until([&] { return closed_; }));
    job_.join();
    return {status_, ::testing::internal::GetCapturedStderr()};
  }

  boost::asio::io_context io_;
  UniqueFd socket_;
  std::unique_ptr<Channel> channel_;
  std::vector<Lease> leases_;
  std::vector<dhcp::Statistics> statistics_;
  bool closed_ = false;
  std::thread job_;
  int status_ = -1;
};

TEST_F(DhcpJobTest, ServesWhatItIsToldOfAndReports) {
  Tap tap{"tap0"}, late{"tap1"};
  late.binding().address = ip("10.0.5.3");
  send(Socket{}, std::move(socket_));
  send(Begin{});
  send(Bind{tap.binding()});
  send(End{});
  send(Bind{late.binding()});
  tap.send(selecting("10.0.5.2").add(12, text("VM-7")).bytes());
  EXPECT_EQ(reply_in(tap.receive()).type(), 5);
  late.send(discover().bytes());
  EXPECT_EQ(reply_in(late.receive()).yiaddr, ip("10.0.5.3"));
  ASSERT_TRUE(run_until([&] { return !leases_.empty() && !statistics_.empty() && statistics_.back().answered == 2; }));
  const auto& lease = leases_.front();
  EXPECT_EQ(lease.orders, 5u);
  EXPECT_EQ(lease.state, dhcp::LeaseState::bound);
  EXPECT_EQ(lease.ifindex, tap.binding().ifindex);
  EXPECT_EQ(lease.address, ip("10.0.5.2"));
  EXPECT_EQ(lease.client, kGuestMac);
  EXPECT_EQ(lease.host_name, "vm-7");
  EXPECT_GT(lease.expires, BootClock::now() + std::chrono::seconds{3500});
  send(Unbind{tap.binding().ifindex});
  tap.send(discover().bytes());
  EXPECT_TRUE(run_until([&] { return statistics_.back().dropped_unknown_interface == 1; }));
}

TEST_F(DhcpJobTest, ASnapshotCountsOnlyAsAWhole) {
  Tap old{"tap0"}, fresh{"tap1"};
  fresh.binding().address = ip("10.0.5.3");
  send(Socket{}, std::move(socket_));
  for (const auto& order : std::initializer_list<Order>{Begin{}, Bind{old.binding()}, End{}}) send(order);
  send(Begin{});
  send(Bind{fresh.binding()});
  old.send(discover().bytes());
  EXPECT_FALSE(old.receive().empty());
  EXPECT_TRUE(run_until([&] { return !statistics_.empty(); }));
  fresh.send(discover().bytes());
  EXPECT_TRUE(run_until([&] { return statistics_.back().dropped_unknown_interface == 1; }));
  send(Begin{});  // over again
  send(Bind{fresh.binding()});
  send(End{});
  old.send(discover().bytes());
  EXPECT_TRUE(run_until([&] { return statistics_.back().dropped_unknown_interface == 2; }));
  fresh.send(discover().bytes());
  EXPECT_FALSE(fresh.receive().empty());
}

// Its socket may hold what guests asked while there was no process: none of it is for one that doesn't know them yet.
TEST_F(DhcpJobTest, ReadsNoRequestBeforeItsFirstTableIsWhole) {
  Tap tap{"tap0"};
  tap.send(discover().bytes());  // its only one
  send(Socket{}, std::move(socket_));
  io_.run_for(std::chrono::milliseconds{200});  // in which it would have read it
  send(Begin{});
  send(Bind{tap.binding()});
  io_.run_for(std::chrono::milliseconds{200});
  send(End{});
  EXPECT_EQ(reply_in(tap.receive()).yiaddr, ip("10.0.5.2"));
  EXPECT_TRUE(run_until([&] { return !statistics_.empty() && statistics_.back().answered == 1; }));
  EXPECT_EQ(statistics_.back().dropped_unknown_interface, 0u);
}

TEST_F(DhcpJobTest, StatisticsComeTenTimesASecondAtMost) {
  Tap tap{"tap0"};
  send(Socket{}, std::move(socket_));
  send(Begin{});
  send(End{});
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 200; ++i) {
    tap.send(discover().bytes());
    io_.run_one_for(std::chrono::milliseconds{2});
  }
  EXPECT_TRUE(run_until([&] { return !statistics_.empty() && statistics_.back().received == 200; }));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - before;
  EXPECT_LE(static_cast<double>(statistics_.size()), taken.count() / 0.1 + 2) << taken.count() << " s";
  const auto told = statistics_.size();
  io_.run_for(std::chrono::milliseconds{500});
  EXPECT_EQ(statistics_.size(), told);  // nothing changed, nothing said
}

TEST_F(DhcpJobTest, EndsWellWhenTheDaemonGoes) {
  ::testing::internal::CaptureStderr();
  send(Socket{}, std::move(socket_));
  channel_.reset();
  job_.join();
  EXPECT_EQ(status_, 0);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

struct Wrong {
  const char* name;
  std::vector<Order> orders;
  const char* why;
};

class DhcpJobRefuses : public DhcpJobTest, public ::testing::WithParamInterface<Wrong> {};

TEST_P(DhcpJobRefuses, WhatIsOutOfPlace) {
  ::testing::internal::CaptureStderr();
  for (const auto& order : GetParam().orders)
    send(order, std::holds_alternative<Socket>(order) ? std::move(socket_) : UniqueFd{});
  EXPECT_EQ(ended(), std::pair(1, "vrouterd: dhcp: ends, since the daemon's line is not as it should be: " +
                                      std::string{GetParam().why} + "\n"));
}

INSTANTIATE_TEST_SUITE_P(
    , DhcpJobRefuses,
    ::testing::Values(Wrong{"TableBeforeTheSocket", {Bind{binding()}}, "a table came before the socket"},
                      Wrong{
                          "UnbindWithinASnapshot", {Socket{}, Begin{}, Unbind{7}}, "an unbind came within a snapshot"},
                      Wrong{"EndWithoutBegin", {Socket{}, End{}}, "a snapshot ended that never began"},
                      Wrong{"ASecondSocket", {Socket{}, Socket{}}, "a second socket came"}),
    [](const auto& info) { return info.param.name; });

TEST_F(DhcpJobTest, RefusesWhatIsNoVerb) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(channel_->send({{99, 1, 2}, {}}), Channel::Sent::yes);
  const auto [status, said] = ended();
  EXPECT_EQ(status, 1);
  EXPECT_NE(said.find("verb 99 is none that may come"), std::string::npos) << said;
}

}  // namespace
}  // namespace vrouter::router
