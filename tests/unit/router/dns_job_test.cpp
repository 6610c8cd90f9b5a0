// SPDX-License-Identifier: GPL-2.0-or-later
// How the DNS process ends; what it serves is in tests/lab.
#include "router/processes/dns_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/processes/channel.h"
#include "router/processes/dns_verbs.h"
#include "router/processes/packet.h"

namespace vrouter::router {
namespace {

namespace verbs = dns_verbs;
using ::testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

class DnsJob : public ::testing::Test {
 protected:
  // Its exit status after these messages and the daemon's end.
  int run_with(const std::vector<Bytes>& messages) {
    auto pair = open_channel_pair();
    EXPECT_TRUE(pair);
    for (const auto& message : messages) EXPECT_TRUE(send_packet(pair->first.get(), message, -1));
    pair->first.reset();
    ::testing::internal::CaptureStderr();
    const int status = run_dns(std::move(pair->second));
    said_ = ::testing::internal::GetCapturedStderr();
    return status;
  }
  std::string said_;
};

TEST_F(DnsJob, EndsQuietlyWithItsDaemon) {
  EXPECT_EQ(run_with({}), 0);
  EXPECT_EQ(run_with({verbs::encode(verbs::Begin{}), verbs::encode(verbs::End{}),
                      verbs::encode(verbs::Upstreams{1, {}}), verbs::encode(verbs::Begin{})}),
            0);
  EXPECT_EQ(said_, "");
}

TEST_F(DnsJob, EndsWithASentenceOverWhatIsNoneOfTheVerbs) {
  EXPECT_EQ(run_with({{99}}), 1);
  EXPECT_THAT(said_, HasSubstr("vrouterd: dns: ends, since the daemon's line is not as it should be: verb 99"));
  EXPECT_EQ(run_with({verbs::encode(verbs::End{})}), 1);
  EXPECT_THAT(said_, HasSubstr("never began"));
  EXPECT_EQ(run_with({verbs::encode(verbs::Zone{})}), 1);
  EXPECT_THAT(said_, HasSubstr("outside of a snapshot"));
  EXPECT_EQ(run_with({verbs::encode(verbs::Begin{}), verbs::encode(verbs::Unhost{"default", "web1"})}), 1);
  EXPECT_THAT(said_, HasSubstr("within a snapshot"));
  EXPECT_EQ(run_with({verbs::encode(verbs::List{0, 100})}), 1);
  EXPECT_THAT(said_, HasSubstr("a list came outside of a snapshot"));
  EXPECT_EQ(run_with({verbs::encode(verbs::Begin{}), verbs::encode(verbs::List{1, 100})}), 1);
  EXPECT_THAT(said_, HasSubstr("out of order"));
  EXPECT_EQ(run_with({verbs::encode(verbs::Begin{}), verbs::encode(verbs::List{0, 100})}), 1);
  EXPECT_THAT(said_, HasSubstr("a list came without its descriptor"));
  EXPECT_EQ(run_with({verbs::encode(verbs::ListGroup{})}), 1);
  EXPECT_THAT(said_, HasSubstr("outside of a snapshot"));
  EXPECT_EQ(run_with({verbs::encode(verbs::Listen{})}), 1);
  EXPECT_THAT(said_, HasSubstr("LimitNOFILE"));
}

}  // namespace
}  // namespace vrouter::router
