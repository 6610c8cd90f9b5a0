// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mac_address.h"

#include <algorithm>
#include <charconv>

namespace vrouter {

std::string MacAddress::to_string() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const auto byte : bytes) {
    if (!text.empty()) text += ':';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::expected<MacAddress, std::string> parse_mac_address(std::string_view text) {
  constexpr std::size_t kMostShown = 40;
  const auto wrong = [&] {
    // It goes to terminals and into JSON, and anybody may have written it.
    std::string shown{text.substr(0, kMostShown)};
    std::ranges::replace_if(shown, [](char c) { return c < ' ' || c > '~'; }, '?');
    return std::unexpected("'" + shown +
                           "' is no MAC address; write six pairs of hex digits such as 52:54:00:12:34:56");
  };
  constexpr std::size_t kLength = 17;
  if (text.size() != kLength) return wrong();
  const char separator = text[2];
  if (separator != ':' && separator != '-') return wrong();
  MacAddress mac;
  for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
    const auto pair = text.substr(i * 3, 2);
    const auto [end, error] = std::from_chars(pair.data(), pair.data() + 2, mac.bytes[i], 16);
    if (error != std::errc{} || end != pair.data() + 2) return wrong();
    if (i + 1 < mac.bytes.size() && text[i * 3 + 2] != separator) return wrong();
  }
  return mac;
}

}  // namespace vrouter
