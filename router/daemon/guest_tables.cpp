// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/guest_tables.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "dns/nameless.h"

namespace vrouter::router {

namespace {

// No interface has a slash in its name.
constexpr std::string_view kLessee = "lease/";

std::string lessee_key(const address_v4& address) {
  return std::string{kLessee} + address.to_string();
}

}  // namespace

void GuestTables::begin(std::vector<dns::Zone> zones, std::vector<dns::StaticRecord> records, ListsTold lists) {
  zones_ = std::move(zones);
  records_ = std::move(records);
  lists_ = std::move(lists);
  bindings_.clear();
  ifindexes_.clear();
  hosts_.clear();
  named_.clear();
  lessee_names_.clear();
  pools_.clear();
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

void GuestTables::put(const config::Guest& guest, const config::Network& network, const std::optional<TapIdentity>& tap,
                      config::ClientDhcp told) {
  auto binding = tap ? binding_for(guest, network, *tap, std::move(told)) : std::nullopt;
  if (binding) binding->settings = settings_.share(std::move(binding->settings));
  const auto known = bindings_.find(guest.tap);
  if (known != bindings_.end() && (!binding || binding->ifindex != known->second.ifindex)) erase_binding(guest.tap);
  if (binding && (!bindings_.contains(guest.tap) || bindings_.at(guest.tap) != *binding)) {
    bindings_due_.upserts.push_back(*binding);
    ifindexes_.insert_or_assign(binding->ifindex, guest.tap);
    bindings_.insert_or_assign(guest.tap, std::move(*binding));
  }
  auto host = host_for(guest, tap);
  host.list_groups = lists_.of(guest.groups);
  if (const auto named = named_.find({host.network, host.name}); named != named_.end() && named->second != guest.tap) {
    const std::string key = named->second;
    auto other = hosts_.at(key);
    remove_host(key);
    // A client of a range goes on without the name: it still asks for those of others.
    if (key.starts_with(kLessee)) {
      other.name = dns::nameless(other.addresses.front());
      lessee_names_.erase(other.addresses.front().to_v4().to_uint());
      put_host(key, std::move(other));
    }
  }
  put_host(guest.tap, std::move(host));
}

void GuestTables::put_host(const std::string& key, dns::Host host) {
  const auto known = hosts_.find(key);
  if (known != hosts_.end() && known->second == host) return;
  if (known != hosts_.end() && (known->second.name != host.name || known->second.network != host.network))
    remove_host(key);
  named_[{host.network, host.name}] = key;
  hosts_due_.upserts.push_back(host);
  hosts_.insert_or_assign(key, std::move(host));
}

void GuestTables::remove_host(const std::string& key) {
  const auto known = hosts_.find(key);
  if (known == hosts_.end()) return;
  const auto& gone = known->second;
  std::erase_if(hosts_due_.upserts,
                [&](const dns::Host& due) { return due.network == gone.network && due.name == gone.name; });
  hosts_due_.removed.push_back(gone);
  named_.erase({gone.network, gone.name});
  hosts_.erase(known);
}

void GuestTables::remove(const config::Guest& guest) {
  erase_binding(guest.tap);
  remove_host(guest.tap);
}

void GuestTables::put_lessee(const address_v4& address, dns::Host host) {
  const auto key = lessee_key(address);
  const auto named = named_.find({host.network, host.name});
  const bool refused = host.name.empty() || (named != named_.end() && named->second != key);
  if (refused) {
    host.name = dns::nameless(address);
    lessee_names_.erase(address.to_uint());
  } else {
    lessee_names_.insert_or_assign(address.to_uint(), host.name);
  }
  put_host(key, std::move(host));
}

void GuestTables::remove_lessee(const address_v4& address) {
  lessee_names_.erase(address.to_uint());
  remove_host(lessee_key(address));
}

std::string GuestTables::name_of_lessee(const address_v4& address) const {
  const auto known = hosts_.find(lessee_key(address));
  return known == hosts_.end() || dns::is_nameless(known->second.name) ? std::string{} : known->second.name;
}

void GuestTables::put_pool(dhcp::Pool pool) {
  const auto known = pools_.find(pool.network);
  if (known != pools_.end() && known->second == pool) return;
  std::erase_if(bindings_due_.pools, [&](const dhcp::Pool& due) { return due.network == pool.network; });
  bindings_due_.pools.push_back(pool);
  pools_.insert_or_assign(pool.network, std::move(pool));
}

void GuestTables::remove_pool(const std::string& network) {
  if (pools_.erase(network) == 0) return;
  std::erase_if(bindings_due_.pools, [&](const dhcp::Pool& due) { return due.network == network; });
  bindings_due_.removed_pools.push_back(network);
}

void GuestTables::put_leases(std::vector<dhcp::Lease> leases) {
  std::ranges::move(leases, std::back_inserter(bindings_due_.leases));
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
  for (const auto& [network, pool] : pools_) update.pools.push_back(pool);
  if (all_leases_) update.leases = all_leases_();
  return update;
}

dns::Update GuestTables::hosts() const {
  dns::Update update{.snapshot = true,
                     .zones = zones_,
                     .upserts = {},
                     .removed = {},
                     .records = records_,
                     .lists = lists_.lists,
                     .list_groups = lists_.groups};
  update.upserts.reserve(hosts_.size());
  for (const auto& [tap, host] : hosts_) update.upserts.push_back(host);
  return update;
}

const dhcp::Binding* GuestTables::by_ifindex(unsigned ifindex) const {
  const auto tap = ifindexes_.find(ifindex);
  return tap == ifindexes_.end() ? nullptr : &bindings_.at(tap->second);
}

}  // namespace vrouter::router
