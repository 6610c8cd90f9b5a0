// SPDX-License-Identifier: GPL-2.0-or-later
// What the DNS process counts, as the daemon takes it: summed over processes, and not believed.
#include <gmock/gmock.h>

#include "tests/unit/router/dns_remote_fixture.h"

namespace vrouter::router {
namespace {

using namespace remote_testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// --- what it claims ---

class DnsReports : public DnsRemote {
 protected:
  DnsReports() {
    set_zones({kGateway});
    set_upstreams({.servers = {kQuad9}, .forward = {{.domain = "corp.example", .servers = {kInside}}}});
    line_->start();
    line_->read();
  }
  [[nodiscard]] verbs::Report report(std::uint64_t queries, std::vector<dns::UpstreamStatus> upstreams = {}) const {
    verbs::Report made{.version = line_->child->version, .statistics = {}};
    made.statistics.queries_udp = queries;
    made.statistics.upstreams = std::move(upstreams);
    return made;
  }
};

TEST_F(DnsReports, AreSummedOverChildren) {
  EXPECT_EQ(line_->say(report(5, {{.server = kQuad9, .asked = 3, .answered = 3, .rtt_ms = 10}})), "");
  EXPECT_EQ(line_->say(report(7, {{.server = kQuad9, .asked = 4, .answered = 4, .rtt_ms = 20}})), "");
  EXPECT_EQ(remote_.statistics().queries_udp, 7U);
  line_->die();
  EXPECT_EQ(remote_.statistics().queries_udp, 7U);
  line_->start();
  line_->read();
  EXPECT_EQ(remote_.statistics().queries_udp, 7U);
  EXPECT_THAT(remote_.statistics().upstreams,
              ElementsAre(dns::UpstreamStatus{.server = kQuad9, .asked = 4, .answered = 4, .rtt_ms = 20}));
  EXPECT_EQ(line_->say(report(1, {{.server = kQuad9, .asked = 1}})), "") << "a new child counts from 0";
  EXPECT_EQ(remote_.statistics().queries_udp, 8U);
  EXPECT_THAT(remote_.statistics().upstreams,
              ElementsAre(dns::UpstreamStatus{.server = kQuad9, .asked = 5, .answered = 4, .rtt_ms = 20}));
}

TEST_F(DnsReports, OfServersThatWereNotToldEndTheChild) {
  EXPECT_EQ(line_->say(report(1, {{.server = kInside}, {.server = kQuad9}})),
            "it names its upstreams out of order, or one twice");
  EXPECT_EQ(line_->say(report(1, {{.server = kQuad9}, {.server = kInside}})), "");
  EXPECT_EQ(line_->say(report(1, {{.server = kQuad9}, {.server = kQuad9}})),
            "it names its upstreams out of order, or one twice");
  EXPECT_THAT(line_->say(report(1, {{.server = make_address("127.0.0.1")}})),
              HasSubstr("127.0.0.1, of which it was not told"));
  auto early = report(1);
  ++early.version;
  EXPECT_THAT(line_->say(early), HasSubstr("never told of"));
}

TEST_F(DnsReports, ThatCountBackwardsEndTheChild) {
  EXPECT_EQ(line_->say(report(5)), "");
  EXPECT_EQ(line_->say(report(4)), "it counts backwards");
  EXPECT_EQ(remote_.statistics().queries_udp, 5U);
}

TEST_F(DnsReports, OfServersThatWereAreNotHeldAgainstTheChild) {
  const auto late = report(5, {{.server = kQuad9, .asked = 3}});
  EXPECT_EQ(line_->say(late), "");
  set_upstreams({.servers = {kInside}, .forward = {}});
  EXPECT_THAT(remote_.statistics().upstreams, IsEmpty());
  EXPECT_EQ(line_->say(late), "") << "it had not read the change yet";
  EXPECT_THAT(remote_.statistics().upstreams, IsEmpty());
  line_->read();
  EXPECT_THAT(line_->say(report(5, {{.server = kQuad9}})), HasSubstr("not told"));
  EXPECT_EQ(line_->say(report(5, {{.server = kInside, .asked = 1}})), "");
}

TEST_F(DnsReports, ThatDoNotDecodeEndTheChild) {
  EXPECT_THAT(line_->say(verbs::encode(verbs::Order{verbs::Begin{}})), HasSubstr("none that may come"));
  auto cut = verbs::encode(report(1));
  cut.pop_back();
  EXPECT_THAT(line_->say(cut), HasSubstr("too short"));
  EXPECT_EQ(remote_.statistics().queries_udp, 0U);
}

}  // namespace
}  // namespace vrouter::router
