// SPDX-License-Identifier: GPL-2.0-or-later
// Files that are torn, overwritten or cut short.
#include <sqlite3.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

#include "lease_fixture.h"

namespace vrouter::router::state {
namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream stream{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{stream}, {}};
}

void write_bytes(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream{file, std::ios::binary | std::ios::trunc} << bytes;
}

class DamagedLeases : public LeaseStoreTest {
 protected:
  void run_sql(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  void SetUp() override { sync_ = false; }
  std::uint32_t any(std::size_t below) {
    return std::uniform_int_distribution<std::uint32_t>{0, static_cast<std::uint32_t>(below - 1)}(chance_);
  }
  std::vector<dhcp::Lease> many() {
    std::vector<dhcp::Lease> leases;
    for (std::uint32_t number = 0; number < 300; ++number) leases.push_back(lease_of(number));
    return leases;
  }

  std::mt19937 chance_{20251};
};

TEST_F(DamagedLeases, AreKeptAsideUntilSomebodySaysThatTheyKnow) {
  put(many());
  const std::string garbage(8192, 'x');
  const auto since = std::chrono::sys_seconds{std::chrono::duration_cast<std::chrono::seconds>(clocks_.wall.load())};
  for (const char* suffix : {".damaged-1", ".damaged-2"}) {
    write_bytes(file_, garbage);
    const std::filesystem::path aside = file_.string() + suffix;
    EXPECT_EQ(open()->aside(), aside);
    EXPECT_EQ(bytes_of(aside), garbage);
    put({lease_of(1)});
    reboot(1h);
    const auto store = open();
    EXPECT_EQ(store->problem(), "");
    ASSERT_TRUE(store->damage()) << "it holds until somebody says otherwise";
    EXPECT_EQ(store->damage()->aside, aside);
    if (suffix == std::string{".damaged-1"}) {
      EXPECT_EQ(store->damage()->since, since);
    }
    EXPECT_EQ(store->take_loaded().size(), 1U);
  }
  boost::asio::io_context io;
  bool told = false;
  auto store = open();
  store->forget_damage(io, [&](const Committed& done) { told = done.has_value(); });
  EXPECT_FALSE(store->damage());
  io.run();
  EXPECT_TRUE(told);
  store.reset();
  EXPECT_FALSE(open()->damage());
}

TEST_F(DamagedLeases, ARowThatMeansNothingIsDamage) {
  for (const char* sql :
       {"UPDATE leases SET state = 0", "UPDATE leases SET state = 9", "UPDATE leases SET hardware = x'00'",
        "UPDATE leases SET address = -1", "UPDATE leases SET address = 4294967296", "UPDATE leases SET ifindex = -1",
        "UPDATE leases SET client_id = zeroblob(256)", "DROP TABLE leases", "DROP TABLE clock",
        "PRAGMA application_id = 1"}) {
    put({lease_of(1)});
    run_sql(sql);
    EXPECT_FALSE(open()->aside().empty()) << sql;
    EXPECT_TRUE(stored().empty()) << sql;
  }
}

// Whatever the numbers are: no overflow, no crash.
TEST_F(DamagedLeases, TimesOutOfAllMeasureAreTakenAsTheyAre) {
  for (const char* sql :
       {"UPDATE leases SET expires = -9223372036854775808, written = 9223372036854775807",
        "UPDATE leases SET expires = 9223372036854775806, written = -9223372036854775808",
        "UPDATE clock SET ahead = -9223372036854775808", "UPDATE clock SET ahead = 9223372036854775807"}) {
    put({lease_of(1), lease_of(2)});
    run_sql(sql);
    reboot(1h);
    EXPECT_EQ(stored().size(), 2U) << sql;
  }
}

TEST_F(DamagedLeases, ANewerSchemaIsNotOursToPutAside) {
  put({lease_of(1)});
  run_sql("PRAGMA user_version = 99");
  const auto store = LeaseStore::open_anyhow(file_, options());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, OpenFailure::newer);
  EXPECT_FALSE(std::filesystem::exists(file_.string() + ".damaged-1"));
}

TEST_F(DamagedLeases, ADirectoryInItsPlaceIsPutAsideToo) {
  std::filesystem::create_directories(file_);
  EXPECT_EQ(open()->aside(), file_.string() + ".damaged-1");
  put({lease_of(1)});
  EXPECT_EQ(stored().size(), 1U);
}

TEST_F(DamagedLeases, AnywhereAreOpenedAnyhow) {
  put(many());
  const std::string whole = bytes_of(file_);
  ASSERT_GT(whole.size(), 10U * 4096U);
  int aside = 0;
  for (int round = 0; round < 150; ++round) {
    SCOPED_TRACE(round);
    const TemporaryDirectory directory;
    const auto file = directory / "leases.db";
    std::string bytes = whole;
    std::size_t first = any(bytes.size());
    if (round % 3 == 0) {
      bytes.resize(first);
    } else {
      if (round % 3 == 1) first %= 4096;  // what the header and the tables' definitions are in
      const std::size_t length = std::min<std::size_t>(1 + any(1U << any(13)), bytes.size() - first);
      for (std::size_t i = first; i < first + length; ++i) bytes[i] = static_cast<char>(any(256));
      // The schema's number alone can't be told from that of another version.
      if (first < 64 && first + length > 60) std::copy_n(whole.begin() + 60, 4, bytes.begin() + 60);
    }
    write_bytes(file, bytes);
    {
      const auto store = open(file);
      ASSERT_TRUE(store);
      EXPECT_EQ(store->problem(), "");
      if (!store->aside().empty()) {
        ++aside;
        EXPECT_EQ(bytes_of(store->aside()), bytes);
        EXPECT_TRUE(store->take_loaded().empty());
      }
      ASSERT_TRUE(commit(*store, {lease_of(7), lease_of(1000)}));
    }
    const auto leases = open(file)->take_loaded();
    EXPECT_NE(std::ranges::find(leases, lease_of(7)), leases.end());
    EXPECT_NE(std::ranges::find(leases, lease_of(1000)), leases.end());
  }
  EXPECT_GT(aside, 75);
}

class CutLog : public DamagedLeases {
 protected:
  static constexpr std::uint32_t kCommits = 60;

  // A file without leases and a log with one commit for each, as after a crash.
  void SetUp() override {
    DamagedLeases::SetUp();
    open().reset();
    const auto store = open();
    const auto log = file_.string() + "-wal";
    for (std::uint32_t number = 0; number < kCommits; ++number) {
      ASSERT_TRUE(commit(*store, {lease_of(number)}));
      ends_.push_back(std::filesystem::file_size(log));
    }
    file_bytes_ = bytes_of(file_);
    log_bytes_ = bytes_of(log);
  }
  // Of the commits, in their order, how many are there.
  void expect_first(std::size_t at_least, std::size_t at_most) {
    const TemporaryDirectory directory;
    const auto file = directory / "leases.db";
    write_bytes(file, file_bytes_);
    write_bytes(file.string() + "-wal", log_bytes_);
    const auto store = open(file);
    ASSERT_TRUE(store);
    EXPECT_EQ(store->aside(), "");
    const auto leases = store->take_loaded();
    EXPECT_GE(leases.size(), at_least);
    EXPECT_LE(leases.size(), at_most);
    for (std::uint32_t number = 0; number < leases.size(); ++number) EXPECT_EQ(leases[number], lease_of(number));
  }
  std::size_t committed_by(std::size_t end) const {
    return static_cast<std::size_t>(std::ranges::upper_bound(ends_, end) - ends_.begin());
  }

  std::vector<std::uintmax_t> ends_;  // of the log, after each commit
  std::string file_bytes_, log_bytes_;
};

TEST_F(CutLog, HoldsTheCommitsBeforeTheCut) {
  const std::string whole = log_bytes_;
  for (int round = 0; round < 60; ++round) {
    const std::size_t cut = round == 0 ? 0 : round == 1 ? whole.size() : any(whole.size());
    SCOPED_TRACE(cut);
    log_bytes_ = whole.substr(0, cut);
    expect_first(committed_by(cut), committed_by(cut));
  }
}

TEST_F(CutLog, HoldsTheCommitsBeforeGarbageAndNoneThatIsTorn) {
  const std::string whole = log_bytes_;
  for (int round = 0; round < 60; ++round) {
    const std::size_t first = any(whole.size());
    SCOPED_TRACE(first);
    log_bytes_ = whole;
    for (std::size_t i = first; i < std::min<std::size_t>(first + 64, whole.size()); ++i) log_bytes_[i] ^= '\x5a';
    expect_first(committed_by(first), committed_by(first));
  }
}

}  // namespace
}  // namespace vrouter::router::state
