// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/list_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/unique_fd.h"

namespace vrouter::dns {

namespace {

std::unexpected<std::string> unreadable(const std::string& file, const std::string& why) {
  return std::unexpected("the list file " + file + " can't be read (" + why + "); mend its path or its permissions");
}

}  // namespace

std::expected<void, std::string> read_list_file(const std::string& file, ListReader& into) {
  // Without O_NONBLOCK a pipe would hold up whoever opens it.
  const UniqueFd opened{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat status{};
  if (!opened || ::fstat(opened.get(), &status) != 0) return unreadable(file, ::strerrordesc_np(errno));
  if (!S_ISREG(status.st_mode)) return unreadable(file, "it is no regular file");
  std::string text;
  text.reserve(static_cast<std::size_t>(status.st_size) + 1);
  std::array<char, 65536> part{};
  for (;;) {
    const auto size = ::read(opened.get(), part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return unreadable(file, ::strerrordesc_np(errno));
    if (size == 0) break;
    text.append(part.data(), static_cast<std::size_t>(size));
    if (text.size() > kMaxListFile) {
      return std::unexpected("the list file " + file + " is larger than 256 MiB; split it, or leave it out");
    }
  }
  into.read(text);
  return {};
}

config::Problems misread_lines(const std::string& file, const ListReader& read) {
  const auto& [count, lines] = read.misread();
  config::Problems all;
  for (const auto line : lines) {
    all.push_back({{.file = file, .line = static_cast<std::uint32_t>(line)},
                   "the line is neither a domain nor of the hosts format and is passed over; mend it or take it out"});
  }
  if (count > lines.size())
    all.push_back({{.file = file}, std::to_string(count - lines.size()) + " more lines are passed over"});
  return all;
}

std::expected<ReadList, config::Problem> read_list(const std::string& name, const config::DnsList& list,
                                                   std::size_t& taken) {
  const auto at_list = [&](const std::string& what) { return config::Problem{list.at, "list " + name + ": " + what}; };
  ReadList read;
  for (const auto& file : list.files) {
    if (auto done = read_list_file(file, read.reader); !done) return std::unexpected(at_list(done.error()));
    for (auto& line : misread_lines(file, read.reader)) read.warnings.push_back(std::move(line));
  }
  if (read.reader.overflowed()) {
    return std::unexpected(at_list("it has more than " + std::to_string(kMaxListEntries) + " entries; split it"));
  }
  taken += read.reader.packed_size();
  if (taken > kMaxLists) {
    return std::unexpected(at_list("with it the lists take " + std::to_string((taken >> 20) + 1) +
                                   " MiB, more than the " + std::to_string(kMaxLists >> 20) +
                                   " that all may take together; leave some out"));
  }
  // What a download left behind that failed: nothing is blocked then, and nobody would hear of it.
  if (read.reader.entries() == 0) {
    read.warnings.push_back(at_list("no domain is on it, so it blocks and allows nothing; look at its files"));
  }
  return read;
}

}  // namespace vrouter::dns
