// SPDX-License-Identifier: GPL-2.0-or-later
// The texts of the command line: what parses is sane, and its own text reads back as the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/specs.h"

using namespace vrouter::config;

namespace {

void check_publish(std::string_view text) {
  const auto publish = parse_publish(text);
  if (!publish) {
    if (!publish.error().contains("; ")) __builtin_trap();
    return;
  }
  const bool sane = publish->first > 0 && publish->first <= publish->last && publish->guest_first > 0 &&
                    publish->last - publish->first <= 65535 - publish->guest_first;
  const auto again = parse_publish(publish->to_string());
  if (!sane || !again || *again != *publish) __builtin_trap();
}

template <typename T>
void check_text(std::string_view text, Parsed<T> (*parse)(std::string_view)) {
  const auto value = parse(text);
  if (!value) return;
  const auto again = parse(value->to_string());
  if (!again || *again != *value) __builtin_trap();
}

void check_name(std::string_view text, Parsed<std::string> (*parse)(std::string_view)) {
  const auto value = parse(text);
  if (!value) return;
  const auto again = parse(*value);
  if (value->empty() || !again || *again != *value) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes{data, data + size};
  const std::string_view text{bytes};
  check_publish(text);
  check_text(text, parse_prefix4);
  check_text(text, parse_prefix6);
  check_text(text, parse_address4);
  check_text(text, parse_address6);
  check_text(text, parse_address);
  check_name(text, parse_guest_name);
  check_name(text, parse_interface_name);
  check_name(text, parse_group_name);
  check_name(text, parse_domain);
  if (const auto range = parse_range(text); range && range->last < range->first) __builtin_trap();
  if (const auto time = parse_duration(text); time && time->count() < 0) __builtin_trap();
  static_cast<void>(parse_guest_addresses(text));
  return 0;
}
