// SPDX-License-Identifier: GPL-2.0-or-later
// Lists of domains that a group of guests may not ask for, or may in spite of others. Pure: text in, a packed list out,
// look-ups in it.
//
// A packed list is one run of bytes without pointers, so that one process may write it and another map it read-only:
// a header, a table of offsets (open addressing, at most half full), and the names one after the other. Look-ups
// compare names, not hashes: no innocent is blocked by a collision. About 9 bytes and the name for an entry.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/siphash.h"
#include "dns/codec.h"

namespace vrouter::dns {

inline constexpr std::size_t kMaxListEntries = 4'000'000;

// Reads files one after the other into one list. What isn't understood is passed over and counted: such files come from
// strangers and one line must not undo the other million.
class ListReader {
 public:
  // Lines of
  //   a domain                     it and all below
  //   *.domain                     all below
  //   ADDRESS name [name ...]      as in hosts(5): each name, and all below; names of one label there are the machine's
  //                                own (localhost), and no domains
  // with comments from '#' on; CR, trailing dots and case don't count. Names of other scripts are taken as the bytes
  // they are.
  void read(std::string_view text);
  // Of the text that was read last: lines not understood, the first of them by number from 1.
  struct Misread {
    static constexpr std::size_t kMostTold = 5;
    std::size_t count = 0;
    std::vector<std::size_t> lines{};
  };
  [[nodiscard]] const Misread& misread() const noexcept { return misread_; }

  [[nodiscard]] std::size_t entries() const noexcept { return starts_.size(); }  // with repeats
  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }  // kMaxListEntries; the rest is passed over
  [[nodiscard]] std::size_t not_understood() const noexcept { return not_understood_; }  // lines of all texts

  [[nodiscard]] std::uint64_t fingerprint(const SipKey& key) const { return siphash<1, 3>(key, names_); }
  // The list so far, its table seeded with `seed` (of a random generator: whoever writes a list must not choose who
  // collides). An error in words when there are too many entries, or when they collide in spite of all.
  [[nodiscard]] std::expected<Bytes, std::string> pack(std::uint64_t seed) const;
  // The same into packed_size() bytes of somebody else's.
  [[nodiscard]] std::size_t packed_size() const noexcept;
  [[nodiscard]] std::expected<void, std::string> pack_into(std::span<std::uint8_t> packed, std::uint64_t seed) const;

 private:
  void read_line(std::string_view line);
  bool add(std::string_view domain, bool hosts_format);

  std::vector<std::uint32_t> starts_;  // in names_
  Bytes names_;                        // of each: what it covers, its size, its wire form
  std::size_t line_ = 0, not_understood_ = 0;
  bool overflowed_ = false;
  Misread misread_;
};

// A packed list, kept elsewhere.
class DomainList {
 public:
  // Nothing: no list, or one cut off. Costs the same whatever its size: what leads out of a list is found in look-ups,
  // which find nothing there.
  [[nodiscard]] static std::expected<DomainList, std::string> open(std::span<const std::uint8_t> packed);
  // How many labels the longest entry has that covers the name, whatever its case; 0: none does.
  [[nodiscard]] unsigned covers(const Name& name) const { return covers(name.lower().wire()); }
  // `lower_name` in wire form and lower case, whole. Allocates nothing.
  [[nodiscard]] unsigned covers(std::span<const std::uint8_t> lower_name) const noexcept;

 private:
  DomainList() = default;
  [[nodiscard]] std::uint8_t find(std::uint64_t hash, std::span<const std::uint8_t> wire) const noexcept;

  std::span<const std::uint8_t> slots_, names_;
  std::uint64_t seed_ = 0, mask_ = 0;
  unsigned most_labels_ = 0;
};

// What one group is kept from. The entry with more labels wins; between equals, the one that allows.
struct ListPolicy {
  std::vector<DomainList> block{}, allow{};
  // Also of use-application-dns.net where anything is blocked: its absence tells browsers to leave DNS to us.
  [[nodiscard]] bool refuses(const Name& name) const { return refuses(name.lower().wire()); }
  [[nodiscard]] bool refuses(std::span<const std::uint8_t> lower_name) const noexcept;
  // Whether an exception speaks of the name: then its answer may lead over others that are blocked.
  [[nodiscard]] bool excepts(std::span<const std::uint8_t> lower_name) const noexcept;
};

}  // namespace vrouter::dns
