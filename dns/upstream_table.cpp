// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/upstream_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace vrouter::dns {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstProbe{1000}, kLastProbe{30'000};  // probes of a dead server: doubling between these
constexpr unsigned kMaxDoublings = 5;
constexpr milliseconds kUnknownPatience{400}, kMinPatience{300},
    kMaxPatience{1000};               // two servers within about a second
constexpr double kRttWeight = 0.125;  // RFC 6298's

milliseconds patience_for(double rtt_ms) {
  if (rtt_ms <= 0) return kUnknownPatience;
  return std::clamp(milliseconds{static_cast<long>(2 * rtt_ms) + 100}, kMinPatience, kMaxPatience);
}

bool is_ours(const address& server, const std::vector<address>& own) {
  return std::ranges::find(own, server) != own.end() || server.is_unspecified() || server.is_multicast();
}

// Those that may be asked, in their order, each once.
std::vector<address> admitted(const std::vector<address>& servers, const std::vector<address>& own) {
  std::vector<address> list;
  for (const auto& server : servers) {
    if (!is_ours(server, own) && std::ranges::find(list, server) == list.end()) list.push_back(server);
  }
  return list;
}

}  // namespace

std::vector<std::string> upstream_problems(const Upstreams& upstreams, const std::vector<address>& own) {
  std::set<address> refused;
  const auto look_at = [&](const std::vector<address>& servers) {
    for (const auto& server : servers) {
      if (is_ours(server, own)) refused.insert(server);
    }
  };
  look_at(upstreams.servers);
  for (const auto& zone : upstreams.forward) look_at(zone.servers);
  std::vector<std::string> problems;
  for (const auto& server : refused) {
    problems.push_back(fmt::format(
        "dns: upstream {} is an address of our own and would send questions in a circle: name another server "
        "in dns.upstreams or /etc/resolv.conf",
        server.to_string()));
  }
  if (admitted(upstreams.servers, own).empty()) {
    problems.emplace_back(
        "dns: no server to forward to: guests resolve each other's names only; set dns.upstreams, or give the host a "
        "nameserver in /etc/resolv.conf");
  }
  return problems;
}

void UpstreamTable::set(const Upstreams& upstreams, const std::vector<address>& own) {
  default_ = admitted(upstreams.servers, own);
  routes_.clear();
  for (const auto& zone : upstreams.forward) {
    if (const auto suffix = Name::from_text(zone.domain))
      routes_.push_back({suffix->lower(), admitted(zone.servers, own)});
  }
  std::map<address, Health> kept;
  const auto keep = [&](const std::vector<address>& servers) {
    for (const auto& server : servers) {
      const auto known = health_.find(server);
      auto& health = kept.try_emplace(server, known == health_.end() ? Health{} : known->second).first->second;
      health.counts.server = server;
    }
  };
  keep(default_);
  for (const auto& r : routes_) keep(r.servers);
  health_ = std::move(kept);
}

const UpstreamTable::Route* UpstreamTable::route(const Name& name) const {
  const Route* best = nullptr;
  for (const auto& r : routes_) {
    if (name.is_within(r.suffix) && (best == nullptr || r.suffix.size() > best->suffix.size())) best = &r;
  }
  return best;
}

unsigned UpstreamTable::forward_labels(const Name& name) const {
  const auto* r = route(name);
  return r == nullptr ? 0 : r->suffix.labels();
}

Plan UpstreamTable::plan(const Name& name, BootTime now) {
  const auto* r = route(name);
  Plan plan;
  std::vector<address> down;
  for (const auto& server : r == nullptr ? default_ : r->servers) {
    (health_[server].failures == 0 ? plan.servers : down).push_back(server);
  }
  if (!plan.servers.empty()) {
    const auto due = std::ranges::find_if(down, [&](const address& s) { return health_[s].next_probe <= now; });
    if (due != down.end()) {
      plan.probe = plan.servers.size() + static_cast<std::size_t>(due - down.begin());
      auto& health = health_[*due];  // one question probes, however many come now
      health.next_probe = now + std::min(kFirstProbe * (1U << std::min(health.failures, kMaxDoublings)), kLastProbe);
    }
  }
  plan.servers.insert(plan.servers.end(), down.begin(), down.end());
  if (!plan.servers.empty()) plan.patience = patience_for(health_[plan.servers.front()].counts.rtt_ms);
  return plan;
}

void UpstreamTable::asked(const address& server) {
  if (const auto it = health_.find(server); it != health_.end()) ++it->second.counts.asked;
}

void UpstreamTable::answered(const address& server, std::chrono::nanoseconds rtt, bool refused) {
  const auto it = health_.find(server);
  if (it == health_.end()) return;
  auto& [counts, failures, next_probe] = it->second;
  failures = 0;
  ++counts.answered;
  if (refused) ++counts.refused;
  const double ms = std::chrono::duration<double, std::milli>(rtt).count();
  counts.rtt_ms = counts.rtt_ms <= 0 ? ms : counts.rtt_ms + kRttWeight * (ms - counts.rtt_ms);
}

void UpstreamTable::silent(const address& server, BootTime now) {
  const auto it = health_.find(server);
  if (it == health_.end()) return;
  auto& health = it->second;
  ++health.counts.timeouts;
  if (health.failures == 0) health.next_probe = now + kFirstProbe;
  health.failures = std::min(health.failures + 1, kMaxDoublings);
}

std::vector<UpstreamStatus> UpstreamTable::status() const {
  std::vector<UpstreamStatus> all;
  for (const auto& [server, health] : health_) all.push_back(health.counts);
  return all;
}

}  // namespace vrouter::dns
