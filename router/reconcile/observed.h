// SPDX-License-Identifier: GPL-2.0-or-later
// A replica of the kernel's network, kept by dumps, by events and by what we changed ourselves (a link that is down
// tells no event of its group or switches). Every question about one guest is answered in O(log guests).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "router/kernel/events.h"
#include "router/kernel/kernel_port.h"
#include "router/kernel/sysctls.h"

namespace vrouter::router {

struct DesiredGuest;

// The kernel and what changes it by file.
struct Kernel {
  KernelPort& net;
  Sysctls& sysctls;
};

// What an event may have put wrong, so that only that is looked at again.
struct Affected {
  std::vector<std::string> links;  // run diff_link() for these
  bool host = false;               // run diff_host(): gateways, unreachable routes, forwarding
  bool uplinks = false;            // default routes or their links changed: ask uplinks_of() again
  bool overflow = false;           // observe() anew, then diff() all
};

class Observed {
 public:
  // What makes a route a route of its own for the kernel (net/ipv4/fib_trie.c, net/ipv6/ip6_fib.c).
  struct RouteKey {
    bool v6 = false;
    std::uint32_t table = 0;
    address_v6::bytes_type destination{};  // IPv4: the first four
    std::uint8_t prefix_length = 0;
    std::uint8_t tos = 0;
    std::uint32_t metric = 0;
    auto operator<=>(const RouteKey&) const = default;
  };
  using Routes = std::map<RouteKey, std::vector<Route>>;
  [[nodiscard]] static RouteKey key_of(const Route& route) noexcept;

  // Follows one event. Events may repeat what is known: then nothing is affected.
  Affected on(const KernelEvent& event);

  [[nodiscard]] const Link* link(std::uint32_t index) const;
  [[nodiscard]] const Link* link(const std::string& name) const;
  [[nodiscard]] const std::unordered_map<std::uint32_t, Link>& links() const noexcept { return links_; }
  // Whether it came here, down, with the guests' group on it already: a TAP that was in another namespace meanwhile. It
  // is to be adopted, unlike one that somebody set down here.
  [[nodiscard]] bool newcomer(std::uint32_t index) const { return newcomers_.contains(index); }
  // All that is known so far was there before we looked.
  void settle();
  // Links in the guests' device group, by index.
  [[nodiscard]] const std::set<std::uint32_t>& adopted() const noexcept { return adopted_; }
  [[nodiscard]] const std::vector<InterfaceAddress>& addresses_on(std::uint32_t ifindex) const;
  [[nodiscard]] const std::unordered_map<std::uint32_t, std::vector<InterfaceAddress>>& addresses() const noexcept {
    return addresses_;
  }
  [[nodiscard]] const Routes& routes() const noexcept { return routes_; }
  [[nodiscard]] const std::vector<Route>& routes_like(const Route& route) const;  // those with the same key
  [[nodiscard]] std::vector<Route> routes_on(std::uint32_t ifindex) const;
  [[nodiscard]] const Neighbour* neighbour(std::uint32_t ifindex, const address& address) const;
  // When the neighbour was heard of, in some order: 0 before we looked. None: it isn't known there, or doesn't answer.
  [[nodiscard]] std::optional<std::uint64_t> heard(std::uint32_t ifindex, const address& address) const;
  // The value last read or written; null where the kernel has no such switch, or nobody asked.
  [[nodiscard]] const std::string* sysctl(const std::string& key) const;
  void note_sysctl(const std::string& key, std::string value);
  void forget_sysctl(const std::string& key);

 private:
  void put_link(const Link& link);
  void drop_link(std::uint32_t index);
  void drop_routes_and_neighbours(std::uint32_t index);
  std::vector<std::uint32_t> put_route(const Route& route, bool replaces);  // the links whose routes it replaced
  bool drop_route(const Route& route);
  Affected on_link(const LinkChanged& event);
  Affected on_link_gone(const LinkGone& event);
  Affected on_address(const InterfaceAddress& address, bool gone);
  Affected on_route(const Route& route, bool gone, bool replaces);
  Affected on_neighbour(const Neighbour& neighbour, bool gone);
  Affected on_conf(const ConfChanged& event);
  Affected on_conf_of_all(std::string key, std::int32_t value);
  [[nodiscard]] Affected affected_by_link(std::uint32_t index) const;
  [[nodiscard]] Affected affected_by_address(const InterfaceAddress& changed) const;

  std::unordered_map<std::uint32_t, Link> links_;
  std::unordered_map<std::string, std::uint32_t> index_by_name_;
  std::set<std::uint32_t> adopted_;
  std::set<std::uint32_t> newcomers_;
  std::unordered_map<std::uint32_t, std::vector<InterfaceAddress>> addresses_;
  Routes routes_;
  std::unordered_map<std::uint32_t, std::set<RouteKey>> routes_by_link_;
  struct Heard : Neighbour {
    std::uint64_t since = 0;
  };
  std::unordered_map<std::uint32_t, std::map<address, Heard>> neighbours_;
  std::uint64_t heard_ = 0;
  std::unordered_map<std::string, std::string> sysctls_;
};

// Dumps all of it and reads the host's switches. Open the KernelEvents first, and drain() them after.
[[nodiscard]] Result<Observed> observe(Kernel kernel);
// Reads the host's switches that tell no event. (Those of links come with the link.)
Affected observe_sysctls(const Sysctls& sysctls, Observed& observed);
// Reads what diff_guest() needs of a TAP besides rtnetlink: a file where its network has addressing "subnet", nothing
// for the others. Call it once the TAP is there, and after observe(). Whether it is another than was known.
bool observe_guest_sysctls(const Sysctls& sysctls, const DesiredGuest& guest, Observed& observed);

// Interfaces that carry a default route of the main table, by name, sorted; never lo or an adopted TAP.
enum class InternetFamily : std::uint8_t { ipv4, ipv6 };
[[nodiscard]] std::vector<std::string> uplinks_of(const Observed& observed,
                                                  InternetFamily family = InternetFamily::ipv4);

}  // namespace vrouter::router
