// SPDX-License-Identifier: GPL-2.0-or-later
// What changes in the kernel's network, as it changes.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <variant>

#include "router/kernel/types.h"

namespace vrouter::router {

// New or changed: the kernel tells the whole state of the link, not what is different.
struct LinkChanged {
  Link link;
};
struct LinkGone {
  std::uint32_t index = 0;
  std::string name;
};
struct AddressChanged {
  InterfaceAddress address;
};
struct AddressGone {
  InterfaceAddress address;
};
struct RouteChanged {
  Route route;
  bool replaces = false;  // NLM_F_REPLACE: the route with the same table, destination, tos and metric is gone
};
struct RouteGone {
  Route route;
};
struct NeighbourChanged {
  Neighbour neighbour;
};
struct NeighbourGone {
  Neighbour neighbour;
};
// RTM_NEWNETCONF: the kernel tells forwarding, rp_filter and proxy_arp this way, and IPv6's forwarding; other switches
// not at all. `ifindex` is 0 for net.ipv4.conf.all and net.ipv6.conf.all.
using AnyConf = std::variant<Conf, Conf6>;
struct ConfChanged {
  std::uint32_t ifindex = 0;
  AnyConf key = Conf::forwarding;
  std::int32_t value = 0;
};
// Of IPv6's force_forwarding the kernel says whose changed, not to what: look at the link.
struct ConfTouched {
  std::uint32_t ifindex = 0;
};
// Events were lost (ENOBUFS): what is observed must be dumped anew.
struct Overflow {};

using KernelEvent = std::variant<LinkChanged, LinkGone, AddressChanged, AddressGone, RouteChanged, RouteGone,
                                 NeighbourChanged, NeighbourGone, ConfChanged, ConfTouched, Overflow>;

// One non-blocking rtnetlink socket that hears links, addresses, routes, neighbours and switches of the network
// namespace it was opened in. Open it before the first dump: then no change can fall between the two.
class KernelEvents {
 public:
  using Handler = std::function<void(const KernelEvent&)>;
  static constexpr int kDefaultBuffer = 32 << 20;  // bytes: about 10,000 TAPs that all flap while we don't read

  [[nodiscard]] static Result<std::unique_ptr<KernelEvents>> open(boost::asio::io_context& io, Handler handler,
                                                                  int buffer_bytes = kDefaultBuffer);
  virtual ~KernelEvents() = default;

  // Hands over what has arrived, without waiting. The kernel queues the events of a change before it answers the
  // change, so after drain() the observed state is exact, until somebody else's next change. Call it before a diff:
  // then nothing that was noted of our own changes is overwritten by an older event.
  // Not to be called from within the handler, and so not from a coroutine that the handler starts in place.
  virtual void drain() = 0;
};

}  // namespace vrouter::router
