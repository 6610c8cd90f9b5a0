// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/guest_tables.h"

#include <utility>

namespace vrouter::router {

void GuestTables::begin(std::vector<dns::Zone> zones) {
  zones_ = std::move(zones);
  bindings_.clear();
  ifindexes_.clear();
  hosts_.clear();
  bindings_due_ = {};
  hosts_due_ = {};
  snapshot_due_ = true;
}

void GuestTables::erase_binding(const std::string& tap) {
  const auto told = bindings_.find(tap);
  if (told == bindings_.end()) return;
  const auto ifindex = told->second.ifindex;
  // The same interface may be another guest's by now: a TAP that was renamed.
  if (const auto owner = ifindexes_.find(ifindex); owner != ifindexes_.end() && owner->second == tap) {
    // An update's removals come before what it puts.
    std::erase_if(bindings_due_.upserts, [&](const dhcp::Binding& due) { return due.ifindex == ifindex; });
    bindings_due_.removed_ifindexes.push_back(ifindex);
    ifindexes_.erase(owner);
  }
  bindings_.erase(told);
}

void GuestTables::put(const config::Guest& guest, const config::Network& network,
                      const std::optional<TapIdentity>& tap) {
  auto binding = tap ? binding_for(guest, network, *tap) : std::nullopt;
  const auto told = bindings_.find(guest.tap);
  if (told != bindings_.end() && (!binding || binding->ifindex != told->second.ifindex)) erase_binding(guest.tap);
  if (binding && (!bindings_.contains(guest.tap) || bindings_.at(guest.tap) != *binding)) {
    bindings_due_.upserts.push_back(*binding);
    ifindexes_.insert_or_assign(binding->ifindex, guest.tap);
    bindings_.insert_or_assign(guest.tap, std::move(*binding));
  }
  auto host = host_for(guest, tap);
  const auto known = hosts_.find(guest.tap);
  if (known != hosts_.end() && known->second == host) return;
  hosts_due_.upserts.push_back(host);
  hosts_.insert_or_assign(guest.tap, std::move(host));
}

void GuestTables::remove(const config::Guest& guest) {
  erase_binding(guest.tap);
  if (const auto known = hosts_.find(guest.tap); known != hosts_.end()) {
    const auto& gone = known->second;
    std::erase_if(hosts_due_.upserts,
                  [&](const dns::Host& due) { return due.network == gone.network && due.name == gone.name; });
    hosts_due_.removed.push_back(gone);
    hosts_.erase(known);
  }
}

GuestTables::Due GuestTables::take() {
  Due due{std::exchange(bindings_due_, {}), std::exchange(hosts_due_, {})};
  if (std::exchange(snapshot_due_, false)) due = {bindings(), hosts()};
  return due;
}

dhcp::Update GuestTables::bindings() const {
  dhcp::Update update{.snapshot = true, .upserts = {}, .removed_ifindexes = {}};
  update.upserts.reserve(bindings_.size());
  for (const auto& [tap, binding] : bindings_) update.upserts.push_back(binding);
  return update;
}

dns::Update GuestTables::hosts() const {
  dns::Update update{.snapshot = true, .zones = zones_, .upserts = {}, .removed = {}};
  update.upserts.reserve(hosts_.size());
  for (const auto& [tap, host] : hosts_) update.upserts.push_back(host);
  return update;
}

const dhcp::Binding* GuestTables::by_ifindex(unsigned ifindex) const {
  const auto tap = ifindexes_.find(ifindex);
  return tap == ifindexes_.end() ? nullptr : &bindings_.at(tap->second);
}

}  // namespace vrouter::router
