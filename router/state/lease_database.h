// SPDX-License-Identifier: GPL-2.0-or-later
// Private to the room: leases as SQL, and their times from one boot to the next. Throws SQLite::Exception and what
// sqlite.h has; only the store's seam catches it.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "router/state/lease_store.h"
#include "router/state/sqlite.h"

namespace vrouter::router::state {

// One moment, on both clocks.
struct Moment {
  BootTime boot;
  std::chrono::system_clock::time_point wall;
};

// One lease with what the file knows besides.
struct LeaseRow {
  dhcp::Lease lease;
  std::string link;
  BootTime written{};
};

struct LeaseChange {
  std::vector<dhcp::Lease> put;
  std::vector<std::string> links;  // of each of `put`
  std::vector<address_v4> erase;   // first
  bool forget_damage = false;
};

struct LoadedLeases {
  std::vector<LeaseRow> rows;
  std::optional<LeaseStore::Damage> damage;
};

class LeaseDatabase {
 public:
  struct Settings {
    std::string boot_id;
    bool sync = true;
    int checkpoint_at = 4096;                       // pages of the log
    std::optional<LeaseStore::Damage> damage = {};  // noted in a file that is new
  };

  // Makes the tables in an empty file, checks an existing one, and tells its times by this boot's clock from now on.
  LeaseDatabase(const std::string& file, const Settings& settings, const Moment& now);
  LeaseDatabase(const LeaseDatabase&) = delete;
  LeaseDatabase& operator=(const LeaseDatabase&) = delete;
  // Of a file that can't be written; its times are of this boot all the same.
  [[nodiscard]] static LoadedLeases read(const std::string& file, const std::string& boot_id, const Moment& now);

  // What the file held when it was opened; once.
  [[nodiscard]] LoadedLeases take_loaded() { return std::move(loaded_); }

  void begin(const Moment& now);
  void apply(const LeaseChange& change);
  void commit();
  void roll_back() noexcept { state::roll_back(db_); }
  // Moves the log into the file once it is long. Nobody's answer waits for that.
  void checkpoint_if_due() noexcept;

 private:
  struct Statements {
    explicit Statements(SQLite::Database& db);
    SQLite::Statement put, erase, set_clock;
  };

  void rewrite(const std::string& boot_id, const Moment& now);
  void put(const dhcp::Lease& lease, const std::string& link, BootTime written);

  SQLite::Database db_;
  std::optional<Statements> sql_;  // made once the tables exist
  LoadedLeases loaded_;
  std::chrono::nanoseconds ahead_{};        // as the file has it: wall clock less CLOCK_BOOTTIME
  std::chrono::nanoseconds ahead_to_be_{};  // once the transaction under way is committed
  BootTime written_{};                      // of what it puts
  int checkpoint_at_;
  int wal_pages_ = 0;
};

}  // namespace vrouter::router::state
