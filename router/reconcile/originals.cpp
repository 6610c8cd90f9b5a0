// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/reconcile/originals.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace vrouter::router {
namespace {

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What isn't "field=number" is passed over: a database of another version must not stop a teardown.
LinkOriginal parse(std::string_view text) {
  LinkOriginal result;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const auto value = number(word.substr(equals + 1));
    if (!value) continue;
    if (word.substr(0, equals) == "index") {
      result.index = *value;
    } else {
      result.note(std::string{word.substr(0, equals)}, *value);
    }
  }
  return result;
}

}  // namespace

std::string link_key(const std::string& link) {
  return fmt::format("{}{}", kLinkPrefix, link);
}
std::string tap_key(const std::string& tap) {
  return "tap " + tap;
}
std::string made(std::uint32_t index) {
  return fmt::format("{} index={}", kMade, index);
}
std::string sysctl_key(const std::string& key) {
  return fmt::format("{}{}", kSysctlPrefix, key);
}
std::string gateway_key(const address& gateway, std::string_view link) {
  return fmt::format("{}{} {}", kAddressPrefix, gateway.to_string(), link);
}

std::optional<AddressOnLink> gateway_in(std::string_view key) {
  if (!key.starts_with(kAddressPrefix)) return std::nullopt;
  key.remove_prefix(kAddressPrefix.size());
  const auto space = key.find(' ');
  boost::system::error_code error;
  const auto local = boost::asio::ip::make_address(std::string{key.substr(0, space)}, error);
  if (error || space == std::string_view::npos) return std::nullopt;
  return AddressOnLink{local, std::string{key.substr(space + 1)}};
}

std::string field_of(Conf6 key) {
  return key == Conf6::forwarding ? "forwarding6" : std::string{name(key)};
}

std::optional<std::uint32_t> LinkOriginal::get(std::string_view field) const {
  const auto found = fields.find(std::string{field});
  if (found == fields.end()) return std::nullopt;
  return found->second;
}

std::string LinkOriginal::to_string() const {
  std::string text = fmt::format("index={}", index);
  for (const auto& [field, value] : fields) text += fmt::format(" {}={}", field, value);
  return text;
}

LinkOriginal link_original(const Originals& originals, const Link& link) {
  return link_original(originals, link, link_key(link.name));
}

LinkOriginal link_original(const Originals& originals, const Link& link, const std::string& key) {
  LinkOriginal result;
  if (const auto found = originals.find(key); found != originals.end()) {
    result = parse(found->second);
  }
  if (result.index != link.index) result = LinkOriginal{};
  result.index = link.index;
  return result;
}

std::optional<std::string> link_key_of(const Originals& originals, std::uint32_t index) {
  for (auto it = originals.lower_bound(kLinkPrefix); it != originals.end() && it->first.starts_with(kLinkPrefix);
       ++it) {
    if (parse(it->second).index == index) return it->first;
  }
  return std::nullopt;
}

}  // namespace vrouter::router
