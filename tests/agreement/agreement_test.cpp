// SPDX-License-Identifier: GPL-2.0-or-later
// That the comparison sees what it is there to see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agreement/zone.h"

namespace vrouter::agreement {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Disagreement : public ::testing::Test {
 protected:
  Disagreement() {
    question_.name = dns::Name::from_text("hOst.agree.example").value();
    question_.edns = Edns{.udp_size = 1232, .dnssec_ok = true};
    ours_ = {.flags = 0x8180,
             .name = question_.name,
             .type = question_.type,
             .answers = {{{"host.agree.example.", 1, 1, "abcd"}, 50}, {{"host.agree.example.", 1, 1, "abce"}, 50}},
             .edns = Edns{.udp_size = 1232, .dnssec_ok = true},
             .size = 90};
    truth_ = ours_;
    for (auto& [record, ttl] : truth_.answers) ttl = 60;
  }
  [[nodiscard]] std::string udp() const { return disagreement(question_, ours_, truth_, Over::udp); }

  Question question_;
  Reply ours_, truth_;
};

TEST_F(Disagreement, NoneInAReplyWithSmallerTtls) {
  EXPECT_THAT(udp(), IsEmpty());
}

TEST_F(Disagreement, SeesRecordsThatAreMissingOrOneTooMany) {
  ours_.answers.erase(ours_.answers.begin());
  EXPECT_THAT(udp(), HasSubstr("upstream's are"));
  ours_ = truth_;
  ours_.answers.emplace(Record{"host.agree.example.", 1, 1, "abcf"}, 60);
  EXPECT_THAT(udp(), HasSubstr("is not upstream's"));
}

TEST_F(Disagreement, SeesTtlsThatAreTooLargeOrNone) {
  ours_.answers.begin()->second = 61;
  EXPECT_THAT(udp(), HasSubstr("TTL 61"));
  ours_.answers.begin()->second = 0;
  EXPECT_THAT(udp(), HasSubstr("TTL 0"));
}

TEST_F(Disagreement, SeesRcodeFlagsAndCase) {
  ours_.rcode = 3;
  EXPECT_THAT(udp(), HasSubstr("rcode 3"));
  for (const unsigned bit : {0x8000U, 0x0400U, 0x0100U, 0x0080U, 0x0020U, 0x0010U}) {
    ours_ = truth_;
    ours_.flags = static_cast<std::uint16_t>(ours_.flags ^ bit);
    EXPECT_NE(udp(), "") << bit;
  }
  ours_ = truth_;
  ours_.name = question_.name.lower();
  EXPECT_THAT(udp(), HasSubstr("another case"));
}

TEST_F(Disagreement, SeesEdnsThatIsNotTheQuerys) {
  ours_.edns->dnssec_ok = false;
  EXPECT_THAT(udp(), HasSubstr("DO"));
  ours_.edns.reset();
  EXPECT_THAT(udp(), HasSubstr("OPT"));
}

TEST_F(Disagreement, AllowsTruncationOnlyWhereItIsNeeded) {
  ours_.flags |= 0x0200;
  ours_.answers.clear();
  EXPECT_THAT(udp(), HasSubstr("truncated, where"));
  truth_.size = 1300;
  EXPECT_THAT(udp(), IsEmpty());
  EXPECT_THAT(disagreement(question_, ours_, truth_, Over::tcp), HasSubstr("over TCP"));
  ours_ = truth_;
  EXPECT_THAT(udp(), HasSubstr("1300 bytes over UDP"));
}

TEST_F(Disagreement, WantsTheSoaOfWhatThereIsNot) {
  truth_.answers.clear();
  truth_.authority = {{{"agree.example.", 6, 1, "soa"}, 300}};
  ours_ = truth_;
  EXPECT_THAT(udp(), IsEmpty());
  ours_.authority.clear();
  EXPECT_THAT(udp(), HasSubstr("authority"));
}

TEST_F(Disagreement, WantsNoRecordsWithoutRecursion) {
  question_.recursion_desired = false;
  ours_.flags = 0x8080;
  EXPECT_THAT(udp(), HasSubstr("without RD"));
}

TEST(Messages, AReadQuestionIsTheOneThatWasWritten) {
  Questions questions{7};
  for (int i = 0; i < 2000; ++i) {
    const auto question = questions.next();
    const auto read_back = read(write(question, 77));
    ASSERT_TRUE(read_back) << question.to_text();
    EXPECT_EQ(read_back->id, 77);
    EXPECT_TRUE(std::ranges::equal(read_back->name.wire(), question.name.wire()));
    EXPECT_EQ(read_back->type, question.type);
    EXPECT_EQ((read_back->flags & 0x0100) != 0, question.recursion_desired);
    ASSERT_EQ(read_back->edns.has_value(), question.edns.has_value());
    if (question.edns) EXPECT_EQ(read_back->edns->dnssec_ok, question.edns->dnssec_ok);
  }
}

TEST(Messages, NamesInDataAreComparedWholeAndInLowerCase) {
  const Bytes head{0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1, 'H', 1, 'x', 0, 0, 5, 0, 1};
  auto compressed = head, whole = head;
  const Bytes owner{0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9};
  for (auto* message : {&compressed, &whole}) message->insert(message->end(), owner.begin(), owner.end());
  const Bytes pointer{0, 4, 1, 'C', 0xc0, 14}, spelt{0, 5, 1, 'c', 1, 'X', 0};
  compressed.insert(compressed.end(), pointer.begin(), pointer.end());
  whole.insert(whole.end(), spelt.begin(), spelt.end());
  const auto a = read(compressed), b = read(whole);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->answers.size(), 1U);
  EXPECT_EQ(a->answers, b->answers);
}

}  // namespace
}  // namespace vrouter::agreement
