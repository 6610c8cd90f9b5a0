// SPDX-License-Identifier: GPL-2.0-or-later
// The server's sockets on TAPs that the test holds as a hypervisor does: frames in, frames out.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cstring>

#include "dhcp/frame.h"
#include "tests/unit/dhcp/lab.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

class Tap {
 public:
  explicit Tap(const std::string& name) : fd_{::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)} {
    ifreq request{};
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    EXPECT_EQ(::ioctl(fd_.get(), TUNSETIFF, &request), 0);
    EXPECT_EQ(run("ip link set " + name + " mtu 9000 up").status, 0);
    binding_ = testing::binding();
    binding_.tap = binding_.guest = name;
    binding_.ifindex = ::if_nametoindex(name.c_str());
    binding_.host_mac = mac_of(name);
  }
  [[nodiscard]] Binding& binding() { return binding_; }

  // A guest's broadcast: sent as 0.0.0.0 to 255.255.255.255.
  void send(const Bytes& payload) const { send_frame(framed(payload)); }
  static Bytes framed(const Bytes& payload) {
    Bytes frame = Bytes(kFrameHeaders, 0) + payload;
    static_cast<void>(finish_frame({kGuestMac, kBroadcastMac, {}, address_v4::broadcast()}, frame, payload.size()));
    std::swap(frame[35], frame[37]);  // ports 68 to 67; the sum stays
    return frame;
  }
  void send_frame(const Bytes& frame) const {
    EXPECT_EQ(::write(fd_.get(), frame.data(), frame.size()), static_cast<ssize_t>(frame.size()));
  }
  // The next DHCP frame for the guest; empty after 5 s.
  [[nodiscard]] Bytes receive() const {
    for (;;) {
      pollfd waiting{fd_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 5000) != 1) return {};
      Bytes frame(9100);
      const auto n = ::read(fd_.get(), frame.data(), frame.size());
      frame.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
      if (frame.size() > 42 && frame[12] == 8 && frame[13] == 0 && frame[37] == 68) return frame;
    }
  }

 private:
  UniqueFd fd_;
  Binding binding_;
};

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

TEST_F(OnTaps, AnswersAsAWholeFrame) {
  Tap tap{"tap0"};
  apply({tap.binding()});
  tap.send(discover().bytes());
  const auto frame = tap.receive();
  ASSERT_TRUE(frame_is_sound(frame));
  EXPECT_TRUE(std::equal(frame.begin(), frame.begin() + 6, kGuestMac.bytes.begin()));
  EXPECT_TRUE(std::equal(frame.begin() + 6, frame.begin() + 12, tap.binding().host_mac.bytes.begin()));
  EXPECT_EQ(read_reply(std::span{frame}.subspan(42)).yiaddr, ip("10.0.5.2"));
}

TEST_F(OnTaps, ClonesGetTheAddressOfTheirTap) {
  Tap first{"tap0"}, second{"tap1"};
  second.binding().address = ip("10.0.5.3");
  apply({first.binding(), second.binding()});
  for (auto* tap : {&first, &second})
    tap->send(selecting(tap == &first ? "10.0.5.2" : "10.0.5.3").add(61, {1, 2}).bytes());
  for (auto* tap : {&first, &second}) {
    const auto frame = tap->receive();
    ASSERT_TRUE(frame_is_sound(frame));
    EXPECT_EQ(read_reply(std::span{frame}.subspan(42)).yiaddr, tap->binding().address);
  }
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
  // The binding outlives its link: the batch holds frames for both.
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

TEST_F(OnTaps, AServerOnHandedSocketsServes) {
  server_.reset();
  auto sockets = open_sockets();
  ASSERT_TRUE(sockets);
  boost::asio::io_context io;
  auto server = Server::open(io, std::move(*sockets), {});
  ASSERT_TRUE(server);
  Tap tap{"tap0"};
  (*server)->apply({.snapshot = true, .upserts = {tap.binding()}, .removed_ifindexes = {}});
  tap.send(selecting("10.0.5.2").bytes());
  while ((*server)->statistics().answered == 0) io.run_one();
  EXPECT_FALSE(tap.receive().empty());
}

TEST_F(OnTaps, AnotherServerWithoutSoReuseaddrIsAnErrorInWords) {
  server_.reset();
  const UniqueFd other{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(67);
  ASSERT_EQ(::bind(other.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  const auto sockets = open_sockets();
  ASSERT_FALSE(sockets);
  EXPECT_EQ(sockets.error().to_string(), "bind UDP 0.0.0.0:67 for DHCP: Address already in use");
}

}  // namespace
}  // namespace vrouter::dhcp
