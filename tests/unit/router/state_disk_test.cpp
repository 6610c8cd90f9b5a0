// SPDX-License-Identifier: GPL-2.0-or-later
// A disk that is full or read-only, in a mount namespace of the test's own.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "lease_fixture.h"
#include "router/state/store.h"
#include "temporary_directory.h"

namespace vrouter::router::state {
namespace {

class StoreOnSmallDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << std::strerror(errno);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno);
    ASSERT_EQ(::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=1m"), 0) << std::strerror(errno);
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }

  static Change some_change() {
    Change change;
    config::Guest guest;
    guest.tap = guest.name = "tap0";
    guest.network = "default";
    guest.owner.assign(100'000, 'x');
    change.put_guests.push_back(guest);
    return change;
  }

  int remount(unsigned long flags) {
    return ::mount("none", directory_.path().c_str(), nullptr, MS_REMOUNT | flags, nullptr);
  }
  // What is free until the file it returns is removed: nothing.
  std::filesystem::path fill() {
    auto ballast = directory_ / "ballast";
    std::ofstream stream{ballast};
    while (stream << std::string(4096, 'x') << std::flush) {
    }
    return ballast;
  }

  TemporaryDirectory directory_;
  std::filesystem::path file_ = directory_ / "state.db";
  bool mounted_ = false;
};

TEST_F(StoreOnSmallDisk, SaysThatTheDiskIsFullAndWorksOnceItIsNot) {
  auto store = Store::open(file_);
  ASSERT_TRUE(store) << store.error().message;
  const auto ballast = fill();
  const auto refused = (*store)->commit_now(some_change());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("the disk is full: free some space in " + directory_.path().string()),
            std::string::npos)
      << refused.error();
  std::filesystem::remove(ballast);
  const auto committed = (*store)->commit_now(some_change());
  EXPECT_TRUE(committed) << committed.error();
  store->reset();
  const auto again = Store::open(file_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE((*again)->loaded().guests.contains("tap0"));
}

TEST_F(StoreOnSmallDisk, SaysThatTheDiskIsReadOnly) {
  ASSERT_TRUE(Store::open(file_));
  ASSERT_EQ(remount(MS_RDONLY), 0);
  const auto store = Store::open(file_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, OpenFailure::unwritable);
  EXPECT_NE(store.error().message.find("must be writable"), std::string::npos) << store.error().message;
}

TEST_F(StoreOnSmallDisk, IsReadWhereItCanNotBeWrittenAndOpenedOnceItCan) {
  {
    auto store = Store::open(file_);
    ASSERT_TRUE(store);
    ASSERT_TRUE((*store)->commit_now(some_change()));
  }
  ASSERT_EQ(remount(MS_RDONLY), 0);
  const auto store = Store::open_anyhow(file_);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_TRUE((*store)->loaded().guests.contains("tap0"));
  EXPECT_NE((*store)->problem().find("must be writable"), std::string::npos) << (*store)->problem();
  const auto second = Store::open_anyhow(file_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, OpenFailure::busy) << "one daemon at a time, all the same";
  const Change gone{.remove_guests = {"tap0"}};
  const auto refused = (*store)->commit_now(gone);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("writable"), std::string::npos) << refused.error();
  ASSERT_EQ(remount(0), 0);
  const auto committed = (*store)->commit_now(gone);
  EXPECT_TRUE(committed) << committed.error();
}

TEST_F(StoreOnSmallDisk, WhatACrashLeftInTheLogIsReadFromAReadOnlyDiskToo) {
  auto store = Store::open(file_);
  ASSERT_TRUE(store);
  ASSERT_TRUE((*store)->commit_now(some_change()));
  // As after kill -9: the log and its index are there, and the file itself lacks the guest.
  const auto left = directory_ / "left.db";
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::copy_file(file_.string() + suffix, left.string() + suffix);
  ASSERT_GT(std::filesystem::file_size(left.string() + "-wal"), 0U);
  store->reset();  // a file open for writing would keep the disk writable
  ASSERT_EQ(remount(MS_RDONLY), 0);
  const auto read = Store::open_anyhow(left);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE((*read)->loaded().guests.contains("tap0"));
  EXPECT_NE((*read)->problem(), "");
}

TEST_F(StoreOnSmallDisk, AnEmptyDirectoryThatCanNotBeWrittenIsNoGuests) {
  ASSERT_EQ(remount(MS_RDONLY), 0);
  const auto store = Store::open_anyhow(file_);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->loaded(), Stored{});
  EXPECT_NE((*store)->problem(), "");
}

// Leases on such a disk.
class LeasesOnSmallDisk : public StoreOnSmallDisk {
 protected:
  std::expected<std::unique_ptr<LeaseStore>, OpenError> open() {
    LeaseStore::Options options;
    options.boot_id = "boot";
    return LeaseStore::open_anyhow(file_, options);
  }
  static std::vector<dhcp::Lease> many() {
    std::vector<dhcp::Lease> leases;
    for (std::uint32_t number = 0; number < 300; ++number) leases.push_back(lease_of(number, BootTime::max()));
    return leases;
  }
};

TEST_F(LeasesOnSmallDisk, SayThatItIsFullAndAreWrittenOnceItIsNot) {
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  const auto ballast = fill();
  for (int i = 0; i < 3; ++i) {
    const auto refused = commit(**store, many());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("the disk is full: free some space in " + directory_.path().string()),
              std::string::npos)
        << refused.error();
  }
  std::filesystem::remove(ballast);
  const auto committed = commit(**store, many());
  EXPECT_TRUE(committed) << committed.error();
  store->reset();
  const auto again = open();
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->take_loaded(), many());
}

// All of them fail with what the disk says, none is half there, and what was there before stays.
TEST_F(LeasesOnSmallDisk, KeepWhatTheyHadWhereACommitRunsOutOfDisk) {
  auto store = open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(commit(**store, {lease_of(7, BootTime::max())}));
  const auto ballast = fill();
  ASSERT_FALSE(commit(**store, many()));
  store->reset();
  std::filesystem::remove(ballast);
  const auto again = open();
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->aside(), "");
  EXPECT_EQ((*again)->take_loaded(), std::vector{lease_of(7, BootTime::max())});
}

TEST_F(LeasesOnSmallDisk, OpenOnAFullOneToo) {
  {
    auto store = open();
    ASSERT_TRUE(store);
    ASSERT_TRUE(commit(**store, many()));
  }
  const auto ballast = fill();
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->take_loaded().size(), 300U) << (*store)->problem();
  ASSERT_FALSE(commit(**store, many()));
  std::filesystem::remove(ballast);
  const auto committed = commit(**store, {lease_of(1000)});
  EXPECT_TRUE(committed) << committed.error();
}

// As after a power loss: the log is there, its index is not, and there is no room for one.
TEST_F(LeasesOnSmallDisk, ReadALogOnAFullOneToo) {
  auto store = open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(commit(**store, many()));
  const auto left = directory_ / "left.db";
  for (const char* suffix : {"", "-wal"}) std::filesystem::copy_file(file_.string() + suffix, left.string() + suffix);
  store->reset();
  file_ = left;
  const auto ballast = fill();
  for (int start = 0; start < 2; ++start) {
    store = open();
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_NE((*store)->problem(), "");
    EXPECT_EQ((*store)->take_loaded(), many());
    store->reset();
  }
  std::filesystem::remove(ballast);
  store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->problem(), "");
  EXPECT_EQ((*store)->take_loaded(), many());
}

TEST_F(LeasesOnSmallDisk, AreReadWhereTheyCanNotBeWrittenAndOpenedOnceTheyCan) {
  {
    auto store = open();
    ASSERT_TRUE(store);
    ASSERT_TRUE(commit(**store, many()));
  }
  ASSERT_EQ(remount(MS_RDONLY), 0);
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->take_loaded(), many());
  EXPECT_NE((*store)->problem().find("must be writable"), std::string::npos) << (*store)->problem();
  for (int i = 0; i < 2; ++i) {
    const auto refused = commit(**store, {lease_of(1)});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("writable"), std::string::npos) << refused.error();
  }
  ASSERT_EQ(remount(0), 0);
  const auto committed = commit(**store, {lease_of(1000, BootTime::max())});
  EXPECT_TRUE(committed) << committed.error();
  store->reset();
  const auto again = open();
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->problem(), "");
  EXPECT_EQ((*again)->take_loaded().size(), 301U);
}

TEST_F(LeasesOnSmallDisk, DamagedAndReadOnlyAreNoLeases) {
  std::ofstream{file_} << std::string(8192, 'x');
  ASSERT_EQ(remount(MS_RDONLY), 0);
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_TRUE((*store)->take_loaded().empty());
  EXPECT_NE((*store)->problem().find("can't be read"), std::string::npos) << (*store)->problem();
}

}  // namespace
}  // namespace vrouter::router::state
