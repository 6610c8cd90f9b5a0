// SPDX-License-Identifier: GPL-2.0-or-later
// What the control socket shows of the router: nothing here changes anything.
#include <sys/utsname.h>

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <iterator>

#include "base/clock.h"
#include "firewall/render.h"
#include "router/daemon/conntrack_limit.h"
#include "router/daemon/hex.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"
#include "router/daemon/version.h"
#include "router/reconcile/keys.h"

namespace vrouter::router {

using control::Failure;
using control::FailureKind;
using control::GuestView;
using control::LeaseView;

namespace {

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? std::string{name.release} : std::string{"unknown"};
}

}  // namespace

std::optional<LeaseView> Router::lease_view(const std::string& tap) const {
  const auto known = leases_.find(tap);
  const auto heard = leases_heard_.find(tap);
  const bool since_start = heard != leases_heard_.end() && heard->second.last;
  if (known == leases_.end() && !since_start) return std::nullopt;
  const auto* guest = guests_.by_tap(tap);
  LeaseView shown;
  if (since_start) {
    const auto& e = *heard->second.last;
    shown = {.guest = e.guest,
             .tap = e.tap,
             .network = guest == nullptr ? std::string{} : guest->network,
             .address = e.address,
             .client = e.client,
             .client_id = hex(e.client_id),
             .host_name = e.host_name,
             .dns_name = {},
             .state = e.state,
             .expires_in = std::nullopt};
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(e.expires - BootClock::now());
    if (e.state != dhcp::LeaseState::bound) return shown;
    if (left.count() <= 0)
      shown.state = dhcp::LeaseState::expired;
    else
      shown.expires_in = left;
    return shown;
  }
  // From before this start: the disk knows the wall clock's end.
  const auto& lease = known->second;
  shown = {.guest = lease.guest,
           .tap = lease.tap,
           .network = guest == nullptr ? std::string{} : guest->network,
           .address = lease.address,
           .client = lease.client,
           .client_id = hex(lease.client_id),
           .host_name = lease.host_name,
           .dns_name = {},
           .state = dhcp::LeaseState::bound,
           .expires_in = std::nullopt};
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(lease.expires - std::chrono::system_clock::now());
  if (left.count() <= 0)
    shown.state = dhcp::LeaseState::expired;
  else
    shown.expires_in = left;
  return shown;
}

GuestView Router::view(const config::Guest& guest) const {
  GuestView shown;
  shown.guest = guest;
  shown.guest.limits = config::merged(guest.limits, network_of(guest).limits);
  shown.lease = lease_view(guest.tap);
  const auto* link = plane_.observed().link(guest.tap);
  const auto failure = failures_.find(guest.tap);
  if (stopped_) {
    shown.state = "stopped";
    shown.why = "vrouter was torn down on this host; `vrouter reload` starts it again";
  } else if (!rules_problem_.empty()) {
    shown.state = "failed";
    shown.why = rules_problem_;
  } else if (failure != failures_.end()) {
    shown.state = "failed";
    shown.why = failure->second;
  } else if (link == nullptr) {
    shown.state = "waiting for " + guest.tap;
    shown.why = "there is no interface " + guest.tap + " yet: start the guest, or add it with --create-tap";
  } else if (adopted_link(guest.tap) == nullptr) {
    shown.state = "adopting";
    shown.why = guest.tap + " is there, and its rules are on their way";
  } else if (!link->up) {
    shown.state = "down";
    shown.why = guest.tap + " was set down; `ip link set " + guest.tap + " up` brings the guest back";
  } else {
    shown.state = "ready";
    shown.ready = true;
  }
  if (const auto problems = guest_problems_.find(guest.tap); problems != guest_problems_.end())
    shown.warnings = problems->second;
  return shown;
}

std::vector<std::string> Router::foreign_obstacles(const std::string& tap) {
  const auto foreign = plane_.nft().foreign();
  if (!foreign) return {"other tables of this host could not be looked at: " + foreign.error().to_string()};
  return firewall::obstacles(*foreign, tap);
}

control::Answer<std::vector<GuestView>> Router::list_guests() {
  std::vector<GuestView> shown;
  shown.reserve(guests_.size());
  for (const auto& [tap, guest] : guests_.all()) shown.push_back(view(guest));
  co_return shown;
}

control::Answer<GuestView> Router::show_guest(std::string which) {
  const auto* guest = guests_.find(which);
  if (guest == nullptr) {
    co_return std::unexpected(
        Failure{FailureKind::not_found, "no guest is called " + which + "; `vrouter guests` lists them", {}});
  }
  auto shown = view(*guest);
  // The guest's view: what the TAP sent is what it received.
  if (const auto traffic = plane_.traffic(guest->tap)) {
    shown.traffic = {.rx_bytes = traffic->sent_bytes,
                     .rx_packets = traffic->sent_packets,
                     .tx_bytes = traffic->received_bytes,
                     .tx_packets = traffic->received_packets};
  }
  shown.denied = denied(guest->tap);
  const auto obstacles = foreign_obstacles(guest->tap);
  shown.warnings.insert(shown.warnings.end(), obstacles.begin(), obstacles.end());
  co_return shown;
}

control::Answer<std::vector<LeaseView>> Router::list_leases() {
  std::vector<LeaseView> shown;
  for (const auto& [tap, guest] : guests_.all()) {
    if (auto lease = lease_view(tap)) shown.push_back(std::move(*lease));
  }
  for (const auto* lease : book_.all()) shown.push_back(view_of(*lease));
  co_return shown;
}

std::string Router::who(const std::string& tap) const {
  const auto* guest = guests_.by_tap(tap);
  if (guest == nullptr) return tap;
  const auto place = guest->declared_at.file.empty() ? "" : " (" + guest->declared_at.to_string() + ")";
  return "guest " + guest->name + place + (guest->name == tap ? "" : " on " + tap);
}

std::vector<std::string> Router::problems() const {
  std::vector<std::string> all = host_problems_;
  if (holding()) all.push_back(damage());
  if (!files_problem_.empty()) all.push_back(files_problem_);
  if (!disk_.problem().empty()) all.push_back(disk_.problem());
  for (auto& problem : lease_problems()) all.push_back(std::move(problem));
  for (const auto& [tap, failure] : failures_) all.push_back(who(tap) + ": " + failure);
  if (!rules_problem_.empty()) all.push_back(rules_problem_);
  if (!admission_problem_.empty() && !stopped_)
    all.push_back("guests can't reach what DNS would tell them by rules to domains: " + admission_problem_);
  const auto services = services_.problems();
  if (!stopped_) all.insert(all.end(), services.begin(), services.end());
  const auto ipv6 = networks_with_ipv6();
  for (const auto& [name, network] : config_.networks) {
    const auto protocol = config_.host.route_protocol;
    auto collision = collides(network, plane_.observed(), protocol, plane_.originals());
    if (!collision && ipv6.contains(name))
      collision = collides6(network, plane_.observed(), protocol, plane_.originals());
    if (collision && !stopped_) all.push_back(std::move(*collision));
  }
  for (const auto& uplink : config_.host.uplinks) {
    if (plane_.observed().link(uplink) == nullptr && !stopped_) {
      all.push_back("there is no interface " + uplink +
                    ", which vrouter.toml names as uplink; correct [host] uplinks, or leave "
                    "it out to follow the default route");
    }
  }
  if (!stopped_ && resolve_uplinks().empty()) {
    all.emplace_back(
        "no interface carries a default route, so guests reach nothing beyond this host; give the host one, or name "
        "the interface in vrouter.toml: [host] uplinks = [\"eth0\"]");
  }
  return all;
}

control::Answer<control::StatusView> Router::status() {
  control::StatusView shown;
  shown.problems = problems();
  shown.health = stopped_                 ? control::Health::stopped
                 : shown.problems.empty() ? control::Health::ok
                                          : control::Health::degraded;
  shown.warnings = foreign_obstacles(std::string{firewall::kAnyTap});
  std::ranges::move(packet_log_problems(), std::back_inserter(shown.warnings));
  const auto* tracked = plane_.observed().sysctl(kConntrackMax);
  if (!conntrack_warning_.empty() && tracked != nullptr && !conntrack_suffices(*tracked, guests_.size()))
    shown.warnings.push_back(conntrack_warning_);
  std::ranges::move(range_warnings(), std::back_inserter(shown.warnings));
  shown.ranges = range_views();
  shown.version = kVersion;
  shown.kernel = kernel_release();
  shown.uptime = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_);
  std::error_code missing;
  if (std::filesystem::exists(paths_.config, missing)) shown.config_file = paths_.config;
  if (awaited_) shown.confirm_within = time_to_confirm();
  shown.uplinks = resolve_uplinks();
  shown.forwarding = config::name(config_.host.forwarding);
  for (const auto& [name, network] : config_.networks) {
    shown.networks.push_back(name + " " + network.prefix.to_string() + " " + std::string{config::name(network.mode)});
  }
  shown.policy = policy_view();
  shown.guests = guests_.size();
  for (const auto& [tap, guest] : guests_.all()) shown.guests_ready += view(guest).ready ? 1 : 0;
  const bool owner = plane_.nft().features().owner_persist;
  shown.features.push_back({"table owner", owner,
                            plane_.owns_table(config_)
                                ? "nobody else can flush or change vrouter's tables; an nft older than 1.1 can't "
                                  "reload a saved ruleset that holds them"
                                : "another tool's `nft flush ruleset` takes vrouter's tables with it; they are put "
                                  "back at once"});
  shown.repairs = mends_.counts();
  auto processes = services_.processes();
  if (packet_log_ && packet_log_->supervisor() != nullptr) {
    const auto& log = *packet_log_->supervisor();
    processes.push_back({.service = router::Service::log, .pid = log.pid(), .restarts = log.restarts()});
  }
  std::string running;
  for (const auto& process : processes) {
    running += (running.empty() ? "" : ", ") + std::string{name(process.service)} + " is " +
               (process.pid == 0 ? "being started" : "process " + std::to_string(process.pid)) +
               (process.restarts == 0 ? "" : ", started again " + std::to_string(process.restarts) + " times");
  }
  shown.features.push_back(
      {"service processes", users_.has_value(),
       users_
           ? running
           : "--single-process: DHCP and DNS run, and the firewall's log is read, with all of vrouterd's privileges"});
  shown.upstreams_from = {services_.upstreams_from()};
  shown.dns_addresses = services_.dns_addresses();
  shown.dhcp = services_.dhcp_statistics();
  shown.dns = services_.dns_statistics();
  shown.dns.lists = lists_.status();
  co_return shown;
}

control::Answer<std::string> Router::ruleset() {
  co_return stopped_ ? std::string{} : firewall::render_nft(plane_.rules());
}

}  // namespace vrouter::router
