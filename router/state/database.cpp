// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/state/database.h"

#include <cstdint>
#include <utility>

#include "config/specs.h"

namespace vrouter::router::state {
namespace {

constexpr auto kStopped = "stopped";
constexpr auto kDamaged = "damaged";

constexpr Schema kSchema{.application_id = 0x76727472,  // "vrtr"
                         .version = kSchemaVersion,
                         .last_version = kSharedSchemaVersion,
                         .tables = R"(
CREATE TABLE guests (
  tap TEXT PRIMARY KEY, name TEXT NOT NULL, network TEXT NOT NULL,
  address TEXT, address6 TEXT, mac TEXT,
  ephemeral INTEGER NOT NULL, create_tap INTEGER NOT NULL, owner TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE guest_groups (
  tap TEXT NOT NULL REFERENCES guests ON DELETE CASCADE, position INTEGER NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (tap, position)) STRICT, WITHOUT ROWID;
CREATE TABLE published (
  tap TEXT NOT NULL REFERENCES guests ON DELETE CASCADE, position INTEGER NOT NULL,
  host TEXT, first INTEGER NOT NULL, last INTEGER NOT NULL, guest_first INTEGER NOT NULL, protocol INTEGER NOT NULL,
  PRIMARY KEY (tap, position)) STRICT, WITHOUT ROWID;
CREATE TABLE originals (
  key TEXT PRIMARY KEY, value TEXT NOT NULL, boot_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE leases (
  tap TEXT PRIMARY KEY, guest TEXT NOT NULL, address TEXT NOT NULL, client TEXT NOT NULL,
  client_id BLOB NOT NULL, host_name TEXT NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE settings (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
)"};

// Came later. Who knows nothing of it reads the rest all the same, so the schema's number stays; guests then have their
// network's limits.
constexpr auto kLaterSchema = R"(
CREATE TABLE IF NOT EXISTS guest_addresses (
  tap TEXT NOT NULL REFERENCES guests ON DELETE CASCADE, kind TEXT NOT NULL, position INTEGER NOT NULL,
  address TEXT NOT NULL, PRIMARY KEY (tap, kind, position)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guest_limits (
  tap TEXT NOT NULL REFERENCES guests ON DELETE CASCADE, name TEXT NOT NULL, value INTEGER NOT NULL,
  PRIMARY KEY (tap, name)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guest_dhcp (
  tap TEXT NOT NULL REFERENCES guests ON DELETE CASCADE, kind TEXT NOT NULL, number INTEGER NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (tap, kind, number)) STRICT, WITHOUT ROWID;
)";
constexpr auto kFloating = "floating", kSnat = "snat", kPrefix = "prefix", kAllowed = "allowed";

template <typename T>
void bind_text(SQLite::Statement& statement, int index, const std::optional<T>& value) {
  if (value) {
    statement.bind(index, value->to_string());
  } else {
    statement.bind(index);
  }
}

template <typename Make>
auto read_address(const std::string& table, const std::string& key, const std::string& text, Make make) {
  boost::system::error_code error;
  auto parsed = make(text, error);
  if (error) bad_row(table, key, "the address \"" + text + "\"");
  return parsed;
}

address_v4 make_v4(const std::string& text, boost::system::error_code& error) {
  return boost::asio::ip::make_address_v4(text, error);
}
address_v6 make_v6(const std::string& text, boost::system::error_code& error) {
  return boost::asio::ip::make_address_v6(text, error);
}
address make_any(const std::string& text, boost::system::error_code& error) {
  return boost::asio::ip::make_address(text, error);
}

MacAddress read_mac(const std::string& table, const std::string& key, const std::string& text) {
  const auto mac = parse_mac_address(text);
  if (!mac) bad_row(table, key, "the MAC address \"" + text + "\"");
  return *mac;
}

std::uint16_t read_port(const std::string& tap, const SQLite::Column& column) {
  const std::int64_t port = column.getInt64();
  if (port < 1 || port > 65535) bad_row("published", tap, "port " + std::to_string(port));
  return static_cast<std::uint16_t>(port);
}

config::Protocol read_protocol(const std::string& tap, const SQLite::Column& column) {
  const auto number = column.getInt64();
  for (const auto known : {config::Protocol::tcp, config::Protocol::udp, config::Protocol::sctp}) {
    if (std::to_underlying(known) == number) return known;
  }
  bad_row("published", tap, "protocol " + std::to_string(number));
}

}  // namespace

void bad_row(const std::string& table, const std::string& key, const std::string& what) {
  throw Unreadable{"its table " + table + " holds " + what + " for " + key};
}

Database::Statements::Statements(SQLite::Database& db)
    : remove_guest{db, "DELETE FROM guests WHERE tap = ?"},
      put_guest{db, "INSERT INTO guests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      put_group{db, "INSERT INTO guest_groups VALUES (?, ?, ?)"},
      put_address{db, "INSERT INTO guest_addresses VALUES (?, ?, ?, ?)"},
      put_port{db, "INSERT INTO published VALUES (?, ?, ?, ?, ?, ?, ?)"},
      put_limit{db, "INSERT INTO guest_limits VALUES (?, ?, ?)"},
      put_dhcp{db, "INSERT INTO guest_dhcp VALUES (?, ?, ?, ?)"},
      remove_original{db, "DELETE FROM originals WHERE key = ?"},
      put_original{db, "INSERT OR IGNORE INTO originals VALUES (?, ?, ?)"},
      remove_lease{db, "DELETE FROM leases WHERE tap = ?"},
      put_lease{db, "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?, ?)"},
      put_setting{db, "INSERT OR REPLACE INTO settings VALUES (?, ?)"} {}

Database::Database(const std::string& file, const std::string& boot_id)
    : boot_id_{boot_id}, db_{open_for_writing(file)} {
  if (!make_schema(db_, kSchema)) {
    SQLite::Statement forget{db_, "DELETE FROM originals WHERE boot_id <> ?"};
    forget.bind(1, boot_id_);
    forget.exec();
  }
  db_.exec(kLaterSchema);
  sql_.emplace(db_);
}

Database::Database(const std::string& file, const std::string& boot_id, ReadOnly)
    : boot_id_{boot_id}, db_{open_for_reading(file)} {
  check_schema(db_, kSchema);
}

void Database::apply(const Change& change) {
  for (const auto& tap : change.remove_guests) {
    sql_->remove_guest.bind(1, tap);
    run(sql_->remove_guest);
    sql_->remove_lease.bind(1, tap);
    run(sql_->remove_lease);
  }
  for (const auto& key : change.remove_originals) {
    sql_->remove_original.bind(1, key);
    run(sql_->remove_original);
  }
  for (const auto& tap : change.remove_leases) {
    sql_->remove_lease.bind(1, tap);
    run(sql_->remove_lease);
  }
  for (const auto& guest : change.put_guests) put(guest);
  for (const auto& [key, value] : change.put_originals) {
    sql_->put_original.bind(1, key);
    sql_->put_original.bind(2, value);
    sql_->put_original.bind(3, boot_id_);
    run(sql_->put_original);
  }
  for (const auto& lease : change.put_leases) put(lease);
  if (change.stopped) {
    sql_->put_setting.bind(1, kStopped);
    sql_->put_setting.bind(2, *change.stopped ? 1 : 0);
    run(sql_->put_setting);
  }
  if (change.damaged) {
    sql_->put_setting.bind(1, kDamaged);
    sql_->put_setting.bind(2, *change.damaged);
    run(sql_->put_setting);
  }
}

void Database::put(const config::Guest& guest) {
  sql_->remove_guest.bind(1, guest.tap);  // cascades to its groups and ports
  run(sql_->remove_guest);
  auto& row = sql_->put_guest;
  row.bind(1, guest.tap);
  row.bind(2, guest.name);
  row.bind(3, guest.network);
  bind_text(row, 4, guest.address);
  bind_text(row, 5, guest.address6);
  bind_text(row, 6, guest.mac);
  row.bind(7, guest.ephemeral ? 1 : 0);
  row.bind(8, guest.create_tap ? 1 : 0);
  row.bind(9, guest.owner);
  run(row);
  for (int position = 0; const auto& group : guest.groups) {
    sql_->put_group.bind(1, guest.tap);
    sql_->put_group.bind(2, position++);
    sql_->put_group.bind(3, group);
    run(sql_->put_group);
  }
  for (int position = 0; const auto& port : guest.publish) {
    sql_->put_port.bind(1, guest.tap);
    sql_->put_port.bind(2, position++);
    bind_text(sql_->put_port, 3, port.host);
    sql_->put_port.bind(4, static_cast<int>(port.first));
    sql_->put_port.bind(5, static_cast<int>(port.last));
    sql_->put_port.bind(6, static_cast<int>(port.guest_first));
    sql_->put_port.bind(7, static_cast<int>(std::to_underlying(port.protocol)));
    run(sql_->put_port);
  }
  for (const auto& spec : config::kLimitSpecs) {
    const auto& value = guest.limits.*(spec.member);
    if (!value) continue;
    sql_->put_limit.bind(1, guest.tap);
    sql_->put_limit.bind(2, std::string{spec.name});
    sql_->put_limit.bind(3, static_cast<std::int64_t>(*value));
    run(sql_->put_limit);
  }
  put_addresses(guest);
  put_dhcp(guest);
}

void Database::put_addresses(const config::Guest& guest) {
  const auto put_all = [&](const char* kind, const std::vector<std::string>& texts) {
    for (int position = 0; const auto& text : texts) {
      sql_->put_address.bind(1, guest.tap);
      sql_->put_address.bind(2, kind);
      sql_->put_address.bind(3, position++);
      sql_->put_address.bind(4, text);
      run(sql_->put_address);
    }
  };
  const auto texts_of = [](const std::vector<address>& all) {
    std::vector<std::string> texts;
    for (const auto& one : all) texts.push_back(one.to_string());
    return texts;
  };
  put_all(kFloating, texts_of(guest.floating.all()));
  put_all(kSnat, texts_of(guest.snat.all()));
  put_all(kPrefix, config::prefixes_of(guest));
  put_all(kAllowed, texts_of(guest.allowed_addresses));
}

void Database::put(const KnownLease& lease) {
  static constexpr char kNothing = 0;  // a null pointer would bind NULL, not an empty blob
  auto& row = sql_->put_lease;
  row.bind(1, lease.tap);
  row.bind(2, lease.guest);
  row.bind(3, lease.address.to_string());
  row.bind(4, lease.client.to_string());
  row.bind(5, lease.client_id.empty() ? static_cast<const void*>(&kNothing) : lease.client_id.data(),
           static_cast<int>(lease.client_id.size()));
  row.bind(6, lease.host_name);
  row.bind(7, static_cast<std::int64_t>(lease.expires.time_since_epoch().count()));
  run(row);
}

Stored Database::load() {
  Stored stored;
  load_guests(stored);
  load_limits(stored);
  load_dhcp(stored);
  load_leases(stored);
  SQLite::Statement originals{db_, "SELECT key, value FROM originals WHERE boot_id = ?"};
  originals.bind(1, boot_id_);
  while (originals.executeStep()) stored.originals[originals.getColumn(0)] = originals.getColumn(1).getString();
  SQLite::Statement settings{db_, "SELECT value FROM settings WHERE key = ?"};
  const auto setting = [&](const char* name) {
    settings.reset();
    settings.bind(1, name);
    return settings.executeStep() ? settings.getColumn(0).getInt() : 0;
  };
  stored.stopped = setting(kStopped) != 0;
  stored.damaged = setting(kDamaged);
  return stored;
}

void Database::load_limits(Stored& stored) {
  // A file that can only be read may be an older vrouter's.
  if (!db_.tableExists("guest_limits")) return;
  SQLite::Statement rows{db_, "SELECT tap, name, value FROM guest_limits"};
  while (rows.executeStep()) {
    const auto tap = rows.getColumn(0).getString();
    const auto name = rows.getColumn(1).getString();
    const auto* spec = config::find_limit(name);
    const auto guest = stored.guests.find(tap);
    if (guest == stored.guests.end()) continue;
    const auto value =
        spec == nullptr ? std::unexpected(std::string{}) : config::check_limit(*spec, rows.getColumn(2).getInt64());
    if (!value) bad_row("guest_limits", tap, "the limit " + name);
    guest->second.limits.*(spec->member) = *value;
  }
}

void Database::load_guests(Stored& stored) {
  SQLite::Statement rows{db_, "SELECT * FROM guests"};
  while (rows.executeStep()) {
    config::Guest guest;
    guest.tap = rows.getColumn(0).getString();
    guest.name = rows.getColumn(1).getString();
    guest.network = rows.getColumn(2).getString();
    if (const auto c = rows.getColumn(3); !c.isNull()) {
      guest.address = read_address("guests", guest.tap, c.getString(), make_v4);
    }
    if (const auto c = rows.getColumn(4); !c.isNull()) {
      guest.address6 = read_address("guests", guest.tap, c.getString(), make_v6);
    }
    if (const auto c = rows.getColumn(5); !c.isNull()) guest.mac = read_mac("guests", guest.tap, c.getString());
    guest.ephemeral = rows.getColumn(6).getInt() != 0;
    guest.create_tap = rows.getColumn(7).getInt() != 0;
    guest.owner = rows.getColumn(8).getString();
    auto tap = guest.tap;
    stored.guests.emplace(std::move(tap), std::move(guest));
  }
  // Every row of the other two has its guest: the foreign keys hold it.
  SQLite::Statement groups{db_, "SELECT tap, name FROM guest_groups ORDER BY tap, position"};
  while (groups.executeStep()) stored.guests[groups.getColumn(0)].groups.push_back(groups.getColumn(1).getString());
  SQLite::Statement ports{db_,
                          "SELECT tap, host, first, last, guest_first, protocol FROM published ORDER BY tap, position"};
  while (ports.executeStep()) {
    const std::string tap = ports.getColumn(0).getString();
    config::Publish port;
    if (const auto c = ports.getColumn(1); !c.isNull()) {
      port.host = read_address("published", tap, c.getString(), make_any);
    }
    port.first = read_port(tap, ports.getColumn(2));
    port.last = read_port(tap, ports.getColumn(3));
    port.guest_first = read_port(tap, ports.getColumn(4));
    port.protocol = read_protocol(tap, ports.getColumn(5));
    stored.guests[tap].publish.push_back(port);
  }
  load_addresses(stored);
}

void Database::load_addresses(Stored& stored) {
  // One that is only read may be older.
  if (!db_.tableExists("guest_addresses")) return;
  SQLite::Statement rows{db_, "SELECT tap, kind, address FROM guest_addresses ORDER BY tap, kind, position"};
  while (rows.executeStep()) {
    const std::string tap = rows.getColumn(0).getString(), kind = rows.getColumn(1).getString();
    const std::string text = rows.getColumn(2).getString();
    auto& guest = stored.guests[tap];
    if (kind == kPrefix) {
      const auto prefix = config::parse_prefix(text);
      if (!prefix) bad_row("guest_addresses", tap, "the prefix \"" + text + "\"");
      config::add_prefix(guest, *prefix);
      continue;
    }
    const auto one = read_address("guest_addresses", tap, text, make_any);
    if (kind == kAllowed) {
      guest.allowed_addresses.push_back(one);
    } else if (!(kind == kFloating ? guest.floating : guest.snat).add(one)) {
      bad_row("guest_addresses", tap, "a second address \"" + text + "\"");
    }
  }
}

void Database::load_leases(Stored& stored) {
  SQLite::Statement rows{db_, "SELECT * FROM leases"};
  while (rows.executeStep()) {
    KnownLease lease;
    lease.tap = rows.getColumn(0).getString();
    lease.guest = rows.getColumn(1).getString();
    lease.address = read_address("leases", lease.tap, rows.getColumn(2).getString(), make_v4);
    lease.client = read_mac("leases", lease.tap, rows.getColumn(3).getString());
    const std::string id = rows.getColumn(4).getString();
    lease.client_id.assign(id.begin(), id.end());
    lease.host_name = rows.getColumn(5).getString();
    lease.expires = std::chrono::sys_seconds{std::chrono::seconds{rows.getColumn(6).getInt64()}};
    auto tap = lease.tap;
    stored.leases.emplace(std::move(tap), std::move(lease));
  }
}

}  // namespace vrouter::router::state
