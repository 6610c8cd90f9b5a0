// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: desired state is the only truth, the kernel is only observed. Every function here is pure; start, reload,
// add-guest, remove-guest and link events all go through them. Ours are: routes with our protocol number, links in
// group 7672, addresses and switches that `originals` says we changed. Nothing else is ever touched.
//
// The order with the firewall is the daemon's. A guest goes in:
//     1. create_guest_tap() and apply(), where the guest has create_tap;
//     2. the guest's elements into the table (set `taps` closes the TAP from then on);
//     3. state writes plan.record;  4. apply(plan.operations): the group opens the TAP;  5. state drops plan.forget.
// and out: release_link() applied first (the TAP is set down, its group reset: @taps closes it), then the elements out.
// The host: diff_host().host before any guest (routes need the gateway as their source), .stale after all of them. An
// address in the world is put once the rules lead it to its guest, and withdrawn before they go: in between the host's
// own sockets would answer on it.
//
// A TAP's life: switches while it is down, then group and IFF_UP in one message, then routes and neighbours. So a
// daemon killed in between finds a TAP outside the group and adopts it again. One in the group already that is down was
// set down by somebody: we don't fight, and put route and neighbour back when it comes up.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "router/reconcile/desired.h"
#include "router/reconcile/observed.h"
#include "router/reconcile/plan.h"

namespace vrouter::router {

struct HostPlan {
  Plan host;   // gateways on lo, unreachable routes, forwarding, bridge netfilter
  Plan stale;  // gateways, routes and uplinks no longer wanted
  [[nodiscard]] bool empty() const noexcept { return host.empty() && stale.empty(); }
  bool operator==(const HostPlan&) const = default;
};

struct FullPlan {
  HostPlan host;
  std::vector<std::pair<std::string, Plan>> release;  // adopted links that are no guest's any more
  std::vector<std::pair<std::string, Plan>> guests;   // only those with something to do, or a problem
  [[nodiscard]] bool empty() const noexcept;
};

// In the order: host.host, release, guests, host.stale.
[[nodiscard]] FullPlan diff(const Desired& desired, const Observed& observed, const Originals& originals);
[[nodiscard]] HostPlan diff_host(const Desired& desired, const Observed& observed, const Originals& originals);

// O(log guests). Empty where the TAP isn't there (yet).
[[nodiscard]] Plan diff_guest(const DesiredHost& host, const DesiredGuest& guest, const Observed& observed,
                              const Originals& originals);
// CreateTap, or nothing where something of that name exists.
[[nodiscard]] Plan create_guest_tap(const DesiredGuest& guest, const Observed& observed);
// Why the interface of that name can't be a guest's: no TAP, an uplink, a bridge's port. Nothing where there is none.
// One that several clients share may be a bridge.
[[nodiscard]] std::optional<std::string> unfit(const DesiredHost& host, const std::string& tap,
                                               const Observed& observed, bool shared = false);

// Why this host can serve no guest with an IPv6 address, as a sentence with the remedy. What has to do with IPv6 is
// left out of every plan meanwhile, and guests with such an address have it as a problem.
[[nodiscard]] std::optional<std::string> without_ipv6(const Observed& observed);

// How a link is left that is no guest's any more. Down where its guest was removed: a TAP that is up without rules
// would let the guest reach the host itself.
enum class Leave { as_found, down };
// Takes our routes, neighbours and addresses off, gives the link its original state back; removes it where we made it.
[[nodiscard]] Plan release_link(std::uint8_t route_protocol, const std::string& link, const Observed& observed,
                                const Originals& originals, Leave leave);
// For Affected::links: diff_guest() where the link is a guest's, release_link() where it is in our group and isn't,
// else empty.
[[nodiscard]] Plan diff_link(const Desired& desired, const std::string& link, const Observed& observed,
                             const Originals& originals);

// The MAC of an unpinned guest, learned by DHCP: installs it as STALE|EXT_LEARNED, which follows ARP but escapes the
// garbage collector. Empty where the entry says so already, the guest is pinned or its TAP is down. (What the kernel
// learned by ARP itself diff_guest() marks so.)
[[nodiscard]] Plan remember_neighbour(const DesiredGuest& guest, const MacAddress& mac, const Observed& observed);

// One client's route and neighbour on a shared link; empty where the link isn't adopted. O(log clients).
[[nodiscard]] Plan admit_lessee(const DesiredHost& host, const DesiredGuest& guest, const address_v4& address,
                                const MacAddress& mac, const Observed& observed);
[[nodiscard]] Plan dismiss_lessee(const DesiredHost& host, const DesiredGuest& guest, const address_v4& address,
                                  const Observed& observed);

// Teardown: all that is ours goes, all originals come back.
[[nodiscard]] Plan restore(const Originals& originals, const Observed& observed, std::uint8_t route_protocol);

// Takes these of DesiredHost::addresses off the host, wherever we put them.
[[nodiscard]] Plan withdraw(const std::set<address>& addresses, const Observed& observed, const Originals& originals);

// Interfaces whose forwarding we turned on while the host forwarded for nobody: the firewall drops what passes
// through them between two strangers. Empty where net.ipv4.ip_forward is on. Sorted.
[[nodiscard]] std::vector<std::string> guarded_interfaces(const Originals& originals, const Observed& observed);
// The same of IPv6. Before Linux 6.17 the kernel knows no forwarding of single interfaces: then all but lo and the
// guests' TAPs are guarded, unless forwarding is wanted as "global".
[[nodiscard]] std::vector<std::string> guarded_interfaces6(const DesiredHost& host, const Originals& originals,
                                                           const Observed& observed);

// A sentence with the remedy where the network's prefix overlaps an address or a route of the host's that isn't ours.
// Default routes, and foreign unreachable or blackhole routes that merely cover it, don't count.
[[nodiscard]] std::optional<std::string> collides(const config::Network& network, const Observed& observed,
                                                  std::uint8_t route_protocol, const Originals& originals);
// The same of its prefix6, which counts once a guest has an address of it.
[[nodiscard]] std::optional<std::string> collides6(const config::Network& network, const Observed& observed,
                                                   std::uint8_t route_protocol, const Originals& originals);

}  // namespace vrouter::router
