// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/gate.h"

namespace vrouter::dns {

namespace {
constexpr std::size_t kSpareBuckets = 64;  // so that a small table isn't swept all the time
}  // namespace

std::optional<ListTable::Profile> Gate::enter(const Client& client, Transport transport, BootTime now) {
  ++(transport == Transport::udp ? udp_ : tcp_);
  const auto lists = names_.lists_of(client);
  if (!lists) {
    ++unknown_;
    return std::nullopt;
  }
  if (!within_budget(client.ifindex, now)) {
    ++over_budget_;
    return std::nullopt;
  }
  return lists;
}

bool Gate::within_budget(unsigned ifindex, BootTime now) {
  // Budgets keep guests from one another. The host's own programs have other ways to take its processors.
  if (ifindex == kLoopbackIfindex) return true;
  // A TAP made again has a new index: the buckets of the old are swept once they outnumber the living.
  if (buckets_.size() > 2 * names_.interfaces() + kSpareBuckets) {
    erase_if(buckets_, [&](const auto& entry) { return !names_.has_interface(entry.first); });
  }
  return buckets_[ifindex].take(now);
}

void Gate::add_to(Statistics& all) const noexcept {
  all.queries_udp += udp_.value();
  all.queries_tcp += tcp_.value();
  all.dropped_unknown_source += unknown_.value();
  all.dropped_over_budget += over_budget_.value();
}

}  // namespace vrouter::dns
