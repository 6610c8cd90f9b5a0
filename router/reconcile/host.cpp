// SPDX-License-Identifier: GPL-2.0-or-later
// The host's own part: gateways on lo, unreachable routes, forwarding, bridge netfilter. IPv6's forwarding is in
// host6.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "router/reconcile/diff.h"
#include "router/reconcile/host6.h"
#include "router/reconcile/host_restore.h"
#include "router/reconcile/keys.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {
namespace {

constexpr const char* kForwardingBefore = "net/ipv4/conf/";
constexpr const char* kForwardingAfter = "/forwarding";

}  // namespace

const Link* loopback(const Observed& observed) {
  const Link* lo = observed.link(std::string{"lo"});
  return lo != nullptr && lo->loopback ? lo : nullptr;
}

std::optional<std::string> current(const std::string& key, const Observed& observed) {
  if (const auto conf6 = conf6_in_key(key)) {
    const Link* link = observed.link(conf6->first);
    if (link == nullptr || !link->conf6[conf6->second]) return std::nullopt;
    return std::to_string(*link->conf6[conf6->second]);
  }
  if (const auto name = link_in_key(key, kForwardingBefore, kForwardingAfter);
      !name.empty() && name != "all" && name != "default") {
    const Link* link = observed.link(name);
    if (link == nullptr) return std::nullopt;
    return std::to_string(link->conf[Conf::forwarding]);
  }
  const std::string* value = observed.sysctl(key);
  if (value == nullptr) return std::nullopt;
  return *value;
}

namespace {

class HostDiff {
 public:
  HostDiff(const Desired& desired, const Observed& observed, const Originals& originals)
      : desired_{desired.host}, observed_{observed}, originals_{originals} {
    const auto why = desired_.ipv6() ? without_ipv6(observed) : std::nullopt;
    if (why) result_.host.problems.push_back(*why);
    const bool ipv6 = desired_.ipv6() && !why;
    for (const auto& network : desired_.networks) {
      gateways_.push_back({0, network.gateway, 32});
      if (!network.relayed) unreachable_.push_back(unreachable(network.prefix));
      if (!ipv6) continue;
      // Nobody else is on lo to be asked whether the address is free.
      if (network.gateway6) gateways_.push_back({0, *network.gateway6, 128, 0, true, true});
      if (network.prefix6) unreachable_.push_back(unreachable(*network.prefix6));
    }
    // A guest's own route to it has a better metric; this one is found while its TAP is away.
    for (const auto& prefix : desired_.routed) {
      if (prefix.network().is_v4() || ipv6) unreachable_.push_back(unreachable(prefix));
    }
    for (const auto& route : unreachable_) unreachable_keys_.insert(Observed::key_of(route));
    for (const auto& gateway : gateways_) wanted_.push_back({gateway.local, "lo"});
    for (const auto& address : desired_.addresses) {
      if (address.is_v4() || ipv6) answer_for(address);
    }
  }

  HostPlan run() && {
    leave_global_forwarding();
    put_gateways();
    put_outside();
    put_unreachable_routes();
    forward();
    forward_ipv6(desired_, observed_, originals_, result_);
    set_bridge_netfilter();
    report_arp_ignore();
    drop_gateways();
    drop_unreachable_routes();
    drop_uplinks();
    return std::move(result_);
  }

 private:
  void write(const std::string& key, const std::string& value, Plan& plan) {
    plan.operations.emplace_back(WriteSysctl{key, value, current(key, observed_)});
  }

  // The value from before us stays the one we keep.
  void record(const std::string& key, const std::string& value) {
    if (!originals_.contains(key)) result_.host.record.push_back({key, value});
  }

  void change(const std::string& key, const std::string& value) {
    const auto now = current(key, observed_);
    if (!now || *now == value) return;
    record(sysctl_key(key), *now);
    write(key, value, result_.host);
  }

  void put_gateways() {
    const Link* lo = loopback(observed_);
    if (lo == nullptr) return;
    if (!lo->up && !desired_.networks.empty()) {
      LinkOriginal original = link_original(originals_, *lo);
      original.note("up", 0);
      record(link_key(lo->name), original.to_string());
      ChangeLink up{lo->index, lo->name, {}, {}};
      up.after.up = true;
      up.before.up = false;
      result_.host.operations.emplace_back(std::move(up));
    }
    for (const auto& gateway : gateways_) put_address(gateway, *lo);
  }

  void put_address(InterfaceAddress address, const Link& link) {
    const auto& there = observed_.addresses_on(link.index);
    if (std::ranges::any_of(there, [&](const auto& a) { return a.local == address.local; })) return;
    record(gateway_key(address.local, link.name), std::string{kAbsent});
    address.ifindex = link.index;
    result_.host.operations.emplace_back(PutAddress{address, link.name});
  }

  // Of IPv4 an address on lo is answered for on every link. Of IPv6 only on a link that has it (net/ipv6/ndisc.c,
  // ndisc_recv_ns); and deprecated, or this host would take it for its own source.
  void answer_for(const address& guests) {
    if (hosts_own(guests)) return;
    const auto prefix_length = static_cast<std::uint8_t>(guests.is_v4() ? 32 : 128);
    const InterfaceAddress address{0, guests, prefix_length, 0, guests.is_v6(), guests.is_v6(), guests.is_v6()};
    const auto want = [&](const Link& link) {
      wanted_.push_back({guests, link.name});
      if (link.up) outside_.emplace_back(address, link);
    };
    if (const Link* lo = loopback(observed_)) want(*lo);
    for (const auto& uplink : desired_.uplinks6) {
      const Link* link = guests.is_v6() ? observed_.link(uplink) : nullptr;
      if (link != nullptr) want(*link);
    }
  }

  // The operator gave it to the host: then it is answered for, and not ours to take away.
  [[nodiscard]] bool hosts_own(const address& a) const {
    return std::ranges::any_of(observed_.addresses(), [&](const auto& of_link) {
      const Link* link = observed_.link(of_link.first);
      return link != nullptr && !originals_.contains(gateway_key(a, link->name)) &&
             std::ranges::any_of(of_link.second, [&](const auto& one) { return one.local == a; });
    });
  }

  void put_outside() {
    for (const auto& [address, link] : outside_) put_address(address, link);
  }

  [[nodiscard]] Route unreachable(const Prefix& prefix) const {
    Route route;
    route.destination = prefix;
    route.metric = kUnreachableMetric;
    route.type = RouteType::unreachable;
    route.protocol = desired_.route_protocol;
    return route;
  }

  void put_unreachable_routes() {
    for (const Route& wanted : unreachable_) {
      const auto& alike = observed_.routes_like(wanted);
      // Whatever stands there with this metric, it keeps the prefix off the uplink or is somebody's considered wish.
      if (alike.empty()) result_.host.operations.emplace_back(PutRoute{wanted, "", std::nullopt});
    }
  }

  void forward() {
    if (desired_.forwarding == config::Forwarding::global) {
      forward_globally();
      return;
    }
    for (const auto& uplink : desired_.uplinks) {
      const Link* link = observed_.link(uplink);
      if (link == nullptr) continue;
      // Turning ip_forward off takes every interface's forwarding along, so it is set whatever it shows now.
      if (leaving_global_ && link->conf[Conf::forwarding] != 0) {
        record(sysctl_key(forwarding_key(uplink)), "0");
        result_.host.operations.emplace_back(WriteSysctl{forwarding_key(uplink), "1", "0"});
      } else {
        change(forwarding_key(uplink), "1");
      }
    }
  }

  // Writing ip_forward sets every interface's forwarding and all.accept_redirects (net/ipv4/devinet.c,
  // inet_forward_change): what they were is written down, since writing it back sets them once more.
  void forward_globally() {
    const auto now = current(kIpForward, observed_);
    if (!now || *now != "0") return;
    for (const char* key : {kAllAcceptRedirects, kDefaultForwarding}) {
      if (const auto value = current(key, observed_)) record(sysctl_key(key), *value);
    }
    for (const auto& [index, link] : observed_.links()) {
      if (link.group == kGuestGroup || link.conf[Conf::forwarding] == 0) continue;
      record(sysctl_key(forwarding_key(link.name)), "1");
    }
    change(kIpForward, "1");
  }

  void leave_global_forwarding() {
    const auto key = sysctl_key(kIpForward);
    if (desired_.forwarding == config::Forwarding::global || !originals_.contains(key)) return;
    Originals affected;
    for (const char* one : {kIpForward, kAllAcceptRedirects, kDefaultForwarding}) {
      const auto found = originals_.find(sysctl_key(one));
      if (found != originals_.end()) affected.insert(*found);
    }
    leaving_global_ = current(kIpForward, observed_) != originals_.find(key)->second;
    result_.host.append(restore_sysctls(affected, observed_));
  }

  void set_bridge_netfilter() {
    const auto& wish = desired_.bridge_netfilter;
    if (wish == config::BridgeNetfilter::leave) {
      Originals ours;
      for (const char* key : kBridgeNetfilterKeys) {
        const auto found = originals_.find(sysctl_key(key));
        if (found != originals_.end()) ours.insert(*found);
      }
      result_.stale.append(restore_sysctls(ours, observed_));
      return;
    }
    const bool on = wish == config::BridgeNetfilter::on;
    if (on && observed_.sysctl(kBridgeNetfilterKeys[0]) == nullptr) {
      result_.host.problems.push_back(
          "bridge_netfilter is \"on\", but this kernel has no bridge netfilter loaded; run `modprobe br_netfilter` and "
          "add it to /etc/modules-load.d, or set host.bridge_netfilter to \"off\"");
      return;
    }
    for (const char* key : kBridgeNetfilterKeys) change(key, on ? "1" : "0");
  }

  void report_arp_ignore() {
    const std::string* value = observed_.sysctl(kAllArpIgnore);
    if (value == nullptr || *value != "8") return;
    result_.host.problems.push_back(
        "net.ipv4.conf.all.arp_ignore is 8, so this host answers no ARP at all and guests can't find their gateway; "
        "set it to 0 (or 1 or 2) with `sysctl net.ipv4.conf.all.arp_ignore=0`");
  }

  void drop_gateways() {
    Originals unwanted;
    for (auto it = originals_.lower_bound(kAddressPrefix);
         it != originals_.end() && it->first.starts_with(kAddressPrefix); ++it) {
      const auto gateway = gateway_in(it->first);
      if (!gateway || std::ranges::find(wanted_, *gateway) == wanted_.end()) unwanted.insert(*it);
    }
    result_.stale.append(restore_gateways(unwanted, observed_));
  }

  void drop_unreachable_routes() {
    for (const Route& route : observed_.routes_on(0)) {
      if (route.protocol != desired_.route_protocol || route.type != RouteType::unreachable) continue;
      if (!unreachable_keys_.contains(Observed::key_of(route)))
        result_.stale.operations.emplace_back(RemoveRoute{route, ""});
    }
  }

  // In mode "global" every interface forwards: what was written down waits for the end of that mode.
  void drop_uplinks() {
    if (desired_.forwarding == config::Forwarding::global) return;
    Originals unwanted;
    const auto prefix = sysctl_key(kForwardingBefore);
    for (auto it = originals_.lower_bound(prefix); it != originals_.end() && it->first.starts_with(prefix); ++it) {
      const auto name = link_in_key(it->first, prefix, kForwardingAfter);
      if (name.empty() || name == "all" || name == "default") continue;
      if (std::ranges::find(desired_.uplinks, name) == desired_.uplinks.end()) unwanted.insert(*it);
    }
    result_.stale.append(restore_sysctls(unwanted, observed_, leaving_global_));
  }

  const DesiredHost& desired_;
  const Observed& observed_;
  const Originals& originals_;
  std::vector<InterfaceAddress> gateways_;                  // wanted, on lo
  std::vector<std::pair<InterfaceAddress, Link>> outside_;  // wanted: guests' in the world
  std::vector<AddressOnLink> wanted_;                       // all of them
  std::vector<Route> unreachable_;
  std::set<Observed::RouteKey> unreachable_keys_;  // of all those: there may be thousands
  bool leaving_global_ = false;
  HostPlan result_;
};

}  // namespace

HostPlan diff_host(const Desired& desired, const Observed& observed, const Originals& originals) {
  return HostDiff{desired, observed, originals}.run();
}

Plan restore_sysctls(const Originals& originals, const Observed& observed, bool force) {
  Plan plan;
  const auto restore_one = [&](const std::string& key, const std::string& value, bool always) {
    plan.forget.push_back(sysctl_key(key));
    const auto now = current(key, observed);
    if (!now || (*now == value && !always)) return false;  // gone with its interface, or right already
    plan.operations.emplace_back(WriteSysctl{key, value, now});
    return true;
  };
  // These first: they set the switches of all interfaces.
  if (const auto found = originals.find(sysctl_key(kIpForward)); found != originals.end()) {
    force |= restore_one(kIpForward, found->second, false);
  }
  bool force6 = false;
  if (const auto found = originals.find(sysctl_key(kAllForwarding6)); found != originals.end()) {
    force6 = restore_one(kAllForwarding6, found->second, false);
  }
  // accept_ra last: an interface that heeds advertisements loses its routes when any other is told to be a router.
  for (const bool last : {false, true}) {
    for (const auto& [key, value] : originals) {
      if (!key.starts_with(kSysctlPrefix) || key == sysctl_key(kIpForward) || key == sysctl_key(kAllForwarding6))
        continue;
      if (key.ends_with("/accept_ra") != last) continue;
      const std::string name = key.substr(kSysctlPrefix.size());
      const bool moved_along = (force && name.starts_with(kForwardingBefore)) ||
                               (force6 && name.starts_with(kConf6Before) && name.ends_with(kForwardingAfter));
      restore_one(name, value, moved_along);
    }
  }
  return plan;
}

Plan restore_gateways(const Originals& originals, const Observed& observed) {
  Plan plan;
  for (const auto& [key, value] : originals) {
    const auto gateway = gateway_in(key);
    if (!gateway || value != kAbsent) continue;
    plan.forget.push_back(key);
    const Link* link = observed.link(gateway->link);
    if (link == nullptr) continue;
    for (const auto& address : observed.addresses_on(link->index)) {
      if (address.local == gateway->local) plan.operations.emplace_back(RemoveAddress{address, link->name});
    }
  }
  return plan;
}

Plan withdraw(const std::set<address>& addresses, const Observed& observed, const Originals& originals) {
  Originals gone;
  if (addresses.empty()) return {};
  for (auto it = originals.lower_bound(kAddressPrefix); it != originals.end() && it->first.starts_with(kAddressPrefix);
       ++it) {
    const auto ours = gateway_in(it->first);
    if (ours && addresses.contains(ours->local)) gone.insert(*it);
  }
  return restore_gateways(gone, observed);
}

std::vector<std::string> guarded_interfaces(const Originals& originals, const Observed& observed) {
  std::vector<std::string> names;
  const std::string* ip_forward = observed.sysctl(kIpForward);
  if (ip_forward != nullptr && *ip_forward != "0") return names;
  const auto prefix = sysctl_key(kForwardingBefore);
  for (auto it = originals.lower_bound(prefix); it != originals.end() && it->first.starts_with(prefix); ++it) {
    auto name = link_in_key(it->first, prefix, kForwardingAfter);
    if (!name.empty() && name != "default" && it->second == "0") names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace vrouter::router
