// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/upstream_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

namespace vrouter::dns {

namespace {

using config::DnsServer;
using std::chrono::milliseconds;

constexpr milliseconds kFirstProbe{1000}, kLastProbe{30'000};  // probes of a dead server: doubling between these
constexpr milliseconds kMeasure{30'000};                       // probes of a live one that gets no questions
constexpr unsigned kMaxDoublings = 5;
constexpr milliseconds kMinPatience{150}, kMaxPatience{250};
constexpr double kRttWeight = 0.125, kVarWeight = 0.25;  // RFC 6298's
constexpr double kSlowWeight = 0.5;                      // a slow server is heard seldom and has to be believed sooner
constexpr unsigned kCredible = 4;                        // round trips
constexpr double kSlowMs = 100, kFastAgainMs = 50;       // behind the fastest
constexpr unsigned kHopeless = 3;                        // failures in a row
constexpr unsigned kSilences = 3;                        // one or two may be lost datagrams
constexpr milliseconds kHopelessPause{1000};

bool is_ours(const DnsServer& server, const std::vector<address>& own) {
  return std::ranges::find(own, server.at) != own.end() || server.at.is_unspecified() || server.at.is_multicast();
}

// Those that may be asked, in their order, each once.
std::vector<DnsServer> admitted(const std::vector<DnsServer>& servers, const std::vector<address>& own) {
  std::vector<DnsServer> list;
  for (const auto& server : servers) {
    if (!is_ours(server, own) && std::ranges::find(list, server) == list.end()) list.push_back(server);
  }
  return list;
}

constexpr auto does_lead_back = [](const auto& entry) { return entry.second.counts.trouble == UpstreamTrouble::loop; };

}  // namespace

std::vector<std::string> upstream_problems(const Upstreams& upstreams, const std::vector<address>& own) {
  std::set<DnsServer> refused;
  const auto look_at = [&](const std::vector<DnsServer>& servers) {
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
  std::map<DnsServer, Health> kept;
  const auto keep = [&](const std::vector<DnsServer>& servers) {
    for (const auto& server : servers) {
      const auto known = health_.find(server);
      auto& health = kept.try_emplace(server, known == health_.end() ? Health{} : known->second).first->second;
      health.counts.server = server;
    }
  };
  keep(default_);
  for (const auto& r : routes_) keep(r.servers);
  health_ = std::move(kept);
  any_leads_back_ = std::ranges::any_of(health_, does_lead_back);
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

void UpstreamTable::judge_speed(const std::vector<DnsServer>& servers) {
  std::optional<double> fastest;
  for (const auto& server : servers) {
    const auto& health = health_[server];
    if (health.failures > 0 || health.samples < kCredible) continue;
    fastest = std::min(fastest.value_or(health.counts.rtt_ms), health.counts.rtt_ms);
  }
  for (const auto& server : servers) {
    auto& health = health_[server];
    health.slow = fastest && health.samples >= kCredible &&
                  health.counts.rtt_ms > *fastest + (health.slow ? kFastAgainMs : kSlowMs);
  }
}

bool UpstreamTable::hopeless(const std::vector<DnsServer>& servers, BootTime now) {
  if (std::ranges::any_of(servers, [&](const DnsServer& s) { return health_[s].failures < kHopeless; })) return false;
  if (std::ranges::any_of(servers, [&](const DnsServer& s) { return health_[s].next_probe > now; })) return true;
  for (const auto& server : servers) health_[server].next_probe = now + kHopelessPause;
  return false;
}

// One question probes, however many come now.
void UpstreamTable::choose_probe(Plan& plan, std::size_t up, BootTime now) {
  if (up == 0) return;
  for (auto i = plan.servers.size() - 1; i > 0; --i) {
    auto& health = health_[plan.servers[i]];
    if (!health.next_probe) health.next_probe = now + kMeasure;
    if (*health.next_probe > now) continue;
    plan.probe = i;
    health.next_probe =
        now +
        (i < up ? kMeasure : std::min(kFirstProbe * (1U << std::min(health.failures, kMaxDoublings)), kLastProbe));
    return;
  }
}

Plan UpstreamTable::plan(const Name& name, BootTime now) {
  const auto* r = route(name);
  const auto& all = r == nullptr ? default_ : r->servers;
  std::vector<DnsServer> others;
  if (any_leads_back_) {
    std::ranges::copy_if(all, std::back_inserter(others),
                         [&](const auto& s) { return health_[s].counts.trouble != UpstreamTrouble::loop; });
  }
  const auto& servers = any_leads_back_ ? others : all;
  if (servers.empty() || hopeless(servers, now)) return {};
  Plan plan;
  judge_speed(servers);
  const auto rank = [&](const DnsServer& server) {
    const auto& health = health_[server];
    return health.failures > 0 ? 2 : health.slow ? 1 : 0;
  };
  for (int wanted = 0; wanted <= 2; ++wanted) {
    std::ranges::copy_if(servers, std::back_inserter(plan.servers), [&](const auto& s) { return rank(s) == wanted; });
  }
  const auto up = static_cast<std::size_t>(std::ranges::count_if(servers, [&](const auto& s) { return rank(s) < 2; }));
  plan.repeat = up > 0;
  choose_probe(plan, up, now);
  const auto& first = health_[plan.servers.front()];
  if (first.samples > 0) {
    plan.patience = std::clamp(milliseconds{static_cast<long>(first.counts.rtt_ms + 4 * first.rttvar_ms)}, kMinPatience,
                               kMaxPatience);
  }
  return plan;
}

void UpstreamTable::asked(const DnsServer& server) {
  if (const auto it = health_.find(server); it != health_.end()) ++it->second.counts.asked;
}

void UpstreamTable::answered(const DnsServer& server, BootTime sent, BootTime now, bool refused) {
  const auto it = health_.find(server);
  if (it == health_.end()) return;
  auto& health = it->second;
  auto& rtt = health.counts.rtt_ms;
  health.failures = 0;
  health.silences = 0;
  if (health.counts.trouble == UpstreamTrouble::silent) health.counts.trouble = UpstreamTrouble::none;
  health.last_answer = now;
  health.next_probe = now + kMeasure;
  ++health.counts.answered;
  if (refused) ++health.counts.refused;
  const double ms = std::chrono::duration<double, std::milli>(now - sent).count();
  if (health.samples == 0) {
    rtt = ms;
    health.rttvar_ms = ms / 2;
  } else {
    health.rttvar_ms += kVarWeight * (std::abs(rtt - ms) - health.rttvar_ms);
    rtt += (health.slow ? kSlowWeight : kRttWeight) * (ms - rtt);
  }
  health.samples = std::min(health.samples + 1, kCredible);
}

// What was sent before the last failure, or before an answer to something else, tells nothing new.
void UpstreamTable::fail(Health& health, BootTime sent, BootTime now) {
  if (health.last_answer >= sent || (health.failures > 0 && sent <= health.last_failure)) return;
  if (health.failures == 0) health.next_probe = now + kFirstProbe;
  health.failures = std::min(health.failures + 1, kMaxDoublings);
  health.last_failure = now;
}

void UpstreamTable::late(const DnsServer& server, BootTime sent, BootTime now) {
  if (const auto it = health_.find(server); it != health_.end()) fail(it->second, sent, now);
}

void UpstreamTable::silent(const DnsServer& server, BootTime sent, BootTime now) {
  const auto it = health_.find(server);
  if (it == health_.end()) return;
  auto& health = it->second;
  ++health.counts.timeouts;
  fail(health, sent, now);
  if (health.last_answer >= sent || (health.silences > 0 && sent <= health.last_silence)) return;
  health.silences = std::min(health.silences + 1, kSilences);
  health.last_silence = now;
  if (health.silences == kSilences && health.counts.trouble == UpstreamTrouble::none)
    health.counts.trouble = UpstreamTrouble::silent;
}

void UpstreamTable::trouble(const DnsServer& server, UpstreamTrouble what) {
  const auto it = health_.find(server);
  if (it == health_.end() || it->second.counts.trouble == UpstreamTrouble::loop) return;
  // A good certificate is no answer yet.
  if (what == UpstreamTrouble::none && it->second.counts.trouble == UpstreamTrouble::silent) return;
  it->second.counts.trouble = what;
}

void UpstreamTable::leads_back(const DnsServer& server, bool does) {
  const auto it = health_.find(server);
  if (it == health_.end()) return;
  auto& trouble = it->second.counts.trouble;
  if (does) {
    trouble = UpstreamTrouble::loop;
  } else if (trouble == UpstreamTrouble::loop) {
    trouble = UpstreamTrouble::none;
  }
  any_leads_back_ = std::ranges::any_of(health_, does_lead_back);
}

std::vector<UpstreamStatus> UpstreamTable::status() const {
  std::vector<UpstreamStatus> all;
  for (const auto& [server, health] : health_) all.push_back(health.counts);
  return all;
}

}  // namespace vrouter::dns
