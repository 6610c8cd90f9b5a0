// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's network as verbs. Every change is answered by the kernel before the call returns (tens of
// microseconds); errors carry the operation in the operator's words and the kernel's own sentence.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "router/kernel/types.h"

namespace vrouter::router {

class KernelPort {
 public:
  virtual ~KernelPort() = default;

  // Dumps are whole: one that the kernel marks as interrupted by a change (NLM_F_DUMP_INTR) is taken again. Of both
  // families; neighbours on the link itself (fe80::/10, ff00::/8) are left out, since whoever is there makes them up.
  [[nodiscard]] virtual Result<std::vector<Link>> links() = 0;
  [[nodiscard]] virtual Result<std::vector<InterfaceAddress>> addresses() = 0;
  [[nodiscard]] virtual Result<std::vector<Route>> routes() = 0;  // all tables but `local`
  [[nodiscard]] virtual Result<std::vector<Neighbour>> neighbours() = 0;
  // ENODEV where there is none of that name.
  [[nodiscard]] virtual Result<Link> link(const std::string& name) = 0;
  [[nodiscard]] virtual Result<LinkTraffic> traffic(const std::string& name) = 0;
  // Who waits for connections or datagrams here. Empty where the kernel can't say.
  [[nodiscard]] virtual Result<std::vector<Listener>> listeners() { return std::vector<Listener>{}; }

  // `link` names the interface in errors; the index is what counts, so a change never hits a namesake made since.
  [[nodiscard]] virtual Result<void> change_link(std::uint32_t ifindex, const std::string& link,
                                                 const LinkChange& change) = 0;
  // Makes a persistent TAP (IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, one queue) that root, and `owner` where given, may
  // open. EEXIST where the name is taken, whatever by.
  [[nodiscard]] virtual Result<void> create_tap(const std::string& name, std::optional<uid_t> owner) = 0;
  [[nodiscard]] virtual Result<void> remove_link(std::uint32_t ifindex, const std::string& link) = 0;

  // put_ replaces what has the same key. Removing what isn't there is an error of the kernel's: ESRCH for routes,
  // ENOENT for neighbours, EADDRNOTAVAIL for addresses, ENODEV for all of them where the interface is gone.
  [[nodiscard]] virtual Result<void> put_address(const InterfaceAddress& address) = 0;
  [[nodiscard]] virtual Result<void> remove_address(const InterfaceAddress& address) = 0;
  [[nodiscard]] virtual Result<void> put_route(const Route& route) = 0;
  [[nodiscard]] virtual Result<void> remove_route(const Route& route) = 0;
  // `state` is dynamic (written as NUD_STALE: the next packet makes the kernel ask) or permanent.
  [[nodiscard]] virtual Result<void> put_neighbour(const Neighbour& neighbour) = 0;
  [[nodiscard]] virtual Result<void> remove_neighbour(const Neighbour& neighbour) = 0;
  // One that isn't known yet is asked for by ARP at once.
  [[nodiscard]] virtual Result<void> solicit(std::uint32_t, const address_v4&) { return {}; }
  // The port that a bridge has learned the station on; ENOENT: on none.
  [[nodiscard]] virtual Result<std::uint32_t> bridge_port(std::uint32_t bridge, const MacAddress& station) {
    return std::unexpected(
        KernelError{"find " + station.to_string() + " on bridge " + std::to_string(bridge), ENOENT, ""});
  }
};

// The real one: a NETLINK_ROUTE socket in the network namespace of the calling thread.
[[nodiscard]] Result<std::unique_ptr<KernelPort>> open_kernel();

}  // namespace vrouter::router
