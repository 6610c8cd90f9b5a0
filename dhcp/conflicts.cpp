// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: before a client gets an address that it didn't have lately, whoever is on its link is asked by ARP whether
// they have it. Its message waits for that; nobody answers, and it goes on as if it had come now.
#include <array>
#include <utility>

#include "dhcp/ranges.h"

namespace vrouter::dhcp {

// Asked again while it waits: one answer, to what it said last.
bool Ranges::waits_for_probe(const Visit& visit, std::optional<address_v4> address) {
  const auto* hold = visit.range.table.hold_of(visit.asker(), visit.now);
  if (hold == nullptr || hold->kind != HoldKind::probing || (address && hold->address != *address)) return false;
  const auto it = probes_.find(hold->address.to_uint());
  if (it == probes_.end()) return false;
  it->second.request = visit.request;
  return true;
}

bool Ranges::must_ask(const Visit& visit, const address_v4& address) const {
  if (visit.ifindex == 0 || !ask_ || visit.pool().probe.count() <= 0) return false;
  const auto asker = visit.asker();
  const auto* hold = visit.range.table.hold_of(address, visit.now);
  if (hold != nullptr && hold->kind == HoldKind::offered)
    return false;  // asked for already: choose() gives none else's
  const auto* record = visit.range.table.find(address);
  const bool was_its_own = record != nullptr && record->client() == asker.client &&
                           record->state != LeaseState::declined && record->ifindex == visit.ifindex;
  return !was_its_own || (!record->held(visit.now) && visit.now - record->expires > kHeldLately);
}

// A client waits for one address: whoever names many in turn holds no more of the questions for it.
void Ranges::forget_other_than(const Visit& visit, const address_v4& address) {
  auto& table = visit.range.table;
  const auto* hold = table.hold_of(visit.asker(), visit.now);
  if (hold == nullptr || hold->address == address) return;
  const auto other = hold->address;
  if (const auto it = probes_.find(other.to_uint()); it != probes_.end() && hold->kind == HoldKind::probing) {
    probe_ends_.erase({it->second.end, other.to_uint()});
    probes_.erase(it);
  }
  table.unhold(other);
}

bool Ranges::ask(const Visit& visit, const address_v4& address, unsigned conflicts) {
  forget_other_than(visit, address);
  if (probes_.size() >= kMaxProbes) return false;
  visit.range.table.hold(visit.asker(), address, HoldKind::probing, visit.now);
  const auto end = visit.now + visit.pool().probe;
  // Of an earlier question nobody waits anymore.
  if (const auto old = probes_.find(address.to_uint()); old != probes_.end()) {
    probe_ends_.erase({old->second.end, address.to_uint()});
    probes_.erase(old);
  }
  probes_.emplace(address.to_uint(), Probing{&visit.range, visit.ifindex, visit.request, visit.local, end, conflicts});
  probe_ends_.emplace(end, address.to_uint());
  ask_({visit.ifindex, address});
  return true;
}

void Ranges::finish_probes(BootTime now, const Send& send) {
  std::array<std::uint8_t, kMaxReply> buffer{};
  while (!probe_ends_.empty() && probe_ends_.begin()->first <= now) {
    const address_v4 address{probe_ends_.begin()->second};
    const auto node = probes_.extract(address.to_uint());
    probe_ends_.erase(probe_ends_.begin());
    const auto visit = node.mapped().visit(now);
    auto& table = visit.range.table;
    const auto* hold = table.hold_of(address, now);
    const auto asker = visit.asker();
    if (hold == nullptr || hold->kind != HoldKind::probing || table.hold_of(asker, now) != hold) continue;
    table.hold(asker, address, HoldKind::offered, now);
    // What was free before may not be by now.
    if (table.claim(asker, address, now) != Claim::grant) continue;
    if (visit.request.type == MessageType::request) {
      bind(visit, address, buffer);
    } else if (const auto sent = give(visit, address, buffer)) {
      send(*sent, std::span{buffer}.first(sent->size));
    }
  }
}

std::optional<BootTime> Ranges::next_probe_end() const {
  if (probe_ends_.empty()) return std::nullopt;
  return probe_ends_.begin()->first;
}

void Ranges::heard(const Probe& probe, const MacAddress& by, BootTime now) {
  const auto link = links_.find(probe.ifindex);
  if (link == links_.end()) return;
  auto& range = *link->second.range;
  const auto* hold = range.table.hold_of(probe.address, now);
  if (hold == nullptr || hold->kind == HoldKind::avoided || hold->ifindex != probe.ifindex ||
      hold->client.hardware == by) {
    return;
  }
  if (const auto* record = range.table.find(probe.address); record != nullptr && record->held(now)) return;
  ++range.counts->conflicts;
  rest(range, probe.ifindex, probe.address, by, now);
  const auto node = probes_.extract(probe.address.to_uint());
  if (node.empty()) return;
  probe_ends_.erase({node.mapped().end, probe.address.to_uint()});
  if (node.mapped().request.type == MessageType::request) return;  // it asks again, and is refused
  if (node.mapped().conflicts + 1 >= kMaxConflicts) return;
  // Another address is asked for in its turn; one that needs no asking is given when the client asks again.
  const auto visit = node.mapped().visit(now);
  const auto next = range.table.choose(visit.asker(), visit.request.requested_address, now);
  if (!next) {
    ++range.counts->no_address;
  } else if (must_ask(visit, *next)) {
    static_cast<void>(ask(visit, *next, node.mapped().conflicts + 1));
  }
}

// Somebody has it who wasn't given it.
void Ranges::rest(Range& range, unsigned ifindex, const address_v4& address, const MacAddress& by, BootTime now) {
  const auto& pool = range.table.pool();
  const Lease lease{.network = pool.network,
                    .address = address,
                    .ifindex = ifindex,
                    .client = {by, {}},
                    .host_name = {},
                    .state = LeaseState::declined,
                    .expires = now + pool.quarantine};
  if (!commits_.propose(range.table, *range.counts, lease, {}, now)) range.table.avoid(address, now);
}

void Ranges::drop_probes(const Range& range) {
  for (auto it = probes_.begin(); it != probes_.end();) {
    if (it->second.range != &range) {
      ++it;
      continue;
    }
    it->second.range->table.unhold(address_v4{it->first});
    probe_ends_.erase({it->second.end, it->first});
    it = probes_.erase(it);
  }
}

}  // namespace vrouter::dhcp
