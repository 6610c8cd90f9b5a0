// SPDX-License-Identifier: GPL-2.0-or-later
// Datagrams that no usual client sends, through a whole daemon: in fragments, too long, of a relay that has another
// port, and more of them than anybody reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <memory>

#include "tests/integration/scene.h"
#include "tests/integration/station.h"
#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

using dhcp::testing::discover;
using dhcp::testing::ip;
using dhcp::testing::selecting;

constexpr const char* kFile = R"(
[networks.lab]
prefix = "10.9.0.0/24"
gateway = "10.9.0.1"
dhcp = { range = "10.9.0.100-10.9.0.105", probe = false }

[networks.floor2]
prefix = "10.7.0.0/24"
gateway = "10.7.0.1"
dhcp = { range = "10.7.0.100-10.7.0.105", relays = ["198.51.100.2"] }

[[guests]]
tap = "tap0"
name = "one"
address = "10.9.0.2"

[[guests]]
tap = "tap1"
name = "switch"
shared = true
network = "lab"
)";

constexpr MacAddress kEveryone{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
constexpr std::size_t kEthernetHeader = 14, kIpHeader = 20;
constexpr std::size_t kFragment = 1480;  // of Ethernet's 1500

// RFC 791, 3.2: the frame's packet in as many frames as it takes.
std::vector<Bytes> in_fragments(const Bytes& frame, std::uint16_t id) {
  std::vector<Bytes> fragments;
  const auto headers = kEthernetHeader + kIpHeader;
  for (std::size_t at = 0; headers + at < frame.size(); at += kFragment) {
    const auto size = std::min(kFragment, frame.size() - headers - at);
    const bool last = headers + at + size == frame.size();
    Bytes one(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(headers));
    const auto put = [&](std::size_t where, std::size_t value) {
      one[kEthernetHeader + where] = static_cast<std::uint8_t>(value >> 8);
      one[kEthernetHeader + where + 1] = static_cast<std::uint8_t>(value);
    };
    put(2, kIpHeader + size);
    put(4, id);
    put(6, (last ? 0 : 0x2000) | at / 8);
    put(10, 0);
    std::uint32_t sum = 0;
    for (auto i = kEthernetHeader; i < headers; i += 2) sum += static_cast<std::uint32_t>(one[i] << 8 | one[i + 1]);
    put(10, static_cast<std::uint16_t>(~(sum + (sum >> 16))));
    const auto* from = frame.data() + headers + at;
    one.insert(one.end(), from, from + size);
    fragments.push_back(std::move(one));
  }
  return fragments;
}

struct Packets : ::testing::Test {
  Packets() {
    connect({scene.host, "r0", "198.51.100.1/30"}, {relay, "up0", "198.51.100.2/30"});
    scene.daemon->start();
  }
  static DaemonOptions options() {
    DaemonOptions options;
    options.config = kFile;
    return options;
  }
  std::uint64_t count(const char* counter) {
    return boost::json::parse(scene.daemon->vrouter({"--json", "status"}))
        .at("status")
        .at("dhcp")
        .at(counter)
        .to_number<std::uint64_t>();
  }
  // A frame of a DISCOVER with so many bytes behind its end option.
  static Bytes padded_discover(std::size_t bytes) {
    auto message = discover().bytes();
    message.resize(message.size() + bytes);
    return framed(message);
  }
  static Bytes framed(const Bytes& message) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
    const std::string_view text{reinterpret_cast<const char*>(message.data()), message.size()};
    return udp({.to = kEveryone, .from = kQemuMac}, {.from = "0.0.0.0", .to = "255.255.255.255"}, 68, 67, text);
  }
  void send_fragments(const RawTap& from, const Bytes& frame, std::size_t but_the_last = 0) {
    auto fragments = in_fragments(frame, ++id_);
    EXPECT_GT(fragments.size(), 1u);
    fragments.resize(fragments.size() - but_the_last);
    for (const auto& one : fragments) from.send(one);
  }
  bool answered(const RawTap& tap) const {
    return tap.receive(1s, [](const Seen& seen) { return seen.to_port == 68; }).has_value();
  }
  // The daemon hears of the service's counters now and then.
  bool reaches(const char* counter, std::uint64_t n) {
    return wait_until([&] { return count(counter) >= n; }, 5s);
  }

  Scene scene{options(), false};
  Namespace relay{"relay"};
  RawTap guest{scene.host, "tap0"}, link{scene.host, "tap1"};
  std::uint16_t id_ = 0;
};

TEST_F(Packets, AMessageInFragmentsIsOneMessage) {
  for (const auto* tap : {&guest, &link}) {
    send_fragments(*tap, padded_discover(2500));
    EXPECT_TRUE(answered(*tap)) << tap->name();
  }
  EXPECT_TRUE(reaches("received", 2));
  EXPECT_EQ(count("dropped_malformed"), 0u);
}

TEST_F(Packets, OneThatIsTooLongInFragmentsIsDroppedAndTheNextAnswered) {
  for (const auto* tap : {&guest, &link}) {
    const auto before = count("dropped_malformed");
    send_fragments(*tap, padded_discover(5000));
    EXPECT_TRUE(reaches("dropped_malformed", before + 1)) << tap->name();
    EXPECT_FALSE(answered(*tap)) << tap->name();
    EXPECT_EQ(Station{*tap}.ask(RequestBytes{1}).type(), 2) << tap->name();
  }
}

TEST_F(Packets, FragmentsWithoutAnEndKeepNobodyFromAnAnswer) {
  for (int i = 0; i < 3000; ++i) send_fragments(guest, padded_discover(4000), 1);
  EXPECT_EQ(Station{link}.ask(RequestBytes{1}).type(), 2);
  EXPECT_EQ(Station{guest}.ask(RequestBytes{1}).type(), 2);
  EXPECT_TRUE(reaches("received", 2));
  EXPECT_EQ(count("dropped_malformed"), 0u);
}

TEST_F(Packets, AFloodOfGarbageOnOneLinkLeavesTheOthersServed) {
  ASSERT_EQ(Station{link}.ask(RequestBytes{1}).type(), 2);
  const auto garbage = framed(Bytes(300, 0xff));
  for (int i = 0; i < 5000; ++i) guest.send(garbage);
  EXPECT_EQ(Station{link}.lease().type(), 5);
  EXPECT_TRUE(reaches("dropped_rate_limited", 1) && reaches("dropped_malformed", 1));
  EXPECT_EQ(Station{guest}.ask(RequestBytes{1}).type(), 2) << "and itself, a while after";
}

// RFC 8357.
TEST_F(Packets, ARelayIsAnsweredOnThePortThatItAsksFor) {
  UniqueFd usual, own;
  relay.enter([&] {
    usual = bind_udp("198.51.100.2", 67);
    own = bind_udp("198.51.100.2", 4321);
  });
  const auto reply_on = [&](const UniqueFd& socket) {
    std::string got;
    Peer from;
    static_cast<void>(wait_until([&] { return !(got = receive_from(socket.get(), from)).empty(); }, 2s));
    return dhcp::testing::read_reply(Bytes(got.begin(), got.end()));
  };
  const auto ask = [&](RequestBytes request) {
    request.giaddr = ip("198.51.100.2");
    const auto bytes = request.bytes();
    send_to(own.get(), {"198.51.100.1", 67}, {bytes.begin(), bytes.end()});
  };
  const Bytes says_so{1, 1, 'x', 19, 0};
  ask(discover().add(82, says_so));
  const auto offer = reply_on(own);
  EXPECT_EQ(offer.type(), 2);
  EXPECT_EQ(offer.yiaddr, ip("10.7.0.100"));
  EXPECT_EQ(offer.at(82), says_so);
  ask(selecting("10.7.0.100", "198.51.100.1").add(82, says_so));
  EXPECT_EQ(reply_on(own).type(), 5);
  ask(discover());
  EXPECT_EQ(reply_on(usual).type(), 2);
  EXPECT_FALSE(reply_on(own).well_formed);
}

}  // namespace
}  // namespace vrouter::lab
