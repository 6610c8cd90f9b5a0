// SPDX-License-Identifier: GPL-2.0-or-later
// Answers that wait for the firewall.
#include "dns/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/query_handler.h"
#include "dns/quick_answers.h"
#include "message.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using testing::ask;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Message;
using testing::rcode_of;
using namespace std::chrono_literals;
using Outcome = AdmissionReply::Outcome;

constexpr unsigned kGuest = 7, kOther = 8;
const std::string_view kWeb{"\xc6\x33\x64\x07", 4};  // 198.51.100.7

Bytes answer(std::string_view name, unsigned ttl = 60, std::string_view address = kWeb) {
  return Message{}.header(9, 0x8180, 1, 1).question(name).pointer(12).record(1, address, ttl).bytes;
}

class DnsAdmission : public ::testing::Test {
 protected:
  DnsAdmission() { admission_.set({.revision = 1, .names = {"www.example", "*.debian.org"}}); }

  bool concerns(std::string_view name, unsigned guest = kGuest) {
    return admission_.concerns(guest, Name::from_text(name)->wire());
  }
  // What became of it: nothing yet, or whether it may be told.
  std::shared_ptr<std::optional<bool>> let_in(const Bytes& message, unsigned guest = kGuest,
                                              std::string_view name = "www.example") {
    auto result = std::make_shared<std::optional<bool>>();
    admission_.let_in(guest, *Name::from_text(name), message, now_, [result](bool in) { *result = in; });
    return result;
  }
  void reply(Outcome outcome, std::uint32_t seconds = 90) {
    ASSERT_FALSE(asked_.empty());
    admission_.answered({asked_.back().number, outcome, 1, 0, seconds}, now_);
  }
  [[nodiscard]] Statistics counted() const {
    Statistics all;
    admission_.add_to(all);
    return all;
  }

  boost::asio::io_context io_;
  std::vector<AdmissionRequest> asked_;
  Admission admission_{io_, [this](const AdmissionRequest& request) { asked_.push_back(request); }};
  BootTime now_ = BootClock::now();
};

TEST_F(DnsAdmission, ConcernsNamesOfRules) {
  for (const auto* name : {"www.example", "WWW.Example", "deb.debian.org", "a.b.Debian.ORG"}) {
    EXPECT_TRUE(concerns(name)) << name;
  }
  for (const auto* name : {"example", "a.www.example", "debian.org", "notdebian.org", "org", "debian.org.example"}) {
    EXPECT_FALSE(concerns(name)) << name;
  }
  EXPECT_FALSE(concerns("www.example", kLoopbackIfindex)) << "the host's own questions";
  admission_.set({.revision = 2, .names = {}});
  EXPECT_FALSE(concerns("www.example"));
}

TEST_F(DnsAdmission, AnAnswerWaitsUntilItsAddressesAreIn) {
  const auto done = let_in(answer("WWW.example"));
  EXPECT_FALSE(done->has_value());
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].ifindex, kGuest);
  EXPECT_EQ(asked_[0].name, "www.example.");
  EXPECT_EQ(asked_[0].ttl, 60U);
  EXPECT_THAT(asked_[0].addresses, ElementsAre(make_address("198.51.100.7")));
  reply(Outcome::admitted);
  EXPECT_EQ(*done, true);
  EXPECT_EQ(counted().admitted, 1U);
}

TEST_F(DnsAdmission, WhatIsInNeedsNoSecondQuestion) {
  let_in(answer("www.example"));
  reply(Outcome::admitted, 90);
  EXPECT_EQ(*let_in(answer("www.example", 20)), true) << "from the cache, with less of its time left";
  now_ += 70s;
  EXPECT_EQ(*let_in(answer("www.example", 20)), true);
  EXPECT_EQ(asked_.size(), 1U);
  now_ += 1s;
  EXPECT_FALSE(let_in(answer("www.example", 20))->has_value()) << "it would be told for longer than it is in";
  EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(DnsAdmission, AnotherGuestNameOrAddressIsAnotherQuestion) {
  let_in(answer("www.example"));
  reply(Outcome::admitted);
  EXPECT_FALSE(let_in(answer("www.example"), kOther)->has_value());
  EXPECT_FALSE(let_in(answer("a.debian.org"), kGuest, "a.debian.org")->has_value());
  EXPECT_FALSE(let_in(answer("www.example", 60, {"\xc6\x33\x64\x08", 4}))->has_value());
  EXPECT_EQ(asked_.size(), 4U);
}

TEST_F(DnsAdmission, WhatIsNotAnsweredInTimeIsNotTold) {
  const auto done = let_in(answer("www.example"));
  io_.run_for(100ms);
  EXPECT_FALSE(done->has_value());
  io_.restart();
  io_.run_for(300ms);
  EXPECT_EQ(*done, false);
  EXPECT_EQ(counted().failed_admission, 1U);
  reply(Outcome::admitted);  // too late
  EXPECT_EQ(counted().admitted, 0U);
  now_ = BootClock::now();
  EXPECT_FALSE(let_in(answer("www.example"))->has_value()) << "what came too late is not taken for in";
}

TEST_F(DnsAdmission, EachHasItsOwnDeadline) {
  const auto first = let_in(answer("www.example"));
  io_.run_for(150ms);
  now_ = BootClock::now();
  const auto second = let_in(answer("www.example"), kOther);
  io_.restart();
  io_.run_for(150ms);
  EXPECT_EQ(*first, false);
  EXPECT_FALSE(second->has_value());
  io_.restart();
  io_.run_for(200ms);
  EXPECT_EQ(*second, false);
}

TEST_F(DnsAdmission, WhatIsRefusedIsNotTold) {
  const auto done = let_in(answer("www.example"));
  reply(Outcome::failed);
  EXPECT_EQ(*done, false);
  EXPECT_EQ(counted().failed_admission, 1U);
}

TEST_F(DnsAdmission, GuestsThatNoRuleSpeaksOfAreAskedForOnce) {
  const auto done = let_in(answer("www.example"));
  reply(Outcome::unconcerned);
  EXPECT_EQ(*done, true);
  EXPECT_FALSE(concerns("www.example"));
  EXPECT_TRUE(concerns("www.example", kOther));
  admission_.forget(kGuest);
  EXPECT_TRUE(concerns("www.example"));
}

TEST_F(DnsAdmission, OtherRulesAndAnotherGuestForgetWhatWasIn) {
  const auto is_in = [&] {
    const auto before = asked_.size();
    let_in(answer("www.example"));
    return asked_.size() == before;
  };
  EXPECT_FALSE(is_in());
  reply(Outcome::admitted);
  EXPECT_TRUE(is_in());
  admission_.forget(kGuest);
  EXPECT_FALSE(is_in());
  reply(Outcome::admitted);
  admission_.set({.revision = 2, .names = {"www.example"}});
  EXPECT_FALSE(is_in());
}

TEST_F(DnsAdmission, WithoutAddressesThereIsNothingToWaitFor) {
  EXPECT_EQ(*let_in(Message{}.header(9, 0x8183, 1).question("www.example").bytes), true);
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(DnsAdmission, WithNobodyToAskNothingIsTold) {
  Admission alone{io_, nullptr};
  std::optional<bool> in;
  alone.let_in(kGuest, *Name::from_text("www.example"), answer("www.example"), now_, [&](bool is_in) { in = is_in; });
  EXPECT_EQ(in, false);
}

TEST_F(DnsAdmission, NeverAsksForMoreThanTheDaemonTakes) {
  auto message = Message{}.header(9, 0x8180, 1, 100).question("www.example");
  for (char i = 0; i < 100; ++i) message.pointer(12).record(1, std::string{"\xc6\x33\x64"} + i);
  const auto done = let_in(message.bytes);
  EXPECT_EQ(asked_.at(0).addresses.size(), kMaxAdmitted);
  reply(Outcome::admitted);
  EXPECT_EQ(*done, true);
}

// --- what an answer says ---------------------------------------------------------------------------------------------

TEST(DnsTold, IsWhatTheAnswerSectionSays) {
  std::string hints{"\0\1\0", 3};  // priority 1, the owner itself
  hints += std::string{"\0\4\0\x8\xc6\x33\x64\x9\xc6\x33\x64\xa", 12};
  hints += std::string{"\0\6\0\x10\x20\x01\x0d\xb8", 8} + std::string(11, '\0') + '\x9';
  const auto message = Message{}
                           .header(9, 0x8180, 1, 4, 0, 1)
                           .question("www.example", 65)
                           .pointer(12)
                           .record(5, std::string{"\1b\0", 3}, 1000)
                           .pointer(12)
                           .record(1, kWeb, 60)
                           .pointer(12)
                           .record(28, std::string{"\x20\x01\x0d\xb8", 4} + std::string(11, '\0') + '\x8', 50)
                           .pointer(12)
                           .record(65, hints, 70)
                           .pointer(12)
                           .record(1, "\xc6\x33\x64\x63", 500)
                           .bytes;
  const auto told = told_by(message);
  EXPECT_THAT(told.addresses,
              ElementsAre(make_address("198.51.100.7"), make_address("2001:db8::8"), make_address("198.51.100.9"),
                          make_address("198.51.100.10"), make_address("2001:db8::9")));
  EXPECT_EQ(told.ttl, 70U) << "the longest of the addresses";
}

TEST(DnsTold, GarbageSaysNothing) {
  EXPECT_THAT(told_by({}).addresses, IsEmpty());
  auto message = answer("www.example");
  message.pop_back();
  EXPECT_THAT(told_by(message).addresses, IsEmpty());
  const auto cut =
      Message{}.header(9, 0x8180, 1, 1).question("a").pointer(12).record(65, {"\0\1\0\0\4\0\6\1\2\3\4\5\6", 13}).bytes;
  EXPECT_THAT(told_by(cut).addresses, ElementsAre(make_address("1.2.3.4")));
}

TEST(DnsTold, TheAdditionalSectionIsLeftOut) {
  const auto plain = answer("www.example");
  EXPECT_EQ(without_additional(plain), plain);
  auto more = Message{}.header(9, 0x8180, 1, 1, 0, 1).question("www.example").pointer(12).record(1, kWeb, 60);
  more.pointer(12).record(1, "\1\2\3\4");
  EXPECT_EQ(without_additional(more.bytes), plain);
}

// --- where it stands in the way --------------------------------------------------------------------------------------

struct HeldSource final : AnswerSource {
  std::optional<Bytes> cached;
  std::vector<Done> asked;
  std::optional<Answer> known(const QuestionKey&, BootTime) override {
    if (!cached) return std::nullopt;
    return Answer{.message = std::make_shared<const Bytes>(*cached), .reason = {}};
  }
  void ask(const QuestionKey&, unsigned, Done done) override { asked.push_back(std::move(done)); }
};

class DnsHeldAnswers : public DnsAdmission {
 protected:
  DnsHeldAnswers() {
    names_.apply({.snapshot = true,
                  .zones = {{"default", "guests.internal", {}, {}, {make_address("10.0.5.1")}}},
                  .upserts = {{"default", "web1", kGuest, {make_address("10.0.5.2")}},
                              {"default", "web2", kOther, {make_address("10.0.5.3")}}},
                  .removed = {}});
  }
  std::shared_ptr<std::optional<Bytes>> send(const Bytes& query, unsigned guest = kGuest) {
    auto reply = std::make_shared<std::optional<Bytes>>();
    handler_.handle(query, {guest, make_address(guest == kGuest ? "10.0.5.2" : "10.0.5.3")}, Transport::udp, now_,
                    [reply](Bytes bytes) { *reply = std::move(bytes); });
    return reply;
  }
  void arrive(const Bytes& message) {
    source_.asked.back()({.message = std::make_shared<const Bytes>(message), .reason = {}});
  }

  Names names_;
  UpstreamTable table_;
  HeldSource source_;
  Statistics counts_;
  QueryHandler handler_{names_, table_, source_, counts_, &admission_};
};

TEST_F(DnsHeldAnswers, LeaveOnceTheyAreIn) {
  const auto reply = send(ask("www.example"));
  arrive(answer("www.example"));
  EXPECT_FALSE(reply->has_value());
  this->reply(Outcome::admitted);
  ASSERT_TRUE(reply->has_value());
  EXPECT_EQ(rcode_of(**reply), 0U);
  EXPECT_EQ(testing::count_of(**reply, 1), 1U);
}

TEST_F(DnsHeldAnswers, OthersDoNotWait) {
  const auto reply = send(ask("elsewhere.example"));
  arrive(answer("elsewhere.example"));
  EXPECT_TRUE(reply->has_value());
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(DnsHeldAnswers, AnAnswerFromTheCacheWaitsForASecondGuest) {
  source_.cached = answer("www.example");
  const auto first = send(ask("www.example"));
  this->reply(Outcome::admitted);
  EXPECT_TRUE(first->has_value());
  EXPECT_TRUE(send(ask("www.example"))->has_value()) << "at once";
  const auto second = send(ask("www.example"), kOther);
  EXPECT_FALSE(second->has_value());
  EXPECT_EQ(asked_.back().ifindex, kOther);
  this->reply(Outcome::admitted);
  EXPECT_TRUE(second->has_value());
}

TEST_F(DnsHeldAnswers, FailClosed) {
  const auto query = Message{}.header(1, 0x100, 1, 0, 0, 1).question("www.example").opt().bytes;
  const auto reply = send(query);
  arrive(answer("www.example"));
  io_.run_for(400ms);
  ASSERT_TRUE(reply->has_value());
  EXPECT_EQ(rcode_of(**reply), 2U);
  EXPECT_EQ(testing::count_of(**reply, 1), 0U);
  EXPECT_EQ(testing::u16_at(**reply, (*reply)->size() - 6), 15U) << "an extended error";
}

TEST_F(DnsHeldAnswers, HoldNoMoreThanAGuestMayWaitFor) {
  source_.cached = answer("www.example");
  for (int i = 0; i < 64; ++i) send(ask("www.example"));
  EXPECT_EQ(asked_.size(), 64U);
  EXPECT_TRUE(send(ask("www.example"))->value().empty());
  EXPECT_EQ(asked_.size(), 64U);
}

TEST_F(DnsHeldAnswers, TheQuickWayLeavesThemToTheHandler) {
  Cache cache{kMinCacheSize};
  const QuestionKey key{.name = *Name::from_text("www.example"), .type = 1};
  const auto message = answer("www.example");
  cache.put(CacheKey{key}, message, freshness_of(message, key).value(), kGuest, now_);
  const QuickAnswers quick{cache, &admission_};
  EXPECT_FALSE(quick.prepare(ask("www.example"), kGuest));
  EXPECT_FALSE(quick.prepare(ask("wWw.Example"), kOther));
  EXPECT_TRUE(quick.prepare(ask("elsewhere.example"), kGuest));
  EXPECT_TRUE(quick.prepare(ask("www.example"), kLoopbackIfindex));
}

}  // namespace
}  // namespace vrouter::dns
