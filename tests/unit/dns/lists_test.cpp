// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/lists.h"

#include <gtest/gtest.h>

namespace vrouter::dns {
namespace {

constexpr std::uint64_t kSeed = 0x1234567890abcdef;

Name name(std::string_view text) {
  return Name::from_text(text).value();
}
struct Packed {
  ListReader reader;
  Bytes bytes;
  explicit Packed(std::string_view text) {
    reader.read(text);
    bytes = reader.pack(kSeed).value();
  }
  [[nodiscard]] DomainList list() const { return DomainList::open(bytes).value(); }
  [[nodiscard]] unsigned covers(std::string_view asked) const { return list().covers(name(asked)); }
};

TEST(DnsLists, ADomainCoversItselfAndAllBelow) {
  const Packed list{"ads.example\nTracker.Example.NET.\n"};
  EXPECT_EQ(list.covers("ads.example"), 2U);
  EXPECT_EQ(list.covers("a.b.ADS.example"), 2U);
  EXPECT_EQ(list.covers("tracker.example.net"), 3U);
  for (const auto* asked : {"example", "xads.example", "ads.example.org", "s.example", "example.net", "net"}) {
    EXPECT_EQ(list.covers(asked), 0U) << asked;
  }
}

TEST(DnsLists, AStarCoversWhatIsBelowAlone) {
  const Packed list{"*.ads.example\n*.b.example\nb.example\n"};
  EXPECT_EQ(list.covers("ads.example"), 0U);
  EXPECT_EQ(list.covers("x.ads.example"), 2U);
  EXPECT_EQ(list.covers("b.example"), 2U);  // both lines count
}

TEST(DnsLists, HostsFormat) {
  const Packed list{
      "\xef\xbb\xbf# a list\r\n127.0.0.1 localhost\r\n::1 ip6-localhost ip6-loopback\r\n0.0.0.0 0.0.0.0\r\n"
      "0.0.0.0\tads.example  more.example # why\r\n\r\n  0.0.0.0 last.example"};
  EXPECT_EQ(list.reader.not_understood(), 0U);
  EXPECT_EQ(list.reader.entries(), 3U);
  for (const auto* asked : {"ads.example", "more.example", "last.example", "x.last.example"}) {
    EXPECT_EQ(list.covers(asked), 2U) << asked;
  }
  EXPECT_EQ(list.covers("localhost"), 0U);
}

TEST(DnsLists, NamesOfOtherScripts) {
  const Packed list{
      "xn--bcher-kva.example\nb\xc3\xbc"
      "cher.example\n_dmarc.x.example\n"};
  EXPECT_EQ(list.covers("xn--bcher-kva.example"), 2U);
  EXPECT_EQ(list.covers("b\xc3\xbc"
                        "cher.example"),
            2U);
  EXPECT_EQ(list.covers("_dmarc.x.example"), 3U);
}

TEST(DnsLists, WhatIsNotUnderstoodIsCountedAndTheRestTaken) {
  const Packed list{"good.example\n||ads.example^\na..b\ntwo words.example\n1.2.3.4\n" + std::string(64, 'a') +
                    ".example\n.\n*.\nalso.example\n"};
  EXPECT_EQ(list.reader.not_understood(), 7U);
  EXPECT_EQ(list.reader.misread().count, 7U);
  EXPECT_EQ(list.reader.misread().lines, (std::vector<std::size_t>{2, 3, 4, 5, 6})) << "a handful";
  EXPECT_EQ(list.covers("good.example"), 2U);
  EXPECT_EQ(list.covers("also.example"), 2U);
  EXPECT_EQ(list.covers("two"), 0U);
  EXPECT_EQ(list.covers("ads.example"), 0U);
}

TEST(DnsLists, AnEmptyListCoversNothing) {
  EXPECT_EQ(Packed{""}.covers("a.example"), 0U);
  EXPECT_EQ(Packed{"a"}.covers("a"), 1U);
  EXPECT_EQ(Packed{"a"}.list().covers(Name{}), 0U);
}

TEST(DnsLists, CutOrSpoiltListsAreNotOpened) {
  const Packed list{"a.example\nb.example\n"};
  for (std::size_t size = 0; size < list.bytes.size(); ++size) {
    EXPECT_FALSE(DomainList::open(std::span{list.bytes}.first(size))) << size;
  }
  for (std::size_t at = 0; at < list.bytes.size(); ++at) {
    auto spoilt = list.bytes;
    spoilt[at] ^= 0xff;
    if (const auto opened = DomainList::open(spoilt)) static_cast<void>(opened->covers(name("x.a.example")));
  }
}

TEST(DnsLists, AMillionEntriesFitAndEachIsFound) {
  constexpr unsigned kEntries = 1'000'000;
  std::string text;
  for (unsigned i = 0; i < kEntries; ++i) text += "0.0.0.0 host-" + std::to_string(i * 7) + ".tracking.example\n";
  const Packed list{text};
  EXPECT_EQ(list.reader.entries(), kEntries);
  EXPECT_LT(list.bytes.size(), 60U << 20);
  RecordProperty("packed_bytes", static_cast<int>(list.bytes.size()));
  const auto opened = list.list();
  for (unsigned i = 0; i < kEntries; i += 101) {
    const auto number = std::to_string(i * 7);
    ASSERT_EQ(opened.covers(name("a.host-" + number + ".tracking.example")), 3U);
    ASSERT_EQ(opened.covers(name("host-" + std::to_string(i * 7 + 1) + ".tracking.example")), 0U);
  }
}

TEST(DnsLists, TheLongerEntryWinsAndAllowsBetweenEquals) {
  const Packed block{"example\nads.good.example\nsame.example\n"}, allow{"good.example\nsame.example\n"};
  const ListPolicy policy{.block = {block.list()}, .allow = {allow.list()}};
  EXPECT_TRUE(policy.refuses(name("a.example")));
  EXPECT_FALSE(policy.refuses(name("a.good.example")));
  EXPECT_TRUE(policy.refuses(name("x.ads.good.example")));
  EXPECT_FALSE(policy.refuses(name("same.example")));
  EXPECT_FALSE(policy.refuses(name("elsewhere.net")));
  EXPECT_TRUE(policy.refuses(name("Use-Application-DNS.net")));
  EXPECT_FALSE(ListPolicy{}.refuses(name("use-application-dns.net")));
}

}  // namespace
}  // namespace vrouter::dns
