// SPDX-License-Identifier: GPL-2.0-or-later
// Private to the room: what its databases do with SQLite alike. Throws SQLite::Exception besides what stands here.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <stdexcept>
#include <string>

namespace vrouter::router::state {

// The file is a database, but not one this version can read.
struct Unreadable : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// It is one of another version of vrouter.
struct OtherVersion : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Schema {
  // file(1) and we ourselves tell our database from somebody else's (sqlite.org/fileformat.html, 1.3.15).
  int application_id = 0;
  int version = 0;       // of a file that is new
  int last_version = 0;  // up to which it is read; 0: no other
  const char* tables = "";
};

// WAL, synchronous=FULL. The page's size is that of a file that is new. For one thread at a time.
[[nodiscard]] SQLite::Database open_for_writing(const std::string& file, int page_size = 4096);
// Where nothing can be written, beside the file neither.
[[nodiscard]] SQLite::Database open_for_reading(const std::string& file);

// Whether it was empty: then it has the tables now. Otherwise it has been checked.
bool make_schema(SQLite::Database& db, const Schema& schema);
void check_schema(SQLite::Database& db, const Schema& schema);

// Whatever comes of it, the statement can be bound again: one that failed must not spoil the next change.
void run(SQLite::Statement& statement);
void roll_back(SQLite::Database& db) noexcept;

}  // namespace vrouter::router::state
