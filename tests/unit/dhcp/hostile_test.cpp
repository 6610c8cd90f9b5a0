// SPDX-License-Identifier: GPL-2.0-or-later
// What broke other servers, by name: each row of the list of attacks that bytes or answers decide.
#include <gtest/gtest.h>

#include "tests/unit/dhcp/answered.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

Request decoded(const RequestBytes& request) {
  const auto result = decode_request(request.bytes());
  EXPECT_TRUE(result);
  return result.value_or(Request{});
}
bool refused(const RequestBytes& request) {
  return !decode_request(request.bytes());
}

TEST(MustSurvive, ClientIdsEmptyOrHuge) {
  EXPECT_FALSE(answered(discover().add(61, {})).view.has(61));
  auto huge = discover();
  for (int i = 0; i < 15; ++i) huge.add(61, Bytes(255, 7));
  EXPECT_FALSE(answered(huge).view.has(61));
}

TEST(MustSurvive, HostNamesThatAreNone) {
  for (const auto& name :
       {Bytes{}, Bytes{0}, text("..."), Bytes(64, 'a'), Bytes(250, 'a'), text("-"), Bytes(9, 0xff)}) {
    EXPECT_TRUE(decoded(discover().add(12, name)).host_name.empty());
    EXPECT_TRUE(decoded(discover().add(81, Bytes{0, 0, 0} + name)).host_name.empty());
  }
}

TEST(MustSurvive, ANewlineInAHostName) {  // forged lines of a lease file
  EXPECT_TRUE(decoded(discover().add(12, text("web\n1700000000 10.0.5.9 evil"))).host_name.empty());
  EXPECT_TRUE(decoded(discover().add(81, Bytes{0, 0, 0} + text("web\nevil"))).host_name.empty());
  EXPECT_TRUE(decoded(discover().add(81, Bytes{4, 0, 0, 8} + text("web\nevil"))).host_name.empty());
}

TEST(MustSurvive, NamesInWireFormOfAnyLength) {
  for (int length = 0; length < 256; ++length) {
    for (const std::size_t there : {0u, 1u, 3u, 64u, 200u}) {
      const auto name = Bytes{static_cast<std::uint8_t>(length)} + Bytes(there, 'a');
      const auto host = decoded(discover().add(81, Bytes{4, 0, 0} + name)).host_name;
      const auto size = static_cast<std::size_t>(length);
      EXPECT_EQ(host.size(), size <= there && size <= 63 ? size : 0u) << length << " of " << there;
    }
  }
  EXPECT_TRUE(decoded(discover().add(81, {4, 0, 0})).host_name.empty());
  EXPECT_FALSE(decoded(discover().add(81, {4, 0})).fqdn_flags);
  EXPECT_TRUE(decoded(discover().add(81, Bytes{4, 0, 0, 3} + text("a.b"))).host_name.empty());
}

TEST(MustSurvive, ShortFixedSizeOptions) {
  EXPECT_TRUE(refused(RequestBytes{}.add(53, {})));
  for (const int code : {50, 54, 57, 52}) {
    EXPECT_TRUE(refused(discover().add(static_cast<std::uint8_t>(code), {}))) << code;
  }
  for (const int code : {51, 93, 94, 97, 118}) {
    for (const std::size_t size : {0u, 1u}) {
      const auto r = decoded(discover().add(static_cast<std::uint8_t>(code), Bytes(size, 1)));
      EXPECT_FALSE(r.lease_time || r.subnet_selection || r.network_interface);
      EXPECT_TRUE(r.architectures.empty() && r.machine.empty());
    }
  }
}

TEST(MustSurvive, WhatAnEarlierDatagramLeftInTheBuffer) {
  auto buffer = discover().add(12, text("somebody-else")).bytes();
  const auto short_one = discover().bytes();
  std::ranges::copy(short_one, buffer.begin());
  buffer[short_one.size() - 1] = 12;  // no end: the rest would be read on, were it read
  EXPECT_FALSE(decode_request(std::span{buffer}.first(short_one.size())));
}

TEST(MustSurvive, NoEnd) {
  auto request = discover();
  request.end = false;
  EXPECT_TRUE(refused(request));
}

TEST(MustSurvive, RepeatsWithoutEnd) {
  auto request = discover();
  while (request.options.size() < kMaxRequest - 300) request.add(61, {1}).add(60, {2}).add(82, {});
  const auto r = decoded(request);
  EXPECT_TRUE(r.client_id.empty());  // longer than any option
  EXPECT_TRUE(r.vendor_class.empty());
}

TEST(MustSurvive, NestedOverload) {
  auto request = discover().add(52, {3});
  request.file = tlv(52, {3}) + Bytes{255};
  request.sname = tlv(52, {3}) + Bytes{255};
  EXPECT_TRUE(refused(request));
}

TEST(MustSurvive, HardwareAddressesLongerThanTheirField) {
  auto request = discover();
  request.hlen = 17;
  EXPECT_TRUE(refused(request));
}

TEST(MustSurvive, AReplyInPlaceOfARequest) {
  auto request = discover();
  request.op = 2;
  EXPECT_TRUE(refused(request));
}

TEST(MustSurvive, LeaseQueries) {
  for (int type = 10; type <= 18; ++type) EXPECT_TRUE(refused(RequestBytes{static_cast<std::uint8_t>(type)}));
}

TEST(MustSurvive, StarvationByRandomHardwareAddresses) {  // one address per TAP
  for (std::uint8_t i = 0; i < 200; ++i) {
    auto request = discover();
    request.chaddr = MacAddress{{2, 0, 0, 0, 0, i}};
    EXPECT_EQ(answered(request).view.yiaddr, ip("10.0.5.2"));
  }
}

TEST(MustSurvive, SpoofedReleaseDeclineAndRelay) {
  RequestBytes release{7};
  release.ciaddr = ip("10.0.5.9");
  expect_drop(outcome(release.add_ip(54, "10.0.5.1")), Drop::not_ours);
  expect_drop(outcome(RequestBytes{4}.add_ip(50, "10.0.5.9").add_ip(54, "10.0.5.1")), Drop::not_ours);
  auto relayed = discover();
  relayed.giaddr = ip("10.0.5.2");
  expect_drop(outcome(relayed), Drop::relayed);
}

TEST(MustSurvive, ARelaysWordsFromAGuest) {  // option 82 counts only with a giaddr
  const auto v = answered(discover().add(82, Bytes{11, 4, 6, 6, 6, 6, 19, 0})).view;
  EXPECT_EQ(v.at(54), octets(ip("10.0.5.1")));
}

TEST(MustSurvive, RelayInformationThatLies) {
  for (const auto& lie : {Bytes{11, 200, 1, 2}, Bytes{11}, Bytes{5, 3, 1, 2, 3}, Bytes{19, 1, 0}, Bytes(255, 0xff)}) {
    const auto r = decoded(discover().add(82, lie));
    EXPECT_FALSE(r.server_override || r.link_selection || r.relay_source_port);
    EXPECT_EQ(r.relay_agent.size() > 1 ? lie.size() : 0, r.relay_agent.size());
  }
}

TEST(MustSurvive, EveryWishAtOnceInTheSmallestReply) {
  auto b = binding();
  b.settings.own().mtu = 68;
  b.settings.own().options = {{43, Bytes(255, 1)}, {119, Bytes(255, 2)}, {125, Bytes(255, 3)}};
  b.settings.own().boot.file = std::string(300, 'f');
  auto request = selecting("10.0.5.2").add(61, Bytes(255, 7)).add(82, Bytes(255, 8)).add(60, text("PXEClient"));
  request.add(97, Bytes(17, 0)).add(81, Bytes{4, 0, 0});
  const auto a = answered(request, b);
  EXPECT_LE(a.size, 557u);  // BOOTP's size and the relay's option
  EXPECT_EQ(a.view.at(82), Bytes(255, 8));
  for (const int code : {53, 54, 51, 1, 3, 6}) EXPECT_TRUE(a.view.has(code)) << code;
}

}  // namespace
}  // namespace vrouter::dhcp
