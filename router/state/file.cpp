// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/state/file.h"

#include <SQLiteCpp/Exception.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "router/state/sqlite.h"

namespace vrouter::router::state {
namespace {

// Names tried by set_aside(): nobody keeps a hundred damaged databases.
constexpr int kMaxSetAside = 100;

bool is_unwritable(int code) {
  switch (code) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_NOMEM:  // says nothing about the file
      return true;
    default:
      return false;
  }
}

std::string explain(const std::filesystem::path& file, const SQLite::Exception& error) {
  const auto directory = file.parent_path().string();
  switch (error.getErrorCode()) {
    case SQLITE_FULL:
      return fmt::format("{}: the disk is full: free some space in {} and try again", file.string(), directory);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return fmt::format("{}: can't be written ({}): make {} writable for vrouterd and try again", file.string(),
                         error.what(), directory);
    case SQLITE_BUSY:
      return fmt::format("{}: another program has locked it: close whatever has it open and try again", file.string());
    default:
      return fmt::format("{}: {}", file.string(), error.what());
  }
}

OpenError unwritable(const std::filesystem::path& what, int code) {
  return {OpenFailure::unwritable,
          fmt::format("{}: {}: the state directory must be writable for vrouterd; give another with --state-dir",
                      what.string(), ::strerrordesc_np(code))};
}

OpenError damaged(const DatabaseFile& file, const std::string& why) {
  return {OpenFailure::damaged,
          fmt::format("{}: can't be read: {}; put a backup in its place, or move the file away {}", file.path.string(),
                      why, file.loss)};
}

OpenError other_version(const DatabaseFile& file, const std::string& what) {
  return {OpenFailure::newer, fmt::format("{}: {}: install the vrouter that wrote it", file.path.string(), what)};
}

}  // namespace

std::string with_suffix(const std::filesystem::path& file, std::string_view suffix) {
  return file.string() + std::string{suffix};
}

std::string current_boot_id() {
  std::ifstream file{"/proc/sys/kernel/random/boot_id"};
  std::string id;
  std::getline(file, id);
  return id;
}

std::expected<UniqueFd, OpenError> take_lock(const std::filesystem::path& file) {
  const std::string lock_file = with_suffix(file, ".lock");
  UniqueFd lock{::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  // A lock needs no right to write: on a read-only disk the file of an earlier start does.
  if (!lock && (errno == EROFS || errno == EACCES)) lock.reset(::open(lock_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock) return std::unexpected(unwritable(lock_file, errno));
  // flock goes with the process, however it dies: no stale lock to judge.
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return std::unexpected(unwritable(lock_file, errno));
  return std::unexpected(OpenError{
      OpenFailure::busy,
      fmt::format("{}: another vrouterd uses this state directory: stop it, or give this one its own --state-dir",
                  file.string())});
}

// SQLite would make the file 0644, and the -wal after it: guests' addresses are nobody's business.
std::expected<void, OpenError> make_private_file(const DatabaseFile& file) {
  const UniqueFd made{::open(file.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (made) return {};
  if (errno == EISDIR) return std::unexpected(damaged(file, "it is a directory"));
  return std::unexpected(unwritable(file.path, errno));
}

std::expected<UniqueFd, OpenError> prepare(const DatabaseFile& file) {
  std::error_code error;
  const auto directory = file.path.parent_path();
  if (!directory.empty() && !std::filesystem::exists(directory, error)) {
    std::filesystem::create_directories(directory, error);
    if (error) return std::unexpected(unwritable(directory, error.value()));
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  }
  auto lock = take_lock(file.path);
  if (!lock) return lock;
  if (auto made = make_private_file(file); !made) return std::unexpected(std::move(made.error()));
  return lock;
}

Committed make_writable(const DatabaseFile& file, UniqueFd& lock) {
  if (!lock) {
    auto taken = take_lock(file.path);
    if (!taken) return std::unexpected(std::move(taken.error().message));
    lock = std::move(*taken);
  }
  if (auto made = make_private_file(file); !made) return std::unexpected(std::move(made.error().message));
  return {};
}

std::expected<std::filesystem::path, std::string> set_aside(const std::filesystem::path& file) {
  std::error_code error;
  for (int number = 1; number <= kMaxSetAside; ++number) {
    const auto aside = aside_name(file, number);
    if (std::filesystem::exists(aside, error)) continue;
    std::filesystem::rename(file, aside, error);
    if (error) return std::unexpected(fmt::format("{}: can't be moved aside: {}", file.string(), error.message()));
    // A -wal left behind would be played into the new database; it belongs to the old one.
    std::filesystem::rename(with_suffix(file, "-wal"), with_suffix(aside, "-wal"), error);
    std::filesystem::remove(with_suffix(file, "-shm"), error);
    return aside;
  }
  return std::unexpected(fmt::format("{}: {} damaged databases are kept already: remove some of {}.damaged-*",
                                     file.string(), kMaxSetAside, file.string()));
}

std::filesystem::path aside_name(const std::filesystem::path& file, int number) {
  return with_suffix(file, fmt::format(".damaged-{}", number));
}

int number_of(const std::filesystem::path& aside) {
  const auto text = aside.string();
  return std::stoi(text.substr(text.rfind('-') + 1));
}

OpenError why_not_opened(const DatabaseFile& file) {
  try {
    throw;
  } catch (const OtherVersion& other) {
    return other_version(file, other.what());
  } catch (const SQLite::Exception& refused) {
    if (!is_unwritable(refused.getErrorCode())) return damaged(file, refused.what());
    return {OpenFailure::unwritable, explain(file.path, refused)};
  } catch (const Unreadable& unreadable) {
    return damaged(file, unreadable.what());
  }
}

OpenError why_unreadable(const DatabaseFile& file) {
  try {
    throw;
  } catch (const OtherVersion& other) {
    return other_version(file, other.what());
  } catch (const std::exception& unreadable) {
    return damaged(file, unreadable.what());
  }
}

std::string why_not_written(const DatabaseFile& file) {
  try {
    throw;
  } catch (const SQLite::Exception& error) {
    return explain(file.path, error);
  } catch (const std::runtime_error& error) {  // it was damaged, or replaced, since it was read
    return damaged(file, error.what()).message;
  }
}

}  // namespace vrouter::router::state
