// SPDX-License-Identifier: GPL-2.0-or-later
// The text of a published port. An address is told from a port by its dots or its brackets, so that
// "8080:80" and "192.0.2.1:8080:80" need no other mark.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "config/specs.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

constexpr std::size_t kMaxPortDigits = 5;

std::unexpected<std::string> wrong(std::string_view text, std::string_view what) {
  return std::unexpected(quoted(text).append(" ").append(what));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || text.size() > kMaxPortDigits || !std::ranges::all_of(text, digit)) return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || port == 0) return std::nullopt;
  return port;
}

std::optional<Protocol> parse_protocol(std::string_view text) {
  for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (text == name(protocol)) return protocol;
  }
  return std::nullopt;
}

// Takes the host address, if there is one, off the front of `rest`.
Parsed<std::optional<address>> take_host(std::string_view whole, std::string_view& rest) {
  std::string_view host;
  if (rest.starts_with('[')) {
    const auto close = rest.find("]:");
    if (close == std::string_view::npos)
      return wrong(whole, "lacks ']:' after its address; write [2001:db8::1]:8080:80");
    host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 2);
    if (!host.contains(':')) return wrong(whole, "has no IPv6 address in its brackets; write [2001:db8::1]:8080:80");
  } else if (const auto colon = rest.find(':'); rest.substr(0, colon).contains('.')) {
    if (colon == std::string_view::npos) return wrong(whole, "has no port; write 192.0.2.1:8080:80");
    host = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
  } else if (std::ranges::count(rest, ':') > 1) {
    return wrong(whole, "is no published port; write 8080:80, 192.0.2.1:8080:80 or [2001:db8::1]:8080:80");
  } else {
    return std::nullopt;
  }
  const auto parsed = parse_address(host);
  if (!parsed) return std::unexpected(parsed.error());
  if (parsed->is_unspecified()) return wrong(whole, "means every address; leave the address out");
  const bool link_local = parsed->is_v6() && parsed->to_v6().is_link_local();
  if (parsed->is_multicast() || link_local || *parsed == address{address_v4::broadcast()}) {
    return wrong(whole, "names no address that a port can be published on; write one of the host's own, or none");
  }
  return *parsed;
}

}  // namespace

Parsed<Publish> parse_publish(std::string_view text) {
  Publish result;
  auto rest = text;
  if (const auto slash = rest.rfind('/'); slash != std::string_view::npos) {
    const auto protocol = parse_protocol(rest.substr(slash + 1));
    if (!protocol) return wrong(text, "has an unknown protocol; write /tcp, /udp or /sctp");
    result.protocol = *protocol;
    rest = rest.substr(0, slash);
  }
  const auto host = take_host(text, rest);
  if (!host) return std::unexpected(host.error());
  result.host = *host;

  const auto colon = rest.find(':');
  const auto ports = rest.substr(0, colon);
  const auto dash = ports.find('-');
  const auto first = parse_port(ports.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(ports.substr(dash + 1));
  if (!first || !last) return wrong(text, "has no port of 1 to 65535; write 8080:80, 8080:80/udp or 6000-6010");
  if (*last < *first) return wrong(text, "has a range that ends before it begins; write the lower port first");
  result.first = *first;
  result.last = *last;
  result.guest_first = *first;
  if (colon == std::string_view::npos) return result;

  const auto guest = parse_port(rest.substr(colon + 1));
  if (!guest) return wrong(text, "has no guest port of 1 to 65535; write only the guest's first port after the colon");
  if (*last - *first > 65535 - *guest) return wrong(text, "runs past the guest's port 65535; write a lower guest port");
  result.guest_first = *guest;
  return result;
}

}  // namespace vrouter::config
