// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/query_handler.h"

#include <gtest/gtest.h>

#include "message.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using testing::ask;
using testing::rcode_of;
using namespace std::chrono_literals;

struct HeldSource final : AnswerSource {
  std::vector<std::pair<QuestionKey, Done>> asked;
  void ask(const QuestionKey& key, unsigned, Done done) override { asked.emplace_back(key, std::move(done)); }
};

class DnsQueryHandler : public ::testing::Test {
 protected:
  DnsQueryHandler() {
    names.apply({.snapshot = true,
                 .zones = {{"default",
                            "guests.internal",
                            {boost::asio::ip::make_network_v4("10.0.5.0/24")},
                            {},
                            {make_address("10.0.5.1")}}},
                 .upserts = {{"default", "web1", 7, {make_address("10.0.5.2")}},
                             {"default", "web2", 8, {make_address("10.0.5.3")}}},
                 .removed = {}});
  }
  // The reply, empty for a drop; nothing while it waits.
  std::optional<Bytes> send(const Bytes& query, Client client = {7, make_address("10.0.5.2")},
                            Transport transport = Transport::udp) {
    const auto reply = std::make_shared<std::optional<Bytes>>();
    handler.handle(query, client, transport, now, [reply](Bytes bytes) { *reply = std::move(bytes); });
    return *reply;
  }
  [[nodiscard]] Statistics counted() const {
    auto all = counts;
    handler.gate().add_to(all);
    return all;
  }
  Names names;
  UpstreamTable table;
  HeldSource source;
  Statistics counts;
  QueryHandler handler{names, table, source, counts};
  BootTime now{1h};
};

TEST_F(DnsQueryHandler, LocalNamesNeverGoOut) {
  for (const auto* name :
       {"web1", "nobody.guests.internal", "9.5.0.10.in-addr.arpa", "a.test", "localhost", "1.1.168.192.in-addr.arpa"}) {
    for (const unsigned t : {1U, 28U, 12U, 65U}) EXPECT_TRUE(send(ask(name, t))) << name;
  }
  EXPECT_TRUE(source.asked.empty());
}

TEST_F(DnsQueryHandler, WithoutRdOnlyLocalDataIsTold) {
  EXPECT_EQ(rcode_of(send(ask("web1", 1, 1, 0)).value()), 0U);
  EXPECT_EQ(rcode_of(send(ask("www.example", 1, 1, 0)).value()), 5U);
  EXPECT_TRUE(source.asked.empty());
}

TEST_F(DnsQueryHandler, OtherClassesAreRefused) {
  EXPECT_EQ(rcode_of(send(testing::Message{}.header(1, 0x100, 1).question("version.bind", 16, 3).bytes).value()), 5U);
}

TEST_F(DnsQueryHandler, UnknownTypesArePassedOn) {
  EXPECT_FALSE(send(ask("www.example", 65280)));
  ASSERT_EQ(source.asked.size(), 1U);
  EXPECT_EQ(source.asked[0].first.type, 65280);
}

TEST_F(DnsQueryHandler, StrangersGetNothing) {
  EXPECT_TRUE(send(ask("web1"), {7, make_address("10.0.5.3")}).value().empty());
  EXPECT_TRUE(send(ask("web1"), {3, make_address("10.0.5.2")}).value().empty());
  EXPECT_EQ(counted().dropped_unknown_source, 2U);
}

TEST_F(DnsQueryHandler, AForwardZoneBringsASpecialNameBackToLife) {
  table.set({.servers = {}, .forward = {{"corp.internal", {make_address("192.0.2.1")}}}}, {});
  EXPECT_FALSE(send(ask("a.corp.internal")));
  EXPECT_EQ(source.asked.size(), 1U);
  EXPECT_EQ(rcode_of(send(ask("a.other.internal")).value()), 3U);
}

TEST_F(DnsQueryHandler, OneGuestMayHave64QuestionsWaitingAndOthersStillTheirs) {
  for (int i = 0; i < 64; ++i) EXPECT_FALSE(send(ask("a" + std::to_string(i) + ".example")));
  EXPECT_TRUE(send(ask("more.example")).value().empty());
  EXPECT_EQ(rcode_of(send(ask("more.example"), {7, make_address("10.0.5.2")}, Transport::tcp).value()), 2U);
  EXPECT_TRUE(send(ask("web1")).has_value());  // what needs nobody else is answered
  EXPECT_FALSE(send(ask("a.example"), {8, make_address("10.0.5.3")}));
  EXPECT_EQ(counted().dropped_over_budget, 2U);
  source.asked.front().second({});
  source.asked.front().second = nullptr;
  EXPECT_FALSE(send(ask("more.example")));  // its place is free again
}

TEST_F(DnsQueryHandler, MessagesAboveTheBudgetAreDroppedUnread) {
  std::size_t answered = 0;
  for (int i = 0; i < 6000; ++i) answered += send(ask("web1")).value().empty() ? 0 : 1;
  EXPECT_EQ(answered, 4000U);
  EXPECT_FALSE(send(ask("web1"), {8, make_address("10.0.5.3")}).value().empty());
  now += 1s;
  EXPECT_FALSE(send(ask("web1")).value().empty());
}

TEST_F(DnsQueryHandler, AFailureIsServfailWithItsReason) {
  Bytes reply;
  handler.handle(testing::Message{}.header(1, 0x100, 1, 0, 0, 1).question("a.example").opt().bytes,
                 {1, make_address("127.0.0.1")}, Transport::udp, now, [&](Bytes bytes) { reply = std::move(bytes); });
  source.asked.at(0).second({.message = nullptr, .reason = Ede::network_error});
  EXPECT_EQ(rcode_of(reply), 2U);
  EXPECT_EQ(testing::u16_at(reply, reply.size() - 2), 23U);
  EXPECT_EQ(counts.failed, 1U);
}

}  // namespace
}  // namespace vrouter::dns
