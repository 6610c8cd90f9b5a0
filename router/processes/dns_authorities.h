// SPDX-License-Identifier: GPL-2.0-or-later
// The certificates that may vouch for servers, on their way to the DNS process: it has no file to read them from, and
// they are longer than a message. What it is handed is a copy in memory that nobody can change any more, not the file.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace vrouter::router {

// None where the daemon has no descriptor or no memory to spare.
[[nodiscard]] UniqueFd hold_authorities(std::string_view text);
[[nodiscard]] std::expected<std::string, std::string> read_authorities(const UniqueFd& held);

}  // namespace vrouter::router
