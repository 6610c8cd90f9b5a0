// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/servers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;

TEST(HttpServer, ServesPagesAndTellsWhoAsked) {
  const Namespace world{"world"};
  const HttpServer server{world, "127.0.0.1", 80, {{"/", "hello\n"}, {"/big", std::string(1'000'000, 'x')}}};
  EXPECT_EQ(world.must("curl -fsS http://127.0.0.1/"), "hello\n");
  EXPECT_EQ(world.must("curl -fsS http://127.0.0.1/big | wc -c"), "1000000\n");
  EXPECT_EQ(world.sh("curl -fsS http://127.0.0.1/none").status, 22);  // curl's word for 400 and above
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[1].what, "/big");
  EXPECT_EQ(requests[1].address, "127.0.0.1");
}

class DnsServerTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string dig(const std::string& arguments) const {
    return world_.must("dig @127.0.0.1 +time=1 +tries=1 +nocookie " + arguments);
  }

  Namespace world_{"world"};
  DnsServer server_{world_,
                    "127.0.0.1",
                    {{"www.example A", "192.0.2.80"},
                     {"www.example AAAA", "2001:db8::80"},
                     {"alias.example CNAME", "www.example"},
                     {"80.2.0.192.in-addr.arpa PTR", "www.example"},
                     {"long.example TXT", std::string(700, 't')}}};
};

TEST_F(DnsServerTest, AnswersItsRecords) {
  EXPECT_EQ(dig("+short www.example A"), "192.0.2.80\n");
  EXPECT_EQ(dig("+short WWW.Example AAAA"), "2001:db8::80\n");
  EXPECT_EQ(dig("+short alias.example A"), "www.example.\n192.0.2.80\n");
  EXPECT_EQ(dig("+short -x 192.0.2.80"), "www.example.\n");
  EXPECT_EQ(dig("+short +tcp www.example A"), "192.0.2.80\n");
  const auto queries = server_.queries();
  ASSERT_EQ(queries.size(), 5U);
  EXPECT_EQ(queries[0].what, "www.example A");
  EXPECT_FALSE(queries[0].over_tcp);
  EXPECT_TRUE(queries[4].over_tcp);
}

TEST_F(DnsServerTest, SaysWhatItLacks) {
  EXPECT_THAT(dig("none.example A"), HasSubstr("status: NXDOMAIN"));
  const auto no_data = dig("80.2.0.192.in-addr.arpa A");
  EXPECT_THAT(no_data, HasSubstr("status: NOERROR"));
  EXPECT_THAT(no_data, HasSubstr("SOA"));
}

TEST_F(DnsServerTest, TruncatesWhatIsTooLongForUdp) {
  EXPECT_THAT(dig("+ignore +noedns long.example TXT"), HasSubstr("flags: qr aa tc"));
  EXPECT_THAT(dig("+short long.example TXT"), HasSubstr("ttttt"));  // dig asks again over TCP
}

TEST_F(DnsServerTest, HasMoods) {
  server_.set_mood(DnsMood::refuses);
  EXPECT_THAT(dig("www.example A"), HasSubstr("status: REFUSED"));
  server_.set_mood(DnsMood::server_failure);
  EXPECT_THAT(dig("www.example A"), HasSubstr("status: SERVFAIL"));
  server_.set_mood(DnsMood::truncates);
  EXPECT_EQ(dig("+short www.example A"), "192.0.2.80\n");
  const auto timeout = [&] { return world_.sh("dig @127.0.0.1 +time=1 +tries=1 www.example A").status; };
  for (const auto mood : {DnsMood::silent, DnsMood::wrong_id, DnsMood::wrong_question}) {
    server_.set_mood(mood);
    EXPECT_EQ(timeout(), 9) << static_cast<int>(mood);  // dig's word for no answer
  }
}

}  // namespace
}  // namespace vrouter::lab
