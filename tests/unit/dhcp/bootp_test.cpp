// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "tests/unit/dhcp/answered.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

Binding allowing() {
  auto b = binding();
  b.settings.own().bootp = true;
  return b;
}

ReplyView reply_to(const Bytes& bytes, const Binding& b) {
  const auto request = decode_request(bytes);
  const auto result = answer(request.value_or(Request{}), b, address_v4{});
  if (!result || !result->reply) return {};
  EXPECT_EQ(result->reply->type, MessageType::bootp);
  EXPECT_EQ(result->lease, LeaseState::bound);
  Bytes buffer(kMaxReply);
  buffer.resize(encode_reply(result->reply->message, result->reply->cap, buffer));
  EXPECT_EQ(buffer.size(), 300u);  // RFC 951, 3
  return read_reply(buffer);
}

TEST(Bootp, IsSilentUnlessAllowed) {
  expect_drop(outcome(RequestBytes{}), Drop::bootp);
}

TEST(Bootp, IsAnsweredWithWhatRfc1497Knows) {
  auto b = allowing();
  b.settings.own().options = {{17, text("/root")}, {42, {1, 2, 3, 4}}, {121, {0, 10, 0, 5, 1}}};
  const auto v = reply_to(RequestBytes{}.bytes(), b);
  EXPECT_TRUE(v.well_formed);
  EXPECT_EQ(v.yiaddr, b.address);
  EXPECT_EQ(v.order, (Bytes{1, 3, 6, 12, 15, 17}));  // no type, no server, no time
  EXPECT_EQ(v.at(1), (Bytes{255, 255, 255, 0}));     // it knows no option 121
}

TEST(Bootp, WithoutACookieIsAnsweredToo) {
  auto bytes = RequestBytes{}.bytes();
  bytes.resize(300);
  bytes[236] = bytes[237] = bytes[238] = bytes[239] = 0;
  EXPECT_EQ(reply_to(bytes, allowing()).yiaddr, ip("10.0.5.2"));
}

TEST(Bootp, IsToldOfTheBootFile) {
  auto b = allowing();
  b.settings.own().boot.file = "vmlinux";
  const auto v = reply_to(RequestBytes{}.bytes(), b);
  EXPECT_EQ(v.siaddr, b.settings->gateway);
  EXPECT_EQ(v.file, text("vmlinux"));
}

TEST(Bootp, HasItsAddressForEver) {
  const auto request = decode_request(RequestBytes{}.bytes());
  ASSERT_TRUE(request);
  EXPECT_EQ(lease_seconds(*request, *allowing().settings), 0xffffffffu);
}

TEST(Bootp, OfARelayOrAnotherMacIsDropped) {
  auto b = allowing();
  RequestBytes request;
  request.giaddr = ip("10.0.5.2");
  expect_drop(outcome(request, b), Drop::relayed);
  b.pinned_mac = kOtherMac;
  expect_drop(outcome(RequestBytes{}, b), Drop::foreign_mac);
}

}  // namespace
}  // namespace vrouter::dhcp
