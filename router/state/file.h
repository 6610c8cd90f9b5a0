// SPDX-License-Identifier: GPL-2.0-or-later
// Private to the room: a database's file, its lock, and what is wrong with them in a sentence that names the remedy.
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/unique_fd.h"
#include "router/state/opening.h"

namespace vrouter::router::state {

struct DatabaseFile {
  std::filesystem::path path;
  std::string_view loss;  // what moving it away costs: "to start with no guests"
};

[[nodiscard]] std::string with_suffix(const std::filesystem::path& file, std::string_view suffix);
[[nodiscard]] std::string current_boot_id();

// `file`.lock, held until the descriptor is closed.
[[nodiscard]] std::expected<UniqueFd, OpenError> take_lock(const std::filesystem::path& file);
// The file, 0600, if it is missing.
[[nodiscard]] std::expected<void, OpenError> make_private_file(const DatabaseFile& file);
// The same with its directory and lock: what comes before SQLite has a look.
[[nodiscard]] std::expected<UniqueFd, OpenError> prepare(const DatabaseFile& file);
// What is to be had again of a file that could not be written before, from a thread that writes it now.
[[nodiscard]] Committed make_writable(const DatabaseFile& file, UniqueFd& lock);
// Renames the file (and its -wal) to `file`.damaged-N and returns that name. Only when nobody has it open.
[[nodiscard]] std::expected<std::filesystem::path, std::string> set_aside(const std::filesystem::path& file);
[[nodiscard]] std::filesystem::path aside_name(const std::filesystem::path& file, int number);
[[nodiscard]] int number_of(const std::filesystem::path& aside);

// What the exception says that is being handled. why_unreadable: of a file that can't be written anyway.
[[nodiscard]] OpenError why_not_opened(const DatabaseFile& file);
[[nodiscard]] OpenError why_unreadable(const DatabaseFile& file);
[[nodiscard]] std::string why_not_written(const DatabaseFile& file);

// `make` gets the lock, and throws what SQLite does.
template <typename Make>
auto open_with(const DatabaseFile& file, Make make) -> std::expected<std::invoke_result_t<Make, UniqueFd>, OpenError> {
  auto lock = prepare(file);
  if (!lock) return std::unexpected(std::move(lock.error()));
  try {
    return make(std::move(*lock));
  } catch (...) {
    return std::unexpected(why_not_opened(file));
  }
}

// The same for a file that can't be written. Nobody can write there, so without a lock there is nobody to keep out.
template <typename Make>
auto open_unwritable_with(const DatabaseFile& file, Make make)
    -> std::expected<std::invoke_result_t<Make, UniqueFd>, OpenError> {
  auto lock = take_lock(file.path);
  if (!lock && lock.error().kind == OpenFailure::busy) return std::unexpected(std::move(lock.error()));
  try {
    return make(lock ? std::move(*lock) : UniqueFd{});
  } catch (...) {
    return std::unexpected(why_unreadable(file));
  }
}

}  // namespace vrouter::router::state
