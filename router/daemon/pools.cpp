// SPDX-License-Identifier: GPL-2.0-or-later
// What the configuration says of ranges, as the lease book and the DHCP service are told it.
#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "config/merged_dhcp.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"

namespace vrouter::router {

using dhcp::Lease;

namespace {

dhcp::Pool pool_of(const config::Config& config, const config::Network& network) {
  const auto& said = network.dhcp;
  dhcp::Pool pool{
      .network = network.name,
      .settings = settings_of(network, config::merged_dhcp(config, network, std::span<const std::string>{})),
      .range = *said.range,
      .excluded = said.exclude,
      .reservations = said.reservations,
      .identity = said.identity,
      .tailored = {},
      .links = {},
      .relays = said.relays,
      .quarantine = said.quarantine};
  if (!said.probe) pool.probe = std::chrono::milliseconds{0};
  return pool;
}

}  // namespace

void Router::use_pools() {
  std::vector<dhcp::Pool> pools;
  for (const auto& [name, network] : config_.networks) {
    if (!network.dhcp.range) continue;
    auto pool = pool_of(config_, network);
    pool.links = links_of(name);
    pool.tailored = tailored_of(network, pool.settings);
    pool.from_the_end = leases_were_lost_;
    pools.push_back(std::move(pool));
  }
  auto homeless = book_.use(std::move(pools));
  // Where files are taken back, what they had no room for finds its own again.
  for (auto& lease : std::exchange(homeless_, {})) {
    auto its = lease;
    if (!book_.load(std::move(its))) homeless.push_back(std::move(lease));
  }
  homeless_ = std::move(homeless);
}

void Router::forget_homeless() {
  const auto homeless = std::exchange(homeless_, {});
  if (homeless.empty() || !lease_store_) return;
  std::vector<address_v4> erased;
  std::ranges::transform(homeless, std::back_inserter(erased), &Lease::address);
  log_warning(std::to_string(erased.size()) + " leases end, since no network's range has their addresses any more");
  lease_store_->commit({}, std::move(erased), io_, [this](const state::Committed& done) { heard_of_leases(done); });
  // Their rules and routes go with those of the files before.
  for (const auto& lease : homeless) {
    entered_.erase(lease.address);
    services_.tables().remove_lessee(lease.address);
  }
}

// Of shared guests that are adopted, by what the kernel calls them now.
std::vector<unsigned> Router::links_of(const std::string& network) const {
  std::vector<unsigned> links;
  for (const auto& [tap, guest] : guests_.all()) {
    if (!guest.shared || guest.network != network) continue;
    if (const auto* link = adopted_link(tap); link != nullptr) links.push_back(link->index);
  }
  std::ranges::sort(links);
  return links;
}

// A reservation's groups stand in the place of its link's, also where they say nothing of DHCP.
std::vector<dhcp::Tailored> Router::tailored_of(const config::Network& network, const dhcp::Settings& all) const {
  std::vector<dhcp::Tailored> tailored;
  if (config_.dhcp_groups.empty()) return tailored;
  const auto told = [&](std::span<const std::string> groups) {
    return settings_of(network, config::merged_dhcp(config_, network, groups));
  };
  for (const auto& [tap, guest] : guests_.all()) {
    if (!guest.shared || guest.network != network.name) continue;
    const auto* link = adopted_link(tap);
    if (link == nullptr) continue;
    if (auto settings = told(guest.groups); settings != all)
      tailored.push_back({.ifindex = link->index, .address = {}, .settings = std::move(settings)});
  }
  for (const auto& reservation : network.dhcp.reservations) {
    if (!reservation.groups.empty())
      tailored.push_back({.ifindex = 0, .address = reservation.address, .settings = told(reservation.groups)});
  }
  return tailored;
}

void Router::offer_pool(const std::string& network) {
  const auto* pool = book_.pool_of(network);
  if (pool == nullptr) return services_.tables().remove_pool(network);
  follow_links();
  book_.set_links(network, links_of(network), tailored_of(config_.networks.at(network), pool->settings));
  services_.tables().put_pool(*book_.pool_of(network));
}

}  // namespace vrouter::router
