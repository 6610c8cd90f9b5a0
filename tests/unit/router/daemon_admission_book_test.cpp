// SPDX-License-Identifier: GPL-2.0-or-later
// Who was told what, and how much of that is kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/daemon/admission_book.h"

namespace vrouter::router {
namespace {

using boost::asio::ip::make_address;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;

constexpr BootTime kNow{1h};

AdmissionBook::Entry entry(std::uint32_t number, BootTime until = kNow + 90s, const std::string& tap = "tap0",
                           const std::string& guest = "web1", const std::string& domain = "*.debian.org") {
  return {tap, guest, domain, address_v4{0xc6336400U + number}, until};
}

void admit(AdmissionBook& book, const AdmissionBook::Entry& entry, firewall::Transaction& into) {
  book.make_room(entry, kNow, into);
  book.put(entry);
}

TEST(AdmissionTime, IsAMinuteAtLeastAndLongerThanWhatIsTold) {
  EXPECT_EQ(admission_time(0), 90U);
  EXPECT_EQ(admission_time(60), 90U);
  EXPECT_EQ(admission_time(3600), 3630U);
  EXPECT_EQ(admission_time(0xffffffff), 7 * 86400 + 30U);
}

TEST(MayBeAdmitted, OnlyUnicastAddressesOfTheWorld) {
  for (const auto* a : {"198.51.100.7", "8.8.8.8", "2001:db8::7", "2606:4700::1111", "64:ff9b::8.8.8.8"}) {
    EXPECT_TRUE(may_be_admitted(make_address(a))) << a;
  }
  for (const auto* a :
       {"0.0.0.0",    "10.0.0.1",          "127.0.0.1",     "169.254.169.254", "172.16.0.1",      "192.168.1.1",
        "100.64.0.1", "224.0.0.1",         "239.1.1.1",     "240.0.0.1",       "255.255.255.255", "::",
        "::1",        "fe80::1",           "fec0::1",       "fd00::1",         "ff02::1",         "::ffff:8.8.8.8",
        "::8.8.8.8",  "64:ff9b::10.0.0.1", "2002:a00:1::1", "2001:0:a00:1::1", "2001:db8::7%2"}) {
    EXPECT_FALSE(may_be_admitted(make_address(a))) << a;
  }
}

TEST(AdmissionBook, KnowsWhatHoldsAndWhatHeld) {
  AdmissionBook book;
  firewall::Transaction change;
  admit(book, entry(1), change);
  admit(book, entry(1, kNow + 200s), change);
  admit(book, entry(2, kNow - 1s), change);
  EXPECT_TRUE(change.empty());
  EXPECT_EQ(book.size(), 2U);
  EXPECT_THAT(book.living(kNow),
              ElementsAre(firewall::Admitted{
                  firewall::domain_element("*.debian.org", "tap0", make_address("198.51.100.1")), 200}));
  EXPECT_EQ(book.all().size(), 2U);
}

TEST(AdmissionBook, TheFirstToEndGiveWay) {
  AdmissionBook book;
  firewall::Transaction change;
  for (std::uint32_t i = 0; i < kMaxAdmittedByDomain; ++i) {
    const bool first = i % 10 == 0 && i < 10 * kGivesWay;
    admit(book, entry(i, i == 10 ? kNow - 1s : first ? kNow + 1s : kNow + 90s), change);
  }
  admit(book, entry(3), change);
  EXPECT_THAT(change.expel, IsEmpty()) << "it is there already";
  admit(book, entry(5000), change);
  EXPECT_EQ(change.expel.size(), kGivesWay - 1) << "the kernel forgot one by itself";
  for (const auto& element : change.expel) EXPECT_EQ(element.key.first.back() % 2, 0) << "they had a second left";
  EXPECT_EQ(book.size(), kMaxAdmittedByDomain - kGivesWay + 1);
  admit(book, entry(1, kNow + 90s, "tap0", "web1", "other.example"), change);
  admit(book, entry(1, kNow + 90s, "tap1", "web2"), change);
  EXPECT_EQ(change.expel.size(), kGivesWay - 1) << "each guest and domain has room of its own";
}

TEST(AdmissionBook, KnowsUntilWhen) {
  AdmissionBook book;
  book.put(entry(1));
  EXPECT_EQ(book.until(entry(1, kNow)), kNow + 90s);
  EXPECT_EQ(book.until(entry(2)), BootTime{});
  EXPECT_EQ(book.until(entry(1, kNow, "tap1")), BootTime{});
  EXPECT_EQ(book.until(entry(1, kNow, "tap0", "another")), BootTime{});
  EXPECT_EQ(book.until(entry(1, kNow, "tap0", "web1", "other.example")), BootTime{});
}

TEST(AdmissionBook, NobodyInherits) {
  AdmissionBook book;
  firewall::Transaction change;
  admit(book, entry(1), change);
  admit(book, entry(2, kNow + 90s, "tap1", "web2"), change);
  admit(book, entry(3, kNow + 90s, "tap0", "new1"), change);
  EXPECT_THAT(change.expel,
              ElementsAre(firewall::domain_element("*.debian.org", "tap0", make_address("198.51.100.1"))));
  EXPECT_THAT(book.guests(), UnorderedElementsAre(Pair("tap0", "new1"), Pair("tap1", "web2")));
  book.expel("tap0", change);
  book.expel("tap7", change);
  EXPECT_EQ(change.expel.size(), 2U);
  EXPECT_EQ(book.size(), 1U);
}

TEST(AdmissionBook, KeepsWhatRulesStillName) {
  AdmissionBook book;
  firewall::Transaction change;
  admit(book, entry(1), change);
  admit(book, entry(1, kNow + 90s, "tap0", "web1", "other.example"), change);
  book.keep({"a.example", "other.example"});
  EXPECT_EQ(book.size(), 1U);
  EXPECT_EQ(book.all().front().set.set, "d_other.example_4");
}

TEST(AdmissionBook, IsBoundedInAll) {
  AdmissionBook book;
  for (std::uint32_t i = 0; i < kMaxAdmittedInAll; ++i) {
    book.put(entry(i % 1000, i < 1000 ? kNow - 1s : kNow + 90s, "tap" + std::to_string(i / 1000)));
  }
  EXPECT_TRUE(book.has_room(kNow)) << "what has expired makes room";
  EXPECT_EQ(book.size(), kMaxAdmittedInAll - 1000);
  for (std::uint32_t i = 0; i < 1000; ++i) book.put(entry(i, kNow + 90s, "more"));
  EXPECT_FALSE(book.has_room(kNow));
}

}  // namespace
}  // namespace vrouter::router
