// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/reconcile/diff.h"

#include <algorithm>
#include <set>

#include "router/reconcile/host_restore.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {
namespace {

// Names of links that are in our group or that we once changed. lo is the host's, not a guest's.
std::set<std::string> links_of_ours(const Observed& observed, const Originals& originals) {
  std::set<std::string> names;
  for (const auto index : observed.adopted()) names.insert(observed.link(index)->name);
  for (const std::string_view prefix : {kLinkPrefix, std::string_view{"tap "}}) {
    for (auto it = originals.lower_bound(prefix); it != originals.end() && it->first.starts_with(prefix); ++it) {
      names.insert(it->first.substr(prefix.size()));
    }
  }
  names.erase("lo");
  return names;
}

// Routes of ours on interfaces where `keep` says no.
template <typename Keep>
Plan remove_routes(const Observed& observed, std::uint8_t protocol, Keep keep) {
  Plan plan;
  for (const auto& [key, alike] : observed.routes()) {
    for (const Route& route : alike) {
      if (route.protocol != protocol) continue;
      const Link* link = observed.link(route.ifindex);
      const std::string name = link == nullptr ? "" : link->name;
      if (!keep(route, name)) plan.operations.emplace_back(RemoveRoute{route, name});
    }
  }
  return plan;
}

}  // namespace

bool FullPlan::empty() const noexcept {
  const auto done = [](const auto& entry) { return entry.second.empty(); };
  return host.empty() && std::ranges::all_of(release, done) && std::ranges::all_of(guests, done);
}

FullPlan diff(const Desired& desired, const Observed& observed, const Originals& originals) {
  FullPlan full;
  full.host = diff_host(desired, observed, originals);
  std::set<std::string> released;
  for (const auto& name : links_of_ours(observed, originals)) {
    if (desired.guests.contains(name)) continue;
    auto plan = release_link(desired.host.route_protocol, name, observed, originals, Leave::down);
    released.insert(name);
    if (!plan.empty()) full.release.emplace_back(name, std::move(plan));
  }
  for (const auto& [tap, guest] : desired.guests) {
    auto plan = diff_guest(desired.host, guest, observed, originals);
    if (!plan.empty() || !plan.problems.empty()) full.guests.emplace_back(tap, std::move(plan));
  }
  full.host.stale.append(
      remove_routes(observed, desired.host.route_protocol, [&](const Route& route, const std::string& link) {
        // Those without an interface are diff_host()'s, those of guests and released links were seen to above.
        return route.ifindex == 0 || desired.guests.contains(link) || released.contains(link);
      }));
  return full;
}

Plan diff_link(const Desired& desired, const std::string& name, const Observed& observed, const Originals& originals) {
  const auto guest = desired.guests.find(name);
  if (guest != desired.guests.end()) return diff_guest(desired.host, guest->second, observed, originals);
  const Link* link = observed.link(name);
  if (link == nullptr || link->group != kGuestGroup) return {};
  return release_link(desired.host.route_protocol, name, observed, originals, Leave::down);
}

Plan restore(const Originals& originals, const Observed& observed, std::uint8_t route_protocol) {
  Plan plan;
  std::set<std::string> released = links_of_ours(observed, originals);
  for (const auto& name : released)
    plan.append(release_link(route_protocol, name, observed, originals, Leave::as_found));
  plan.append(remove_routes(observed, route_protocol,
                            [&](const Route&, const std::string& link) { return released.contains(link); }));
  plan.append(restore_gateways(originals, observed));
  plan.append(restore_sysctls(originals, observed));
  if (originals.contains(link_key("lo"))) {
    plan.append(release_link(route_protocol, "lo", observed, originals, Leave::as_found));
  }
  return plan;
}

}  // namespace vrouter::router
