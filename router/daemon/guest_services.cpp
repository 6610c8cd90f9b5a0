// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/guest_services.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "dns/upstream_table.h"
#include "router/daemon/log.h"

namespace vrouter::router {

GuestServices::GuestServices(boost::asio::io_context& io, std::filesystem::path resolv_conf,
                             dhcp::Server::EventSink leases)
    : io_{io},
      resolv_conf_{std::move(resolv_conf)},
      leases_{std::move(leases)},
      retry_{io},
      dns_{dns::Server::create(io)},
      dns_listeners_{dns::Listeners::create(io, dns::make_socket,
                                            [this](const address& local, dns::Transport transport, UniqueFd bound) {
                                              dns_->listen(local, transport, std::move(bound));
                                            })} {
  open_dhcp();
  open_watcher();
}

void GuestServices::open_dhcp() {
  auto server = dhcp::Server::open(io_, leases_);
  if (server) {
    dhcp_ = std::move(*server);
    if (!std::exchange(dhcp_problem_, {}).empty()) log_info("DHCP works again");
    if (!snapshot_due_) dhcp_->apply(all_bindings());
    return;
  }
  const auto problem =
      "guests get no DHCP: " + server.error().to_string() +
      "; stop the other DHCP server on this host, or let it bind its own interfaces only (see `ss -ulpn sport = :67`)";
  if (problem != dhcp_problem_) log_error(problem);
  dhcp_problem_ = problem;
  retry_.expires_after(std::chrono::seconds{1});
  retry_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !silent_) open_dhcp();
  });
}

void GuestServices::open_watcher() {
  auto watcher =
      dns::ResolvConfWatcher::open(io_, {.resolv_conf = resolv_conf_}, [this](const std::vector<address>& servers) {
        log_info("resolv.conf changed: " + std::to_string(servers.size()) + " name servers");
        set_upstreams();
      });
  if (watcher) {
    watcher_ = std::move(*watcher);
    return;
  }
  watcher_problem_ = "the host's resolv.conf can't be followed: " + watcher.error().to_string() +
                     "; name the servers in vrouter.toml: [dns] upstreams = [\"...\"]";
  log_error(watcher_problem_);
}

void GuestServices::set_upstreams() {
  dns::Upstreams upstreams{.servers = dns_config_.upstreams, .forward = dns_config_.forward};
  if (upstreams.servers.empty() && watcher_) upstreams.servers = watcher_->servers();
  upstreams_ = upstreams;
  dns_->set_upstreams(std::move(upstreams));
}

void GuestServices::configure(const config::Config& config) {
  dns_config_ = config.dns;
  zones_.clear();
  for (const auto& [name, network] : config.networks) zones_.push_back(zone_for(network));
  bindings_.clear();
  hosts_.clear();
  bindings_due_ = {};
  hosts_due_ = {};
  snapshot_due_ = true;
  set_upstreams();
  silent_ = false;
  if (!dhcp_ && dhcp_problem_.empty()) open_dhcp();
}

void GuestServices::put(const config::Guest& guest, const config::Network& network,
                        const std::optional<TapIdentity>& tap) {
  auto binding = tap ? binding_for(guest, network, *tap) : std::nullopt;
  const auto told = bindings_.find(guest.tap);
  if (told != bindings_.end() && (!binding || binding->ifindex != told->second.ifindex)) {
    bindings_due_.removed_ifindexes.push_back(told->second.ifindex);
    bindings_.erase(told);
  }
  if (binding && (!bindings_.contains(guest.tap) || bindings_.at(guest.tap) != *binding)) {
    bindings_due_.upserts.push_back(*binding);
    bindings_.insert_or_assign(guest.tap, std::move(*binding));
  }
  auto host = host_for(guest, tap);
  const auto known = hosts_.find(guest.tap);
  if (known != hosts_.end() && known->second == host) return;
  hosts_due_.upserts.push_back(host);
  hosts_.insert_or_assign(guest.tap, std::move(host));
}

void GuestServices::remove(const config::Guest& guest) {
  if (const auto told = bindings_.find(guest.tap); told != bindings_.end()) {
    bindings_due_.removed_ifindexes.push_back(told->second.ifindex);
    bindings_.erase(told);
  }
  if (const auto known = hosts_.find(guest.tap); known != hosts_.end()) {
    hosts_due_.removed.push_back(known->second);
    hosts_.erase(known);
  }
}

dhcp::Update GuestServices::all_bindings() const {
  dhcp::Update update{.snapshot = true, .upserts = {}, .removed_ifindexes = {}};
  for (const auto& [tap, binding] : bindings_) update.upserts.push_back(binding);
  return update;
}

void GuestServices::flush() {
  auto bindings = std::exchange(bindings_due_, {});
  auto hosts = std::exchange(hosts_due_, {});
  if (std::exchange(snapshot_due_, false)) {
    bindings = all_bindings();
    hosts = {.snapshot = true, .zones = zones_, .upserts = {}, .removed = {}};
    for (const auto& [tap, host] : hosts_) hosts.upserts.push_back(host);
  }
  if (dhcp_ && (bindings.snapshot || !bindings.upserts.empty() || !bindings.removed_ifindexes.empty()))
    dhcp_->apply(bindings);
  if (hosts.snapshot || !hosts.upserts.empty() || !hosts.removed.empty()) dns_->apply(hosts);
  if (hosts.snapshot) dns_listeners_->want(dns::listen_addresses(hosts.zones));
}

void GuestServices::silence() {
  zones_.clear();
  bindings_.clear();
  hosts_.clear();
  snapshot_due_ = true;
  flush();
  silent_ = true;
  retry_.cancel();
  dhcp_.reset();
  dhcp_problem_.clear();
}

std::vector<std::string> GuestServices::problems() const {
  auto problems = dns_listeners_->problems();
  std::ranges::move(dns::upstream_problems(upstreams_, dns::listen_addresses(zones_)), std::back_inserter(problems));
  if (!dhcp_problem_.empty()) problems.push_back(dhcp_problem_);
  if (!watcher_problem_.empty() && dns_config_.upstreams.empty()) problems.push_back(watcher_problem_);
  if (watcher_ && watcher_->servers().empty() && dns_config_.upstreams.empty()) {
    problems.push_back("guests resolve only one another: " + resolv_conf_.string() +
                       " names no server; name them in vrouter.toml: [dns] upstreams = [\"...\"]");
  }
  return problems;
}

dhcp::Statistics GuestServices::dhcp_statistics() const {
  return dhcp_ ? dhcp_->statistics() : dhcp::Statistics{};
}
dns::Statistics GuestServices::dns_statistics() const {
  return dns_->statistics();
}
std::string GuestServices::upstreams_from() const {
  return dns_config_.upstreams.empty() ? resolv_conf_.string() : "vrouter.toml";
}

}  // namespace vrouter::router
