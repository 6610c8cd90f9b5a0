// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "router/state/lease_store.h"
#include "temporary_directory.h"

namespace vrouter::router::state {

using namespace std::chrono_literals;

inline BootTime at(std::chrono::nanoseconds since_boot) {
  return BootTime{since_boot};
}

// Differs in every field from that of another number.
inline dhcp::Lease lease_of(std::uint32_t number, BootTime expires = at(1000h)) {
  dhcp::Lease lease;
  lease.network = "lab" + std::to_string(number % 3);
  lease.address = address_v4{0x0a000000U + number};
  lease.ifindex = number % 5;
  for (std::size_t i = 0; i < 4; ++i) lease.client.hardware.bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
  lease.client.client_id.assign(number % 256, static_cast<std::uint8_t>(number));
  lease.host_name = std::string(number % 64, 'h');
  lease.expires = expires;
  return lease;
}

// Both are set by the test and read by the writer's thread.
struct FakeClocks {
  std::atomic<std::chrono::nanoseconds> boot{std::chrono::nanoseconds{1h}};
  std::atomic<std::chrono::nanoseconds> wall{std::chrono::nanoseconds{1'700'000'000s}};

  void pass(std::chrono::nanoseconds time) {
    boot = boot.load() + time;
    wall = wall.load() + time;
  }
  void set_wall(std::chrono::nanoseconds by) { wall = wall.load() + by; }
  [[nodiscard]] BootTime now() const { return at(boot.load()); }
};

inline Committed commit(LeaseStore& store, std::vector<dhcp::Lease> put, std::vector<address_v4> erase = {}) {
  boost::asio::io_context io;
  Committed outcome = std::unexpected("never answered");
  store.commit(std::move(put), std::move(erase), io, [&](Committed done) { outcome = std::move(done); });
  io.run();
  return outcome;
}

class LeaseStoreTest : public ::testing::Test {
 protected:
  LeaseStore::Options options() {
    LeaseStore::Options options;
    options.boot_id = boot_;
    options.sync = sync_;
    options.now = [this] { return clocks_.now(); };
    options.wall = [this] {
      return std::chrono::system_clock::time_point{
          std::chrono::duration_cast<std::chrono::system_clock::duration>(clocks_.wall.load())};
    };
    return options;
  }
  std::unique_ptr<LeaseStore> open(const std::filesystem::path& file) {
    auto store = LeaseStore::open_anyhow(file, options());
    if (!store) {
      ADD_FAILURE() << store.error().message;
      return nullptr;
    }
    return std::move(*store);
  }
  std::unique_ptr<LeaseStore> open() { return open(file_); }
  void put(std::vector<dhcp::Lease> leases) {
    const auto committed = commit(*open(), std::move(leases));
    ASSERT_TRUE(committed) << committed.error();
  }
  std::vector<dhcp::Lease> stored() { return open()->take_loaded(); }

  // The host is down for `down`, by the clock that it then has.
  void reboot(std::chrono::nanoseconds down, std::chrono::nanoseconds up = 1min) {
    boot_ += "+";
    clocks_.set_wall(down + up);
    clocks_.boot = up;
  }

  FakeClocks clocks_;
  std::string boot_ = "boot";
  bool sync_ = true;  // false where no disk is to be waited for
  TemporaryDirectory directory_;
  std::filesystem::path file_ = directory_ / "state" / "leases.db";
};

}  // namespace vrouter::router::state
