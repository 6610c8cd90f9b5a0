// SPDX-License-Identifier: GPL-2.0-or-later
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lease_fixture.h"

namespace vrouter::router::state {
namespace {

// Of the whole program; libsqlite3 calls the fdatasync() below.
std::atomic<int> syncs{0};

TEST_F(LeaseStoreTest, StartsEmptyAndPrivate) {
  const auto store = open();
  EXPECT_TRUE(store->take_loaded().empty());
  EXPECT_EQ(store->problem(), "");
  EXPECT_EQ(store->aside(), "");
  ASSERT_TRUE(commit(*store, {lease_of(1)}));
  for (const char* suffix : {"", "-wal", ".lock"}) {
    struct stat info{};
    ASSERT_EQ(::stat((file_.string() + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777U, 0600U) << suffix;
  }
}

TEST_F(LeaseStoreTest, KeepsEveryFieldOfALease) {
  std::vector<dhcp::Lease> leases;
  for (std::uint32_t number = 0; number < 300; ++number) leases.push_back(lease_of(number, at(1000h + 1ns * number)));
  leases[1].state = dhcp::LeaseState::released;
  leases[2].state = dhcp::LeaseState::declined;
  leases[3].state = dhcp::LeaseState::expired;
  leases[4].expires = BootTime::max();
  leases[5].host_name = "a'b";
  put(leases);
  EXPECT_EQ(stored(), leases);
  auto store = open();
  EXPECT_EQ(store->take_loaded(), leases);
  EXPECT_TRUE(store->take_loaded().empty()) << "taken";
}

TEST_F(LeaseStoreTest, ReplacesAndErases) {
  put({lease_of(1), lease_of(2), lease_of(3)});
  auto renewed = lease_of(2);
  renewed.client = lease_of(7).client;
  renewed.expires += 1s;
  ASSERT_TRUE(commit(*open(), {renewed}, {lease_of(1).address, lease_of(9).address}));
  EXPECT_EQ(stored(), (std::vector{renewed, lease_of(3)}));
  ASSERT_TRUE(commit(*open(), {lease_of(3)}, {lease_of(3).address}));
  EXPECT_EQ(stored(), (std::vector{renewed, lease_of(3)})) << "what is put comes after what is erased";
}

TEST_F(LeaseStoreTest, LetsNoSecondOneIn) {
  const auto first = open();
  const auto second = LeaseStore::open_anyhow(file_, options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, OpenFailure::busy);
}

TEST_F(LeaseStoreTest, AnswersInOrderAndTogether) {
  std::atomic<int> transactions{0};
  std::atomic<bool> hold{true};
  auto slow = options();
  slow.before_commit = [&] {
    ++transactions;
    while (hold) ::usleep(100);
  };
  auto store = LeaseStore::open_anyhow(file_, slow);
  ASSERT_TRUE(store);
  boost::asio::io_context io;
  std::vector<std::uint32_t> order;
  const auto hand_over = [&](std::uint32_t number) {
    (*store)->commit({lease_of(number)}, {}, io, [&order, number](const Committed& done) {
      EXPECT_TRUE(done);
      order.push_back(number);
    });
  };
  hand_over(0);
  while (transactions == 0) ::usleep(100);
  for (std::uint32_t number = 1; number < 100; ++number) hand_over(number);
  hold = false;
  io.run();
  ASSERT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(transactions, 2);
}

TEST_F(LeaseStoreTest, AnAnswerComesAfterASync) {
  for (const bool sync : {true, false}) {
    auto measured = options();
    measured.sync = sync;
    int before = 0;
    measured.before_commit = [&before] { before = syncs; };
    const auto store = LeaseStore::open_anyhow(directory_ / (sync ? "on.db" : "off.db"), measured);
    ASSERT_TRUE(store);
    ASSERT_TRUE(commit(**store, {lease_of(1)}));
    EXPECT_EQ(syncs > before, sync);
    ASSERT_TRUE(commit(**store, {lease_of(1)}));
    EXPECT_EQ(syncs - before, sync ? 1 : 0);
  }
}

TEST_F(LeaseStoreTest, ALongLogIsCopiedIntoTheFileAndBegunAnew) {
  auto often = options();
  often.checkpoint_at = 20;
  auto store = LeaseStore::open_anyhow(file_, often);
  ASSERT_TRUE(store);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(commit(**store, {lease_of(1, at(1000h + i * 1s))}));
  EXPECT_LT(std::filesystem::file_size(file_.string() + "-wal"), 40U * 5000U);
  store->reset();
  EXPECT_EQ(stored(), std::vector{lease_of(1, at(1000h + 199s))});
}

TEST_F(LeaseStoreTest, KeepsTheNamesOfLinksForTheNextBoot) {
  auto naming = options();
  naming.link_name = [](unsigned ifindex) { return "br" + std::to_string(ifindex); };
  {
    const auto store = LeaseStore::open_anyhow(file_, naming);
    ASSERT_TRUE(store);
    ASSERT_TRUE(commit(**store, {lease_of(1), lease_of(5)}));  // on br1, and behind a relay
  }
  EXPECT_EQ(stored().at(0).ifindex, 1U) << "the same boot";
  reboot(0s);
  for (int start = 0; start < 2; ++start) {
    naming.boot_id = boot_;
    auto store = LeaseStore::open_anyhow(file_, naming);
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->links(), (std::map<address_v4, std::string>{{lease_of(1).address, "br1"}}));
    const auto loaded = (*store)->take_loaded();
    ASSERT_EQ(loaded.size(), 2U);
    EXPECT_EQ(loaded[0].ifindex, LeaseStore::kLinkOfAnotherBoot) << "another interface may have the number now";
    EXPECT_EQ(loaded[1].ifindex, 0U);
    ASSERT_TRUE(commit(**store, loaded));
  }
}

}  // namespace
}  // namespace vrouter::router::state

extern "C" int fdatasync(int fd) {
  ++vrouter::router::state::syncs;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
