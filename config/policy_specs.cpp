// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/policy_specs.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "config/protocols.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

constexpr std::size_t kMaxDigits = 9;  // fits 32 bits
constexpr std::size_t kMaxRuleName = 64;
// The kernel's limit of a day's worth of packets times the burst must stay below 2^64 nanoseconds (nft_limit).
constexpr std::uint32_t kMaxBurst = 65535;
constexpr std::uint32_t kMaxRate = 1000000;

constexpr std::string_view kAnyService = "any";
constexpr std::string_view kPing = "ping";
constexpr std::string_view kServiceForms =
    "write any, tcp, tcp/80, tcp/80-90, icmp/echo-request, ping or a protocol number";
constexpr std::string_view kPeerForms =
    "write group:NAME, guest:NAME, network:NAME, set:NAME, net:ADDRESS/LENGTH, domain:NAME, world, host or any";

std::unexpected<std::string> wrong(std::string_view text, std::string_view what) {
  return std::unexpected(quoted(text).append(" ").append(what));
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint32_t> decimal(std::string_view text, std::uint32_t least, std::uint32_t most) {
  if (!all_digits(text) || text.size() > kMaxDigits) return std::nullopt;
  std::uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  if (value < least || value > most) return std::nullopt;
  return value;
}

std::optional<std::uint16_t> port(std::string_view text) {
  const auto value = decimal(text, 1, 65535);
  if (!value) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

Parsed<std::uint8_t> parse_protocol(std::string_view text, std::string_view whole) {
  if (const auto known = protocol_number(text)) return *known;
  if (const auto number = decimal(text, 1, 255)) return static_cast<std::uint8_t>(*number);
  if (all_digits(text))
    return wrong(whole, "is no protocol number of 1 to 255; a port has its protocol first: write tcp/443");
  auto names = protocol_names();
  names.insert(names.end(), {kAnyService, kPing});
  if (const auto near = nearest(text, names)) {
    return wrong(whole, "names no protocol; did you mean " + std::string{*near} + "?");
  }
  return wrong(whole, std::string{"names no protocol; "}.append(kServiceForms));
}

Parsed<PortRange> parse_ports(std::string_view text, std::string_view whole) {
  const auto dash = text.find('-');
  const auto first = port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : port(text.substr(dash + 1));
  if (text.contains(',')) return wrong(whole, "is a list; write an array: [\"tcp/80\", \"tcp/443\"]");
  if (!first || !last) return wrong(whole, "has no port of 1 to 65535; write tcp/80 or tcp/80-90");
  if (*last < *first) return wrong(whole, "has a range that ends before it begins; write the lower port first");
  return PortRange{.first = *first, .last = *last};
}

Parsed<std::uint8_t> parse_icmp_type(std::uint8_t protocol, std::string_view text, std::string_view whole) {
  if (const auto known = icmp_type_number(protocol, text)) return *known;
  if (const auto number = decimal(text, 0, 255)) return static_cast<std::uint8_t>(*number);
  if (const auto near = nearest(text, icmp_type_names(protocol))) {
    return wrong(whole, "names no type; did you mean " + std::string{*near} + "?");
  }
  return wrong(whole, "names no type; write a number of 0 to 255, or a name such as echo-request");
}

Parsed<Service> parse_service(std::string_view text) {
  const auto slash = text.find('/');
  const auto left = text.substr(0, slash);
  const auto right = slash == std::string_view::npos ? std::string_view{} : text.substr(slash + 1);
  if (all_digits(left) && protocol_number(right)) {
    return wrong(text, "is the wrong way round; write " + std::string{right} + '/' + std::string{left});
  }
  const auto protocol = parse_protocol(left, text);
  if (!protocol) return std::unexpected(protocol.error());
  Service service{.protocol = *protocol};
  if (slash == std::string_view::npos) return service;
  if (has_ports(*protocol)) {
    const auto ports = parse_ports(right, text);
    if (!ports) return std::unexpected(ports.error());
    service.ports = *ports;
  } else if (*protocol == kIcmp || *protocol == kIcmpV6) {
    const auto type = parse_icmp_type(*protocol, right, text);
    if (!type) return std::unexpected(type.error());
    service.icmp_type = *type;
  } else {
    return wrong(text, "gives ports to a protocol that has none; write " + service.to_string());
  }
  return service;
}

// A name after the colon, with the complaint of its own parser.
Parsed<Peer> named(Peer::Kind kind, Parsed<std::string> name) {
  if (!name) return std::unexpected(name.error());
  return Peer{.kind = kind, .name = *std::move(name)};
}

Parsed<Peer> parse_net(std::string_view text) {
  const auto prefix = parse_any_prefix(text);
  if (!prefix) return std::unexpected(prefix.error());
  Peer peer{.kind = Peer::Kind::net};
  if (const auto* v4 = std::get_if<network_v4>(&*prefix)) peer.net4 = *v4;
  if (const auto* v6 = std::get_if<network_v6>(&*prefix)) peer.net6 = *v6;
  return peer;
}

// So long that the set of its addresses can still be named after it.
constexpr std::size_t kMaxDomainPeer = 240;

Parsed<Peer> parse_domain_peer(std::string_view text) {
  const bool below = text.starts_with("*.");
  const auto name = below ? text.substr(2) : text;
  if (name.contains('*') || text == "*") {
    return wrong(text,
                 "is no domain of a rule; write domain:www.example.org, or domain:*.example.org for all names below");
  }
  if (parse_any_prefix(name)) return wrong(text, "is an address; write net:" + std::string{name});
  auto domain = parse_domain(name);
  if (!domain) return std::unexpected(domain.error());
  if (domain->size() > kMaxDomainPeer) {
    return wrong(text, "is longer than a rule's domain may be; write domain:*. with a shorter name above it");
  }
  return Peer{.kind = Peer::Kind::domain, .name = (below ? "*." : "") + *domain};
}

std::unexpected<std::string> unknown_peer(std::string_view text) {
  if (text.starts_with('!')) {
    return wrong(text,
                 "says nobody, since there is no \"all but\"; put a rule for those whom it leaves out before this one");
  }
  constexpr std::array<std::string_view, 9> kWords{"any",     "world", "host", "group", "guest",
                                                   "network", "set",   "net",  "domain"};
  const auto colon = text.find(':');
  const auto near = nearest(text.substr(0, colon), kWords);
  if (!near) return wrong(text, std::string{"says nobody; "}.append(kPeerForms));
  std::string remedy{*near};
  if (const bool has_name = *near != "any" && *near != "world" && *near != "host"; has_name) {
    const auto rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    remedy.append(":").append(!rest.empty()       ? rest
                              : *near == "net"    ? "192.0.2.0/24"
                              : *near == "domain" ? "www.example.org"
                                                  : "NAME");
  }
  const auto shown = quoted(remedy);
  return wrong(text, "says nobody; write " + shown.substr(1, shown.size() - 2));
}

}  // namespace

Parsed<Action> parse_action(std::string_view text) {
  for (const auto action : {Action::allow, Action::deny, Action::reject}) {
    if (text == name(action)) return action;
  }
  return wrong(text, "is no verdict; write allow, deny or reject");
}

Parsed<AnyPrefix> parse_any_prefix(std::string_view text) {
  if (!text.contains('/')) {
    const auto single = parse_address(text);
    if (!single) return std::unexpected(single.error());
    if (single->is_v4()) return network_v4{single->to_v4(), 32};
    return network_v6{single->to_v6(), 128};
  }
  if (text.contains(':')) {
    const auto prefix = parse_prefix6(text);
    if (!prefix) return std::unexpected(prefix.error());
    if (prefix->prefix_length() >= 96 && prefix->address().is_v4_mapped()) {
      const auto inner = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, prefix->address());
      return wrong(text, "is an IPv4 prefix in IPv6 clothes; write " +
                             network_v4{inner, static_cast<unsigned short>(prefix->prefix_length() - 96)}.to_string());
    }
    return *prefix;
  }
  const auto prefix = parse_prefix4(text);
  if (!prefix) return std::unexpected(prefix.error());
  return *prefix;
}

Parsed<Peer> parse_peer(std::string_view text) {
  using Kind = Peer::Kind;
  if (text == "any") return Peer{.kind = Kind::any};
  if (text == "world") return Peer{.kind = Kind::world};
  if (text == "host") return Peer{.kind = Kind::host};
  const auto colon = text.find(':');
  const auto kind = text.substr(0, colon);
  const auto rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  if (!rest.empty()) {
    if (kind == "group") return named(Kind::group, parse_group_name(rest));
    if (kind == "guest") return named(Kind::guest, parse_guest_name(rest));
    if (kind == "network") return named(Kind::network, parse_network_name(rest));
    if (kind == "set") return named(Kind::set, parse_set_name(rest));
    if (kind == "net") return parse_net(rest);
    if (kind == "domain") return parse_domain_peer(rest);
  }
  if (parse_any_prefix(text)) {
    return wrong(text, "lacks the word before it; write net:" + std::string{text});
  }
  return unknown_peer(text);
}

Parsed<std::vector<Service>> parse_services(std::string_view text) {
  if (text == kAnyService) return std::vector<Service>{};
  if (text == kPing) {
    return std::vector<Service>{{.protocol = kIcmp, .icmp_type = icmp_type_number(kIcmp, "echo-request")},
                                {.protocol = kIcmpV6, .icmp_type = icmp_type_number(kIcmpV6, "echo-request")}};
  }
  const auto service = parse_service(text);
  if (!service) return std::unexpected(service.error());
  return std::vector{*service};
}

Parsed<Service> parse_packet(std::string_view text) {
  if (text == kAnyService) return wrong(text, "is more than one packet; write one, such as tcp/80");
  if (text == kPing) return wrong(text, "is of either family; write icmp/echo-request or icmpv6/echo-request");
  const auto service = parse_service(text);
  if (!service) return service;
  if (has_ports(service->protocol)) {
    const auto shown = service->to_string();
    if (!service->ports) return wrong(text, "goes to no port; write one, such as " + shown + "/80");
    if (service->ports->first != service->ports->last) {
      return wrong(text, "is more than one packet; write one port, such as " + shown.substr(0, shown.find('-')));
    }
  } else if ((service->protocol == kIcmp || service->protocol == kIcmpV6) && !service->icmp_type) {
    return wrong(text, "has no type; write one, such as " + service->to_string() + "/echo-request");
  }
  return service;
}

Parsed<RateLimit> parse_rate_limit(std::string_view text) {
  constexpr std::string_view kBurst = " burst ";
  using Unit = RateLimit::Unit;
  RateLimit limit;
  const auto burst_at = text.find(kBurst);
  const auto rate = text.substr(0, burst_at);
  const auto slash = rate.find('/');
  const auto count = decimal(rate.substr(0, slash), 1, kMaxRate);
  if (!count || slash == std::string_view::npos) {
    return wrong(text, "is no limit; write 1 to 1000000 per unit of time, such as 10/minute or 10/minute burst 20");
  }
  limit.count = *count;
  const auto word = rate.substr(slash + 1);
  constexpr std::array kUnits{Unit::second, Unit::minute, Unit::hour, Unit::day};
  const auto* const unit = std::ranges::find_if(kUnits, [&](Unit u) { return name(u) == word; });
  if (unit == kUnits.end()) return wrong(text, "has no unit of time; write /second, /minute, /hour or /day");
  limit.unit = *unit;
  if (burst_at == std::string_view::npos) return limit;
  const auto burst = decimal(text.substr(burst_at + kBurst.size()), 1, kMaxBurst);
  if (!burst) return wrong(text, "has no burst of 1 to 65535; write one, such as burst 20, or leave it out");
  limit.burst = *burst;
  return limit;
}

Parsed<std::string> parse_set_name(std::string_view text) {
  if (auto name = parse_group_name(text)) return name;
  return wrong(text, "can't name a set; write 1 to 63 letters, digits, hyphens and underscores");
}

Parsed<std::string> parse_rule_name(std::string_view text) {
  const bool good = !text.empty() && text.size() <= kMaxRuleName && text.front() != ' ' && text.back() != ' ' &&
                    std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (good) return std::string{text};
  return wrong(text,
               "can't name a rule; write 1 to 64 printable ASCII characters without \" and \\, no blank first or last");
}

}  // namespace vrouter::config
