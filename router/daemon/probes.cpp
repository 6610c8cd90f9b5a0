// SPDX-License-Identifier: GPL-2.0-or-later
// Whether somebody uses an address of a range already, before it is offered.
#include <algorithm>

#include "router/daemon/log.h"
#include "router/daemon/router.h"

namespace vrouter::router {

// Asked by the kernel, since the service may not send frames; the answer comes as news of a neighbour.
void Router::on_probe(const dhcp::Probe& probe) {
  const auto known = std::ranges::find(shared_links_, probe.ifindex, [](const auto& entry) { return entry.second; });
  if (known == shared_links_.end() || stopped_) return;
  const auto* guest = guests_.by_tap(known->first);
  if (guest == nullptr || !book_.gives(guest->network, probe.address)) return;
  const auto* neighbour = plane_.observed().neighbour(probe.ifindex, probe.address);
  const auto now = BootClock::now();
  std::erase_if(probes_, [&](const auto& asked) { return asked.second < now; });
  probes_.insert_or_assign({probe.ifindex, probe.address}, now + book_.pool_of(guest->network)->probe * 2);
  if (neighbour != nullptr && neighbour->state == NeighbourState::permanent) return;
  // What is known of an earlier answer would keep the kernel from asking at once.
  if (neighbour != nullptr)
    static_cast<void>(plane_.apply(std::vector<Operation>{RemoveNeighbour{*neighbour, known->first}}));
  if (auto asked = plane_.solicit(probe.ifindex, probe.address); !asked) log_debug(asked.error().to_string());
}

void Router::on_neighbour(const Neighbour& neighbour) {
  if (probes_.empty() || neighbour.mac.is_zero() || !neighbour.address.is_v4()) return;
  if (neighbour.state == NeighbourState::invalid || neighbour.state == NeighbourState::permanent) return;
  const auto asked = probes_.find({neighbour.ifindex, neighbour.address.to_v4()});
  if (asked == probes_.end()) return;
  probes_.erase(asked);
  services_.heard({neighbour.ifindex, neighbour.address.to_v4()}, neighbour.mac);
}

}  // namespace vrouter::router
