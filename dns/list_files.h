// SPDX-License-Identifier: GPL-2.0-or-later
// The files that a list is read from.
#pragma once

#include <expected>
#include <string>

#include "config/problem.h"
#include "dns/lists.h"

namespace vrouter::dns {

inline constexpr std::size_t kMaxListFile = std::size_t{256} << 20;  // bytes; four million entries take half of that

// Reads one file into the list. An error in words, with the file and the remedy.
[[nodiscard]] std::expected<void, std::string> read_list_file(const std::string& file, ListReader& into);

// The lines that were not understood in the file read last: a handful, then how many more.
[[nodiscard]] config::Problems misread_lines(const std::string& file, const ListReader& read);

}  // namespace vrouter::dns
