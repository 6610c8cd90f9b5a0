// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

const address kA = make_address("192.0.2.1"), kB = make_address("192.0.2.2"), kC = make_address("192.0.2.3");
const BootTime kStart{1h};
const Name kName = Name::from_text("www.example").value();

Reply reply(Rcode rcode) {
  return {.rcode = rcode, .truncated = false, .message = Bytes(12)};
}

TEST(DnsLookup, AsksTheNextWhenPatienceEndsAndStillHearsTheFirst) {
  Lookup lookup{{.servers = {kA, kB}}};
  const auto first = lookup.begin(kStart);
  ASSERT_EQ(first.start.size(), 1U);
  EXPECT_EQ(lookup.server(first.start[0]), kA);
  EXPECT_EQ(lookup.wake(), kStart + 250ms);
  EXPECT_TRUE(lookup.on_timer(kStart + 249ms).start.empty());
  const auto second = lookup.on_timer(kStart + 250ms);
  ASSERT_EQ(second.start.size(), 1U);
  EXPECT_EQ(lookup.server(second.start[0]), kB);
  ASSERT_EQ(second.late.size(), 1U);
  EXPECT_EQ(lookup.server(second.late[0]), kA);
  EXPECT_TRUE(second.silent.empty());
  EXPECT_TRUE(lookup.on_reply(first.start[0].id, reply(Rcode::no_error), kStart + 500ms).done);
}

TEST(DnsLookup, ErrorsMoveOnAtOnceAndTheLastRefusalIsHeard) {
  Lookup lookup{{.servers = {kA, kB}}};
  const auto first = lookup.begin(kStart);
  const auto second = lookup.on_failure(first.start[0].id, kStart + 1ms);
  ASSERT_EQ(second.start.size(), 1U);
  const auto end = lookup.on_reply(second.start[0].id, reply(Rcode::refused), kStart + 2ms);
  ASSERT_TRUE(end.done);
  EXPECT_EQ(end.done->reply.value().rcode, Rcode::refused);
}

TEST(DnsLookup, NobodyLeftIsANetworkErrorAndNobodyAtAllIsUnreachable) {
  Lookup one{{.servers = {kA}}};
  const auto first = one.begin(kStart);
  EXPECT_EQ(one.on_failure(first.start[0].id, kStart).done.value().reason, Ede::network_error);
  Lookup none{{}};
  EXPECT_EQ(none.begin(kStart).done.value().reason, Ede::no_reachable_authority);
}

TEST(DnsLookup, NxdomainIsFinal) {
  Lookup lookup{{.servers = {kA, kB}}};
  const auto first = lookup.begin(kStart);
  const auto end = lookup.on_reply(first.start[0].id, reply(Rcode::nx_domain), kStart);
  EXPECT_EQ(end.done.value().reply.value().rcode, Rcode::nx_domain);
  EXPECT_TRUE(end.start.empty());
}

TEST(DnsLookup, EdnsIsLeftOutOnFormerrOnlyAndOnlyOnce) {
  Lookup lookup{{.servers = {kA}}};
  const auto first = lookup.begin(kStart);
  EXPECT_TRUE(first.start[0].edns);
  const auto plain = lookup.on_reply(first.start[0].id, reply(Rcode::form_err), kStart);
  ASSERT_EQ(plain.start.size(), 1U);
  EXPECT_FALSE(plain.start[0].edns);
  EXPECT_TRUE(lookup.on_reply(plain.start[0].id, reply(Rcode::form_err), kStart).done);
  Lookup other{{.servers = {kA}}};
  const auto again = other.begin(kStart);
  EXPECT_TRUE(other.on_reply(again.start[0].id, reply(Rcode::serv_fail), kStart).start.empty());
  Lookup slow{{.servers = {kA}}};
  static_cast<void>(slow.begin(kStart));
  EXPECT_TRUE(slow.on_timer(kStart + 1s).start.at(0).edns);
}

TEST(DnsLookup, TruncationAndAWrongIdGoOverTcpToTheSameServer) {
  Lookup lookup{{.servers = {kA, kB}}};
  const auto first = lookup.begin(kStart);
  const auto tcp = lookup.on_reply(first.start[0].id, {.rcode = Rcode::no_error, .truncated = true}, kStart);
  ASSERT_EQ(tcp.start.size(), 1U);
  EXPECT_EQ(tcp.start[0].transport, Transport::tcp);
  EXPECT_EQ(lookup.server(tcp.start[0]), kA);
  EXPECT_THAT(tcp.stop, ElementsAre(first.start[0].id));
  const auto next = lookup.on_wrong_id(tcp.start[0].id, kStart);
  EXPECT_EQ(lookup.server(next.start.at(0)), kB);
  EXPECT_EQ(lookup.on_wrong_id(next.start[0].id, kStart).start.at(0).transport, Transport::tcp);
}

TEST(DnsLookup, AServerOverTcpIsAskedByItAndAnswersForItself) {
  const config::DnsServer over_tcp{kA, 5353, config::DnsTransport::tcp};
  Lookup lookup{{.servers = {over_tcp, kB}}};
  const auto first = lookup.begin(kStart);
  EXPECT_EQ(first.start.at(0).transport, Transport::tcp);
  const auto failed = lookup.on_failure(first.start[0].id, kStart);
  EXPECT_EQ(failed.silent.size(), 1U);
  EXPECT_EQ(failed.start.at(0).transport, Transport::udp);
  Lookup probing{{.servers = {kB, over_tcp}, .probe = 1}};
  const auto both = probing.begin(kStart);
  EXPECT_EQ(both.start.at(0).transport, Transport::tcp);
  EXPECT_THAT(probing.on_reply(both.start.at(1).id, reply(Rcode::no_error), kStart).linger,
              ElementsAre(both.start[0].id));
  Lookup alone{{.servers = {over_tcp}}};
  static_cast<void>(alone.begin(kStart));
  EXPECT_TRUE(alone.on_timer(kStart + 1s).start.empty()) << "TCP repeats what it must by itself";
}

TEST(DnsLookup, EverybodyIsTriedWithinTheDeadlineWhichIsFourSeconds) {
  Lookup lookup{{.servers = {kA, kB, kC}}};
  std::vector<config::DnsServer> asked;
  auto step = lookup.begin(kStart);
  BootTime now = kStart;
  for (int i = 0; i < 20 && !step.done; ++i) {
    for (const auto& attempt : step.start) asked.push_back(lookup.server(attempt));
    now = lookup.wake();
    step = lookup.on_timer(now);
  }
  ASSERT_TRUE(step.done);
  EXPECT_EQ(now, kStart + 4s);
  EXPECT_EQ(step.done->reason, Ede::no_reachable_authority);
  EXPECT_THAT(std::vector(asked.begin(), asked.begin() + 3), ElementsAre(kA, kB, kC));
  EXPECT_LE(asked.size(), 7U);
}

TEST(DnsLookup, AProbeOutlivesTheAnswer) {
  Lookup lookup{{.servers = {kA, kB}, .probe = 1}};
  const auto both = lookup.begin(kStart);
  ASSERT_EQ(both.start.size(), 2U);
  EXPECT_EQ(lookup.server(both.start[0]), kB);
  const auto end = lookup.on_reply(both.start[1].id, reply(Rcode::no_error), kStart);
  EXPECT_TRUE(end.done);
  EXPECT_THAT(end.linger, ElementsAre(both.start[0].id));
}

TEST(DnsLookup, TheOvertakenAreHeardOutButNotThoseOfTheServerThatAnswered) {
  Lookup lookup{{.servers = {kA, kB}}};
  const auto first = lookup.begin(kStart);
  const auto second = lookup.on_timer(kStart + 250ms);
  const auto end = lookup.on_reply(second.start.at(0).id, reply(Rcode::no_error), kStart + 260ms);
  ASSERT_TRUE(end.done);
  EXPECT_THAT(end.linger, ElementsAre(first.start.at(0).id));
  Lookup other{{.servers = {kA}}};
  static_cast<void>(other.begin(kStart));
  const auto again = other.on_timer(kStart + 1s);
  EXPECT_TRUE(other.on_reply(again.start.at(0).id, reply(Rcode::no_error), kStart + 1s).linger.empty());
}

TEST(DnsLookup, WithoutHopeEachServerIsAskedOnce) {
  Lookup lookup{{.servers = {kA, kB}, .repeat = false}};
  std::size_t asked = 0;
  for (auto step = lookup.begin(kStart); !step.done; step = lookup.on_timer(lookup.wake())) asked += step.start.size();
  EXPECT_EQ(asked, 2U);
}

TEST(DnsLookup, AnExtendedCodeIsNotTakenForItsLowerHalf) {
  Lookup lookup{{.servers = {kA}}};
  const auto first = lookup.begin(kStart);
  const auto end = lookup.on_reply(first.start.at(0).id, reply(Rcode::bad_vers), kStart);
  EXPECT_FALSE(end.done.value().reply);
  EXPECT_EQ(end.done.value().reason, Ede::network_error);
}

TEST(DnsLookup, EventsOfStoppedAttemptsChangeNothing) {
  Lookup lookup{{.servers = {kA}}};
  const auto first = lookup.begin(kStart);
  static_cast<void>(lookup.on_wrong_id(first.start[0].id, kStart));
  EXPECT_FALSE(lookup.on_reply(first.start[0].id, reply(Rcode::no_error), kStart).done);
}

UpstreamTable table(std::vector<config::DnsServer> servers, std::vector<config::ForwardZone> forward = {},
                    const std::vector<address>& own = {}) {
  UpstreamTable t;
  t.set({.servers = std::move(servers), .forward = std::move(forward)}, own);
  return t;
}

TEST(DnsUpstreams, ASilentServerStandsBehindTheOthersUntilAProbeIsAnswered) {
  auto t = table({kA, kB});
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kA, kB));
  t.late(kA, kStart, kStart);
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kB, kA));
  EXPECT_FALSE(t.plan(kName, kStart + 999ms).probe);
  EXPECT_EQ(t.plan(kName, kStart + 1s).probe, 1U);
  EXPECT_FALSE(t.plan(kName, kStart + 1s).probe);  // one at a time
  t.silent(kA, kStart + 1s, kStart + 5s);
  EXPECT_EQ(t.plan(kName, kStart + 5s).probe, 1U);
  EXPECT_FALSE(t.plan(kName, kStart + 8s).probe);  // rarer each time
  EXPECT_EQ(t.plan(kName, kStart + 9s).probe, 1U);
  t.answered(kA, kStart + 9s, kStart + 9s, false);
  EXPECT_THAT(t.plan(kName, kStart + 9s).servers, ElementsAre(kA, kB));
}

TEST(DnsUpstreams, AServerThatAnswersOthersMeanwhileIsSlowOnOneNameAndKeepsItsPlace) {
  auto t = table({kA, kB});
  t.answered(kA, kStart, kStart + 10ms, false);
  t.late(kA, kStart + 5ms, kStart + 255ms);
  t.silent(kA, kStart + 5ms, kStart + 4s);
  EXPECT_THAT(t.plan(kName, kStart + 4s).servers, ElementsAre(kA, kB));
  t.late(kA, kStart + 11ms, kStart + 261ms);  // nothing has come since this was sent
  EXPECT_THAT(t.plan(kName, kStart + 4s).servers, ElementsAre(kB, kA));
}

TEST(DnsUpstreams, QuestionsSentBeforeAFailureWasKnownMakeItNoWorse) {
  auto t = table({kA, kB});
  t.late(kA, kStart, kStart + 250ms);
  for (int i = 0; i < 100; ++i) t.silent(kA, kStart + 100ms, kStart + 4100ms);
  EXPECT_EQ(t.plan(kName, kStart + 5s).probe, 1U);
  EXPECT_FALSE(t.plan(kName, kStart + 6s).probe);
  EXPECT_EQ(t.plan(kName, kStart + 7s).probe, 1U);  // after one failure, not after a hundred
  EXPECT_EQ(t.status().front().timeouts, 100U);
}

TEST(DnsUpstreams, WithAllSilentTheOrderIsTheOperatorsAndNobodyProbesOrRepeats) {
  auto t = table({kA, kB});
  t.silent(kA, kStart, kStart);
  t.silent(kB, kStart, kStart);
  const auto plan = t.plan(kName, kStart + 1h);
  EXPECT_THAT(plan.servers, ElementsAre(kA, kB));
  EXPECT_FALSE(plan.probe);
  EXPECT_FALSE(plan.repeat);
}

TEST(DnsUpstreams, HopelessServersAreTriedByOneQuestionASecond) {
  auto t = table({kA, kB});
  for (int i = 1; i <= 3; ++i) {
    t.silent(kA, kStart + i * 5s, kStart + i * 5s);
    t.silent(kB, kStart + i * 5s, kStart + i * 5s);
    EXPECT_FALSE(t.plan(kName, kStart + i * 5s).servers.empty()) << i;
  }
  EXPECT_EQ(t.plan(kName, kStart + 17s).servers.size(), 2U);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(t.plan(kName, kStart + 17s + i * 1ms - 1ms).servers.empty()) << i;
  EXPECT_EQ(t.plan(kName, kStart + 18s).servers.size(), 2U);
  t.answered(kB, kStart + 18s, kStart + 18s, false);
  EXPECT_THAT(t.plan(kName, kStart + 18s).servers, ElementsAre(kB, kA));
  EXPECT_FALSE(t.plan(kName, kStart + 18s).servers.empty());
}

void answer(UpstreamTable& t, const address& server, std::chrono::milliseconds rtt, int times = 50) {
  for (int i = 0; i < times; ++i) t.answered(server, kStart - rtt, kStart, false);
}

TEST(DnsUpstreams, OnlyAServerThatIsNoticeablySlowerLosesItsPlace) {
  auto t = table({kA, kB, kC});
  answer(t, kA, 90ms);
  answer(t, kB, 5ms);
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kA, kB, kC));
  answer(t, kA, 130ms);
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kB, kC, kA));
  answer(t, kA, 80ms);  // not yet
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kB, kC, kA));
  answer(t, kA, 40ms);
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kA, kB, kC));
}

TEST(DnsUpstreams, AFewRoundTripsAreNoYardstick) {
  auto t = table({kA, kB});
  answer(t, kA, 200ms);
  answer(t, kB, 5ms, 3);
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kA, kB));
  answer(t, kB, 5ms, 1);
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kB, kA));
}

TEST(DnsUpstreams, ServersWithoutQuestionsAreMeasuredNowAndThen) {
  auto t = table({kA, kB});
  EXPECT_FALSE(t.plan(kName, kStart).probe);
  EXPECT_FALSE(t.plan(kName, kStart + 29s).probe);
  EXPECT_EQ(t.plan(kName, kStart + 30s).probe, 1U);
  EXPECT_FALSE(t.plan(kName, kStart + 31s).probe);
  EXPECT_EQ(t.plan(kName, kStart + 60s).probe, 1U);
}

TEST(DnsUpstreams, PatienceFollowsTheRoundTripWithinBounds) {
  auto t = table({kA});
  EXPECT_EQ(t.plan(kName, kStart).patience, 250ms);
  answer(t, kA, 1ms);
  EXPECT_EQ(t.plan(kName, kStart).patience, 150ms);
  answer(t, kA, 200ms);
  EXPECT_GE(t.plan(kName, kStart).patience, 199ms);
  answer(t, kA, 3s);
  EXPECT_EQ(t.plan(kName, kStart).patience, 250ms);
}

TEST(DnsUpstreams, LongestForwardZoneWinsAndAnEmptyOneStaysClosed) {
  auto t = table({kA}, {{"example", {kB}}, {"www.example", {}}});
  EXPECT_THAT(t.plan(Name::from_text("a.example").value(), kStart).servers, ElementsAre(kB));
  EXPECT_TRUE(t.plan(kName, kStart).servers.empty());
  EXPECT_EQ(t.forward_labels(kName), 2U);
  EXPECT_THAT(t.plan(Name::from_text("org").value(), kStart).servers, ElementsAre(kA));
}

TEST(DnsUpstreams, AServerThatLeadsBackIsInNoPlanWhateverItsCertificate) {
  auto t = table({kA, kB}, {{"example", {kA}}});
  t.leads_back(kA, true);
  EXPECT_THAT(t.plan(Name::from_text("org").value(), kStart).servers, ElementsAre(kB));
  EXPECT_TRUE(t.plan(kName, kStart).servers.empty());
  t.trouble(kA, UpstreamTrouble::none);
  EXPECT_TRUE(t.plan(kName, kStart).servers.empty());
  t.leads_back(kA, false);
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kA));
  t.trouble(kA, UpstreamTrouble::expired);
  t.leads_back(kA, false);
  EXPECT_EQ(t.status().front().trouble, UpstreamTrouble::expired);
}

TEST(DnsUpstreams, WhatSaysNothingSeveralTimesIsTrouble) {
  auto t = table({kA});
  const auto trouble = [&] { return t.status().front().trouble; };
  for (int i = 0; i < 9; ++i) t.late(kA, kStart + i * 1s, kStart + i * 1s + 300ms);
  t.silent(kA, kStart + 9s, kStart + 9s);
  EXPECT_EQ(trouble(), UpstreamTrouble::none) << "slow, and silent once";
  t.answered(kA, kStart + 9s, kStart + 10s, false);
  t.silent(kA, kStart + 9s, kStart + 11s);  // asked before it answered
  t.silent(kA, kStart + 10s + 1ms, kStart + 12s);
  t.silent(kA, kStart + 11s, kStart + 13s);
  t.silent(kA, kStart + 13s, kStart + 15s);
  EXPECT_EQ(trouble(), UpstreamTrouble::none) << "two: one was sent before the first was given up";
  t.silent(kA, kStart + 16s, kStart + 18s);
  EXPECT_EQ(trouble(), UpstreamTrouble::silent);
  t.trouble(kA, UpstreamTrouble::none);
  EXPECT_EQ(trouble(), UpstreamTrouble::silent) << "a handshake is no answer";
  t.answered(kA, kStart + 19s, kStart + 19s, true);
  EXPECT_EQ(trouble(), UpstreamTrouble::none) << "REFUSED is an answer";
}

TEST(DnsUpstreams, OwnAddressesAreLeftOutAndHealthSurvivesAChange) {
  auto t = table({kA, kB}, {}, {kA});
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kB));
  t.silent(kB, kStart, kStart);
  t.set({.servers = {kB, kC}, .forward = {}}, {});
  EXPECT_THAT(t.plan(kName, kStart).servers, ElementsAre(kC, kB));
}

TEST(DnsUpstreams, ProblemsNameEachAddressOfOursOnceAndTheWantOfAServer) {
  EXPECT_THAT(upstream_problems({.servers = {kA}, .forward = {}}, {kB}), ElementsAre());
  EXPECT_THAT(upstream_problems({.servers = {kA, kB}, .forward = {{.domain = "example", .servers = {kB}}}}, {kB}),
              ElementsAre(HasSubstr(kB.to_string() + " is an address of our own")));
  EXPECT_THAT(upstream_problems({.servers = {kB}, .forward = {{.domain = "example", .servers = {kA}}}}, {kB}),
              ElementsAre(HasSubstr("in a circle"), HasSubstr("no server to forward to")));
}

}  // namespace
}  // namespace vrouter::dns
