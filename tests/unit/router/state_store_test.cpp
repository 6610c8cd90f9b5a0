// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <fstream>
#include <mutex>

#include "router/state/async_commit.h"
#include "router/state/store.h"
#include "temporary_directory.h"

namespace vrouter::router::state {
namespace {

using boost::asio::ip::make_address;
using boost::asio::ip::make_address_v4;
using boost::asio::ip::make_address_v6;

config::Guest full_guest() {
  config::Guest guest;
  guest.name = "web1";
  guest.tap = "tap0";
  guest.network = "default";
  guest.address = make_address_v4("10.0.5.2");
  guest.address6 = make_address_v6("fd76:7274:5::2");
  guest.mac = MacAddress{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
  guest.groups = {"web", "a'b", "db"};
  guest.publish = {
      {.host = make_address("192.0.2.1"), .first = 8080, .last = 8090, .guest_first = 80},
      {.host = std::nullopt, .first = 53, .last = 53, .guest_first = 53, .protocol = config::Protocol::udp},
      {.host = make_address("2001:db8::1"),
       .first = 1,
       .last = 65535,
       .guest_first = 1,
       .protocol = config::Protocol::sctp}};
  guest.limits = {1, 100'000'000'000, 0, 8000, 500, 1024};
  guest.ephemeral = true;
  guest.create_tap = true;
  guest.owner = "qemu";
  guest.floating = {.v4 = make_address_v4("192.0.2.50"), .v6 = boost::asio::ip::make_address_v6("2001:db8::50")};
  guest.snat.v4 = make_address_v4("192.0.2.60");
  guest.prefixes4 = {boost::asio::ip::make_network_v4("10.9.0.0/24"), boost::asio::ip::make_network_v4("10.8.0.0/24")};
  guest.prefixes6 = {boost::asio::ip::make_network_v6("fd00:9::/64")};
  guest.allowed_addresses = {boost::asio::ip::make_address("10.0.5.50"), boost::asio::ip::make_address("10.0.5.49")};
  guest.dhcp = {.options = {{42, {192, 0, 2, 1}}, {224, {0, 255}}},
                .boot = config::NetworkBoot{.server = make_address_v4("192.0.2.4"),
                                            .files = {{0, "pxelinux.0"}, {7, "x64.efi"}},
                                            .file = "other",
                                            .ipxe = "http://boot.example/boot.ipxe"},
                .mask = 24};
  return guest;
}

config::Guest small_guest(const std::string& tap) {
  config::Guest guest;
  guest.tap = tap;
  guest.name = tap;
  guest.network = "default";
  return guest;
}

KnownLease some_lease(const std::string& tap) {
  return {.tap = tap,
          .guest = "web1",
          .address = make_address_v4("10.0.5.2"),
          .client = MacAddress{{1, 2, 3, 4, 5, 6}},
          .client_id = {0, 255, 7},
          .host_name = "debian",
          .expires = std::chrono::sys_seconds{std::chrono::seconds{2'000'000'000}}};
}

class StoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> open(const std::string& boot = "boot-1") {
    auto store = Store::open(file_, {.boot_id = boot, .before_commit = {}});
    if (!store) {
      ADD_FAILURE() << store.error().message;
      return nullptr;
    }
    return std::move(*store);
  }
  void put(Change change, const std::string& boot = "boot-1") {
    const auto committed = open(boot)->commit_now(std::move(change));
    ASSERT_TRUE(committed) << committed.error();
  }
  Stored stored(const std::string& boot = "boot-1") { return open(boot)->loaded(); }

  void damage(std::streamoff at, const std::string& bytes) {
    std::fstream stream{file_, std::ios::in | std::ios::out | std::ios::binary};
    stream.seekp(at);
    stream << bytes;
  }
  void run_sql(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  TemporaryDirectory directory_;
  std::filesystem::path file_ = directory_ / "state" / "state.db";
};

TEST_F(StoreTest, StartsEmptyAndPrivate) {
  EXPECT_EQ(stored(), Stored{});
  struct stat info{};
  ASSERT_EQ(::stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat(file_.parent_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
}

TEST_F(StoreTest, KeepsEveryFieldOfAGuest) {
  put({.put_guests = {full_guest(), small_guest("tap1")}});
  const auto guests = stored().guests;
  EXPECT_EQ(guests.at("tap0"), full_guest());
  EXPECT_EQ(guests.at("tap1"), small_guest("tap1"));
}

// As written before guests had more than their own address.
TEST_F(StoreTest, ReadsADatabaseWithoutATableThatCameLater) {
  auto guest = full_guest();
  put({.put_guests = {guest}});
  run_sql("DROP TABLE guest_addresses");
  guest.floating = guest.snat = {};
  guest.prefixes4.clear();
  guest.prefixes6.clear();
  guest.allowed_addresses.clear();
  EXPECT_EQ(stored().guests.at("tap0"), guest);
  put({.put_guests = {full_guest()}});
  EXPECT_EQ(stored().guests.at("tap0"), full_guest());
}

TEST_F(StoreTest, ForgetsWhatItLoadedAndTheDiskKeepsIt) {
  put({.put_guests = {full_guest()}});
  const auto store = open("boot-1");
  EXPECT_EQ(store->loaded().guests.size(), 1U);
  store->forget_loaded();
  EXPECT_EQ(store->loaded(), Stored{});
  ASSERT_TRUE(store->commit_now({.put_guests = {small_guest("tap1")}}));
  EXPECT_EQ(store->loaded(), Stored{});
}

TEST_F(StoreTest, ReplacesAGuestWithItsGroupsAndPorts) {
  put({.put_guests = {full_guest()}});
  put({.put_guests = {small_guest("tap0")}});
  EXPECT_EQ(stored().guests.at("tap0"), small_guest("tap0"));
}

TEST_F(StoreTest, RemovesAGuestWithItsLease) {
  put({.put_guests = {full_guest(), small_guest("tap1")}, .put_leases = {some_lease("tap0"), some_lease("tap1")}});
  put({.remove_guests = {"tap0", "nobody"}});
  const auto now = stored();
  EXPECT_FALSE(now.guests.contains("tap0"));
  EXPECT_FALSE(now.leases.contains("tap0"));
  EXPECT_TRUE(now.guests.contains("tap1"));
  EXPECT_EQ(now.leases.at("tap1"), some_lease("tap1"));
}

TEST_F(StoreTest, OneChangeMayRemoveAndPutTheSameTap) {
  put({.put_guests = {full_guest()}});
  put({.remove_guests = {"tap0"}, .put_guests = {small_guest("tap0")}});
  EXPECT_EQ(stored().guests.at("tap0"), small_guest("tap0"));
}

TEST_F(StoreTest, KeepsTheFirstOriginalOfABoot) {
  put({.put_originals = {{"net.ipv4.conf.all.arp_ignore", "0"}}});
  put({.put_originals = {{"net.ipv4.conf.all.arp_ignore", "1"}, {"other", ""}}});
  EXPECT_EQ(stored().originals,
            (std::map<std::string, std::string>{{"net.ipv4.conf.all.arp_ignore", "0"}, {"other", ""}}));
  put({.remove_originals = {"other"}});
  EXPECT_FALSE(stored().originals.contains("other"));
}

TEST_F(StoreTest, ForgetsOriginalsOfAnotherBootAndNothingElse) {
  put({.put_guests = {full_guest()}, .put_originals = {{"key", "0"}}});
  EXPECT_TRUE(stored("boot-2").originals.empty());
  EXPECT_TRUE(stored("boot-1").originals.empty()) << "a host boots forwards";
  EXPECT_TRUE(stored().guests.contains("tap0"));
}

TEST_F(StoreTest, KeepsThatItIsStopped) {
  put({.stopped = true});
  EXPECT_TRUE(stored().stopped);
  put({.put_guests = {full_guest()}});
  EXPECT_TRUE(stored().stopped);
  put({.stopped = false});
  EXPECT_FALSE(stored().stopped);
}

TEST_F(StoreTest, LetsNoSecondOneIn) {
  const auto first = open();
  const auto second = Store::open(file_, {.boot_id = "boot-1", .before_commit = {}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, OpenFailure::busy);
  EXPECT_NE(second.error().message.find(file_.string()), std::string::npos);
  EXPECT_NE(second.error().message.find("--state-dir"), std::string::npos);
}

TEST_F(StoreTest, SaysWhichFileIsNoDatabase) {
  std::filesystem::create_directories(file_.parent_path());
  std::ofstream{file_} << std::string(8192, 'x');
  const auto store = Store::open(file_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, OpenFailure::damaged);
  EXPECT_NE(store.error().message.find(file_.string()), std::string::npos);
}

TEST_F(StoreTest, SeesATornPage) {
  Change many;
  for (int i = 0; i < 500; ++i) many.put_guests.push_back(small_guest("tap" + std::to_string(i)));
  put(std::move(many));
  damage(4096 * 3, std::string(4096, '\xa5'));
  const auto store = Store::open(file_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, OpenFailure::damaged) << store.error().message;
}

TEST_F(StoreTest, RefusesADatabaseOfAnotherProgram) {
  std::filesystem::create_directories(file_.parent_path());
  run_sql("CREATE TABLE recipes (name)");
  const auto store = Store::open(file_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, OpenFailure::damaged);
  EXPECT_NE(store.error().message.find("another program"), std::string::npos);
}

TEST_F(StoreTest, RefusesANewerSchema) {
  put({.put_guests = {full_guest()}});
  run_sql("PRAGMA user_version = 99");
  const auto store = Store::open(file_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, OpenFailure::newer);
  EXPECT_NE(store.error().message.find("schema 99"), std::string::npos);
  const auto anyhow = Store::open_anyhow(file_);
  ASSERT_FALSE(anyhow) << "it is not damaged, and not ours to put aside";
  EXPECT_EQ(anyhow.error().kind, OpenFailure::newer);
  EXPECT_FALSE(std::filesystem::exists(file_.string() + ".damaged-1"));
}

TEST_F(StoreTest, RefusesARowThatMeansNothing) {
  put({.put_guests = {full_guest()}});
  run_sql("UPDATE guests SET address = '10.0.5'");
  const auto store = Store::open(file_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, OpenFailure::damaged);
  EXPECT_NE(store.error().message.find("10.0.5"), std::string::npos);
}

TEST_F(StoreTest, RefusesALimitThatMeansNothing) {
  put({.put_guests = {full_guest()}});
  run_sql("UPDATE guest_limits SET value = 7999 WHERE name = 'egress.bits'");
  const auto store = Store::open(file_);
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("egress.bits"), std::string::npos);
}

TEST_F(StoreTest, TakesAFileFromBeforeThereWereLimits) {
  put({.put_guests = {small_guest("tap0")}});
  run_sql("DROP TABLE guest_limits");
  EXPECT_EQ(stored().guests.at("tap0"), small_guest("tap0"));
  put({.put_guests = {full_guest()}});
  EXPECT_EQ(stored().guests.at("tap0").limits, full_guest().limits);
}

TEST_F(StoreTest, TakesAFileFromBeforeGuestsSaidAnythingOfDhcp) {
  put({.put_guests = {small_guest("tap0")}});
  run_sql("DROP TABLE guest_dhcp");
  EXPECT_EQ(stored().guests.at("tap0"), small_guest("tap0"));
}

TEST_F(StoreTest, RefusesDhcpThatMeansNothing) {
  put({.put_guests = {full_guest()}});
  run_sql("UPDATE guest_dhcp SET number = 256 WHERE kind = 'mask'");
  const auto store = Store::open(file_);
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("the mask 256"), std::string::npos) << store.error().message;
}

// An older vrouter must not take the bridge of a shared guest for a guest that wants an address.
TEST_F(StoreTest, IsOfALaterSchemaOnceThereIsASharedGuest) {
  const auto version = [this] {
    std::ifstream stream{file_, std::ios::binary};
    stream.seekg(63);  // the last byte of it (sqlite.org/fileformat.html, 1.3.14)
    return stream.get();
  };
  put({.put_guests = {full_guest()}});
  EXPECT_EQ(version(), 1);
  auto shared = small_guest("br0");
  shared.shared = true;
  put({.put_guests = {shared}});
  EXPECT_EQ(version(), 2);
  EXPECT_EQ(stored().guests.at("br0"), shared);
  EXPECT_EQ(stored().guests.at("tap0"), full_guest());
}

TEST_F(StoreTest, SetsADamagedOneAsideAndStartsAnew) {
  std::filesystem::create_directories(file_.parent_path());
  for (const char* expected : {".damaged-1", ".damaged-2"}) {
    std::ofstream{file_} << std::string(8192, 'x');
    ASSERT_FALSE(Store::open(file_));
    const auto aside = Store::set_aside(file_);
    ASSERT_TRUE(aside) << aside.error();
    EXPECT_EQ(*aside, file_.string() + expected);
    EXPECT_EQ(std::filesystem::file_size(*aside), 8192U);
    EXPECT_EQ(stored(), Stored{});
  }
}

TEST_F(StoreTest, OpensAnyhowAndRemembersWhatWasDamaged) {
  put({.put_guests = {full_guest()}});
  for (const int number : {1, 2}) {
    damage(0, std::string(8192, 'x'));
    {
      const auto store = Store::open_anyhow(file_);
      ASSERT_TRUE(store) << store.error().message;
      EXPECT_EQ((*store)->loaded().damaged, number);
      EXPECT_TRUE((*store)->loaded().guests.empty());
      EXPECT_EQ((*store)->problem(), "");
    }
    EXPECT_TRUE(std::filesystem::exists(file_.string() + ".damaged-" + std::to_string(number)));
    EXPECT_EQ(stored().damaged, number) << "it holds until somebody says otherwise";
    put({.put_guests = {full_guest()}});
    EXPECT_EQ(stored().damaged, number);
  }
  put({.damaged = 0});
  EXPECT_EQ(stored().damaged, 0);
}

TEST_F(StoreTest, SaysWhatToDoWhereNothingCanBeWritten) {
  const auto store = Store::open("/proc/vrouter/state.db");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, OpenFailure::unwritable);
  EXPECT_NE(store.error().message.find("--state-dir"), std::string::npos);
}

// A disk that takes as long as the test likes.
class Gate {
 public:
  void wait() {
    std::unique_lock guard{mutex_};
    ++arrived_;
    changed_.notify_all();
    changed_.wait(guard, [this] { return open_; });
  }
  void wait_for_arrival() {
    std::unique_lock guard{mutex_};
    changed_.wait(guard, [this] { return arrived_ > 0; });
  }
  void open() {
    const std::lock_guard guard{mutex_};
    open_ = true;
    changed_.notify_all();
  }
  int arrived() {
    const std::lock_guard guard{mutex_};
    return arrived_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
};

TEST_F(StoreTest, ASlowDiskHoldsUpOnlyTheAnswersOfItsOwnChanges) {
  Gate disk;
  boost::asio::io_context io;
  auto store = Store::open(file_, {.boot_id = "boot-1", .before_commit = [&disk] { disk.wait(); }});
  ASSERT_TRUE(store);
  std::vector<std::string> order;
  const auto put_guest = [&](const std::string& tap) {
    (*store)->commit({.put_guests = {small_guest(tap)}}, io, [&order, tap](Committed result) {
      EXPECT_TRUE(result);
      order.push_back(tap);
    });
  };
  put_guest("tap0");
  disk.wait_for_arrival();  // tap0's commit hangs in the disk
  for (const char* tap : {"tap1", "tap2", "tap3"}) put_guest(tap);
  bool other_work = false;
  boost::asio::post(io, [&] {
    other_work = true;
    disk.open();
  });
  io.run();  // returns only when every answer was given: each holds the loop open
  EXPECT_TRUE(other_work);
  EXPECT_EQ(order, (std::vector<std::string>{"tap0", "tap1", "tap2", "tap3"}));
  EXPECT_EQ(disk.arrived(), 2) << "what came during the first commit shares the second";
}

TEST_F(StoreTest, ACoroutineWaitsForItsCommit) {
  boost::asio::io_context io;
  auto store = open();
  bool done = false;
  boost::asio::co_spawn(
      io,
      [](Store& s, boost::asio::io_context& loop, bool& flag) -> boost::asio::awaitable<void> {
        Change change;
        change.put_guests.push_back(small_guest("tap0"));
        const auto committed = co_await async_commit(s, loop, std::move(change));
        EXPECT_TRUE(committed);
        flag = true;
      }(*store, io, done),
      boost::asio::detached);
  io.run();
  EXPECT_TRUE(done);
  store.reset();
  EXPECT_TRUE(stored().guests.contains("tap0"));
}

TEST_F(StoreTest, OneThatCanNotBeDoneFailsAlone) {
  open().reset();
  run_sql(
      "CREATE TRIGGER refuse BEFORE INSERT ON guests WHEN NEW.tap = 'tap2' "
      "BEGIN SELECT RAISE(ABORT, 'not this one'); END");
  Gate disk;
  boost::asio::io_context io;
  auto store = Store::open(file_, {.boot_id = "boot-1", .before_commit = [&disk] { disk.wait(); }});
  ASSERT_TRUE(store);
  std::vector<bool> results;
  const auto put = [&](std::vector<config::Guest> guests) {
    (*store)->commit({.put_guests = std::move(guests)}, io,
                     [&results](Committed result) { results.push_back(result.has_value()); });
  };
  put({small_guest("tap0")});
  disk.wait_for_arrival();
  put({small_guest("tap1")});
  put({small_guest("tap3"), small_guest("tap2")});
  put({small_guest("tap4")});
  disk.open();
  io.run();
  EXPECT_EQ(results, (std::vector{true, true, false, true}));
  store->reset();
  const auto guests = stored().guests;
  EXPECT_EQ(guests.size(), 3U);
  EXPECT_FALSE(guests.contains("tap3")) << "a change holds as a whole or not at all";
}

TEST_F(StoreTest, ClosingWaitsForWhatWasHandedOver) {
  boost::asio::io_context io;
  {
    auto store = open();
    for (int i = 0; i < 100; ++i) {
      store->commit({.put_guests = {small_guest("tap" + std::to_string(i))}}, io, [](const Committed&) {});
    }
  }
  EXPECT_EQ(stored().guests.size(), 100U);
}

}  // namespace
}  // namespace vrouter::router::state
