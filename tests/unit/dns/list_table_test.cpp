// SPDX-License-Identifier: GPL-2.0-or-later
// Who is kept from what: by groups, on the quick way and on the long one, by the name that was asked and by those that
// the answer leads over.
#include "dns/list_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "dns/list_files.h"
#include "dns/query_handler.h"
#include "dns/quick_answers.h"
#include "message.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using testing::ask;
using testing::count_of;
using testing::Message;
using testing::rcode_of;
using namespace std::chrono_literals;

constexpr BootTime kNow{1h};

std::shared_ptr<SharedList> list_of(std::string_view text) {
  ListReader reader;
  reader.read(text);
  return SharedList::make(reader).value();
}
Bytes low(std::string_view name) {
  const auto parsed = Name::from_text(name)->lower();
  return {parsed.wire().begin(), parsed.wire().end()};
}
std::string wire(std::string_view name) {
  std::string bytes;
  for (const auto b : low(name)) bytes += static_cast<char>(b);
  return bytes;
}
// `name` is a CNAME for `target`, which has an address.
Bytes chain(std::string_view name, std::string_view target, unsigned type = 1) {
  return Message{}
      .header(9, 0x8180, 1, 2)
      .question(name, type)
      .pointer(12)
      .record(5, wire(target))
      .name(target)
      .record(1, "abcd")
      .bytes;
}
Bytes plain(std::string_view name) {
  return Message{}.header(9, 0x8180, 1, 1).question(name).pointer(12).record(1, "abcd").bytes;
}

struct Lists {
  std::vector<std::shared_ptr<SharedList>> lists{list_of("ads.example\n*.below.example\n"),
                                                 list_of("good.ads.example\nshop.example\n"),
                                                 list_of("malware.test2\n")};
  // 0: blocks ads but for exceptions; 1: blocks ads alone; 2: malware.
  std::vector<ListGroup> groups{{.block = {0}, .allow = {1}}, {.block = {0}}, {.block = {2}}};
};

struct DnsListTable : ::testing::Test, Lists {
  DnsListTable() { table.set(lists, groups); }
  bool refuses(const std::vector<std::uint16_t>& of, std::string_view name) {
    return table.refuses(table.profile_of(of), low(name));
  }
  ListTable table;
};

TEST_F(DnsListTable, WhatAnyGroupBlocksIsBlockedAndExceptionsAreTheGroupsOwn) {
  EXPECT_TRUE(refuses({0}, "x.ads.example"));
  EXPECT_FALSE(refuses({0}, "x.good.ads.example"));
  EXPECT_TRUE(refuses({1}, "x.good.ads.example"));
  EXPECT_TRUE(refuses({0, 1}, "x.good.ads.example")) << "the other group has no such exception";
  EXPECT_FALSE(refuses({0, 1}, "malware.test2"));
  EXPECT_TRUE(refuses({0, 2}, "malware.test2"));
  EXPECT_FALSE(refuses({}, "ads.example"));
  EXPECT_EQ(table.profile_of({}), ListTable::kNone);
  EXPECT_EQ(table.profile_of({0, 2}), table.profile_of({0, 2}));
  EXPECT_NE(table.profile_of({0, 2}), table.profile_of({2}));
  EXPECT_FALSE(refuses({7}, "ads.example")) << "a group that nobody told of";
}

TEST_F(DnsListTable, AnAnswerThatLeadsOverABlockedNameIsRefused) {
  const auto blocks = table.profile_of({0});
  const auto refused = [&](std::string_view asked, const Bytes& message) {
    return table.refuses_answer(blocks, Name::from_text(asked).value(), message);
  };
  EXPECT_TRUE(refused("www.example", chain("www.example", "tracker.ads.example")));
  EXPECT_TRUE(refused("www.example", chain("www.example", "Tracker.ADS.example")));
  EXPECT_FALSE(refused("www.example", chain("www.example", "cdn.example")));
  EXPECT_FALSE(refused("www.example", chain("www.example", "good.ads.example")));
  EXPECT_FALSE(refused("www.example", plain("www.example")));
  EXPECT_FALSE(refused("shop.example", chain("shop.example", "ads.example"))) << "an exception was made for it";
  auto cut = chain("www.example", "ads.example");
  cut.resize(cut.size() - 25);
  EXPECT_TRUE(refused("www.example", cut));
  EXPECT_FALSE(table.refuses_answer(ListTable::kNone, Name{}, chain("www.example", "ads.example")));
  const auto service = [](std::string_view target) {
    return Message{}
        .header(9, 0x8180, 1, 1)
        .question("www.example", 65)
        .pointer(12)
        .record(65, std::string{"\0\1", 2} + (target.empty() ? std::string(1, 0) : wire(target)))
        .bytes;
  };
  EXPECT_TRUE(refused("www.example", service("t.ads.example")));
  EXPECT_FALSE(refused("www.example", service("cdn.example")));
  EXPECT_FALSE(refused("www.example", service("")));
  EXPECT_TRUE(has_alias(service("a.example")));
  EXPECT_TRUE(has_alias(chain("www.example", "a.example")));
  EXPECT_FALSE(has_alias(plain("www.example")));
  EXPECT_TRUE(has_alias(cut));
}

TEST_F(DnsListTable, TheQuickWayAsksItForWhomItConcerns) {
  Cache cache{kMinCacheSize};
  QuickAnswers quick{cache, nullptr, &table};
  const auto keep = [&](std::string_view name, const Bytes& message) {
    const QuestionKey key{.name = Name::from_text(name)->lower(), .type = 1};
    cache.put(CacheKey{key}, message, freshness_of(message, key).value(), 7, kNow);
  };
  const auto answered = [&](std::string_view name, ListTable::Profile lists) {
    const auto query = ask(name);
    std::array<std::uint8_t, kMaxUdpReply> room{};
    const auto prepared = quick.prepare(query, 7, lists);
    return prepared && quick.answer(*prepared, kNow, room) != 0;
  };
  keep("www.ads.example", plain("www.ads.example"));
  keep("www.example", chain("www.example", "ads.example"));
  keep("other.example", plain("other.example"));
  const auto blocks = table.profile_of({0}), not_this = table.profile_of({2});
  for (const auto* name : {"www.ads.example", "wWw.Ads.Example", "www.example", "other.example"})
    EXPECT_TRUE(answered(name, ListTable::kNone)) << name;
  EXPECT_FALSE(answered("www.ads.example", blocks));
  EXPECT_FALSE(answered("wWw.Ads.Example", blocks));
  EXPECT_TRUE(answered("www.ads.example", not_this));
  EXPECT_FALSE(answered("www.example", blocks)) << "a CNAME goes the long way";
  EXPECT_FALSE(answered("www.example", not_this));
  EXPECT_TRUE(answered("other.example", blocks));
}

TEST(DnsSharedList, IsSealedAndTakenElsewhere) {
  const auto made = list_of("ads.example\n");
  EXPECT_NE(::write(made->held(), "x", 1), 1);
  EXPECT_NE(::ftruncate(made->held(), 0), 0);
  const auto taken = SharedList::take(UniqueFd{::dup(made->held())}, made->size());
  ASSERT_TRUE(taken) << taken.error();
  EXPECT_EQ((*taken)->list()->covers(Name::from_text("x.ads.example").value()), 2U);
  EXPECT_FALSE(SharedList::take(UniqueFd{}, 100));
  EXPECT_FALSE(SharedList::take(UniqueFd{::dup(made->held())}, made->size() - 1));
  EXPECT_FALSE(SharedList::take(UniqueFd{::dup(made->held())}, 0));
}

TEST(DnsListFiles, WhatCantBeReadIsNamedAndLinesAreCounted) {
  ListReader reader;
  EXPECT_EQ(read_list_file("/nonexistent/ads", reader).error(),
            "the list file /nonexistent/ads can't be read (No such file or directory); mend its path or its "
            "permissions");
  EXPECT_EQ(read_list_file("/dev", reader).error(),
            "the list file /dev can't be read (it is no regular file); mend its path or its permissions");
  std::string text = "ads.example\n";
  for (int i = 0; i < 8; ++i) text += "||ads.example^\n";
  reader.read(text);
  const auto lines = misread_lines("/l/ads", reader);
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_EQ(
      lines[0].to_string(),
      "/l/ads:2: the line is neither a domain nor of the hosts format and is passed over; mend it or take it out");
  EXPECT_EQ(lines[5].to_string(), "/l/ads: 3 more lines are passed over");
}

struct DnsListBounds : ::testing::Test {
  config::DnsList list(std::string_view text) {
    std::ofstream{file} << text;
    return {.files = {file}, .at = {.file = "/e/vrouter.toml", .line = 3, .column = 1}};
  }
  std::string file = ::testing::TempDir() + "vrouter-list-" + std::to_string(::getpid());
  ~DnsListBounds() override { std::filesystem::remove(file); }
};

TEST_F(DnsListBounds, OfAllListsTogetherAreHeldToAndNamed) {
  std::size_t taken = 0;
  ASSERT_TRUE(read_list("ads", list("ads.example\n"), taken));
  const auto one = taken;
  EXPECT_GT(one, 0U);
  taken = kMaxLists - one;
  EXPECT_TRUE(read_list("ads", list("ads.example\n"), taken));
  EXPECT_EQ(read_list("more", list("ads.example\n"), taken).error().to_string(),
            "/e/vrouter.toml:3:1: list more: with it the lists take 385 MiB, more than the 384 that all may take "
            "together; leave some out");
}

TEST_F(DnsListBounds, AListThatNobodyIsOnIsWarnedOf) {
  std::size_t taken = 0;
  const auto read = read_list("ads", list("<html>not found</html>\n"), taken);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->warnings.size(), 2U);
  EXPECT_EQ(read->warnings[1].to_string(),
            "/e/vrouter.toml:3:1: list ads: no domain is on it, so it blocks and allows nothing; look at its files");
  EXPECT_EQ(read_list("ads", list("# none\n"), taken)->warnings.size(), 1U);
  EXPECT_TRUE(read_list("ads", list("ads.example\n"), taken)->warnings.empty());
}

TEST_F(DnsListBounds, EntriesBeyondTheBoundAreNoLinesThatWereMisread) {
  std::string text;
  for (std::size_t i = 0; i < kMaxListEntries; ++i) (text += std::to_string(i)) += ".x\n";
  ListReader reader;
  reader.read(text);
  EXPECT_EQ(reader.entries(), kMaxListEntries);
  EXPECT_FALSE(reader.overflowed());
  reader.read("one.more\n");
  EXPECT_TRUE(reader.overflowed());
  EXPECT_EQ(reader.not_understood(), 0U);
  EXPECT_EQ(reader.pack(1).error(), "the list has more than 4000000 entries; split it");
  std::size_t taken = 0;
  EXPECT_EQ(read_list("ads", list(text + "one.more\n"), taken).error().message,
            "list ads: it has more than 4000000 entries; split it");
}

struct HeldSource final : AnswerSource {
  std::vector<std::pair<QuestionKey, Done>> asked;
  std::optional<Answer> cached;
  void ask(const QuestionKey& key, unsigned, Done done) override { asked.emplace_back(key, std::move(done)); }
  std::optional<Answer> known(const QuestionKey&, BootTime) override { return cached; }
};

// web1 is kept from ads, db1 from nothing.
struct DnsListedGuests : ::testing::Test, Lists {
  DnsListedGuests() { names.apply(update(lists)); }
  [[nodiscard]] Update update(std::vector<std::shared_ptr<SharedList>> with) const {
    return {.snapshot = true,
            .zones = {{"default", "guests.ads.example", {}, {}, {make_address("10.0.5.1")}}},
            .upserts = {{"default", "web1", 7, {make_address("10.0.5.2")}, {0}},
                        {"default", "db1", 8, {make_address("10.0.5.3")}}},
            .removed = {},
            .records = {{.name = "static.ads.example", .type = 1, .ttl = 60, .rdata = {10, 0, 5, 9}},
                        {.name = "alias.example", .type = 5, .ttl = 60, .rdata = low("www.ads.example")}},
            .lists = std::move(with),
            .list_groups = groups};
  }
  std::shared_ptr<std::optional<Bytes>> begin(const Bytes& query, bool web = true) {
    const auto reply = std::make_shared<std::optional<Bytes>>();
    const auto client = web ? Client{7, make_address("10.0.5.2")} : Client{8, make_address("10.0.5.3")};
    handler.handle(query, client, Transport::udp, kNow, [reply](Bytes bytes) { *reply = std::move(bytes); });
    return reply;
  }
  static Answer answer_of(Bytes message) { return {std::make_shared<const Bytes>(std::move(message)), {}}; }

  Names names;
  UpstreamTable table;
  HeldSource source;
  Statistics counts;
  QueryHandler handler{names, table, source, counts};
};

TEST_F(DnsListedGuests, ABlockedNameIsDeniedForEveryTypeAndNobodyIsAsked) {
  for (const unsigned type : {1U, 28U, 5U, 16U, 65U, 43U, 255U, 65280U}) {
    for (const unsigned flags : {0x100U, 0x0U}) {
      const auto reply = begin(ask("WWW.ads.example", type, 7, flags));
      ASSERT_TRUE(*reply);
      EXPECT_EQ(rcode_of(**reply), 3U);
      EXPECT_EQ(count_of(**reply, 1), 0U);
      EXPECT_EQ(count_of(**reply, 2), 1U) << "a SOA, so that it is kept";
    }
  }
  const auto query = Message{}.header(5, 0x100, 1, 0, 0, 1).question("ads.example").opt().bytes;
  const auto reply = **begin(query);
  const std::string text{reply.begin(), reply.end()};
  EXPECT_NE(text.find(std::string{"\0\x0f\0\2\0\x0f", 6}), std::string::npos) << "EDE 15 (RFC 8914)";
  EXPECT_EQ(rcode_of(**begin(ask("use-application-dns.net"))), 3U);
  EXPECT_TRUE(source.asked.empty());
  EXPECT_EQ(counts.refused_by_list, 18U);
  EXPECT_EQ(counts.answered_locally, 0U);
}

TEST_F(DnsListedGuests, OthersAndExceptionsAndNamesOfOursAreNot) {
  EXPECT_FALSE(*begin(ask("ads.example"), false));
  EXPECT_FALSE(*begin(ask("use-application-dns.net"), false));
  EXPECT_FALSE(*begin(ask("good.ads.example")));
  EXPECT_FALSE(*begin(ask("below.example")));
  EXPECT_EQ(source.asked.size(), 4U);
  for (const auto* name : {"db1.guests.ads.example", "static.ads.example"}) {
    const auto reply = begin(ask(name));
    ASSERT_TRUE(*reply) << name;
    EXPECT_EQ(rcode_of(**reply), 0U) << name;
    EXPECT_EQ(count_of(**reply, 1), 1U) << name;
  }
  EXPECT_EQ(counts.refused_by_list, 0U);
}

TEST_F(DnsListedGuests, ARecordOfOursThatLeadsToABlockedNameEndsThere) {
  const auto reply = begin(ask("alias.example"));
  ASSERT_TRUE(*reply);
  EXPECT_EQ(rcode_of(**reply), 3U) << "the rcode is the last target's (RFC 6604)";
  EXPECT_EQ(count_of(**reply, 1), 1U) << "the CNAME that the operator wrote";
  EXPECT_TRUE(source.asked.empty());
  EXPECT_FALSE(*begin(ask("alias.example"), false));
}

TEST_F(DnsListedGuests, ABlockedNameUnderAnotherIsDeniedFreshAndFromTheCache) {
  const auto cloaked = answer_of(chain("www.example", "t.ads.example"));
  const auto waiting = begin(ask("www.example")), other = begin(ask("www.example"), false);
  ASSERT_EQ(source.asked.size(), 2U);
  for (const auto& [key, done] : source.asked) done(cloaked);
  ASSERT_TRUE(*waiting && *other);
  EXPECT_EQ(rcode_of(**waiting), 3U);
  EXPECT_EQ(count_of(**waiting, 1), 0U);
  EXPECT_EQ(rcode_of(**other), 0U);
  EXPECT_EQ(count_of(**other, 1), 2U);
  source.cached = cloaked;
  EXPECT_EQ(rcode_of(**begin(ask("www.example"))), 3U);
  EXPECT_EQ(rcode_of(**begin(ask("www.example"), false)), 0U);
  EXPECT_EQ(counts.refused_by_list, 2U);
}

TEST_F(DnsListedGuests, OtherListsHoldForWhatWaitsAlready) {
  const auto waiting = begin(ask("later.example"));
  ASSERT_FALSE(*waiting);
  auto others = lists;
  others[0] = list_of("later.example\n");
  names.apply(update(others));
  source.asked.front().second(answer_of(plain("later.example")));
  ASSERT_TRUE(*waiting);
  EXPECT_EQ(rcode_of(**waiting), 3U);
  EXPECT_FALSE(*begin(ask("ads.example"))) << "no longer on it";
}

}  // namespace
}  // namespace vrouter::dns
