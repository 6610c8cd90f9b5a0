// SPDX-License-Identifier: GPL-2.0-or-later
// The command line as a value. What can be judged without the daemon is judged here: exit status 2.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/model.h"

namespace vrouter::router::cli {

enum class Command {
  add_guest,
  remove_guest,
  guests,
  show,
  status,
  leases,
  release_lease,
  dns,
  flush_dns,
  query_dns,
  publish,
  unpublish,
  change_guest,
  ruleset,
  explain,
  rules,
  monitor,
  reload,
  confirm,
  check,
  teardown
};

inline constexpr int kDone = 0;
inline constexpr int kRefused = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNoDaemon = 3;

struct Request {
  Command command = Command::status;
  std::filesystem::path socket;
  bool json = false;
  config::Guest wanted;                                // add-guest; change-guest: the groups
  std::optional<std::chrono::seconds> wait;            // add-guest --wait
  std::optional<std::chrono::seconds> confirm_within;  // reload --confirm
  std::string guest;     // of remove-guest, show, publish, unpublish, change-guest; monitor: may be empty
  config::Publish port;  // publish, unpublish
  std::string network;   // leases; empty: all
  bool watch = false;    // leases
  address_v4 address;    // release_lease
  std::string name;      // flush_dns; empty: all. query_dns: a name or an address
  std::optional<std::uint16_t> record_type;  // query_dns; none: A, of an address PTR
  bool tcp = false;                          // query_dns
  std::string from, to;                      // explain
  config::Service packet;                    // explain
  std::vector<std::filesystem::path> files;  // check; empty: the installed ones
  std::filesystem::path config_file;         // check, teardown
  std::filesystem::path policy_dir;          // check
  bool policy_dir_named = false;             // check: it was said, not taken for granted
  std::filesystem::path state_dir;           // teardown
};

// The command line asked for no command: say this and go.
struct Leave {
  int status = kUsage;
  std::string text;  // to stdout with status 0 (--help, --version), else to stderr
};

[[nodiscard]] std::expected<Request, Leave> parse_command_line(int argc, const char* const* argv);

}  // namespace vrouter::router::cli
