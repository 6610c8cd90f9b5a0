// SPDX-License-Identifier: GPL-2.0-or-later
// A disk that is full or read-only, in a mount namespace of the test's own.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <fstream>

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

  TemporaryDirectory directory_;
  std::filesystem::path file_ = directory_ / "state.db";
  bool mounted_ = false;
};

TEST_F(StoreOnSmallDisk, SaysThatTheDiskIsFullAndWorksOnceItIsNot) {
  auto store = Store::open(file_);
  ASSERT_TRUE(store) << store.error().message;
  const auto ballast = directory_ / "ballast";
  {
    std::ofstream stream{ballast};
    while (stream << std::string(4096, 'x') << std::flush) {
    }
  }
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
  ASSERT_EQ(::mount("none", directory_.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
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
  const auto remount = [this](unsigned long flags) {
    return ::mount("none", directory_.path().c_str(), nullptr, MS_REMOUNT | flags, nullptr);
  };
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
  ASSERT_EQ(::mount("none", directory_.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  const auto read = Store::open_anyhow(left);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE((*read)->loaded().guests.contains("tap0"));
  EXPECT_NE((*read)->problem(), "");
}

TEST_F(StoreOnSmallDisk, AnEmptyDirectoryThatCanNotBeWrittenIsNoGuests) {
  ASSERT_EQ(::mount("none", directory_.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  const auto store = Store::open_anyhow(file_);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->loaded(), Stored{});
  EXPECT_NE((*store)->problem(), "");
}

}  // namespace
}  // namespace vrouter::router::state
