// SPDX-License-Identifier: GPL-2.0-or-later
// How verbs between the daemon and its children lie in a message: the verb's number, then its fields in network order,
// lists and texts with their length before them. Exact: a byte too few or too many is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mac_address.h"
#include "base/wire_reader.h"
#include "base/wire_writer.h"
#include "config/model.h"

namespace vrouter::router {

// `variable_bytes`: what its texts and lists take at most, beside kFixedFields.
class VerbEncoder {
 public:
  static constexpr std::size_t kFixedFields = 256;

  explicit VerbEncoder(std::uint8_t verb, std::size_t variable_bytes = 0)
      : buffer_(kFixedFields + variable_bytes), out_{buffer_} {
    u8(verb);
  }
  void u8(std::uint8_t value) { out_.u8(value); }
  void u16(std::uint16_t value) { out_.u16(value); }
  void u32(std::uint32_t value) { out_.u32(value); }
  void u64(std::uint64_t value) {
    out_.u32(static_cast<std::uint32_t>(value >> 32));
    out_.u32(static_cast<std::uint32_t>(value));
  }
  void count(std::size_t value) { out_.u16(static_cast<std::uint16_t>(value)); }
  void bytes(std::span<const std::uint8_t> value) {
    count(value.size());
    out_.bytes(value);
  }
  void text(std::string_view value) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as bytes
    bytes({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
  }
  void mac(const MacAddress& value) { out_.bytes(value.bytes); }
  static constexpr std::size_t kAddress = 1 + 16 + 4;  // of IPv6, the longer one
  void address(const vrouter::address& value) {
    u8(value.is_v4() ? 4 : 6);
    if (value.is_v4()) return u32(value.to_v4().to_uint());
    out_.bytes(value.to_v6().to_bytes());
    u32(static_cast<std::uint32_t>(value.to_v6().scope_id()));
  }
  void addresses(const std::vector<vrouter::address>& values) {
    count(values.size());
    for (const auto& value : values) address(value);
  }
  [[nodiscard]] std::vector<std::uint8_t> take() {
    buffer_.resize(out_.size());
    return std::move(buffer_);
  }

 private:
  std::vector<std::uint8_t> buffer_;
  WireWriter out_;
};

// Remembers the first thing that was wrong; what is read after it means nothing.
class VerbDecoder {
 public:
  explicit VerbDecoder(std::span<const std::uint8_t> bytes) : in_{bytes} {}
  [[nodiscard]] std::uint8_t u8() { return in_.u8(); }
  [[nodiscard]] std::uint16_t u16() { return in_.u16(); }
  [[nodiscard]] std::uint32_t u32() { return in_.u32(); }
  [[nodiscard]] std::uint64_t u64() {
    const std::uint64_t high = in_.u32();
    return high << 32 | in_.u32();
  }
  // A number, or an enumeration, whose last value is `last`.
  template <typename Value>
  [[nodiscard]] Value up_to(Value last, std::string_view what) {
    const auto value = in_.u8();
    if (value > static_cast<std::uint8_t>(last)) complain(what, value, static_cast<std::size_t>(last));
    return static_cast<Value>(value);
  }
  [[nodiscard]] std::size_t count(std::size_t most, std::string_view what) {
    const auto n = in_.u16();
    if (n > most) complain(what, n, most);
    return failed() ? 0 : n;
  }
  [[nodiscard]] std::vector<std::uint8_t> bytes(std::size_t most, std::string_view what) {
    const auto value = in_.take(count(most, what));
    return {value.begin(), value.end()};
  }
  [[nodiscard]] MacAddress mac() {
    MacAddress value;
    const auto taken = in_.take(value.bytes.size());
    for (std::size_t i = 0; i < taken.size(); ++i) value.bytes[i] = taken[i];
    return value;
  }
  [[nodiscard]] std::string text(std::size_t most, std::string_view what) {
    const auto value = in_.take(count(most, what));
    return {value.begin(), value.end()};
  }
  [[nodiscard]] vrouter::address address() {
    switch (in_.u8()) {
      case 4:
        return address_v4{in_.u32()};
      case 6:
        return address6();
      default:
        if (!failed()) problem_ = "an address is of neither family";
        return {};
    }
  }
  [[nodiscard]] std::vector<vrouter::address> addresses(std::size_t most, std::string_view what) {
    std::vector<vrouter::address> values;
    const auto n = count(most, what);
    for (std::size_t i = 0; i < n && !failed(); ++i) values.push_back(address());
    return values;
  }
  [[nodiscard]] std::span<const std::uint8_t> take(std::size_t n) { return in_.take(n); }
  void refuse(std::string_view why) {
    if (!failed()) problem_ = why;
  }
  [[nodiscard]] bool failed() const { return in_.failed() || !problem_.empty(); }

  // The value if all of the message was read and nothing was wrong.
  template <typename Value>
  [[nodiscard]] std::expected<Value, std::string> finish(Value value, std::string_view verb) {
    if (!problem_.empty()) return std::unexpected(std::string{verb} + ": " + problem_);
    if (in_.failed()) return std::unexpected(std::string{verb} + ": the message is too short");
    if (!in_.empty()) {
      return std::unexpected(std::string{verb} + ": the message is " + std::to_string(in_.rest().size()) +
                             " bytes too long");
    }
    return value;
  }

 private:
  address_v6 address6() {
    address_v6::bytes_type bytes{};
    const auto taken = in_.take(bytes.size());
    for (std::size_t i = 0; i < taken.size(); ++i) bytes[i] = taken[i];
    return address_v6{bytes, in_.u32()};
  }
  void complain(std::string_view what, std::size_t value, std::size_t most) {
    if (failed()) return;
    problem_ = std::string{what} + " " + std::to_string(value) + " is more than " + std::to_string(most);
  }
  WireReader in_;
  std::string problem_;
};

}  // namespace vrouter::router
