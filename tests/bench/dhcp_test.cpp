// SPDX-License-Identifier: GPL-2.0-or-later
// What the DHCP benches read: their figures are worth what this is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>

#include "tests/bench/cpu.h"
#include "tests/bench/dhcp_client.h"
#include "tests/bench/perfdhcp.h"
#include "tests/lab/lib/frames.h"

namespace vrouter::bench {
namespace {

using ::testing::DoubleNear;

constexpr auto kPrinted = R"(Running: perfdhcp -4 -l eth0 -r 500 -R 10000 -p 4 192.0.2.1
***Rate statistics***
Rate: 395.101 4-way exchanges/second, expected rate: 500

***Statistics for: DISCOVER-OFFER***
sent packets: 2000
received packets: 1985
drops: 14
drops ratio: 0.70035 %

***Statistics for: REQUEST-ACK***
sent packets: 1985
received packets: 1960
drops: 8
drops ratio: 0.403 %
)";

TEST(Perfdhcp, CountsWholeExchangesOfThoseThatWereBegun) {
  const auto read = read_perfdhcp(kPrinted, 4);
  EXPECT_EQ(read.discovers, 2000);
  EXPECT_EQ(read.offers, 1985);
  EXPECT_EQ(read.acks, 1960);
  EXPECT_DOUBLE_EQ(read.rate(), 490);
  EXPECT_THAT(read.loss(), DoubleNear(0.02, 1e-9));
}

TEST(Perfdhcp, SaysWhatItPrintedInsteadOfFigures) {
  try {
    static_cast<void>(read_perfdhcp("bind: Address already in use", 4));
    FAIL();
  } catch (const lab::LabError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("Address already in use"));
  }
}

constexpr MacAddress kMac{{0x52, 0x54, 0x01, 0, 0, 7}};
constexpr std::size_t kHeaders = 10 + 14 + 20 + 8;  // virtio's, Ethernet's, IP's and UDP's
constexpr std::size_t kOptions = 240;

// The client's own message, sent back as a server's: with an address, and options of the server's.
std::vector<std::uint8_t> answered(const std::vector<std::uint8_t>& question, const std::string& options) {
  std::string message{question.begin() + kHeaders, question.begin() + kHeaders + kOptions};
  message[0] = 2;
  message.replace(16, 4, std::string{"\x0a\x08\x01\x05", 4});
  message += options;
  auto frame =
      lab::udp({.to = kMac, .from = kBroadcastMac}, {.from = "10.8.0.1", .to = "255.255.255.255"}, 67, 68, message);
  frame.insert(frame.begin(), 10, 0);
  return frame;
}

const std::string kOfferOptions{"\x35\x01\x02\x36\x04\x0a\x08\x00\x01\xff", 10};

TEST(DhcpClient, TakesItsOfferAndAsksForIt) {
  const DhcpClient client{kMac, 7};
  const auto offer = client.read(answered(client.discover(), kOfferOptions));
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->type, Message::offer);
  EXPECT_EQ(offer->address, 0x0a080105U);
  EXPECT_EQ(offer->server, 0x0a080001U);
  const auto request = client.request(*offer);
  const std::string text{request.begin() + kHeaders + kOptions, request.end()};
  EXPECT_THAT(text,
              ::testing::StartsWith(std::string{"\x35\x01\x03\x36\x04\x0a\x08\x00\x01\x32\x04\x0a\x08\x01\x05", 15}));
}

TEST(DhcpClient, TakesNobodyElsesOfferAndNoQuestion) {
  const DhcpClient client{kMac, 7}, other{kMac, 8};
  auto offer = answered(client.discover(), kOfferOptions);
  EXPECT_FALSE(other.read(offer));
  offer.resize(kHeaders + kOptions - 1);
  EXPECT_FALSE(client.read(offer));
  EXPECT_FALSE(client.read(client.discover()));
}

TEST(CpuSeconds, RiseWithWhatIsComputed) {
  const std::vector<pid_t> self{::getpid()};
  const auto before = cpu_seconds(self);
  volatile std::uint64_t sum = 0;
  for (const auto begin = std::clock(); std::clock() < begin + CLOCKS_PER_SEC / 10;) sum = sum + 1;
  EXPECT_THAT(cpu_seconds(self) - before, DoubleNear(0.1, 0.05));
  EXPECT_THROW(static_cast<void>(cpu_seconds({-1})), lab::LabError);
}

}  // namespace
}  // namespace vrouter::bench
