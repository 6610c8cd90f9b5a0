// SPDX-License-Identifier: GPL-2.0-or-later
// What a static binding answers to bytes, read back from bytes.
#pragma once

#include <gtest/gtest.h>

#include "dhcp/answer.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp::testing {

inline const address_v4 kToGuest = ip("10.0.5.2");
inline const address_v4 kToAll = ip("255.255.255.255");

inline std::expected<Outcome, Drop> outcome(const RequestBytes& request, const Binding& b = binding(),
                                            const char* source = "0.0.0.0") {
  const auto decoded = decode_request(request.bytes());
  EXPECT_TRUE(decoded);
  return answer(decoded.value_or(Request{}), b, ip(source));
}

struct Answered {
  ReplyView view;
  address_v4 to;
  std::optional<LeaseState> lease;
  std::size_t size = 0;
};

inline Answered answered(const RequestBytes& request, const Binding& b = binding(), const char* source = "0.0.0.0") {
  const auto result = outcome(request, b, source);
  if (!result || !result->reply) {
    ADD_FAILURE() << "no reply";
    return {};
  }
  Bytes buffer(kMaxReply);
  buffer.resize(encode_reply(result->reply->message, result->reply->cap, buffer));
  Answered a{read_reply(buffer), result->reply->to, result->lease, buffer.size()};
  EXPECT_TRUE(a.view.well_formed);
  EXPECT_EQ(a.view.xid, request.xid);
  EXPECT_EQ(a.view.flags, request.flags);
  EXPECT_EQ(a.view.type(), static_cast<int>(result->reply->type));
  EXPECT_EQ(a.view.at(54), octets(b.settings->gateway));
  return a;
}

inline void expect_drop(const std::expected<Outcome, Drop>& result, Drop why) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), why);
}

}  // namespace vrouter::dhcp::testing
