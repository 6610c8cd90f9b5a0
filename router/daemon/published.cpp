// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/published.h"

#include <algorithm>
#include <cstddef>

namespace vrouter::router {
namespace {

// All that one address has of one protocol. Each is an element in the kernel, and every address of the host has as
// many again.
constexpr std::size_t kMaxPortsOfGuest = 65536;
// A guest has a handful; each is looked for among those of all others.
constexpr std::size_t kMaxPublishesOfGuest = 1024;

}  // namespace

std::expected<void, std::string> check_size(const std::vector<config::Publish>& publish) {
  std::size_t ports = 0;
  for (const auto& port : publish) ports += port.last >= port.first ? std::size_t{port.last} - port.first + 1 : 0;
  if (publish.size() <= kMaxPublishesOfGuest && ports <= kMaxPortsOfGuest) return {};
  return std::unexpected("a guest may publish " + std::to_string(kMaxPortsOfGuest) + " ports in " +
                         std::to_string(kMaxPublishesOfGuest) + " ranges; route the guest's address instead " +
                         "(network mode = \"routed\"), or publish fewer");
}

std::vector<std::string> absent_hosts(const config::Guest& guest, const Observed& observed) {
  std::vector<std::string> warnings;
  for (const auto& port : guest.publish) {
    if (!port.host) continue;
    const bool there = std::ranges::any_of(observed.addresses(), [&](const auto& of_link) {
      return std::ranges::any_of(of_link.second, [&](const auto& a) { return a.local == *port.host; });
    });
    if (there) continue;
    warnings.push_back(
        port.to_string() +
        " is published on an address that this host doesn't have (yet); `ip address` lists those it has");
  }
  return warnings;
}

}  // namespace vrouter::router
