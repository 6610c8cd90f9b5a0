// SPDX-License-Identifier: GPL-2.0-or-later
// Private to the room: the schema, and a Change as SQL. Throws SQLite::Exception; only the store's seam catches it.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <optional>
#include <string>

#include "router/state/sqlite.h"
#include "router/state/store.h"

namespace vrouter::router::state {

// A row that can't be: damaged.
[[noreturn]] void bad_row(const std::string& table, const std::string& key, const std::string& what);

// Rows of guests that are shared need the later one: whoever knows only the first would take such a guest for one that
// wants an address, and give its bridge one.
inline constexpr int kSchemaVersion = 1, kSharedSchemaVersion = 2;

class Database {
 public:
  // Makes the schema in an empty file, checks an existing one, drops originals of another boot.
  Database(const std::string& file, const std::string& boot_id);
  // Only to load() from: a file that can't be written. Its directory need not be writable either.
  struct ReadOnly {};
  Database(const std::string& file, const std::string& boot_id, ReadOnly);

  [[nodiscard]] Stored load();
  void begin() { db_.exec("BEGIN IMMEDIATE"); }
  void apply(const Change& change);
  void commit() { db_.exec("COMMIT"); }
  void roll_back() noexcept { state::roll_back(db_); }

 private:
  struct Statements {
    explicit Statements(SQLite::Database& db);
    SQLite::Statement remove_guest, put_guest, put_group, put_address, put_port, put_limit, put_dhcp;
    SQLite::Statement remove_original, put_original;
    SQLite::Statement remove_lease, put_lease;
    SQLite::Statement put_setting;
  };

  void put(const config::Guest& guest);
  void put_addresses(const config::Guest& guest);
  void put_dhcp(const config::Guest& guest);
  void put(const KnownLease& lease);
  void load_guests(Stored& stored);
  void load_addresses(Stored& stored);
  void load_limits(Stored& stored);
  void load_dhcp(Stored& stored);
  void load_leases(Stored& stored);

  std::string boot_id_;
  SQLite::Database db_;
  std::optional<Statements> sql_;  // made once the tables exist
};

}  // namespace vrouter::router::state
