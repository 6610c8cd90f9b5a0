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
  }
  std::abort();
}

}  // namespace vrouter::router
