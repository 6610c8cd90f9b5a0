// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/state/sqlite.h"

#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace vrouter::router::state {
namespace {

// What a URI gives a meaning to (sqlite.org/uri.html).
std::string uri_path(const std::string& file) {
  std::string path;
  for (const char c : file) {
    switch (c) {
      case '?':
        path += "%3f";
        break;
      case '#':
        path += "%23";
        break;
      case '%':
        path += "%25";
        break;
      default:
        path += c;
    }
  }
  return path;
}

}  // namespace

SQLite::Database open_for_writing(const std::string& file, int page_size) {
  SQLite::Database db{file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX};
  // Long enough for a person with sqlite3(1) to look; only the writer's thread would wait for them.
  db.setBusyTimeout(2000);
  db.exec("PRAGMA page_size = " + std::to_string(page_size));
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = FULL");
  db.exec("PRAGMA foreign_keys = ON");
  return db;
}

// A write-ahead log that was left behind holds commits. Without one the file is all there is, and `immutable` keeps
// SQLite from looking for a place for the log's index. With one it reads the index that lies beside it; where the file
// could be written if only there were room, that one can neither be trusted to be there nor be made, and a database
// that is ours alone has its index in memory.
SQLite::Database open_for_reading(const std::string& file) {
  std::error_code none;
  const auto log = std::filesystem::file_size(file + "-wal", none);
  const bool has_log = !none && log != 0;
  if (!has_log || ::access(file.c_str(), W_OK) != 0) {
    return {"file:" + uri_path(file) + (has_log ? "?mode=ro" : "?immutable=1"),
            SQLite::OPEN_READONLY | SQLite::OPEN_URI};
  }
  SQLite::Database db{file, SQLite::OPEN_READWRITE};
  sqlite3_db_config(db.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  db.exec("PRAGMA query_only = ON");
  return db;
}

bool make_schema(SQLite::Database& db, const Schema& schema) {
  if (db.execAndGet("SELECT count(*) FROM sqlite_schema").getInt() != 0) {
    check_schema(db, schema);
    return false;
  }
  db.exec("BEGIN IMMEDIATE");
  db.exec(schema.tables);
  db.exec("PRAGMA application_id = " + std::to_string(schema.application_id));
  db.exec("PRAGMA user_version = " + std::to_string(schema.version));
  db.exec("COMMIT");
  return true;
}

void check_schema(SQLite::Database& db, const Schema& schema) {
  const int version = db.execAndGet("PRAGMA user_version").getInt();
  if (db.execAndGet("PRAGMA application_id").getInt() != schema.application_id) {
    throw Unreadable{"it is a database of another program"};
  }
  const int last = std::max(schema.version, schema.last_version);
  if (version < schema.version || version > last) {
    const auto known = std::to_string(schema.version) + (last > schema.version ? " to " + std::to_string(last) : "");
    throw OtherVersion{"it has schema " + std::to_string(version) + " and this vrouter knows " + known};
  }
  const std::string check = db.execAndGet("PRAGMA quick_check(1)").getString();
  if (check != "ok") throw Unreadable{check};
}

void run(SQLite::Statement& statement) {
  try {
    statement.exec();
  } catch (...) {
    statement.tryReset();
    throw;
  }
  statement.reset();
}

void roll_back(SQLite::Database& db) noexcept {
  // SQLite itself has rolled back after some errors (full disk, I/O): then there is nothing left to do.
  if (sqlite3_get_autocommit(db.getHandle()) == 0) sqlite3_exec(db.getHandle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace vrouter::router::state
