// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/dhcp_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "config/text.h"

namespace vrouter::config {
namespace {

constexpr unsigned kHostLength = 32;

struct OwnOption {
  std::uint8_t first, last;
  std::string_view why;
};

constexpr std::array kOwnOptions{
    OwnOption{0, 0, "it is padding; leave it out"},
    OwnOption{1, 1, "the mask follows from prefix and addressing; leave it out"},
    OwnOption{3, 3, "the router is the network's gateway; leave it out"},
    OwnOption{12, 12, "the host name is the guest's name; leave it out"},
    OwnOption{26, 26, "the network's mtu says it; leave it out"},
    OwnOption{28, 28, "the broadcast address follows from prefix; leave it out"},
    OwnOption{50, 61, "the protocol itself uses it (lease_time says how long); leave it out"},
    OwnOption{80, 82, "the protocol itself uses it; leave it out"},
    OwnOption{kRoutesOption, kRoutesOption, "the routes follow from addressing; write static_routes for more"},
    OwnOption{kMicrosoftRoutesOption, kMicrosoftRoutesOption,
              "the routes follow from addressing; write static_routes for more"},
    OwnOption{255, 255, "it ends the options; leave it out"},
};

// Only the bytes of an address that its length covers are sent (RFC 3442).
std::size_t significant(unsigned length) noexcept {
  return (length + 7) / 8;
}

bool has_default(const std::vector<DhcpRoute>& routes) {
  return std::ranges::any_of(routes, [](const DhcpRoute& r) { return r.to.prefix_length() == 0; });
}

using Why = std::pair<std::string, std::string>;

std::optional<Why> unfit_option(const Network& network, const RawDhcpOption& option) {
  const auto number = "DHCP option " + std::to_string(option.code);
  if (option.value.empty() || option.value.size() > kMaxOptionBytes) {
    return Why{"the value of " + number + " has " + std::to_string(option.value.size()) + " bytes", "give 1 to 255"};
  }
  if (option.code == kRoutesOption || option.code == kMicrosoftRoutesOption) {
    const auto routes = decode_routes(option.value);
    if (!routes) return Why{number + " is no list of routes", "give it as RFC 3442 has it"};
    for (const auto& route : *routes) {
      if (route.via == kTheGateway || route.via.is_unspecified()) continue;
      if (auto why = unfit_router(network, route.via)) return why;
    }
    return std::nullopt;
  }
  const auto why = why_not_said(option.code);
  if (why.empty()) return std::nullopt;
  const auto split = why.find("; ");
  return Why{number + " can't be said, for " + std::string{why.substr(0, split)}, std::string{why.substr(split + 2)}};
}

std::optional<Why> unfit_boot(const NetworkBoot& boot) {
  if (boot.empty()) return Why{"boot names no file", "name one, or leave boot out"};
  std::vector<std::string_view> files;
  if (!boot.file.empty()) files.push_back(boot.file);
  if (!boot.ipxe.empty()) files.push_back(boot.ipxe);
  for (const auto& [architecture, file] : boot.files) files.push_back(file);
  for (const auto file : files) {
    const bool printable = std::ranges::all_of(file, [](char c) { return c > ' ' && c <= '~'; });
    if (file.empty() || file.size() > kMaxOptionBytes || !printable)
      return Why{quoted(file) + " can't name a boot file", "give 1 to 255 printable characters without blanks"};
  }
  if (boot.server && no_address_of_a_host(*boot.server))
    return Why{boot.server->to_string() + " is no server's address", "name one server"};
  return std::nullopt;
}

}  // namespace

std::string_view why_not_said(std::uint8_t code) noexcept {
  const auto own =
      std::ranges::find_if(kOwnOptions, [code](const OwnOption& o) { return o.first <= code && code <= o.last; });
  return own == kOwnOptions.end() ? std::string_view{} : own->why;
}

Parsed<std::vector<std::uint8_t>> parse_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  bool good = text.size() % 2 == 0;
  for (std::size_t i = 0; good && i < text.size(); i += 2) {
    std::uint8_t byte = 0;
    const auto* begin = text.data() + i;
    const auto [end, error] = std::from_chars(begin, begin + 2, byte, 16);
    good = error == std::errc{} && end == begin + 2;
    bytes.push_back(byte);
  }
  if (good) return bytes;
  return std::unexpected(quoted(text) + " is no row of hex bytes; write two digits for each, such as 0104c0000201");
}

void append_domain(std::string_view domain, std::vector<std::uint8_t>& bytes) {
  while (!domain.empty()) {
    const auto label = domain.substr(0, domain.find('.'));
    bytes.push_back(static_cast<std::uint8_t>(label.size()));
    bytes.insert(bytes.end(), label.begin(), label.end());
    domain.remove_prefix(std::min(domain.size(), label.size() + 1));
  }
  bytes.push_back(0);
}

std::vector<std::uint8_t> encode_routes(std::span<const DhcpRoute> routes) {
  std::vector<std::uint8_t> bytes;
  for (const auto& [to, via] : routes) {
    const auto base = to.network().to_bytes();
    const auto router = via.to_bytes();
    bytes.push_back(static_cast<std::uint8_t>(to.prefix_length()));
    bytes.insert(bytes.end(), base.begin(),
                 base.begin() + static_cast<std::ptrdiff_t>(significant(to.prefix_length())));
    bytes.insert(bytes.end(), router.begin(), router.end());
  }
  return bytes;
}

std::optional<std::vector<DhcpRoute>> decode_routes(std::span<const std::uint8_t> bytes) {
  std::vector<DhcpRoute> routes;
  while (!bytes.empty()) {
    const unsigned length = bytes[0];
    const auto known = significant(length);
    if (length > kHostLength || bytes.size() < 1 + known + 4) return std::nullopt;
    address_v4::bytes_type base{}, router{};
    std::ranges::copy(bytes.subspan(1, known), base.begin());
    std::ranges::copy(bytes.subspan(1 + known, 4), router.begin());
    routes.push_back(
        {network_v4{address_v4{base}, static_cast<unsigned short>(length)}.canonical(), address_v4{router}});
    bytes = bytes.subspan(1 + known + 4);
  }
  if (routes.empty()) return std::nullopt;
  return routes;
}

std::vector<std::uint8_t> complete_routes(const Network& network, std::vector<std::uint8_t> bytes) {
  auto written = decode_routes(bytes);
  if (!written) return bytes;
  for (auto& route : *written) {
    if (route.via == kTheGateway) route.via = network.gateway;
  }
  if (!has_default(*written)) {
    // After what is on the link: dhclient-script adds them in this order, and the default needs the others.
    const auto at = std::ranges::find_if(*written, [](const DhcpRoute& r) { return !r.via.is_unspecified(); });
    written->insert(at, {network_v4{}, network.gateway});
  }
  std::vector<DhcpRoute> routes;
  if (network.addressing == Addressing::routed) {
    std::set<address_v4> on_link;
    for (const auto& [to, via] : *written) {
      if (via.is_unspecified() && to.prefix_length() == kHostLength) on_link.insert(to.network());
    }
    for (const auto& [to, via] : *written) {
      if (!via.is_unspecified() && on_link.insert(via).second) routes.push_back({network_v4{via, kHostLength}, {}});
    }
  }
  routes.insert(routes.end(), written->begin(), written->end());
  return encode_routes(routes);
}

std::optional<Why> unfit_router(const Network& network, const address_v4& via) {
  const auto text = via.to_string();
  const auto remedy = "write an address of " + network.prefix.to_string() + ", or leave it out for the gateway";
  if (via == network.gateway) return std::nullopt;
  if (!contains(network.prefix, via)) return Why{text + " is outside network " + network.name, remedy};
  if (via == network.prefix.network() || via == network.prefix.broadcast())
    return Why{text + " is no host's address in network " + network.name, remedy};
  // Alone on its TAP, a guest with a /32 has no neighbour but the gateway.
  if (network.addressing == Addressing::routed && !network.dhcp.range) {
    return Why{text + " is beyond the gateway, where addressing is \"routed\"",
               "leave it out for the gateway, or write addressing = \"subnet\""};
  }
  return std::nullopt;
}

std::optional<Why> unfit_dhcp(const Network& network, const ClientDhcp& dhcp) {
  if (dhcp.mask && (*dhcp.mask < kLeastMask || *dhcp.mask > kMostMask)) {
    return Why{"a mask of " + std::to_string(*dhcp.mask) + " bits can't be", "give a prefix length of 8 to 32"};
  }
  const RawDhcpOption* before = nullptr;
  for (const auto& option : dhcp.options) {
    if (before != nullptr && before->code >= option.code)
      return Why{"DHCP option " + std::to_string(option.code) + " is not in its place",
                 "give each once, by rising code"};
    before = &option;
    if (auto why = unfit_option(network, option)) return why;
  }
  return dhcp.boot ? unfit_boot(*dhcp.boot) : std::nullopt;
}

void set_option(std::vector<RawDhcpOption>& options, RawDhcpOption option) {
  const auto at = std::ranges::lower_bound(options, option.code, {}, &RawDhcpOption::code);
  if (at != options.end() && at->code == option.code) {
    *at = std::move(option);
  } else {
    options.insert(at, std::move(option));
  }
}

}  // namespace vrouter::config
