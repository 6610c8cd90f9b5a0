// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/lists.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace vrouter::dns {

namespace {

constexpr std::uint64_t kMagic = 0x3154534c534e4456;  // "VDNSLST1", read as the machine does: lists stay on it
constexpr std::uint8_t kItself = 1, kBelow = 2;
constexpr unsigned kMostProbes = 256;  // half full, random: never seen above some dozens
constexpr unsigned kMostSeeds = 4;
constexpr std::size_t kLeastSlots = 16;

struct Header {
  std::uint64_t magic, seed;
  std::uint64_t slots, names;  // how many of the first; bytes of the second
  std::uint64_t most_labels;
};

using Slot = std::uint32_t;  // one more than the offset of a name; 0: empty

std::uint64_t mix(std::uint64_t h) {
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return h ^ (h >> 33);
}

// Of a name, from that of its parent and its first label with the length in front: walking up needs one pass.
std::uint64_t hash_below(std::uint64_t parent, std::span<const std::uint8_t> label) {
  for (const auto byte : label) parent = (parent ^ byte) * 0x100000001b3ULL;
  return mix(parent);
}

// Where the labels of a name in wire form begin, the first first; how many.
unsigned label_starts(std::span<const std::uint8_t> wire, std::array<std::uint8_t, 128>& starts) {
  unsigned count = 0;
  for (std::size_t at = 0; at < wire.size() && wire[at] != 0 && count < starts.size(); at += wire[at] + 1U) {
    starts[count++] = static_cast<std::uint8_t>(at);
  }
  return count;
}

std::uint64_t hash_of(std::span<const std::uint8_t> wire, std::uint64_t seed, unsigned& labels) {
  std::array<std::uint8_t, 128> starts{};
  labels = label_starts(wire, starts);
  for (unsigned i = labels; i-- > 0;) seed = hash_below(seed, wire.subspan(starts[i], wire[starts[i]] + 1U));
  return seed;
}

Slot slot_at(std::span<const std::uint8_t> slots, std::uint64_t index) {
  Slot slot = 0;
  std::memcpy(&slot, slots.data() + index * sizeof slot, sizeof slot);
  return slot;
}

// Empty where there is none, or not all of it: a list that somebody spoilt.
std::span<const std::uint8_t> wire_at(std::span<const std::uint8_t> names, std::size_t start) {
  if (start + 2 > names.size() || names[start + 1] > names.size() - (start + 2)) return {};
  return names.subspan(start + 2, names[start + 1]);
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

std::string_view take_word(std::string_view& line) {
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  const auto* end = std::ranges::find_if(line, is_space);
  const auto word = line.substr(0, static_cast<std::size_t>(end - line.begin()));
  line.remove_prefix(word.size());
  return word;
}

bool is_address(std::string_view word) {
  boost::system::error_code error;
  boost::asio::ip::make_address(word, error);
  return !error;
}

// What stands in names that are asked for; the rest is another format's, such as ||ads.example^.
bool is_of_a_domain(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || u >= 0x80;
}

}  // namespace

bool ListReader::add(std::string_view domain, bool hosts_format) {
  std::uint8_t covers = kItself | kBelow;
  if (domain.starts_with("*.")) {
    covers = kBelow;
    domain.remove_prefix(2);
  }
  if (!std::ranges::all_of(domain, is_of_a_domain) || is_address(domain)) return false;
  const auto name = Name::from_text(domain);
  if (!name || name->is_root()) return false;
  if (hosts_format && name->labels() == 1) return true;
  if (starts_.size() == kMaxListEntries) overflowed_ = true;
  if (overflowed_) return true;
  const auto low = name->lower();
  starts_.push_back(static_cast<std::uint32_t>(names_.size()));
  names_.push_back(covers);
  names_.push_back(static_cast<std::uint8_t>(low.size()));
  names_.insert(names_.end(), low.wire().begin(), low.wire().end());
  return true;
}

void ListReader::read_line(std::string_view line) {
  line = line.substr(0, line.find('#'));
  const auto first = take_word(line);
  if (first.empty()) return;
  auto word = take_word(line);
  bool good = true;
  if (!is_address(first)) {
    good = word.empty() && add(first, false);
  } else {
    good = !word.empty();
    for (; !word.empty(); word = take_word(line)) {
      // "0.0.0.0 0.0.0.0" begins many such files.
      good = (is_address(word) || add(word, true)) && good;
    }
  }
  if (good) return;
  ++not_understood_;
  ++misread_.count;
  if (misread_.lines.size() < Misread::kMostTold) misread_.lines.push_back(line_);
}

void ListReader::read(std::string_view text) {
  constexpr std::string_view kByteOrderMark{"\xef\xbb\xbf"};
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  line_ = 0;
  misread_ = {};
  // A list of millions must not be copied as it grows. What isn't used of this is no memory yet.
  names_.reserve(names_.size() + text.size() + text.size() / 2);
  while (!text.empty()) {
    ++line_;
    const auto end = std::min(text.find('\n'), text.size());
    read_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::size_t ListReader::packed_size() const noexcept {
  return sizeof(Header) + std::bit_ceil(std::max(kLeastSlots, 2 * starts_.size())) * sizeof(Slot) + names_.size();
}

std::expected<Bytes, std::string> ListReader::pack(std::uint64_t seed) const {
  Bytes packed(packed_size());
  if (auto done = pack_into(packed, seed); !done) return std::unexpected(done.error());
  return packed;
}

std::expected<void, std::string> ListReader::pack_into(std::span<std::uint8_t> packed, std::uint64_t seed) const {
  if (overflowed_) {
    return std::unexpected("the list has more than " + std::to_string(kMaxListEntries) + " entries; split it");
  }
  const auto table = packed.subspan(sizeof(Header), packed.size() - sizeof(Header) - names_.size());
  const auto names = packed.last(names_.size());
  const auto slots = table.size() / sizeof(Slot);
  std::ranges::copy(names_, names.begin());
  const auto place = [&](std::uint32_t start, std::uint64_t hash) {
    for (unsigned i = 0; i < kMostProbes; ++i) {
      const auto index = (hash + i) & (slots - 1);
      const auto known = slot_at(table, index);
      if (known == 0) {
        const Slot slot = start + 1;
        std::memcpy(table.data() + index * sizeof slot, &slot, sizeof slot);
        return true;
      }
      if (!std::ranges::equal(wire_at(names, known - 1), wire_at(names, start))) continue;
      names[known - 1] |= names[start];
      return true;
    }
    return false;
  };
  for (unsigned attempt = 0; attempt < kMostSeeds; ++attempt, seed = mix(seed + 1)) {
    std::ranges::fill(table, std::uint8_t{0});
    Header header{.magic = kMagic, .seed = seed, .slots = slots, .names = names_.size(), .most_labels = 0};
    const bool placed = std::ranges::all_of(starts_, [&](std::uint32_t start) {
      unsigned labels = 0;
      const auto hash = hash_of(wire_at(names, start), seed, labels);
      header.most_labels = std::max<std::uint64_t>(header.most_labels, labels);
      return place(start, hash);
    });
    if (!placed) continue;
    std::memcpy(packed.data(), &header, sizeof header);
    return {};
  }
  return std::unexpected("its entries collide in its table, whatever the seed; somebody made it so: leave it out");
}

std::expected<DomainList, std::string> DomainList::open(std::span<const std::uint8_t> packed) {
  Header header{};
  if (packed.size() < sizeof header) return std::unexpected("it is cut off");
  std::memcpy(&header, packed.data(), sizeof header);
  const auto rest = packed.subspan(sizeof header);
  if (header.magic != kMagic || !std::has_single_bit(header.slots)) return std::unexpected("it is no packed list");
  if (header.slots > rest.size() / sizeof(Slot) || header.names != rest.size() - header.slots * sizeof(Slot)) {
    return std::unexpected("it is cut off");
  }
  DomainList list;
  list.slots_ = rest.first(header.slots * sizeof(Slot));
  list.names_ = rest.subspan(list.slots_.size());
  list.seed_ = header.seed;
  list.mask_ = header.slots - 1;
  list.most_labels_ = static_cast<unsigned>(std::min<std::uint64_t>(header.most_labels, 128));
  return list;
}

std::uint8_t DomainList::find(std::uint64_t hash, std::span<const std::uint8_t> wire) const noexcept {
  for (unsigned i = 0; i < kMostProbes; ++i) {
    const auto slot = slot_at(slots_, (hash + i) & mask_);
    if (slot == 0) return 0;
    if (std::ranges::equal(wire_at(names_, slot - 1), wire)) return names_[slot - 1];
  }
  return 0;
}

unsigned DomainList::covers(std::span<const std::uint8_t> wire) const noexcept {
  std::array<std::uint8_t, 128> starts{};
  const auto labels = label_starts(wire, starts);
  auto hash = seed_;
  unsigned best = 0;
  for (unsigned depth = 1; depth <= std::min(labels, most_labels_); ++depth) {
    const std::size_t start = starts[labels - depth];
    hash = hash_below(hash, wire.subspan(start, wire[start] + 1U));
    const auto covers = find(hash, wire.subspan(start));
    if ((covers & (depth == labels ? kItself : kBelow)) != 0) best = depth;
  }
  return best;
}

namespace {
unsigned longest(const std::vector<DomainList>& lists, std::span<const std::uint8_t> lower_name) noexcept {
  unsigned most = 0;
  for (const auto& list : lists) most = std::max(most, list.covers(lower_name));
  return most;
}
}  // namespace

bool ListPolicy::refuses(std::span<const std::uint8_t> lower_name) const noexcept {
  static const Name canary = Name::from_text("use-application-dns.net").value_or(Name{});
  if (block.empty()) return false;
  if (std::ranges::equal(lower_name, canary.wire())) return true;
  const auto blocked = longest(block, lower_name);
  return blocked != 0 && blocked > longest(allow, lower_name);
}

bool ListPolicy::excepts(std::span<const std::uint8_t> lower_name) const noexcept {
  return longest(allow, lower_name) != 0;
}

}  // namespace vrouter::dns
