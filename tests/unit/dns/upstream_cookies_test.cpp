// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/upstream_cookies.h"

#include <gtest/gtest.h>

#include "dns/lookup.h"
#include "message.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using testing::Message;
using Verdict = UpstreamCookies::Verdict;

const address kA = make_address("192.0.2.1"), kB = make_address("192.0.2.2");
const BootTime kStart{std::chrono::hours{1}};

UpstreamCookies cookies() {
  return UpstreamCookies{[next = std::uint8_t{0}](std::span<std::uint8_t> out) mutable {
    for (auto& byte : out) byte = next++;
  }};
}
Bytes with(Bytes client, std::size_t more) {
  client.resize(client.size() + more, 0xee);
  return client;
}

TEST(DnsCookies, EachServerHasItsOwnClientCookieAndGetsItsServerCookieBack) {
  auto c = cookies();
  const auto first = c.option(kA);
  EXPECT_EQ(first, (Bytes{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(c.option(kA), first);
  EXPECT_NE(c.option(kB), first);
  EXPECT_EQ(c.judge(kA, with(first, 16), Transport::udp), Verdict::good);
  EXPECT_EQ(c.option(kA), with(first, 16));
  EXPECT_EQ(c.option(kB).size(), 8U);
}

TEST(DnsCookies, AWrongClientCookieIsForgedAndTeachesNothing) {
  auto c = cookies();
  auto wrong = with(c.option(kA), 8);
  wrong[7] ^= 1;
  EXPECT_EQ(c.judge(kA, wrong, Transport::udp), Verdict::forged);
  EXPECT_EQ(c.judge(kA, Bytes{0, 1, 2}, Transport::udp), Verdict::forged);
  EXPECT_EQ(c.option(kA).size(), 8U);
}

TEST(DnsCookies, AMissingOneIsFineUntilTheServerHasSentOneAndThenTakesTcpToBelieve) {
  auto c = cookies();
  const auto first = c.option(kA);
  EXPECT_EQ(c.judge(kA, {}, Transport::udp), Verdict::good);
  EXPECT_EQ(c.judge(kA, with(first, 8), Transport::udp), Verdict::good);
  EXPECT_EQ(c.judge(kA, {}, Transport::udp), Verdict::missing);
  EXPECT_EQ(c.judge(kA, {}, Transport::tcp), Verdict::good);
  EXPECT_EQ(c.judge(kA, {}, Transport::udp), Verdict::good);
}

TEST(DnsCookies, TheOptionGoesOutAndComesBack) {
  const auto name = Name::from_text("a.b").value();
  const Bytes cookie{1, 2, 3, 4, 5, 6, 7, 8};
  const std::string option{"\0\x0a\0\x08\1\2\3\4\5\6\7\x08", 12};
  EXPECT_EQ(write_query({.name = name, .type = 1}, 9, true, cookie),
            Message{}.header(9, 0x0100, 1, 0, 0, 1).question("a.b").opt(1232, 0, option).bytes);
  const auto reply = [&](const std::string& options) {
    return decode_reply(Message{}.header(9, 0x8180, 1, 0, 0, 1).question("a.b").opt(1232, 0, options).bytes,
                        {.name = name, .type = 1}, 9);
  };
  EXPECT_EQ(reply(std::string{"\0\x03\0\0", 4} + option).value().cookie, cookie);
  EXPECT_TRUE(reply("").value().cookie.empty());
  for (const std::size_t illegal : {0U, 7U, 9U, 15U, 41U}) {
    const std::string data(illegal, 'x');
    EXPECT_FALSE(reply(std::string{"\0\x0a\0", 3} + static_cast<char>(illegal) + data)) << illegal;
  }
}

TEST(DnsCookies, BadcookieIsAskedAgainOnceThenOverTcpThenElsewhere) {
  const auto bad = [] { return Reply{.rcode = Rcode::bad_cookie, .message = Bytes(12)}; };
  Lookup lookup{{.servers = {kA, kB}}};
  auto step = lookup.begin(kStart);
  step = lookup.on_reply(step.start.at(0).id, bad(), kStart);
  EXPECT_EQ(lookup.server(step.start.at(0)), kA);
  EXPECT_EQ(step.start.at(0).transport, Transport::udp);
  step = lookup.on_reply(step.start.at(0).id, bad(), kStart);
  EXPECT_EQ(lookup.server(step.start.at(0)), kA);
  EXPECT_EQ(step.start.at(0).transport, Transport::tcp);
  step = lookup.on_reply(step.start.at(0).id, bad(), kStart);
  EXPECT_EQ(lookup.server(step.start.at(0)), kB);
}

}  // namespace
}  // namespace vrouter::dns
