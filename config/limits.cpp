// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/limits.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <vector>

#include "config/text.h"

namespace vrouter::config {
namespace {

struct Suffix {
  char letter;
  std::uint64_t factor;
};
constexpr std::array kSuffixes{Suffix{'G', 1'000'000'000}, Suffix{'M', 1'000'000}, Suffix{'k', 1'000}};

std::string wanted(const LimitSpec& spec) {
  if (spec.power_of_two)
    return "write a power of two up to " + std::to_string(spec.most) + ", such as 16384, or 0 for no limit";
  if (spec.bits) return "write bits per second of 8k to 100G, such as 100M, or 0 for no limit";
  return "write a number of " + std::to_string(spec.least) + " to " + std::to_string(spec.most) + ", or 0 for no limit";
}

}  // namespace

const LimitSpec* find_limit(std::string_view name) noexcept {
  const auto found = std::ranges::find(kLimitSpecs, name, &LimitSpec::name);
  return found == kLimitSpecs.end() ? nullptr : &*found;
}

std::expected<std::uint64_t, std::string> check_limit(const LimitSpec& spec, std::int64_t value) {
  const auto number = static_cast<std::uint64_t>(value);
  const bool round = !spec.power_of_two || std::has_single_bit(number);
  if (value == 0 || (value > 0 && number >= spec.least && number <= spec.most && round)) return number;
  return std::unexpected(std::to_string(value) + " is no limit of " + std::string{spec.name} + "; " + wanted(spec));
}

std::expected<std::uint64_t, std::string> parse_limit_value(const LimitSpec& spec, std::string_view text) {
  auto digits = text;
  std::uint64_t factor = 1;
  for (const auto& suffix : kSuffixes) {
    if (!spec.bits || !digits.ends_with(suffix.letter)) continue;
    factor = suffix.factor;
    digits.remove_suffix(1);
    break;
  }
  std::int64_t value = 0;
  const auto* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, value);
  const bool fits = value <= std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(factor);
  if (error != std::errc{} || stopped != end || value < 0 || !fits) {
    return std::unexpected(quoted(text) + " is no limit of " + std::string{spec.name} + "; " + wanted(spec));
  }
  return check_limit(spec, value * static_cast<std::int64_t>(factor));
}

std::expected<void, std::string> read_limit(std::string_view text, Limits& limits) {
  const auto equals = text.find('=');
  const auto name = text.substr(0, equals);
  const auto* spec = find_limit(name);
  if (spec == nullptr) {
    std::vector<std::string_view> names;
    for (const auto& known : kLimitSpecs) names.push_back(known.name);
    return std::unexpected(quoted(name) + " is no limit; there are " + one_of(names));
  }
  if (equals == std::string_view::npos) {
    return std::unexpected(quoted(text) + " lacks its value; write " + std::string{name} +
                           (spec->bits ? "=100M" : "=1000"));
  }
  auto value = parse_limit_value(*spec, text.substr(equals + 1));
  if (!value) return std::unexpected(value.error());
  limits.*(spec->member) = *value;
  return {};
}

std::string limit_text(const LimitSpec& spec, std::uint64_t value) {
  if (value == 0) return "none";
  for (const auto& suffix : kSuffixes) {
    if (spec.bits && value % suffix.factor == 0) return std::to_string(value / suffix.factor) + suffix.letter;
  }
  return std::to_string(value);
}

Limits merged(const Limits& guest, const Limits& network) noexcept {
  Limits limits;
  for (const auto& spec : kLimitSpecs) {
    const auto& own = guest.*(spec.member);
    const auto& value = own ? own : network.*(spec.member);
    if (value && *value != 0) limits.*(spec.member) = value;
  }
  return limits;
}

}  // namespace vrouter::config
