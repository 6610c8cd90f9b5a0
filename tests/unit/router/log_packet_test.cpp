// SPDX-License-Identifier: GPL-2.0-or-later
// What the log process makes of the bytes of guests, and what it and the daemon say to each other.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <boost/asio/ip/address.hpp>
#include <initializer_list>
#include <vector>

#include "router/processes/log_verbs.h"
#include "router/processes/packet_log.h"

namespace vrouter::router {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes ipv4(std::uint8_t protocol, const Bytes& payload, std::uint16_t fragment = 0) {
  Bytes packet{0x45, 0, 0, 40, 0, 1};
  packet.push_back(static_cast<std::uint8_t>(fragment >> 8));
  packet.push_back(static_cast<std::uint8_t>(fragment));
  for (const int byte : {64, int{protocol}, 0, 0, 10, 0, 5, 2, 192, 0, 2, 80}) {
    packet.push_back(static_cast<std::uint8_t>(byte));
  }
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

Bytes ipv6(std::uint8_t next, const Bytes& payload) {
  Bytes packet{0x60, 0, 0, 0, 0, 8, next, 64};
  for (const std::uint8_t last : {std::uint8_t{2}, std::uint8_t{3}}) {
    Bytes own{0xfd, 0x76, 0x72, 0x74};
    own.resize(15, 0);
    own.push_back(last);
    packet.insert(packet.end(), own.begin(), own.end());
  }
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

const Bytes kPorts{0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 0};  // 40000 to 443

TEST(Summary, SaysWhoAskedWhomForWhat) {
  const auto tcp = summarize(ipv4(IPPROTO_TCP, kPorts));
  ASSERT_TRUE(tcp);
  EXPECT_EQ(tcp->source.to_string(), "10.0.5.2");
  EXPECT_EQ(tcp->destination.to_string(), "192.0.2.80");
  EXPECT_EQ(tcp->protocol, IPPROTO_TCP);
  EXPECT_EQ(tcp->ports, (PacketPorts{40000, 443}));
  const auto udp = summarize(ipv6(IPPROTO_UDP, kPorts));
  ASSERT_TRUE(udp);
  EXPECT_EQ(udp->source.to_string(), "fd76:7274::2");
  EXPECT_EQ(udp->ports, (PacketPorts{40000, 443}));
  EXPECT_EQ(summarize(ipv4(IPPROTO_ICMP, {8, 0}))->icmp, (PacketIcmp{8, 0}));
  EXPECT_EQ(summarize(ipv6(IPPROTO_ICMPV6, {135, 0}))->icmp, (PacketIcmp{135, 0}));
}

TEST(Summary, LooksBehindExtensionHeaders) {
  Bytes chain{IPPROTO_FRAGMENT, 0, 0, 0, 0, 0, 0, 0, IPPROTO_TCP, 0, 0, 1, 0, 0, 0, 0};  // hop by hop, first fragment
  chain.insert(chain.end(), kPorts.begin(), kPorts.end());
  const auto summary = summarize(ipv6(IPPROTO_HOPOPTS, chain));
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->protocol, IPPROTO_TCP);
  EXPECT_EQ(summary->ports, (PacketPorts{40000, 443}));
}

TEST(Summary, InventsNoPorts) {
  EXPECT_FALSE(summarize(ipv4(IPPROTO_TCP, kPorts, 0x00b9))->ports) << "a later fragment has none";
  EXPECT_FALSE(summarize(ipv4(IPPROTO_TCP, {0x9c, 0x40, 0x01}))->ports) << "cut off";
  EXPECT_FALSE(summarize(ipv4(IPPROTO_GRE, kPorts))->ports);
  EXPECT_FALSE(summarize(ipv6(IPPROTO_FRAGMENT, {IPPROTO_TCP, 0, 0x01, 0x01, 0, 0, 0, 0, 1, 2, 3, 4}))->ports);
  Bytes endless;
  for (int i = 0; i < 60; ++i) endless.insert(endless.end(), {IPPROTO_HOPOPTS, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_FALSE(summarize(ipv6(IPPROTO_HOPOPTS, endless))->ports);
}

TEST(Summary, IsNothingWithoutAWholeHeader) {
  for (auto packet : {ipv4(IPPROTO_TCP, kPorts), ipv6(IPPROTO_TCP, kPorts)}) {
    const std::size_t header = packet[0] == 0x45 ? 20 : 40;
    for (std::size_t size = 0; size < header; ++size) {
      EXPECT_FALSE(summarize(std::span{packet}.first(size))) << size;
    }
    packet[0] = 0x55;
    EXPECT_FALSE(summarize(packet)) << "of no family";
  }
  auto short_header = ipv4(IPPROTO_TCP, kPorts);
  short_header[0] = 0x44;
  EXPECT_FALSE(summarize(short_header)) << "a header shorter than any can be";
}

TEST(LogVerbs, ComeBackAsTheyWere) {
  LoggedPacket logged{"vr:deny:web to db (web.toml:12)", 7, 9, *summarize(ipv6(IPPROTO_UDP, kPorts))};
  for (const auto& report : {log_verbs::Report{logged}, log_verbs::Report{log_verbs::Lost{1ULL << 40}}}) {
    const auto bytes = log_verbs::encode(report);
    EXPECT_EQ(log_verbs::decode_report(bytes), report);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(log_verbs::decode_report(std::span{bytes}.first(size))) << size;
    }
    auto longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(log_verbs::decode_report(longer));
  }
  for (const auto& order : {log_verbs::Order{log_verbs::Read{}}, log_verbs::Order{log_verbs::Want{true}}}) {
    EXPECT_EQ(log_verbs::decode_order(log_verbs::encode(order)), order);
  }
  EXPECT_FALSE(log_verbs::decode_order(log_verbs::encode(log_verbs::Report{logged}))) << "a child gives no orders";
}

// A line to a child that the test plays.
class PlayedSupervisor final : public Supervisor {
 public:
  explicit PlayedSupervisor(Handlers handlers) : handlers{std::move(handlers)} {}
  bool send(Message message) override {
    orders.push_back(*log_verbs::decode_order(message.bytes));
    return true;
  }
  [[nodiscard]] pid_t pid() const override { return 1; }
  [[nodiscard]] std::string problem() const override { return {}; }
  [[nodiscard]] std::uint64_t restarts() const override { return 0; }
  void on_gone(const ChildGone&) override {}

  Handlers handlers;
  std::vector<log_verbs::Order> orders;
};

struct RemoteLog : ::testing::Test {
  PlayedSupervisor* child = nullptr;
  std::vector<LoggedPacket> told;
  RemotePacketLog log{UniqueFd{}, [this](const LoggedPacket& logged) { told.push_back(logged); },
                      [this](Supervisor::Handlers handlers) {
                        auto made = std::make_unique<PlayedSupervisor>(std::move(handlers));
                        child = made.get();
                        return made;
                      }};
  LoggedPacket packet{"vr:deny:x", 1, 2, *summarize(ipv4(IPPROTO_TCP, kPorts))};

  bool says(const log_verbs::Report& report) { return child->handlers.message(log_verbs::encode(report)).has_value(); }
};

TEST_F(RemoteLog, TellsEachNewChildWhatToDo) {
  child->handlers.started();
  EXPECT_EQ(child->orders, (std::vector<log_verbs::Order>{log_verbs::Want{false}, log_verbs::Read{}}));
  log.want(true);
  child->orders.clear();
  child->handlers.started();
  EXPECT_EQ(child->orders, (std::vector<log_verbs::Order>{log_verbs::Want{true}, log_verbs::Read{}}));
}

TEST_F(RemoteLog, PassesOnWhatIsWanted) {
  EXPECT_TRUE(says(packet));
  EXPECT_TRUE(told.empty()) << "nobody wants it";
  log.want(true);
  EXPECT_TRUE(says(packet));
  EXPECT_EQ(told, std::vector{packet});
}

TEST_F(RemoteLog, AddsUpWhatAllChildrenLost) {
  EXPECT_TRUE(says(log_verbs::Lost{5}));
  EXPECT_FALSE(says(log_verbs::Lost{4})) << "it counts backwards";
  child->handlers.started();
  EXPECT_TRUE(says(log_verbs::Lost{2}));
  EXPECT_EQ(log.lost(), 7U);
}

TEST_F(RemoteLog, AFloodIsCountedAndNotTold) {
  log.want(true);
  constexpr std::size_t kFlood = 20'000;
  for (std::size_t i = 0; i < kFlood; ++i) EXPECT_TRUE(says(packet));
  EXPECT_GT(log.lost(), 0U);
  EXPECT_EQ(told.size() + log.lost(), kFlood);
}

TEST_F(RemoteLog, WhatIsNoVerbEndsTheChild) {
  EXPECT_FALSE(child->handlers.message(Bytes{9, 9}).has_value());
}

}  // namespace
}  // namespace vrouter::router
