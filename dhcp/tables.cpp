// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/tables.h"

#include <cstdlib>

namespace vrouter::dhcp {

std::string_view name(LeaseState state) noexcept {
  switch (state) {
    case LeaseState::offered:
      return "offered";
    case LeaseState::bound:
      return "bound";
    case LeaseState::released:
      return "released";
    case LeaseState::declined:
      return "declined";
    case LeaseState::expired:
      return "expired";
  }
  std::abort();
}

bool is_for(const config::Reservation& reservation, const Client& client) noexcept {
  if (reservation.mac && *reservation.mac == client.hardware) return true;
  return !reservation.client_id.empty() && reservation.client_id == client.client_id;
}

Statistics operator+(Statistics a, const Statistics& b) {
  for (const auto counter : kCounters) a.*counter += b.*counter;
  for (const auto& [network, counts] : b.networks) {
    for (const auto counter : kNetworkCounters) a.networks[network].*counter += counts.*counter;
  }
  return a;
}

}  // namespace vrouter::dhcp
