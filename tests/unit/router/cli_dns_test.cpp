// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/cli/dns.h"
#include "router/cli/dns_query.h"

namespace vrouter::router::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CliDns, ShowsSharesTheCacheAndServers) {
  dns::Statistics dns;
  dns.queries_udp = 190;
  dns.queries_tcp = 10;
  dns.answered_from_cache = 150;
  dns.cache = {.entries = 12, .bytes = 3 << 20, .limit = 32 << 20};
  dns.upstreams = {{.server = boost::asio::ip::make_address("192.0.2.53"),
                    .asked = 40,
                    .answered = 39,
                    .timeouts = 1,
                    .rtt_ms = 1.25}};
  const auto text = dns_text(dns, false);
  EXPECT_THAT(text, HasSubstr("190 by UDP, 10 by TCP"));
  EXPECT_THAT(text, HasSubstr("150 (75.0 %)"));
  EXPECT_THAT(text, HasSubstr("12 answers, 3.0 MiB of 32.0 MiB"));
  EXPECT_THAT(text, HasSubstr("192.0.2.53  40"));
  EXPECT_THAT(text, HasSubstr("1.2 ms"));
  dns.upstreams.push_back(
      {.server = {boost::asio::ip::make_address("192.0.2.53"), 853, config::DnsTransport::tls, "dns.example"},
       .trouble = dns::UpstreamTrouble::wrong_name});
  EXPECT_THAT(dns_text(dns, false),
              HasSubstr("tls://192.0.2.53#dns.example: its certificate is not for dns.example: write the name"));
}

TEST(CliDns, ShowsWhatRulesToDomainsLetIn) {
  dns::Statistics dns;
  EXPECT_THAT(dns_text(dns, false), Not(HasSubstr("let in")));
  dns.admitted = 12;
  dns.refused_admission = 2;
  dns.failed_admission = 1;
  EXPECT_THAT(dns_text(dns, false), HasSubstr("12 addresses by rules to domains, 2 refused, 1 answers held too long"));
}

TEST(CliDns, ShowsListsAndWhatTheyBlocked) {
  dns::Statistics dns;
  EXPECT_THAT(dns_text(dns, false), Not(HasSubstr("blocked")));
  dns.refused_by_list = 5;
  dns.lists = {{.name = "ads", .entries = 1'000'000, .skipped = 3}, {.name = "exceptions"}};
  const auto text = dns_text(dns, false);
  EXPECT_THAT(text, HasSubstr("5 by lists"));
  EXPECT_THAT(text, HasSubstr("LIST"));
  EXPECT_THAT(text, HasSubstr("ads         1000000  3"));
}

TEST(CliDns, NobodyAskedYet) {
  const auto text = dns_text({}, false);
  EXPECT_THAT(text, Not(HasSubstr("nan")));
  EXPECT_THAT(text, Not(HasSubstr("UPSTREAM")));
}

TEST(CliDns, SaysWhatIsForgotten) {
  EXPECT_EQ(flushed_sentence({}), "the cache is empty\n");
  EXPECT_EQ(flushed_sentence({"www.example"}), "what was known of www.example is forgotten\n");
  EXPECT_THAT(flushed_sentence({"\x1b[31m"}), Not(HasSubstr("\x1b")));
}

DnsAnswer answer_of(const char* name, std::optional<std::uint16_t> type) {
  return {.question = *question_of(name, type),
          .reply = {},
          .server = boost::asio::ip::make_address("10.0.5.1"),
          .took = std::chrono::microseconds{1250}};
}

TEST(CliDnsQuery, ShowsTheRecordsAndWhereTheyCameFrom) {
  auto answer = answer_of("www.example", std::nullopt);
  answer.reply.answers = {{"www.example.", "CNAME", "web.example.", 60}, {"web.example.", "A", "192.0.2.80", 300}};
  EXPECT_TRUE(answer.found());
  EXPECT_EQ(answer_text(answer, false),
            "NAME          TTL  TYPE   DATA\n"
            "www.example.  60   CNAME  web.example.\n"
            "web.example.  300  A      192.0.2.80\n"
            "from 10.0.5.1 over UDP in 1.2 ms\n");
  EXPECT_THAT(answer_json(answer), HasSubstr(R"("rcode":"NOERROR","found":true)"));
}

TEST(CliDnsQuery, SaysWhatIsMissing) {
  auto answer = answer_of("www.example", dns::type::aaaa);
  answer.reply.answers = {{"www.example.", "CNAME", "web.example.", 60}};
  EXPECT_FALSE(answer.found()) << "a chain that ends in nothing";
  EXPECT_THAT(answer_text(answer, false), HasSubstr("www.example. has nothing of type AAAA (NODATA)"));
  answer = answer_of("10.0.5.77", std::nullopt);
  answer.reply.rcode = 3;
  EXPECT_THAT(answer_text(answer, false), HasSubstr("there is no name 77.5.0.10.in-addr.arpa. (NXDOMAIN)"));
  answer.reply.errors = {{15, "\x1b[31m"}};
  EXPECT_THAT(answer_text(answer, false), HasSubstr("Blocked (EDE 15): "));
  EXPECT_THAT(answer_text(answer, false), Not(HasSubstr("\x1b")));
  answer.reply.rcode = 2;
  EXPECT_THAT(answer_text(answer, false), HasSubstr("(SERVFAIL); `vrouter dns` shows"));
}

}  // namespace
}  // namespace vrouter::router::cli
