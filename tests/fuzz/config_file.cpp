// SPDX-License-Identifier: GPL-2.0-or-later
// parse_config(): any text gives a config whose guests fit one another, or problems that each have a place and a
// remedy. Files are the operator's own, but `vrouter check` may be given anything.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "config/dhcp_options.h"
#include "config/guests.h"
#include "config/load.h"
#include "config/merged_dhcp.h"

using namespace vrouter::config;

namespace {

// Each code once and in order, nothing empty, and who has routes has the default one among them.
void check_dhcp(const Config& config, const Guest& guest) {
  const auto& network = config.networks.at(guest.network);
  const auto merged = merged_dhcp(config, network, guest);
  int before = -1;
  for (const auto& [code, value] : merged.options) {
    if (code <= before || value.empty()) __builtin_trap();
    before = code;
    if (code != kRoutesOption) continue;
    const auto routes = decode_routes(value);
    if (!routes || complete_routes(network, value) != value) __builtin_trap();
    const bool has_default = std::ranges::any_of(*routes, [](const auto& r) { return r.to.prefix_length() == 0; });
    if (!has_default) __builtin_trap();
  }
  const auto& range = network.dhcp.range;
  if (range && guest.address && range->contains(*guest.address)) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{data, data + size};
  const auto config = parse_config(text, "f");
  if (!config) {
    if (config.error().empty()) __builtin_trap();
    for (const auto& [where, message] : config.error()) {
      const bool printable = std::ranges::all_of(message, [](char c) { return c >= ' ' && c <= '~'; });
      const bool remedy = message.contains("; ");
      if (where.file != "f" || where.line == 0 || where.column == 0 || !printable || !remedy) __builtin_trap();
    }
    return 0;
  }
  if (config->networks.empty()) __builtin_trap();
  for (const auto& [name, network] : config->networks) {
    if (name != network.name || !contains(network.prefix, network.gateway)) __builtin_trap();
    if (network.prefix6.has_value() != network.gateway6.has_value()) __builtin_trap();
  }
  // Each by itself is accepted again, so the loader and the table agree. Groups are the policy's, which is not read
  // here.
  auto with_groups = *config;
  for (const auto& guest : config->guests) {
    for (const auto& group : guest.groups) with_groups.policy.groups[group].name = group;
  }
  GuestTable table;
  for (const auto& guest : config->guests) {
    const auto again = table.complete(with_groups, guest);
    if (!again || *again != guest || guest.address.has_value() == guest.shared) __builtin_trap();
    check_dhcp(*config, guest);
    table.insert(guest);
  }
  if (!check_against(*config, table).empty()) __builtin_trap();
  for (const auto& guest : config->guests) {
    if (table.erase(guest.tap) != guest) __builtin_trap();
  }
  return 0;
}
