// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/specs.h"

#include <net/if.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/text.h"

namespace vrouter::config {
namespace {

constexpr std::size_t kMaxLabel = 63;    // RFC 1035 2.3.4
constexpr std::size_t kMaxDomain = 253;  // 255 bytes on the wire, less the first length and the root
constexpr std::size_t kMaxGroupName = 63;
constexpr std::chrono::seconds kMaxDuration = std::chrono::years{10};  // anything longer is a slip

bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

std::unexpected<std::string> wrong(std::string_view text, std::string_view what) {
  return std::unexpected(quoted(text).append(" ").append(what));
}

// Digits only, no sign: what from_chars leaves out is not a number here.
std::optional<unsigned> parse_decimal(std::string_view text) {
  unsigned value = 0;
  if (text.empty() || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Asio's parsers take a C string and a scope ("fe80::1%eth0"), neither of which may come in here.
bool only_address_characters(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return is_digit(c) || c == '.' || c == ':' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

template <typename Address, typename Make>
std::optional<Address> make(std::string_view text, Make make_address) {
  if (!only_address_characters(text)) return std::nullopt;
  boost::system::error_code error;
  const auto result = make_address(std::string{text}, error);
  if (error) return std::nullopt;
  return result;
}

std::optional<address_v4> make4(std::string_view text) {
  return make<address_v4>(text, [](const std::string& s, auto& e) { return boost::asio::ip::make_address_v4(s, e); });
}

std::optional<address_v6> make6(std::string_view text) {
  return make<address_v6>(text, [](const std::string& s, auto& e) { return boost::asio::ip::make_address_v6(s, e); });
}

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > kMaxLabel || text.front() == '-' || text.back() == '-') return false;
  return std::ranges::all_of(text, [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

Parsed<std::string> parse_label(std::string_view text, std::string_view what) {
  if (is_label(text)) return lower_case(text);
  return wrong(text, std::string{what} + "; write 1 to 63 letters, digits and hyphens, no hyphen first or last");
}

constexpr std::array<std::string_view, 3> kWordsOfPeers{"any", "host", "world"};

}  // namespace

Parsed<network_v4> parse_prefix4(std::string_view text) {
  const auto slash = text.find('/');
  const auto base = make4(text.substr(0, slash));
  const auto length = slash == std::string_view::npos ? std::nullopt : parse_decimal(text.substr(slash + 1));
  if (!base || !length || *length > 32) return wrong(text, "is no IPv4 prefix; write one such as 10.0.5.0/24");
  const network_v4 prefix{*base, static_cast<unsigned short>(*length)};
  if (prefix.network() != *base) {
    return wrong(text, "has bits set after its length; write " + prefix.canonical().to_string());
  }
  return prefix;
}

Parsed<network_v6> parse_prefix6(std::string_view text) {
  const auto slash = text.find('/');
  const auto base = make6(text.substr(0, slash));
  const auto length = slash == std::string_view::npos ? std::nullopt : parse_decimal(text.substr(slash + 1));
  if (!base || !length || *length > 128) return wrong(text, "is no IPv6 prefix; write one such as fd76:7274:5::/64");
  const network_v6 prefix{*base, static_cast<unsigned short>(*length)};
  if (prefix.network() != *base) {
    return wrong(text, "has bits set after its length; write " + prefix.canonical().to_string());
  }
  return prefix;
}

Parsed<address_v4> parse_address4(std::string_view text) {
  if (const auto result = make4(text)) return *result;
  return wrong(text, "is no IPv4 address; write one such as 10.0.5.2");
}

Parsed<address_v6> parse_address6(std::string_view text) {
  const auto result = make6(text);
  if (!result) return wrong(text, "is no IPv6 address; write one such as fd76:7274:5::2");
  if (result->is_v4_mapped()) {
    const auto inner = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, *result);
    return wrong(text, "is an IPv4 address in IPv6 clothes; write " + inner.to_string());
  }
  return *result;
}

Parsed<address> parse_address(std::string_view text) {
  if (std::ranges::count(text, ':') == 1 && text.contains('.')) {
    return wrong(text, "has a port; write the address alone, such as 192.0.2.53");
  }
  if (text.contains(':')) {
    const auto result = parse_address6(text);
    if (!result) return std::unexpected(result.error());
    return address{*result};
  }
  if (const auto result = make4(text)) return address{*result};
  return wrong(text, "is no address; write one such as 192.0.2.53 or 2001:db8::53");
}

Parsed<AnyPrefix> parse_prefix(std::string_view text) {
  const auto either = [](auto parsed) -> Parsed<AnyPrefix> {
    if (!parsed) return std::unexpected(parsed.error());
    return AnyPrefix{*parsed};
  };
  return text.contains(':') ? either(parse_prefix6(text)) : either(parse_prefix4(text));
}

void add_prefix(Guest& guest, const AnyPrefix& prefix) {
  if (const auto* v4 = std::get_if<network_v4>(&prefix)) {
    guest.prefixes4.push_back(*v4);
  } else {
    guest.prefixes6.push_back(std::get<network_v6>(prefix));
  }
}

std::vector<std::string> prefixes_of(const Guest& guest) {
  std::vector<std::string> texts;
  for (const auto& prefix : guest.prefixes4) texts.push_back(prefix.to_string());
  for (const auto& prefix : guest.prefixes6) texts.push_back(prefix.to_string());
  return texts;
}

Parsed<GuestAddresses> parse_guest_addresses(std::string_view text) {
  const auto comma = text.find(',');
  const auto first = parse_address4(text.substr(0, comma));
  if (!first) return std::unexpected(first.error());
  GuestAddresses result{.address = *first, .address6 = std::nullopt};
  if (comma == std::string_view::npos) return result;
  const auto second = parse_address6(text.substr(comma + 1));
  if (!second) return std::unexpected(second.error());
  result.address6 = *second;
  return result;
}

Parsed<AddressRange> parse_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = make4(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? std::nullopt : make4(text.substr(dash + 1));
  if (!first || !last) return wrong(text, "is no range of addresses; write one such as 10.0.5.100-10.0.5.199");
  if (*last < *first) {
    return wrong(text, "ends before it begins; write " + last->to_string() + '-' + first->to_string());
  }
  return AddressRange{.first = *first, .last = *last};
}

Parsed<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::string_view kRemedy = "is no size; write a whole number and KiB, MiB or GiB, such as 32MiB";
  constexpr std::array<std::pair<std::string_view, unsigned>, 3> kUnits{{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}}};
  const auto unit = std::ranges::find_if(kUnits, [&](const auto& u) { return text.ends_with(u.first); });
  if (unit == kUnits.end()) return wrong(text, kRemedy);
  const auto number = parse_decimal(text.substr(0, text.size() - unit->first.size()));
  if (!number) return wrong(text, kRemedy);
  return std::uint64_t{*number} << unit->second;
}

Parsed<std::chrono::seconds> parse_duration(std::string_view text) {
  constexpr std::string_view kRemedy = "is no duration; write a whole number and s, m, h or d, such as 90s or 1h";
  if (text.empty()) return wrong(text, kRemedy);
  const auto number = parse_decimal(text.substr(0, text.size() - 1));
  if (!number) return wrong(text, kRemedy);
  std::chrono::seconds unit{0};
  switch (text.back()) {
    case 's':
      unit = std::chrono::seconds{1};
      break;
    case 'm':
      unit = std::chrono::minutes{1};
      break;
    case 'h':
      unit = std::chrono::hours{1};
      break;
    case 'd':
      unit = std::chrono::days{1};
      break;
    default:
      return wrong(text, kRemedy);
  }
  if (*number > kMaxDuration / unit) return wrong(text, "is longer than ten years; write less");
  return unit * *number;
}

Parsed<std::string> parse_guest_name(std::string_view text) {
  auto name = parse_label(text, "can't be a guest's host name");
  if (name && std::ranges::find(kWordsOfPeers, *name) != kWordsOfPeers.end())
    return wrong(text, "is a word of policies and of `vrouter explain`; give the guest another name");
  return name;
}

Parsed<std::string> parse_network_name(std::string_view text) {
  return parse_label(text, "can't name a network");
}

Parsed<std::string> parse_group_name(std::string_view text) {
  const bool good = !text.empty() && text.size() <= kMaxGroupName && std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '_';
  });
  if (good) return std::string{text};
  return wrong(text, "can't name a group; write 1 to 63 letters, digits, hyphens and underscores");
}

Parsed<std::string> parse_interface_name(std::string_view text) {
  // The kernel refuses '/' and ':' and makes a counter of '%'; nft takes '*' for a wildcard and needs its quotes whole.
  constexpr std::string_view kForbidden = "/:%*\"\\";
  const bool good = !text.empty() && text.size() < IFNAMSIZ && text != "." && text != ".." &&
                    std::ranges::all_of(text, [&](char c) { return c > ' ' && c <= '~' && !kForbidden.contains(c); });
  if (good) return std::string{text};
  return wrong(text, "can't name an interface; write 1 to 15 printable characters without blanks and / : % * \" \\");
}

Parsed<std::string> parse_domain(std::string_view text) {
  auto rest = text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
  const auto name = lower_case(rest);
  bool good = !rest.empty() && rest.size() <= kMaxDomain;
  while (good) {
    const auto dot = rest.find('.');
    good = is_label(rest.substr(0, dot));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (good) return name;
  return wrong(text,
               "is no domain; write labels of letters, digits and hyphens with dots between, such as guests.internal");
}

}  // namespace vrouter::config
