// SPDX-License-Identifier: GPL-2.0-or-later
// The files that a list is read from.
#pragma once

#include <expected>
#include <string>

#include "config/dns.h"
#include "config/problem.h"
#include "dns/lists.h"

namespace vrouter::dns {

inline constexpr std::size_t kMaxListFile = std::size_t{256} << 20;  // bytes; four million entries take half of that
// Bytes of all lists of a host, packed: ten million entries of the usual kind. The process that answers has two sets of
// them mapped while one takes the other's place.
inline constexpr std::size_t kMaxLists = std::size_t{384} << 20;

struct ReadList {
  ListReader reader;
  config::Problems warnings{};  // lines that were passed over, a handful of a file, and whether nothing is left
};

// Reads all files of a list. `taken` is what those before it take, packed, and has this one's added. An error says the
// list's place, the file and the remedy.
[[nodiscard]] std::expected<ReadList, config::Problem> read_list(const std::string& name, const config::DnsList& list,
                                                                 std::size_t& taken);

// Reads one file into a list. An error in words, with the file and the remedy.
[[nodiscard]] std::expected<void, std::string> read_list_file(const std::string& file, ListReader& into);

// The lines that were not understood in the file read last: a handful, then how many more.
[[nodiscard]] config::Problems misread_lines(const std::string& file, const ListReader& read);

}  // namespace vrouter::dns
