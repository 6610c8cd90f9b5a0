// SPDX-License-Identifier: GPL-2.0-or-later
// The server's sockets on TAPs that the test holds as a hypervisor does: frames in, frames out.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/unit/dhcp/lab.h"
#include "tests/unit/dhcp/packets.h"
#include "tests/unit/dhcp/tap.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using namespace std::string_literals;

class OnTaps : public ::testing::Test {
 protected:
  OnTaps() {
    enter_host_namespace("10.0.5.1");
    server_ = std::make_unique<RunningServer>();  // in there
  }

  void apply(std::vector<Binding> bindings) {
    server_->apply({.snapshot = true, .upserts = std::move(bindings), .removed_ifindexes = {}});
  }
  bool eventually_counted(std::uint64_t Statistics::* counter, std::uint64_t n) {
    return eventually([&] { return server_->statistics().*counter == n; });
  }
  std::unique_ptr<RunningServer> server_;
};

TEST_F(OnTaps, AnswersByBroadcastOnThatLinkOnly) {
  Tap tap{"tap0"}, other{"tap1"};
  apply({tap.binding(), other.binding()});
  tap.send(discover().bytes());
  const auto frame = tap.receive();
  const auto seen = lab::dissect(frame);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->ethernet.to, kBroadcastMac);
  EXPECT_EQ(seen->ethernet.from, mac_of("tap0"));
  EXPECT_EQ(std::pair(seen->from, seen->to), std::pair("10.0.5.1"s, "255.255.255.255"s));
  EXPECT_EQ(std::pair(seen->from_port, seen->to_port), std::pair(std::uint16_t{67}, std::uint16_t{68}));
  EXPECT_EQ(Bytes(frame.begin() + 40, frame.begin() + 42), (Bytes{0, 0}));  // none, not one that is half done
  EXPECT_EQ(reply_in(frame).yiaddr, ip("10.0.5.2"));
  EXPECT_TRUE(other.receive(300).empty());
}

TEST_F(OnTaps, ARenewalIsAnsweredByUnicast) {
  Tap tap{"tap0"};
  apply({tap.binding()});
  EXPECT_EQ(run("ip route add 10.0.5.2/32 dev tap0").status, 0);
  tap.send_frame(Tap::framed(renewing("10.0.5.2").bytes(), {.from = "10.0.5.2", .to = "10.0.5.1"}));
  const auto asked = tap.answer_arp();
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->from, "10.0.5.1");
  const auto frame = tap.receive();
  const auto seen = lab::dissect(frame);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->ethernet.to, kGuestMac);
  EXPECT_EQ(std::pair(seen->from, seen->to), std::pair("10.0.5.1"s, "10.0.5.2"s));
  EXPECT_EQ(reply_in(frame).type(), 5);
}

TEST_F(OnTaps, ARenewalIsAnsweredThoughTheGuestsRouteIsLost) {
  Tap tap{"tap0"};
  apply({tap.binding()});
  EXPECT_EQ(run("ip route add unreachable 10.0.5.0/24 metric 4278190080").status, 0);
  tap.send_frame(Tap::framed(renewing("10.0.5.2").bytes(), {.from = "10.0.5.2", .to = "10.0.5.1"}));
  ASSERT_TRUE(tap.answer_arp());
  EXPECT_EQ(reply_in(tap.receive()).type(), 5);
}

TEST_F(OnTaps, AnMtuThatTheGuestLiesAboutChangesNothing) {
  Tap tap{"tap0"};
  tap.binding().settings.own().options = {{43, Bytes(255, 1)}, {224, Bytes(255, 2)}, {225, Bytes(255, 3)}};
  apply({tap.binding()});
  EXPECT_EQ(run("ip route add 10.0.5.2/32 dev tap0 mtu 600").status, 0);  // what its ICMP would leave behind
  const auto request = renewing("10.0.5.2").add(57, {0x05, 0xdc}).bytes();
  tap.send_frame(Tap::framed(request, {.from = "10.0.5.2", .to = "10.0.5.1"}));
  ASSERT_TRUE(tap.answer_arp());
  const auto frame = tap.receive();
  EXPECT_GT(frame.size(), 1000u);
  EXPECT_TRUE(reply_in(frame).has(225));
}

TEST_F(OnTaps, ClonesGetTheAddressOfTheirTap) {
  Tap first{"tap0"}, second{"tap1"};
  second.binding().address = ip("10.0.5.3");
  apply({first.binding(), second.binding()});
  for (auto* tap : {&first, &second})
    tap->send(selecting(tap == &first ? "10.0.5.2" : "10.0.5.3").add(61, {1, 2}).bytes());
  for (auto* tap : {&first, &second}) EXPECT_EQ(reply_in(tap->receive()).yiaddr, tap->binding().address);
}

TEST_F(OnTaps, AnUnknownInterfaceIsCountedAndSilent) {
  const Tap tap{"tap0"};
  tap.send(discover().bytes());
  EXPECT_TRUE(eventually_counted(&Statistics::dropped_unknown_interface, 1));
  EXPECT_EQ(server_->statistics().answered, 0u);
}

TEST_F(OnTaps, OversizeIsDroppedWholeAndTheNextOneAnswered) {
  Tap tap{"tap0"};
  apply({tap.binding()});
  tap.send(discover().bytes() + Bytes(5000, 0));
  tap.send(discover().bytes());
  EXPECT_FALSE(tap.receive().empty());
  EXPECT_EQ(server_->statistics().dropped_malformed, 1u);
}

TEST_F(OnTaps, LengthsThatLieNeverReachTheParser) {
  Tap tap{"tap0"};
  apply({tap.binding()});
  auto frame = Tap::framed(discover().bytes());
  frame[39] = static_cast<std::uint8_t>(frame[39] + 8);  // UDP longer than its datagram
  tap.send_frame(frame);
  tap.send(discover().bytes());
  EXPECT_FALSE(tap.receive().empty());
  EXPECT_EQ(server_->statistics().received, 1u);
}

TEST_F(OnTaps, AShortRequestIsNotReadOnIntoAnEarlierOne) {
  Tap tap{"tap0"};
  apply({tap.binding()});
  tap.send(selecting("10.0.5.2").bytes());
  EXPECT_FALSE(tap.receive().empty());
  auto cut = selecting("10.0.5.2").bytes();
  cut.resize(244);
  tap.send(cut);
  EXPECT_TRUE(eventually_counted(&Statistics::dropped_malformed, 1));
}

TEST_F(OnTaps, ATapThatIsGoneCostsTheOthersNothing) {
  // The binding outlives its link.
  Tap tap{"tap0"};
  apply({tap.binding()});
  {
    Tap gone{"tap1"};
    auto binding = gone.binding();
    server_->apply({.snapshot = false, .upserts = {binding}, .removed_ifindexes = {}});
  }
  for (int i = 0; i < 5; ++i) {
    tap.send(discover().bytes());
    EXPECT_FALSE(tap.receive().empty());
  }
}

TEST_F(OnTaps, AFloodOnOneTapLeavesTheOthersServed) {
  Tap flooding{"tap0"}, quiet{"tap1"};
  quiet.binding().address = ip("10.0.5.3");
  apply({flooding.binding(), quiet.binding()});
  const auto request = discover().bytes();
  for (int i = 0; i < 5000; ++i) flooding.send(request);
  quiet.send(request);
  EXPECT_FALSE(quiet.receive().empty());
  EXPECT_GT(server_->statistics().dropped_rate_limited, 0u);
}

// On a thread of the test's own, so that a link can change between a request and its answer.
class OnAHandedSocket : public OnTaps {
 protected:
  OnAHandedSocket() {
    server_.reset();
    auto socket = open_socket();
    EXPECT_TRUE(socket);
    server_here_ = Server::open(io_, std::move(*socket), {}).value();
  }
  void apply_here(std::vector<Binding> bindings) {
    server_here_->apply({.snapshot = true, .upserts = std::move(bindings), .removed_ifindexes = {}});
  }
  void run_until(std::uint64_t Statistics::* counter, std::uint64_t n) {
    while (server_here_->statistics().*counter < n && io_.run_one_for(std::chrono::seconds{10}) != 0) {
    }
    EXPECT_EQ(server_here_->statistics().*counter, n);
  }
  boost::asio::io_context io_;
  std::unique_ptr<Server> server_here_;
};

TEST_F(OnAHandedSocket, Serves) {
  Tap tap{"tap0"};
  apply_here({tap.binding()});
  tap.send(selecting("10.0.5.2").bytes());
  run_until(&Statistics::answered, 1);
  EXPECT_FALSE(tap.receive().empty());
}

TEST_F(OnAHandedSocket, ALinkThatIsDownSpoilsItsOwnReplyOnlyAndIsCounted) {
  Tap down{"tap0"}, up{"tap1"};
  auto gone = std::make_unique<Tap>("tap2");
  apply_here({down.binding(), up.binding(), gone->binding()});
  for (const auto* tap : {&down, gone.get(), &up}) tap->send(discover().bytes());
  EXPECT_EQ(run("ip link set tap0 down").status, 0);
  gone.reset();
  run_until(&Statistics::answered, 3);
  EXPECT_FALSE(up.receive().empty());
  EXPECT_EQ(server_here_->statistics().send_errors, 2u);
}

TEST_F(OnTaps, AnotherServerWithoutSoReuseaddrIsAnErrorInWords) {
  server_.reset();
  const UniqueFd other{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(67);
  ASSERT_EQ(::bind(other.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  const auto socket = open_socket();
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().to_string(), "bind UDP 0.0.0.0:67 for DHCP: Address already in use");
}

}  // namespace
}  // namespace vrouter::dhcp
