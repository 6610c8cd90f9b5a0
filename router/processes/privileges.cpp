// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/privileges.h"

#include <cap-ng.h>

#include <cerrno>

namespace vrouter::router {

std::expected<void, KernelError> keep_only_network_capabilities() {
  constexpr auto kSets = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET);
  capng_get_caps_process();
  // The bounding set can be narrowed only with CAP_SETPCAP, which a service manager that has done so doesn't leave us.
  const bool bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
  capng_clear(CAPNG_SELECT_ALL);
  capng_updatev(CAPNG_ADD, kSets, CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, -1);
  if (capng_apply(bounding ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS) != 0) {
    return std::unexpected(KernelError{"give up all capabilities but those for the network", EPERM, ""});
  }
  return {};
}

}  // namespace vrouter::router
