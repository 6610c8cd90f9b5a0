// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/state/lease_database.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "router/state/file.h"

namespace vrouter::router::state {
namespace {

using std::chrono::nanoseconds;

// By the address, so that a lease that is renewed takes its own place again. `clock` is one row: the boot whose clock
// the times below are of, and how far the wall clock was ahead of it when it was last looked at.
constexpr Schema kSchema{.application_id = 0x7672746c,  // "vrtl"
                         .version = 1,
                         .tables = R"(
CREATE TABLE leases (
  address INTEGER PRIMARY KEY, network TEXT NOT NULL, ifindex INTEGER NOT NULL, link TEXT NOT NULL,
  hardware BLOB NOT NULL, client_id BLOB NOT NULL, host_name TEXT NOT NULL, state INTEGER NOT NULL,
  expires INTEGER NOT NULL, written INTEGER NOT NULL) STRICT;
CREATE TABLE clock (boot_id TEXT NOT NULL, ahead INTEGER NOT NULL) STRICT;
CREATE TABLE damage (number INTEGER NOT NULL, since INTEGER NOT NULL) STRICT;
)"};

// Renewals come in no order, so each row changes a page of its own, and each such page goes into the log as a whole.
constexpr int kPageSize = 1024;
// What 100,000 leases take: none is read back from the log while it is written. In KiB, less than 0 (pragma.html).
constexpr auto kCacheSize = "PRAGMA cache_size = -16384";
// Drift is nothing to write about; a clock that was set is.
constexpr nanoseconds kClockWasSet = std::chrono::seconds{1};

nanoseconds add(nanoseconds a, nanoseconds b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(std::int64_t{a.count()}, std::int64_t{b.count()}, &sum)) return nanoseconds{sum};
  return b.count() < 0 ? nanoseconds::min() : nanoseconds::max();
}

nanoseconds subtract(nanoseconds a, nanoseconds b) {
  std::int64_t difference = 0;
  if (!__builtin_sub_overflow(std::int64_t{a.count()}, std::int64_t{b.count()}, &difference)) {
    return nanoseconds{difference};
  }
  return b.count() > 0 ? nanoseconds::min() : nanoseconds::max();
}

nanoseconds ahead(const Moment& now) {
  return subtract(std::chrono::duration_cast<nanoseconds>(now.wall.time_since_epoch()), now.boot.time_since_epoch());
}

bool holds(const dhcp::Lease& lease) {
  return lease.state == dhcp::LeaseState::bound || lease.state == dhcp::LeaseState::declined;
}

// Rows of the boot in which the wall clock was `was_ahead` of CLOCK_BOOTTIME, as of this one.
void move_to_this_boot(std::vector<LeaseRow>& rows, nanoseconds was_ahead, const Moment& now) {
  const nanoseconds shift = subtract(was_ahead, ahead(now));
  const nanoseconds boot = now.boot.time_since_epoch();
  nanoseconds latest = nanoseconds::min();  // end, of those that ended
  for (auto& row : rows) {
    auto& lease = row.lease;
    lease.ifindex = lease.ifindex == 0 ? 0 : LeaseStore::kLinkOfAnotherBoot;
    const nanoseconds expires = lease.expires.time_since_epoch();
    const nanoseconds length = std::max(nanoseconds{0}, subtract(expires, row.written.time_since_epoch()));
    row.written = now.boot;
    if (holds(lease) && lease.expires == BootTime::max()) continue;
    lease.expires = BootTime{add(expires, shift)};
    if (const nanoseconds left = std::min(subtract(lease.expires.time_since_epoch(), boot), length);
        holds(lease) && left > nanoseconds{0}) {
      lease.expires = BootTime{add(boot, left)};
      continue;
    }
    if (holds(lease)) lease.state = dhcp::LeaseState::expired;
    latest = std::max(latest, lease.expires.time_since_epoch());
  }
  // Where the wall clock was set back they would end in the future. All move alike, which keeps their order.
  const nanoseconds too_late = subtract(latest, boot);
  if (too_late <= nanoseconds{0}) return;
  for (auto& row : rows) {
    if (!holds(row.lease)) row.lease.expires = BootTime{subtract(row.lease.expires.time_since_epoch(), too_late)};
  }
}

void end_what_is_over(std::vector<LeaseRow>& rows, BootTime now) {
  for (auto& row : rows) {
    if (holds(row.lease) && row.lease.expires <= now) row.lease.state = dhcp::LeaseState::expired;
  }
}

[[noreturn]] void bad_row(std::int64_t address, const std::string& what) {
  throw Unreadable{"its table leases holds " + what + " for address " + std::to_string(address)};
}

dhcp::LeaseState read_state(std::int64_t address, std::int64_t number) {
  using enum dhcp::LeaseState;
  for (const auto known : {bound, released, declined, expired}) {
    if (std::to_underlying(known) == number) return known;
  }
  bad_row(address, "state " + std::to_string(number));
}

BootTime read_time(const SQLite::Column& column) {
  return BootTime{nanoseconds{column.getInt64()}};
}

LeaseRow read_row(SQLite::Statement& rows) {
  constexpr std::int64_t k32Bits = std::numeric_limits<std::uint32_t>::max();
  LeaseRow row;
  auto& lease = row.lease;
  const std::int64_t number = rows.getColumn(0).getInt64();
  const std::int64_t ifindex = rows.getColumn(2).getInt64();
  if (number < 0 || number > k32Bits) bad_row(number, "something");
  if (ifindex < 0 || ifindex > k32Bits) bad_row(number, "interface " + std::to_string(ifindex));
  lease.address = address_v4{static_cast<std::uint32_t>(number)};
  lease.network = rows.getColumn(1).getString();
  lease.ifindex = static_cast<unsigned>(ifindex);
  row.link = rows.getColumn(3).getString();
  const auto hardware = rows.getColumn(4), client_id = rows.getColumn(5);
  auto& mac = lease.client.hardware.bytes;
  if (static_cast<std::size_t>(hardware.getBytes()) != mac.size()) bad_row(number, "no MAC address");
  std::memcpy(mac.data(), hardware.getBlob(), mac.size());
  const auto* id = static_cast<const std::uint8_t*>(client_id.getBlob());
  if (client_id.getBytes() > 255) bad_row(number, "a client identifier that is too long");
  lease.client.client_id.assign(id, id + client_id.getBytes());
  lease.host_name = rows.getColumn(6).getString();
  lease.state = read_state(number, rows.getColumn(7).getInt64());
  lease.expires = read_time(rows.getColumn(8));
  row.written = read_time(rows.getColumn(9));
  return row;
}

struct InFile {
  LoadedLeases leases;
  std::string boot_id;
  nanoseconds ahead{};
};

InFile read_all(SQLite::Database& db) {
  InFile found;
  SQLite::Statement clock{db, "SELECT boot_id, ahead FROM clock"};
  if (clock.executeStep()) {
    found.boot_id = clock.getColumn(0).getString();
    found.ahead = nanoseconds{clock.getColumn(1).getInt64()};
  }
  SQLite::Statement damage{db, "SELECT number, since FROM damage"};
  if (damage.executeStep()) {
    found.leases.damage = {.aside = aside_name(db.getFilename(), damage.getColumn(0).getInt()),
                           .since = std::chrono::sys_seconds{std::chrono::seconds{damage.getColumn(1).getInt64()}}};
  }
  SQLite::Statement rows{db, "SELECT * FROM leases ORDER BY address"};
  while (rows.executeStep()) found.leases.rows.push_back(read_row(rows));
  return found;
}

}  // namespace

LeaseDatabase::Statements::Statements(SQLite::Database& db)
    : put{db, "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      erase{db, "DELETE FROM leases WHERE address = ?"},
      set_clock{db, "UPDATE clock SET ahead = ?"} {}

LeaseDatabase::LeaseDatabase(const std::string& file, const Settings& settings, const Moment& now)
    : db_{open_for_writing(file, kPageSize)}, checkpoint_at_{settings.checkpoint_at} {
  db_.exec(kCacheSize);
  if (!settings.sync) db_.exec("PRAGMA synchronous = OFF");
  make_schema(db_, kSchema);
  sql_.emplace(db_);
  auto found = read_all(db_);
  loaded_ = std::move(found.leases);
  ahead_ = found.ahead;
  if (settings.damage) loaded_.damage = settings.damage;
  if (found.boot_id != settings.boot_id) {
    move_to_this_boot(loaded_.rows, found.ahead, now);
    rewrite(settings.boot_id, now);
  }
  end_what_is_over(loaded_.rows, now.boot);
  // In place of SQLite's own, which would copy the log into the file before a commit returns.
  sqlite3_wal_hook(
      db_.getHandle(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<LeaseDatabase*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);
}

LoadedLeases LeaseDatabase::read(const std::string& file, const std::string& boot_id, const Moment& now) {
  auto db = open_for_reading(file);
  check_schema(db, kSchema);
  auto found = read_all(db);
  if (found.boot_id != boot_id) move_to_this_boot(found.leases.rows, found.ahead, now);
  end_what_is_over(found.leases.rows, now.boot);
  return std::move(found.leases);
}

void LeaseDatabase::rewrite(const std::string& boot_id, const Moment& now) {
  db_.exec("BEGIN IMMEDIATE");
  db_.exec("DELETE FROM clock");
  SQLite::Statement clock{db_, "INSERT INTO clock VALUES (?, ?)"};
  clock.bind(1, boot_id);
  clock.bind(2, std::int64_t{ahead(now).count()});
  clock.exec();
  if (loaded_.damage) {
    db_.exec("DELETE FROM damage");
    SQLite::Statement damage{db_, "INSERT INTO damage VALUES (?, ?)"};
    damage.bind(1, number_of(loaded_.damage->aside));
    damage.bind(2, std::int64_t{loaded_.damage->since.time_since_epoch().count()});
    damage.exec();
  }
  for (const auto& row : loaded_.rows) put(row.lease, row.link, row.written);
  db_.exec("COMMIT");
  ahead_ = ahead(now);
}

void LeaseDatabase::begin(const Moment& now) {
  db_.exec("BEGIN IMMEDIATE");
  written_ = now.boot;
  ahead_to_be_ = ahead_;
  const nanoseconds moved = subtract(ahead(now), ahead_);
  if (moved < kClockWasSet && moved > -kClockWasSet) return;
  ahead_to_be_ = ahead(now);
  sql_->set_clock.bind(1, std::int64_t{ahead_to_be_.count()});
  run(sql_->set_clock);
}

void LeaseDatabase::apply(const LeaseChange& change) {
  for (const auto& address : change.erase) {
    sql_->erase.bind(1, std::int64_t{address.to_uint()});
    run(sql_->erase);
  }
  for (std::size_t i = 0; i < change.put.size(); ++i) put(change.put[i], change.links[i], written_);
  if (change.forget_damage) db_.exec("DELETE FROM damage");
}

void LeaseDatabase::commit() {
  db_.exec("COMMIT");
  ahead_ = ahead_to_be_;
}

// What is bound outlives the statement's run, so nothing is copied.
void LeaseDatabase::put(const dhcp::Lease& lease, const std::string& link, BootTime written) {
  static constexpr char kNothing = 0;  // a null pointer would bind NULL, not an empty blob
  auto& row = sql_->put;
  const auto& [hardware, id] = lease.client;
  row.bind(1, std::int64_t{lease.address.to_uint()});
  row.bindNoCopy(2, lease.network);
  row.bind(3, std::int64_t{lease.ifindex});
  row.bindNoCopy(4, link);
  row.bindNoCopy(5, hardware.bytes.data(), static_cast<int>(hardware.bytes.size()));
  row.bindNoCopy(6, id.empty() ? static_cast<const void*>(&kNothing) : id.data(), static_cast<int>(id.size()));
  row.bindNoCopy(7, lease.host_name);
  row.bind(8, static_cast<int>(std::to_underlying(lease.state)));
  row.bind(9, std::int64_t{lease.expires.time_since_epoch().count()});
  row.bind(10, std::int64_t{written.time_since_epoch().count()});
  run(row);
}

void LeaseDatabase::checkpoint_if_due() noexcept {
  if (wal_pages_ < checkpoint_at_) return;
  // Where it fails (full disk, somebody reads) the log grows on, and the next group tries again.
  sqlite3_wal_checkpoint_v2(db_.getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

}  // namespace vrouter::router::state
