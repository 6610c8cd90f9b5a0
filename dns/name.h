// SPDX-License-Identifier: GPL-2.0-or-later
// A domain name, uncompressed, as on the wire (RFC 1035 3.1): labels of up to 63 bytes, 255 bytes in all.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/wire_reader.h"

namespace vrouter::dns {

class Name {
 public:
  static constexpr std::size_t kMaxSize = 255, kMaxLabel = 63;

  Name() noexcept = default;  // the root
  // "web1.guests.internal", with or without the last dot. No escapes: every byte but '.' stands for itself.
  [[nodiscard]] static std::optional<Name> from_text(std::string_view text);
  // The name at the reader's place, compressed or not; the reader then stands behind it. A pointer must lead to before
  // everything read so far (RFC 1035 4.1.4: "a prior occurrence") and behind the header.
  [[nodiscard]] static std::optional<Name> decode(std::span<const std::uint8_t> message, WireReader& reader);

  [[nodiscard]] std::span<const std::uint8_t> wire() const noexcept { return {bytes_.data(), size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool is_root() const noexcept { return size_ == 1; }
  [[nodiscard]] unsigned labels() const noexcept;
  [[nodiscard]] std::string_view first_label() const noexcept;
  [[nodiscard]] Name parent() const;  // of the root: the root
  [[nodiscard]] Name lower() const;   // ASCII only, RFC 4343
  // This name put in front of a zone's; nothing when that is too long.
  [[nodiscard]] std::optional<Name> below(const Name& zone) const;
  [[nodiscard]] bool same_as(const Name& other) const noexcept;   // whatever the case
  [[nodiscard]] bool is_within(const Name& zone) const noexcept;  // the zone itself or below it, whatever the case
  [[nodiscard]] std::string to_text() const;                      // ends in a dot; bytes that are no plain text as \DDD

  std::strong_ordering operator<=>(const Name& other) const noexcept;
  bool operator==(const Name& other) const noexcept { return (*this <=> other) == 0; }

 private:
  [[nodiscard]] bool append(std::span<const std::uint8_t> label) noexcept;  // with its length byte

  std::array<std::uint8_t, kMaxSize> bytes_{};
  std::uint8_t size_ = 1;
};

[[nodiscard]] constexpr std::uint8_t ascii_lower(std::uint8_t c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<std::uint8_t>(c + 32) : c;
}

}  // namespace vrouter::dns
