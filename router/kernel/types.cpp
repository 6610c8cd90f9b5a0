// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/kernel/types.h"

#include <cstdlib>

namespace vrouter::router {

std::string_view name(Conf key) noexcept {
  switch (key) {
    case Conf::forwarding:
      return "forwarding";
    case Conf::rp_filter:
      return "rp_filter";
    case Conf::send_redirects:
      return "send_redirects";
    case Conf::accept_redirects:
      return "accept_redirects";
    case Conf::arp_announce:
      return "arp_announce";
    case Conf::arp_ignore:
      return "arp_ignore";
    case Conf::proxy_arp:
      return "proxy_arp";
    case Conf::arp_accept:
      return "arp_accept";
    case Conf::route_localnet:
      return "route_localnet";
  }
  std::abort();
}

std::string_view name(Conf6 key) noexcept {
  switch (key) {
    case Conf6::addr_gen_mode:
      return "addr_gen_mode";
    case Conf6::accept_ra:
      return "accept_ra";
    case Conf6::forwarding:
      return "forwarding";
    case Conf6::force_forwarding:
      return "force_forwarding";
    case Conf6::disable_ipv6:
      return "disable_ipv6";
  }
  std::abort();
}

}  // namespace vrouter::router
