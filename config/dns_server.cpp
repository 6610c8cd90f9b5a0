// SPDX-License-Identifier: GPL-2.0-or-later
#include <array>
#include <charconv>
#include <utility>

#include "config/dns.h"
#include "config/specs.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

constexpr std::array<std::pair<std::string_view, DnsTransport>, 2> kSchemes{
    {{"tcp://", DnsTransport::tcp}, {"tls://", DnsTransport::tls}}};

std::string_view scheme_of(DnsTransport transport) {
  for (const auto& [scheme, how] : kSchemes) {
    if (how == transport) return scheme;
  }
  return {};
}

std::uint16_t default_port(DnsTransport transport) {
  return transport == DnsTransport::tls ? DnsServer::kTlsPort : DnsServer::kPort;
}

std::unexpected<std::string> wrong(std::string_view text, const std::string& why) {
  return std::unexpected(quoted(text) + " " + why);
}

Parsed<DnsTransport> take_scheme(std::string_view& rest) {
  for (const auto& [scheme, how] : kSchemes) {
    if (!rest.starts_with(scheme)) continue;
    rest.remove_prefix(scheme.size());
    return how;
  }
  if (!rest.contains("://")) return DnsTransport::udp;
  return wrong(
      rest, "is no way to ask a server; write tcp://192.0.2.53, tls://192.0.2.53#dns.example, or 192.0.2.53 for UDP");
}

// The port behind the address, which is left. Of IPv6 only brackets tell one from the other.
Parsed<std::uint16_t> take_port(std::string_view& rest, std::uint16_t otherwise) {
  std::string_view digits;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) return wrong(rest, "lacks its ]; write [2001:db8::53]:5353");
    digits = rest.substr(end + 1);
    rest = rest.substr(1, end - 1);
    if (!rest.contains(':')) return wrong(rest, "needs no brackets; write 192.0.2.53 or [2001:db8::53]");
    if (digits.empty()) return otherwise;
    if (!digits.starts_with(':')) return wrong(digits, "follows the address; write [2001:db8::53]:5353");
  } else {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos || rest.find(':', colon + 1) != std::string_view::npos) return otherwise;
    digits = rest.substr(colon);
    rest = rest.substr(0, colon);
  }
  digits.remove_prefix(1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error == std::errc{} && end == digits.data() + digits.size() && port != 0) return port;
  return wrong(digits, "is no port; write 1 to 65535, such as 192.0.2.53:5353");
}

}  // namespace

std::string DnsServer::to_string() const {
  const auto bare = at.to_string();
  const bool alone = transport == DnsTransport::udp && port == kPort;
  std::string text{scheme_of(transport)};
  text += at.is_v6() && !alone ? "[" + bare + "]" : bare;
  if (port != default_port(transport)) text += ":" + std::to_string(port);
  if (!name.empty()) text += "#" + name;
  return text;
}

std::expected<DnsServer, std::string> parse_dns_server(std::string_view text) {
  auto rest = text;
  const auto transport = take_scheme(rest);
  if (!transport) return std::unexpected(transport.error());
  DnsServer server;
  server.transport = *transport;
  if (const auto hash = rest.find('#'); hash != std::string_view::npos) {
    if (server.transport != DnsTransport::tls) {
      return wrong(text,
                   "has a name, and only certificates are for one; write tls://192.0.2.53#dns.example, or the address "
                   "alone");
    }
    auto name = parse_domain(rest.substr(hash + 1));
    if (!name) return std::unexpected(name.error());
    server.name = *std::move(name);
    rest = rest.substr(0, hash);
  }
  const auto port = take_port(rest, default_port(server.transport));
  if (!port) return std::unexpected(port.error());
  server.port = *port;
  const auto at = parse_address(rest);
  if (!at) return std::unexpected(at.error());
  server.at = *at;
  return server;
}

}  // namespace vrouter::config
