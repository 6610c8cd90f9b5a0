// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/merged_dhcp.h"

#include <algorithm>
#include <ranges>

#include "config/dhcp_options.h"

namespace vrouter::config {
namespace {

void lay_over(const ClientDhcp& said, ClientDhcp& merged) {
  if (said.boot) {
    // The two options that `boot` becomes: what was said of them before is another place to boot from.
    merged.boot = said.boot;
    std::erase_if(merged.options, [](const RawDhcpOption& option) {
      return option.code == kTftpServerOption || option.code == kBootFileOption;
    });
  }
  for (const auto& option : said.options) set_option(merged.options, option);
  if (said.mask) merged.mask = said.mask;
}

}  // namespace

ClientDhcp merged_dhcp(const Config& config, const Network& network, std::span<const std::string> groups,
                       const ClientDhcp& own) {
  ClientDhcp merged{.options = network.dhcp.options, .boot = network.dhcp.boot, .mask = {}};
  for (const auto& group : groups | std::views::reverse) {
    if (const auto said = config.dhcp_groups.find(group); said != config.dhcp_groups.end())
      lay_over(said->second, merged);
  }
  lay_over(own, merged);
  const auto routes = std::ranges::find(merged.options, kRoutesOption, &RawDhcpOption::code);
  if (routes == merged.options.end()) return merged;
  routes->value = complete_routes(network, std::move(routes->value));
  set_option(merged.options, {kMicrosoftRoutesOption, routes->value});
  return merged;
}

ClientDhcp merged_dhcp(const Config& config, const Network& network, const Guest& guest) {
  return merged_dhcp(config, network, guest.groups, guest.dhcp);
}

}  // namespace vrouter::config
