// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/name.h"

#include <algorithm>

namespace vrouter::dns {

namespace {
// A label between two pointers takes two bytes at least, so an honest name of 255 bytes has fewer.
constexpr unsigned kMaxPointers = 127;
constexpr std::size_t kFirstNameOffset = 12;  // names start behind the header
}  // namespace

bool Name::append(std::span<const std::uint8_t> label) noexcept {
  if (label.size() > kMaxSize - size_) return false;  // the root's zero is counted in size_ and moves along
  std::ranges::copy(label, bytes_.begin() + size_ - 1);
  size_ = static_cast<std::uint8_t>(size_ + label.size());
  bytes_[size_ - 1U] = 0;
  return true;
}

std::optional<Name> Name::from_text(std::string_view text) {
  Name name;
  if (text == ".") return name;
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  for (;;) {
    const auto dot = text.find('.');
    const auto label = text.substr(0, dot);
    if (label.empty() || label.size() > kMaxLabel) return std::nullopt;
    std::array<std::uint8_t, kMaxLabel + 1> bytes{static_cast<std::uint8_t>(label.size())};
    std::ranges::transform(label, bytes.begin() + 1, [](char c) { return static_cast<std::uint8_t>(c); });
    if (!name.append(std::span{bytes}.first(label.size() + 1))) return std::nullopt;
    if (dot == std::string_view::npos) return name;
    text.remove_prefix(dot + 1);
  }
}

std::optional<Name> Name::decode(std::span<const std::uint8_t> message, WireReader& reader) {
  Name name;
  WireReader at = reader;
  std::size_t run_start = message.size() - at.rest().size();  // where the labels read now began
  unsigned pointers = 0;
  for (;;) {
    const auto label_start = at.rest();
    const unsigned length = at.u8();
    if (at.failed()) return std::nullopt;
    if ((length & 0xc0) == 0xc0) {
      const std::size_t target = (length & 0x3fU) << 8 | at.u8();
      if (at.failed() || target >= run_start || target < kFirstNameOffset || ++pointers > kMaxPointers)
        return std::nullopt;
      if (pointers == 1) reader = at;
      // A prior occurrence is over before the place that points to it: a name that ran on into its own bytes would
      // change with what is cut off behind it.
      at = WireReader{message.subspan(target, run_start - target)};
      run_start = target;
      continue;
    }
    if (length > kMaxLabel) return std::nullopt;  // 0x40 and 0x80: withdrawn label types, RFC 6891 section 5
    if (length == 0) break;
    at.skip(length);
    if (at.failed() || !name.append(label_start.first(length + 1))) return std::nullopt;
  }
  if (pointers == 0) reader = at;
  return name;
}

unsigned Name::labels() const noexcept {
  unsigned count = 0;
  for (std::size_t at = 0; bytes_[at] != 0; at += bytes_[at] + 1U) ++count;
  return count;
}

std::string_view Name::first_label() const noexcept {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes seen as characters
  return {reinterpret_cast<const char*>(bytes_.data()) + 1, bytes_[0]};
}

Name Name::parent() const {
  Name up;
  if (is_root()) return up;
  const auto rest = wire().subspan(bytes_[0] + 1U);
  std::ranges::copy(rest, up.bytes_.begin());
  up.size_ = static_cast<std::uint8_t>(rest.size());
  return up;
}

Name Name::lower() const {
  Name low = *this;
  // A length byte is at most 63, below 'A': the whole can be folded without looking at labels.
  for (auto& c : low.bytes_) c = ascii_lower(c);
  return low;
}

std::optional<Name> Name::below(const Name& zone) const {
  Name whole = *this;
  if (zone.is_root()) return whole;
  if (!whole.append(zone.wire().first(zone.size() - 1U))) return std::nullopt;
  return whole;
}

bool Name::same_as(const Name& other) const noexcept {
  return std::ranges::equal(wire(), other.wire(), {}, ascii_lower, ascii_lower);
}

bool Name::is_within(const Name& zone) const noexcept {
  std::size_t at = 0;
  while (size_ - at > zone.size_) at += bytes_[at] + 1U;
  if (size_ - at != zone.size_) return false;
  return std::ranges::equal(wire().subspan(at), zone.wire(), {}, ascii_lower, ascii_lower);
}

std::string Name::to_text() const {
  if (is_root()) return ".";
  std::string text;
  for (std::size_t at = 0; bytes_[at] != 0; at += bytes_[at] + 1U) {
    for (const unsigned c : wire().subspan(at + 1, bytes_[at])) {
      if (c > 0x20 && c < 0x7f && c != '.' && c != '\\') {
        text += static_cast<char>(c);
      } else {
        text += '\\';
        for (const unsigned unit : {100U, 10U, 1U}) text += static_cast<char>('0' + c / unit % 10);
      }
    }
    text += '.';
  }
  return text;
}

std::strong_ordering Name::operator<=>(const Name& other) const noexcept {
  return std::lexicographical_compare_three_way(wire().begin(), wire().end(), other.wire().begin(), other.wire().end());
}

}  // namespace vrouter::dns
