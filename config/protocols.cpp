// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/protocols.h"

#include <algorithm>
#include <array>
#include <span>

namespace vrouter::config {
namespace {

struct Named {
  std::string_view name;
  std::uint8_t number = 0;
};

// IANA "Assigned Internet Protocol Numbers": those that pass between hosts. The first name of a number is the one
// shown.
constexpr std::array kProtocols{
    Named{"icmp", kIcmp}, Named{"igmp", 2},
    Named{"ipip", 4},     Named{"tcp", 6},
    Named{"udp", 17},     Named{"dccp", 33},
    Named{"ipv6", 41},    Named{"rsvp", 46},
    Named{"gre", 47},     Named{"esp", 50},
    Named{"ah", 51},      Named{"icmpv6", 58},
    Named{"eigrp", 88},   Named{"ospf", 89},
    Named{"pim", 103},    Named{"ipcomp", 108},
    Named{"vrrp", 112},   Named{"l2tp", 115},
    Named{"sctp", 132},   Named{"udplite", 136},
    Named{"mpls", 137},   Named{"ipv6-icmp", kIcmpV6},
};

constexpr std::array kIcmpTypes{
    Named{"echo-reply", 0},           Named{"destination-unreachable", 3},
    Named{"source-quench", 4},        Named{"redirect", 5},
    Named{"echo-request", 8},         Named{"router-advertisement", 9},
    Named{"router-solicitation", 10}, Named{"time-exceeded", 11},
    Named{"parameter-problem", 12},   Named{"timestamp-request", 13},
    Named{"timestamp-reply", 14},     Named{"info-request", 15},
    Named{"info-reply", 16},          Named{"address-mask-request", 17},
    Named{"address-mask-reply", 18},
};

constexpr std::array kIcmpV6Types{
    Named{"destination-unreachable", 1}, Named{"packet-too-big", 2},        Named{"time-exceeded", 3},
    Named{"parameter-problem", 4},       Named{"echo-request", 128},        Named{"echo-reply", 129},
    Named{"mld-listener-query", 130},    Named{"mld-listener-report", 131}, Named{"mld-listener-done", 132},
    Named{"nd-router-solicit", 133},     Named{"nd-router-advert", 134},    Named{"nd-neighbor-solicit", 135},
    Named{"nd-neighbor-advert", 136},    Named{"nd-redirect", 137},         Named{"router-renumbering", 138},
    Named{"ind-neighbor-solicit", 141},  Named{"ind-neighbor-advert", 142}, Named{"mld2-listener-report", 143},
};

std::span<const Named> icmp_types(std::uint8_t protocol) noexcept {
  if (protocol == kIcmp) return kIcmpTypes;
  return kIcmpV6Types;
}

std::optional<std::uint8_t> number(std::span<const Named> table, std::string_view name) noexcept {
  const auto found = std::ranges::find(table, name, &Named::name);
  if (found == table.end()) return std::nullopt;
  return found->number;
}

std::vector<std::string_view> names(std::span<const Named> table) {
  std::vector<std::string_view> result;
  for (const auto& [name, number] : table) result.push_back(name);
  return result;
}

}  // namespace

std::string_view protocol_name(std::uint8_t protocol) noexcept {
  const auto* const found = std::ranges::find(kProtocols, protocol, &Named::number);
  return found == kProtocols.end() ? std::string_view{} : found->name;
}

std::optional<std::uint8_t> protocol_number(std::string_view name) noexcept {
  return number(kProtocols, name);
}

std::vector<std::string_view> protocol_names() {
  return names(kProtocols);
}

std::optional<std::uint8_t> icmp_type_number(std::uint8_t protocol, std::string_view name) noexcept {
  return number(icmp_types(protocol), name);
}

std::vector<std::string_view> icmp_type_names(std::uint8_t protocol) {
  return names(icmp_types(protocol));
}

}  // namespace vrouter::config
