// SPDX-License-Identifier: GPL-2.0-or-later
// Private to the room: the socket file.
#pragma once

#include <sys/types.h>

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace vrouter::router::control {

struct SocketFile {
  UniqueFd fd;         // listening, non-blocking
  std::string notice;  // what the operator should know about who may use it; empty: nothing
  dev_t device = 0;    // which file is ours
  ino_t inode = 0;
};

[[nodiscard]] std::expected<SocketFile, std::string> listen_at(const std::filesystem::path& path,
                                                               const std::string& group);
// Removes the file if it is still ours, not one that a successor has put in its place.
void remove_socket(const std::filesystem::path& path, const SocketFile& file) noexcept;

}  // namespace vrouter::router::control
