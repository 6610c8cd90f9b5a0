// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/lease_book.h"

#include <algorithm>

#include "dhcp/rebuilt.h"

namespace vrouter::router {

using dhcp::Lease;
using dhcp::LeaseState;

namespace {

constexpr std::chrono::seconds kSlack{1};      // what a virtual machine's clock may do between two processors
constexpr std::int64_t kForEver = 0xffffffff;  // RFC 2131, 3.3

bool is_within(const std::vector<config::AddressRange>& ranges, const address_v4& address) {
  return std::ranges::any_of(ranges, [&](const config::AddressRange& range) { return range.contains(address); });
}

bool in_range(const dhcp::Pool& pool, const address_v4& address) {
  return pool.range.contains(address) && !is_within(pool.excluded, address);
}

// Without what is excluded, which may overlap.
std::uint64_t size_of(const dhcp::Pool& pool) {
  auto excluded = pool.excluded;
  std::ranges::sort(excluded, {}, &config::AddressRange::first);
  std::uint64_t size = 0;
  std::uint64_t next = pool.range.first.to_uint();
  const std::uint64_t last = pool.range.last.to_uint();
  for (const auto& range : excluded) {
    const std::uint64_t from = range.first.to_uint(), to = range.last.to_uint();
    if (from > last) break;
    if (from > next) size += from - next;
    next = std::max(next, to + 1);
  }
  return next <= last ? size + (last - next + 1) : size;
}

bool holds(const Lease& lease, BootTime now) {
  return lease.state == LeaseState::bound && lease.expires > now;
}

bool rests(const Lease& lease, BootTime now) {
  return lease.state == LeaseState::declined && lease.expires > now;
}

// Clones on two links are two clients; one whose link is gone has come over.
bool is_elsewhere(const dhcp::Pool& pool, const Lease& known, unsigned ifindex) {
  if (known.ifindex == ifindex) return false;
  return known.ifindex == 0 || std::ranges::binary_search(pool.links, known.ifindex);
}

auto place_of(const Lease& lease) {
  return std::tie(lease.network, lease.ifindex, lease.client);
}

// Of one client, from one promise to the next.
bool goes_on(const Lease& before, const Lease& after) {
  return before.state == LeaseState::bound && after.state == LeaseState::bound && place_of(before) == place_of(after);
}

BootTime latest(BootTime now, std::chrono::seconds length) {
  return length.count() >= kForEver ? BootTime::max() : now + length + kSlack;
}

}  // namespace

std::vector<Lease> LeaseBook::use(std::vector<dhcp::Pool> pools) {
  networks_.clear();
  for (auto& pool : pools) {
    auto& network = networks_[pool.network];
    network.use.size = size_of(pool);
    // What is reserved is nobody else's, whether its client is there or not.
    for (std::size_t i = 0; i < pool.reservations.size(); ++i) {
      const auto& address = pool.reservations[i].address;
      const bool first = network.reserved.insert_or_assign(address, i).second;
      if (first && in_range(pool, address)) --network.use.size;
    }
    network.pool = std::move(pool);
  }
  std::vector<Lease> outside;
  auto before = std::exchange(leases_, {});
  bound_.clear();
  ends_.clear();
  for (auto& [address, known] : before) {
    auto& lease = known.lease;
    const auto network = networks_.find(lease.network);
    if (network != networks_.end() && is_given(network->second, lease.address)) {
      put(std::move(lease));
    } else {
      outside.push_back(std::move(lease));
    }
  }
  return outside;
}

std::vector<dhcp::Pool> LeaseBook::pools() const {
  std::vector<dhcp::Pool> all;
  all.reserve(networks_.size());
  for (const auto& [name, network] : networks_) all.push_back(network.pool);
  return all;
}

const dhcp::Pool* LeaseBook::pool_of(const std::string& network) const {
  const auto found = networks_.find(network);
  return found == networks_.end() ? nullptr : &found->second.pool;
}

void LeaseBook::set_links(const std::string& network, std::vector<unsigned> links,
                          std::vector<dhcp::Tailored> tailored) {
  const auto found = networks_.find(network);
  if (found == networks_.end()) return;
  found->second.pool.links = std::move(links);
  found->second.pool.tailored = std::move(tailored);
}

bool LeaseBook::load(Lease lease) {
  const auto network = networks_.find(lease.network);
  if (network == networks_.end() || !is_given(network->second, lease.address)) return false;
  put(std::move(lease));
  return true;
}

const config::Reservation* LeaseBook::reserved(const Network& network, const address_v4& address) {
  const auto found = network.reserved.find(address);
  return found == network.reserved.end() ? nullptr : &network.pool.reservations[found->second];
}

bool LeaseBook::is_given(const Network& network, const address_v4& address) {
  return in_range(network.pool, address) || reserved(network, address) != nullptr;
}

bool LeaseBook::is_for_anybody(const Network& network, const address_v4& address) {
  return in_range(network.pool, address) && reserved(network, address) == nullptr;
}

const config::Reservation* LeaseBook::reservation_of(const Lease& lease) const {
  const auto network = networks_.find(lease.network);
  if (network == networks_.end()) return nullptr;
  const auto* its = reserved(network->second, lease.address);
  return its != nullptr && dhcp::is_for(*its, lease.client) ? its : nullptr;
}

bool LeaseBook::gives(const std::string& network, const address_v4& address) const {
  const auto found = networks_.find(network);
  return found != networks_.end() && is_given(found->second, address);
}

std::vector<Lease> LeaseBook::move(unsigned from, unsigned to) {
  std::vector<Lease> moved;
  for (const auto* lease : all()) {
    if (lease->ifindex == from) moved.push_back(*lease);
  }
  for (auto& lease : moved) {
    lease.ifindex = to;
    put(lease);
  }
  return moved;
}

std::optional<std::string> LeaseBook::refusal(const Lease& lease, BootTime now) const {
  const auto found = networks_.find(lease.network);
  if (found == networks_.end()) return "network " + lease.network + " has no range";
  if (auto why = misplaced(found->second, lease)) return why;
  if (auto why = untimely(found->second, lease, now)) return why;
  return taken(found->second, lease, now);
}

std::optional<std::string> LeaseBook::misplaced(const Network& network, const Lease& lease) const {
  const auto& pool = network.pool;
  const auto* its = reserved(network, lease.address);
  if (its != nullptr && lease.state == LeaseState::bound && !dhcp::is_for(*its, lease.client))
    return "it is reserved for another client";
  if (!is_given(network, lease.address)) return "it is not in the range of network " + lease.network;
  if (lease.ifindex == 0 ? pool.relays.empty() : !std::ranges::binary_search(pool.links, lease.ifindex))
    return "its client can't be where it is said to be";
  return std::nullopt;
}

std::optional<std::string> LeaseBook::untimely(const Network& network, const Lease& lease, BootTime now) const {
  const auto& pool = network.pool;
  switch (lease.state) {
    case LeaseState::bound:
      if (lease.expires <= now) return "it is over already";
      if (lease.expires > latest(now, pool.settings.lease_time)) return "it is to last longer than the network allows";
      return std::nullopt;
    case LeaseState::declined:
      if (lease.expires > latest(now, pool.quarantine)) return "it is to rest longer than the network says";
      return std::nullopt;
    case LeaseState::released:
      // What ended longest ago makes way first, so a later end than now would keep it from others.
      if (lease.expires > now + kSlack) return "it is said to end later than now";
      return std::nullopt;
    case LeaseState::offered:
    case LeaseState::expired:
      break;
  }
  return "nobody asked for that";
}

std::optional<std::string> LeaseBook::taken(const Network& network, const Lease& lease, BootTime now) const {
  const auto* known = find(lease.address);
  const bool had = known != nullptr && holds(*known, now);
  const bool own =
      had && dhcp::may_be(*known, lease.client, lease.ifindex) && !is_elsewhere(network.pool, *known, lease.ifindex);
  if (const auto held = held_.find(lease.address.to_uint());
      held != held_.end() && (held->second.client != lease.client || held->second.ifindex != lease.ifindex)) {
    return "it is on its way to another client";
  }
  switch (lease.state) {
    case LeaseState::released:
      if (!own || known->ifindex != lease.ifindex) return "its client doesn't have it";
      return std::nullopt;
    case LeaseState::declined:
      if (had && !own) return "another client has it";
      return std::nullopt;
    case LeaseState::bound:
    case LeaseState::offered:
    case LeaseState::expired:
      break;
  }
  if (had && !own) return "another client has it";
  if (known != nullptr && rests(*known, now)) return "it rests, since somebody else was found to use it";
  return std::nullopt;
}

void LeaseBook::hold(const Lease& lease) {
  auto& held = held_[lease.address.to_uint()];
  held.client = lease.client;
  held.ifindex = lease.ifindex;
  ++held.times;
}

void LeaseBook::give_up(const Lease& lease) {
  settle(lease);
}

// True: it was overruled.
bool LeaseBook::settle(const Lease& lease) {
  const auto held = held_.find(lease.address.to_uint());
  if (held == held_.end()) return false;
  const bool overruled = held->second.overruled > 0;
  if (overruled) --held->second.overruled;
  if (--held->second.times == 0) held_.erase(held);
  return overruled;
}

LeaseBook::Kept LeaseBook::keep(const Lease& lease, BootTime now) {
  Kept kept;
  kept.overruled = settle(lease);
  if (kept.overruled) return kept;
  const auto* before = find(lease.address);
  const auto network = networks_.find(lease.network);
  kept.homeless =
      network == networks_.end() || (lease.state == LeaseState::bound ? misplaced(network->second, lease).has_value()
                                                                      : !is_given(network->second, lease.address));
  if (kept.homeless) {
    if (before != nullptr) kept.before = *before;
    return kept;
  }
  if (lease.state == LeaseState::bound) {
    const auto other = bound_.find(place_of(lease));
    if (other != bound_.end() && other->second != lease.address) {
      if (auto ended = release(other->second, now)) kept.ended.push_back(std::move(*ended));
    }
  }
  kept.before = put(lease);
  return kept;
}

std::optional<Lease> LeaseBook::release(const address_v4& address, BootTime now) {
  const auto* known = find(address);
  if (known == nullptr) return std::nullopt;
  auto lease = *known;
  if (lease.state != LeaseState::bound && lease.state != LeaseState::declined) return std::nullopt;
  if (const auto held = held_.find(address.to_uint()); held != held_.end()) {
    if (held->second.client != lease.client) return std::nullopt;
    held->second.overruled = held->second.times;
  }
  lease.state = LeaseState::released;
  lease.expires = now;
  put(lease);
  return lease;
}

std::vector<Lease> LeaseBook::expire(BootTime now) {
  std::vector<Lease> ended;
  for (auto next = ends_.begin(); next != ends_.end() && next->first <= now;) {
    const auto address = (next++)->second;
    if (held_.contains(address)) continue;
    auto& known = leases_.at(address);
    if (known.lease.expires > now) {  // it was renewed
      ends_.erase({*std::exchange(known.due, std::nullopt), address});
      note_end(known);
      continue;
    }
    auto lease = known.lease;
    lease.state = LeaseState::expired;
    put(lease);
    ended.push_back(std::move(lease));
  }
  return ended;
}

std::optional<BootTime> LeaseBook::next_expiry() const {
  const auto next = std::ranges::find_if(ends_, [&](const auto& end) { return !held_.contains(end.second); });
  return next == ends_.end() ? std::nullopt : std::optional{next->first};
}

const Lease* LeaseBook::find(const address_v4& address) const {
  const auto known = leases_.find(address.to_uint());
  return known == leases_.end() ? nullptr : &known->second.lease;
}

std::vector<const Lease*> LeaseBook::all() const {
  std::vector<const Lease*> all;
  all.reserve(leases_.size());
  for (const auto& [address, known] : leases_) all.push_back(&known.lease);
  std::ranges::sort(all, {}, &Lease::address);
  return all;
}

LeaseBook::Use LeaseBook::use_of(const std::string& network) const {
  const auto found = networks_.find(network);
  return found == networks_.end() ? Use{} : found->second.use;
}

std::optional<Lease> LeaseBook::put(Lease lease) {
  const auto [place, added] = leases_.try_emplace(lease.address.to_uint());
  auto& known = place->second;
  std::optional<Lease> before;
  if (!added) before = std::move(known.lease);
  if (!before || !goes_on(*before, lease)) {
    if (before) leave(*before);
    count(lease, 1);
  }
  if (lease.state == LeaseState::bound) bind(lease);
  known.lease = std::move(lease);
  note_end(known);
  return before;
}

void LeaseBook::leave(const Lease& lease) {
  if (const auto bound = bound_.find(place_of(lease)); bound != bound_.end() && bound->second == lease.address)
    bound_.erase(bound);
  count(lease, -1);
}

void LeaseBook::bind(const Lease& lease) {
  const auto bound = bound_.find(place_of(lease));
  if (bound == bound_.end()) {
    bound_.emplace(place_of(lease), lease.address);
  } else {
    bound->second = lease.address;
  }
}

void LeaseBook::note_end(Known& known) {
  const auto& lease = known.lease;
  const auto address = lease.address.to_uint();
  const bool timed = lease.state == LeaseState::bound || lease.state == LeaseState::declined;
  const bool ends = timed && lease.expires != BootTime::max();
  if (known.due && ends && *known.due <= lease.expires) return;
  if (known.due) ends_.erase({*known.due, address});
  known.due = ends ? std::optional{lease.expires} : std::nullopt;
  if (ends) ends_.emplace(lease.expires, address);
}

void LeaseBook::count(const Lease& lease, std::int64_t by) {
  const auto network = networks_.find(lease.network);
  if (network == networks_.end() || !is_for_anybody(network->second, lease.address)) return;
  auto& use = network->second.use;
  if (lease.state == LeaseState::bound) use.bound += static_cast<std::uint64_t>(by);
  if (lease.state == LeaseState::declined) use.resting += static_cast<std::uint64_t>(by);
}

}  // namespace vrouter::router
