// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <functional>
#include <unordered_map>
#include <utility>

#include "dhcp/tables.h"
#include "router/processes/dhcp_verbs.h"

namespace vrouter::router {

// What clients did, on its way up. While the line is full, the newest of each interface waits and the older ones are
// forgotten: the daemon wants to know how things stand. So it holds no more than there are bindings.
class LeaseOutbox {
 public:
  // False: the line is full, and drained() will be called.
  using Send = std::function<bool(const dhcp_verbs::Lease&)>;
  explicit LeaseOutbox(Send send) : send_{std::move(send)} {}

  void put(dhcp_verbs::Lease lease) {
    // Sent past an older one that still waits, it would be the older one that stands in the end.
    if (waiting_.contains(lease.ifindex) || !send_(lease)) waiting_.insert_or_assign(lease.ifindex, std::move(lease));
  }
  void drained() {
    while (!waiting_.empty() && send_(waiting_.begin()->second)) waiting_.erase(waiting_.begin());
  }
  // The table has changed: nobody wants to hear of interfaces that are no longer in it.
  void apply(const dhcp::Update& update) {
    for (const auto ifindex : update.removed_ifindexes) waiting_.erase(ifindex);
    if (!update.snapshot || waiting_.empty()) return;
    auto before = std::exchange(waiting_, {});
    for (const auto& binding : update.upserts) waiting_.insert(before.extract(binding.ifindex));
  }
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

 private:
  Send send_;
  std::unordered_map<unsigned, dhcp_verbs::Lease> waiting_;  // by ifindex
};

}  // namespace vrouter::router
