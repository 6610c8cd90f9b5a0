// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: IPv6 forwards for all interfaces or for none (net.ipv6.conf.all.forwarding), until Linux 6.17 brought
// force_forwarding, which lets one interface forward alone. Where there is that, uplinks get it and nothing else
// changes.
//
// Elsewhere `all` is switched on, and with it every interface becomes a router's: it stops to heed advertisements while
// its accept_ra is 1, and the kernel drops the default routes it learned by them (rt6_purge_dflt_routers). So those
// that heed them are told to go on as a router (accept_ra 2) before that. A host that we made forward stays no router
// for others: guarded_interfaces6().
#include "router/reconcile/host6.h"

#include <algorithm>

#include "router/reconcile/host_restore.h"
#include "router/reconcile/keys.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {
namespace {

constexpr const char* kForceAfter = "/force_forwarding";

bool knows_force_forwarding(const Observed& observed) {
  const Link* lo = loopback(observed);
  return lo != nullptr && lo->conf6[Conf6::force_forwarding].has_value();
}

bool is_hosts_own(const Link& link) {
  return link.group != kGuestGroup && !link.loopback;
}

// Those of ours that `which` names.
template <typename Which>
Originals of_ipv6(const Originals& originals, Which which) {
  Originals found;
  const auto prefix = sysctl_key(kConf6Before);
  for (auto it = originals.lower_bound(prefix); it != originals.end() && it->first.starts_with(prefix); ++it) {
    if (which(std::string_view{it->first}.substr(kSysctlPrefix.size()))) found.insert(*it);
  }
  return found;
}

class Forward6 {
 public:
  Forward6(const DesiredHost& host, const Observed& observed, const Originals& originals, HostPlan& plan)
      : host_{host}, observed_{observed}, originals_{originals}, plan_{plan} {}

  void run() const {
    const bool wanted = host_.ipv6() && !without_ipv6(observed_);
    const bool alone = host_.forwarding != config::Forwarding::global && knows_force_forwarding(observed_);
    if (wanted && !alone) {
      forward_all();
    } else {
      leave_all();
    }
    if (wanted && alone) {
      for (const auto& uplink : host_.uplinks6) change(conf6_key(uplink, Conf6::force_forwarding), "1");
    }
    leave_uplinks(wanted && alone);
  }

 private:
  // The value from before us stays the one we keep.
  void record(const std::string& key, const std::string& value) const {
    if (!originals_.contains(sysctl_key(key))) plan_.host.record.push_back({sysctl_key(key), value});
  }

  void change(const std::string& key, const std::string& value) const {
    const auto now = current(key, observed_);
    if (!now || *now == value) return;
    record(key, *now);
    plan_.host.operations.emplace_back(WriteSysctl{key, value, now});
  }

  void forward_all() const {
    const auto now = current(kAllForwarding6, observed_);
    const bool ours = originals_.contains(sysctl_key(kAllForwarding6));
    if (!now || (*now != "0" && !ours)) return;  // the host's own wish
    for (const auto& [index, link] : observed_.links()) {
      if (is_hosts_own(link)) go_on_heeding_advertisements(link, *now != "0");
    }
    if (*now != "0") return;
    if (const auto value = current(kDefaultForwarding6, observed_)) record(kDefaultForwarding6, *value);
    for (const auto& [index, link] : observed_.links()) {
      if (is_hosts_own(link) && link.conf6[Conf6::forwarding].value_or(0) != 0) {
        record(conf6_key(link.name, Conf6::forwarding), "1");
      }
    }
    change(kAllForwarding6, "1");
  }

  // `on`: `all` is on, so this link came later or was told otherwise since. One that was a router before us heeded
  // none.
  void go_on_heeding_advertisements(const Link& link, bool on) const {
    const bool router = on ? originals_.contains(sysctl_key(conf6_key(link.name, Conf6::forwarding)))
                           : link.conf6[Conf6::forwarding].value_or(0) != 0;
    if (!router && link.conf6[Conf6::accept_ra] == 1) change(conf6_key(link.name, Conf6::accept_ra), "2");
  }

  void leave_all() const {
    if (!originals_.contains(sysctl_key(kAllForwarding6))) return;
    plan_.stale.append(restore_sysctls(
        of_ipv6(originals_, [](std::string_view key) { return !key.ends_with(kForceAfter); }), observed_));
  }

  void leave_uplinks(bool alone) const {
    plan_.stale.append(restore_sysctls(
        of_ipv6(originals_,
                [&](std::string_view key) {
                  const auto name = link_in_key(key, kConf6Before, kForceAfter);
                  return !name.empty() && (!alone || std::ranges::find(host_.uplinks6, name) == host_.uplinks6.end());
                }),
        observed_));
  }

  const DesiredHost& host_;
  const Observed& observed_;
  const Originals& originals_;
  HostPlan& plan_;
};

}  // namespace

void forward_ipv6(const DesiredHost& host, const Observed& observed, const Originals& originals, HostPlan& plan) {
  Forward6{host, observed, originals, plan}.run();
}

std::optional<std::string> without_ipv6(const Observed& observed) {
  const Link* lo = loopback(observed);
  if (lo == nullptr || !lo->has_ipv6()) {
    return "this host's kernel runs without IPv6, so no guest can have an IPv6 address; boot it without "
           "ipv6.disable=1, "
           "or leave the address out";
  }
  if (!lo->ipv6_on()) {
    return "IPv6 is switched off on lo, where the guests' gateway belongs; run `sysctl "
           "net.ipv6.conf.lo.disable_ipv6=0`, "
           "or leave the guests' IPv6 addresses out";
  }
  return std::nullopt;
}

std::vector<std::string> guarded_interfaces6(const DesiredHost& host, const Originals& originals,
                                             const Observed& observed) {
  std::vector<std::string> names;
  const auto all = originals.find(sysctl_key(kAllForwarding6));
  if (all != originals.end() && all->second == "0") {
    if (host.forwarding == config::Forwarding::global) return names;
    for (const auto& [index, link] : observed.links()) {
      if (is_hosts_own(link)) names.push_back(link.name);
    }
  } else if (const std::string* now = observed.sysctl(kAllForwarding6); now == nullptr || *now == "0") {
    for (const auto& [key, value] :
         of_ipv6(originals, [](std::string_view one) { return one.ends_with(kForceAfter); })) {
      if (value == "0") names.push_back(link_in_key(key, sysctl_key(kConf6Before), kForceAfter));
    }
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace vrouter::router
