// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/counts.h"

namespace vrouter::dhcp {

void count_request(Statistics& total, NetworkCounts& network, MessageType type) noexcept {
  const auto count = [&](std::uint64_t Statistics::* in_total, std::uint64_t NetworkCounts::* of_network) {
    ++(total.*in_total);
    ++(network.*of_network);
  };
  switch (type) {
    case MessageType::discover:
      return count(&Statistics::discover, &NetworkCounts::discover);
    case MessageType::request:
      return count(&Statistics::request, &NetworkCounts::request);
    case MessageType::inform:
      return count(&Statistics::inform, &NetworkCounts::inform);
    case MessageType::release:
      return count(&Statistics::release, &NetworkCounts::release);
    case MessageType::decline:
      return count(&Statistics::decline, &NetworkCounts::decline);
    case MessageType::bootp:
      ++network.bootp;
      return;
    case MessageType::offer:
    case MessageType::ack:
    case MessageType::nak:
      return;  // never decoded
  }
}

void count_reply(Statistics& total, NetworkCounts& network, MessageType type) noexcept {
  ++total.answered;
  const auto count = [&](std::uint64_t Statistics::* in_total, std::uint64_t NetworkCounts::* of_network) {
    ++(total.*in_total);
    ++(network.*of_network);
  };
  if (type == MessageType::offer) count(&Statistics::offer, &NetworkCounts::offer);
  if (type == MessageType::ack) count(&Statistics::ack, &NetworkCounts::ack);
  if (type == MessageType::nak) count(&Statistics::nak, &NetworkCounts::nak);
}

}  // namespace vrouter::dhcp
