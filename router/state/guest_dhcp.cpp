// SPDX-License-Identifier: GPL-2.0-or-later
// What guests say of DHCP, few of them anything: each a row of its own kind.
#include <limits>
#include <span>

#include "router/state/database.h"

namespace vrouter::router::state {
namespace {

// Of `number`: nothing, a prefix length, the option's code, nothing (its value is the server, or empty), nothing,
// nothing, the client's architecture.
constexpr auto kShared = "shared", kMask = "mask", kOption = "option", kBoot = "boot", kFile = "file", kIpxe = "ipxe",
               kArchitecture = "architecture";
constexpr auto kTable = "guest_dhcp";

template <typename Number>
Number number_of(const std::string& tap, const std::string& kind, std::int64_t number) {
  if (number < 0 || number > std::numeric_limits<Number>::max())
    bad_row(kTable, tap, "the " + kind + ' ' + std::to_string(number));
  return static_cast<Number>(number);
}

void read_row(config::Guest& guest, const std::string& kind, std::int64_t number, const std::string& value) {
  const auto boot = [&guest]() -> config::NetworkBoot& {
    if (!guest.dhcp.boot) guest.dhcp.boot.emplace();
    return *guest.dhcp.boot;
  };
  if (kind == kShared) {
    guest.shared = true;
  } else if (kind == kMask) {
    guest.dhcp.mask = number_of<std::uint8_t>(guest.tap, kind, number);
  } else if (kind == kOption) {
    guest.dhcp.options.push_back(
        {.code = number_of<std::uint8_t>(guest.tap, kind, number), .value = {value.begin(), value.end()}});
  } else if (kind == kBoot) {
    auto& server = boot().server;
    if (value.empty()) return;
    boost::system::error_code error;
    server = boost::asio::ip::make_address_v4(value, error);
    if (error) bad_row(kTable, guest.tap, "the address \"" + value + "\"");
  } else if (kind == kFile) {
    boot().file = value;
  } else if (kind == kIpxe) {
    boot().ipxe = value;
  } else if (kind == kArchitecture) {
    boot().files[number_of<std::uint16_t>(guest.tap, kind, number)] = value;
  } else {
    bad_row(kTable, guest.tap, "the kind \"" + kind + "\"");
  }
}

}  // namespace

void Database::put_dhcp(const config::Guest& guest) {
  const auto put_row = [&](const char* kind, int number, std::span<const char> value = {}) {
    static constexpr char kNothing = 0;  // a null pointer would bind NULL, not an empty blob
    auto& row = sql_->put_dhcp;
    row.bind(1, guest.tap);
    row.bind(2, kind);
    row.bind(3, number);
    row.bind(4, value.empty() ? static_cast<const void*>(&kNothing) : value.data(), static_cast<int>(value.size()));
    run(row);
  };
  if (guest.shared) {
    db_.exec("PRAGMA user_version = " + std::to_string(kSharedSchemaVersion));
    put_row(kShared, 0);
  }
  const auto& [options, boot, mask] = guest.dhcp;
  if (mask) put_row(kMask, *mask);
  for (const auto& option : options) {
    const std::string value{option.value.begin(), option.value.end()};
    put_row(kOption, option.code, value);
  }
  if (!boot) return;
  put_row(kBoot, 0, boot->server ? boot->server->to_string() : std::string{});
  if (!boot->file.empty()) put_row(kFile, 0, boot->file);
  if (!boot->ipxe.empty()) put_row(kIpxe, 0, boot->ipxe);
  for (const auto& [architecture, file] : boot->files) put_row(kArchitecture, architecture, file);
}

void Database::load_dhcp(Stored& stored) {
  // A file that can only be read may be an older vrouter's.
  if (!db_.tableExists(kTable)) return;
  // (By number, so that options are in the order of their codes.)
  SQLite::Statement rows{db_, "SELECT tap, kind, number, value FROM guest_dhcp ORDER BY tap, kind, number"};
  while (rows.executeStep()) {
    const auto guest = stored.guests.find(rows.getColumn(0).getString());
    if (guest == stored.guests.end()) continue;
    read_row(guest->second, rows.getColumn(1).getString(), rows.getColumn(2).getInt64(), rows.getColumn(3).getString());
  }
}

}  // namespace vrouter::router::state
