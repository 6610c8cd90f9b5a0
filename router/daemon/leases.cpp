// SPDX-License-Identifier: GPL-2.0-or-later
// Leases of networks' ranges. The DHCP service says what is to be, the book whether it may; then it goes to the disk,
// then into rules, routes and names, and only then the client is told. So an acknowledged lease is never forgotten, and
// a client that has heard of its address can use it.
#include <algorithm>
#include <boost/algorithm/string/predicate.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <set>
#include <tuple>

#include "router/daemon/log.h"
#include "router/daemon/router.h"
#include "router/reconcile/diff.h"

namespace vrouter::router {

using dhcp::Lease;
using dhcp::LeaseState;

namespace {

// Nothing but its end has moved.
bool only_renews(const Lease& before, const Lease& after) {
  const auto rest = [](const Lease& lease) {
    return std::tie(lease.state, lease.address, lease.ifindex, lease.client, lease.host_name, lease.network);
  };
  return rest(before) == rest(after);
}

// Networks of these whose range has no address free.
std::set<std::string> full_among(const LeaseBook& book, const std::vector<dhcp::Commit>& commits) {
  std::set<std::string> seen, full;
  for (const auto& [id, lease] : commits) {
    if (!seen.insert(lease.network).second) continue;
    const auto use = book.use_of(lease.network);
    if (use.bound + use.resting >= use.size) full.insert(lease.network);
  }
  return full;
}

std::string text_of(const Lease& lease, const std::string& link) {
  return lease.address.to_string() + " of network " + lease.network + ": " + std::string{dhcp::name(lease.state)} +
         ", client " + lease.client.hardware.to_string() +
         (lease.host_name.empty() ? "" : " (" + lease.host_name + ")") +
         (link.empty() ? " behind a relay" : " on " + link);
}

}  // namespace

// A link that was made anew has another number, and its clients are the same.
void Router::follow_links() {
  for (const auto& [tap, guest] : guests_.all()) {
    if (!guest.shared) continue;
    const auto* link = plane_.observed().link(tap);
    if (link == nullptr) continue;
    const auto [known, first] = shared_links_.try_emplace(tap, link->index);
    if (first || known->second == link->index) continue;
    services_.tables().put_leases(book_.move(known->second, link->index));
    known->second = link->index;
  }
}

// --- who has them ---------------------------------------------------------------------------------------------------

std::string Router::link_of(const Lease& lease) const {
  if (lease.ifindex == 0) return {};
  const auto known = std::ranges::find(shared_links_, lease.ifindex, [](const auto& entry) { return entry.second; });
  return known == shared_links_.end() ? std::string{} : known->first;
}

std::optional<config::Guest> Router::lessee_of(const Lease& lease) const {
  const auto* guest = guests_.by_tap(link_of(lease));
  if (guest == nullptr || !guest->shared || guest->network != lease.network || lease.state != LeaseState::bound)
    return std::nullopt;
  const auto* reserved = book_.reservation_of(lease);
  config::Guest lessee;
  lessee.name = reserved != nullptr && !reserved->name.empty() ? reserved->name : guest->name;
  lessee.tap = guest->tap;
  lessee.network = lease.network;
  lessee.address = lease.address;
  lessee.mac = lease.client.hardware;
  lessee.groups = reserved != nullptr && !reserved->groups.empty() ? reserved->groups : guest->groups;
  return lessee;
}

std::vector<config::Guest> Router::lessees() const {
  std::vector<config::Guest> all;
  for (const auto* lease : book_.all()) {
    if (auto lessee = lessee_of(*lease)) all.push_back(std::move(*lessee));
  }
  return all;
}

std::map<address_v4, MacAddress> Router::lessees_behind(const std::string& tap) const {
  std::map<address_v4, MacAddress> all;
  for (const auto* lease : book_.all()) {
    if (lease->state == LeaseState::bound && lease->ifindex != 0 && link_of(*lease) == tap)
      all.emplace(lease->address, lease->client.hardware);
  }
  return all;
}

std::vector<firewall::Element> Router::elements_of_lessee(const config::Guest& lessee) const {
  return firewall::compile_lessee(lessee, network_of(lessee), profiles_);
}

// As reconciling everything has put them in, so that the next change knows what is there.
void Router::enter_all_lessees() {
  entered_.clear();
  for (auto& lessee : lessees()) {
    const auto address = *lessee.address;
    if (desired_.guests.contains(lessee.tap)) entered_.emplace(address, std::move(lessee));
  }
}

void Router::name_lessee(const Lease& lease) {
  const auto* reserved = book_.reservation_of(lease);
  dns::Host host{.network = lease.network,
                 .name = reserved != nullptr && !reserved->name.empty() ? reserved->name : lease.host_name,
                 .ifindex = lease.ifindex,
                 .addresses = {lease.address}};
  // Whatever a client calls itself, it can't be what somebody else is called by the operator.
  const auto* pool = book_.pool_of(lease.network);
  const bool kept = pool != nullptr && std::ranges::any_of(pool->reservations, [&](const auto& reservation) {
                      return boost::algorithm::iequals(reservation.name, host.name);
                    });
  if (reserved == nullptr && (kept || guests_.find(host.name) != nullptr)) host.name.clear();
  const auto* guest = guests_.by_tap(link_of(lease));
  if (reserved != nullptr && !reserved->groups.empty()) {
    host.list_groups = services_.tables().lists().of(reserved->groups);
  } else if (guest != nullptr) {
    host.list_groups = services_.tables().lists().of(guest->groups);
  }
  services_.tables().put_lessee(lease.address, std::move(host));
}

// Whose interface has other groups now.
void Router::name_lessees_behind(const std::string& tap) {
  for (const auto* lease : book_.all()) {
    if (lease->state == LeaseState::bound && link_of(*lease) == tap) name_lessee(*lease);
  }
}

// --- from the service to the disk, and from there into force --------------------------------------------------------

void Router::on_commits(std::vector<dhcp::Commit> commits) {
  const auto now = BootClock::now();
  std::vector<dhcp::CommitResult> refused;
  std::vector<Lease> leases;
  std::vector<dhcp::Commit> taken;
  for (auto& commit : commits) {
    auto why = !lease_store_ || stopped_ ? std::optional<std::string>{"leases can't be written"}
                                         : book_.refusal(commit.lease, now);
    if (!why) why = over_quota(commit.lease);
    if (why) {
      log_debug("no lease of " + text_of(commit.lease, link_of(commit.lease)) + ": " + *why);
      refused.push_back({commit.id, false});
      continue;
    }
    book_.hold(commit.lease);
    leases.push_back(commit.lease);
    taken.push_back(std::move(commit));
  }
  if (!refused.empty()) services_.committed(refused);
  if (taken.empty()) return;
  lease_store_->commit(std::move(leases), {}, io_,
                       [this, taken = std::move(taken)](const state::Committed& done) { on_written(taken, done); });
}

// What one port of a bridge may have, so that a guest that makes up stations leaves some for the others. Of a station
// that the bridge has never heard there can be no client: the frame that asked came from another. Who has a lease keeps
// it, and counts.
std::optional<std::string> Router::over_quota(const Lease& lease) {
  if (lease.ifindex == 0 || lease.state != LeaseState::bound) return std::nullopt;
  const auto* known = book_.find(lease.address);
  const bool renews = known != nullptr && known->state == LeaseState::bound && known->client == lease.client;
  const auto* link = plane_.observed().link(lease.ifindex);
  const auto most = config_.networks.at(lease.network).dhcp.leases_per_port;
  if (link == nullptr || link->kind != "bridge" || most == 0) return std::nullopt;
  const auto port = plane_.bridge_port(lease.ifindex, lease.client.hardware);
  if (!port && !renews && port.error().code == ENOENT) return "the bridge knows no such station";
  if (!port) return std::nullopt;  // a kernel that can't say: then there is no bound
  const auto left = ports_of_.find(lease.address);
  const auto& on_port = leases_on_[{lease.ifindex, *port}];
  const bool counted = left != ports_of_.end() && left->second == std::pair{lease.ifindex, *port};
  if (!counted && !renews && on_port.size() >= most) {
    std::erase_if(leases_on_[{lease.ifindex, *port}], [this](const address_v4& address) {
      const auto* held = book_.find(address);
      return !book_.is_held(address) &&
             (held == nullptr || (held->state != LeaseState::bound && held->state != LeaseState::declined));
    });
    if (on_port.size() >= most)
      return "its port of the bridge has " + std::to_string(most) + " addresses already (dhcp.leases_per_port)";
  }
  if (left != ports_of_.end()) leases_on_[left->second].erase(lease.address);
  ports_of_.insert_or_assign(lease.address, std::pair{lease.ifindex, *port});
  leases_on_[{lease.ifindex, *port}].insert(lease.address);
  return std::nullopt;
}

// Whether something of a bound lease could be missing among rules, routes and names: of a client behind a relay there
// is only the name, which it may have been refused, or have lost to a guest, or is to lose to one of another network.
bool Router::may_lack(const Lease& lease) const {
  if (lease.ifindex != 0 || book_.reservation_of(lease) != nullptr) return true;
  if (lease.host_name.empty()) return false;
  return !services_.tables().is_named(lease.address, lease.host_name) || guests_.find(lease.host_name) != nullptr;
}

void Router::heard_of_leases(const state::Committed& done) {
  if (done) {
    if (!std::exchange(lease_problem_, {}).empty()) log_info("leases are written again");
  } else if (lease_problem_ != done.error()) {
    lease_problem_ = done.error();
    log_error("a lease could not be written, so its client gets no answer: " + lease_problem_);
  }
}

void Router::on_written(const std::vector<dhcp::Commit>& commits, const state::Committed& done) {
  heard_of_leases(done);
  std::vector<dhcp::CommitResult> results;
  results.reserve(commits.size());
  if (!done) {
    for (const auto& commit : commits) {
      book_.give_up(commit.lease);
      results.push_back({commit.id, false});
    }
    services_.committed(results);
    return wait_for_lease_end();
  }
  const auto now = BootClock::now();
  const auto full_before = full_among(book_, commits);
  std::vector<Lease> changed, ended, as_before;
  std::vector<address_v4> erased;
  std::vector<std::uint64_t> kept_ids;
  for (const auto& commit : commits) {
    auto kept = book_.keep(commit.lease, now);
    if (kept.overruled) {
      results.push_back({commit.id, false});
      continue;
    }
    if (kept.homeless) {
      results.push_back({commit.id, false});
      // What else is on its way there is written after this one, and settles it.
      if (book_.is_held(commit.lease.address)) continue;
      if (kept.before) {
        as_before.push_back(std::move(*kept.before));
      } else {
        erased.push_back(commit.lease.address);
      }
      continue;
    }
    kept_ids.push_back(commit.id);
    if (kept.before) tell_if_over(*kept.before, commit.lease);
    const bool renewed = kept.before && only_renews(*kept.before, commit.lease);
    if (!renewed) tell_lease(commit.lease);
    if (!renewed || may_lack(commit.lease)) changed.push_back(commit.lease);
    std::ranges::move(kept.ended, std::back_inserter(ended));
  }
  if (!ended.empty()) end_leases(std::move(ended));
  if (!as_before.empty() || !erased.empty()) {
    lease_store_->commit(std::move(as_before), std::move(erased), io_,
                         [this](const state::Committed& undone) { heard_of_leases(undone); });
  }
  const bool in_force = enter_leases(changed);
  warn_of_full(full_before, commits);
  for (const auto id : kept_ids) results.push_back({id, in_force});
  services_.committed(results);
  wait_for_lease_end();
}

// Those whose range has no address free any more, once.
void Router::warn_of_full(const std::set<std::string>& before, const std::vector<dhcp::Commit>& commits) {
  for (const auto& network : full_among(book_, commits)) {
    if (before.contains(network)) continue;
    if (const auto warning = range_warning(network); warning && lease_log_.take(BootClock::now()))
      log_warning(*warning);
  }
}

// A lease whose end waited until its address was settled, and which nobody will end any more.
void Router::tell_if_over(const Lease& before, const Lease& after) {
  if (before.state != LeaseState::bound || before.client == after.client) return;
  auto over = before;
  over.state = LeaseState::expired;
  tell_lease(over);
}

// What the daemon itself ends: its time, the operator, another lease of the same client.
void Router::end_leases(std::vector<Lease> ended) {
  for (const auto& lease : ended) tell_lease(lease);
  static_cast<void>(enter_leases(ended));
  services_.tables().put_leases(ended);
  services_.flush();
  if (!lease_store_) return;
  lease_store_->commit(std::move(ended), {}, io_, [this](const state::Committed& done) { heard_of_leases(done); });
}

// Rules, routes, neighbours and names as these leases say, by what differs from what is in force.
bool Router::enter_leases(const std::vector<Lease>& leases) {
  if (!rules_in_ || stopped_) return true;  // they come with the rules
  std::vector<firewall::Element> before, after;
  std::vector<Operation> operations;
  std::vector<address> gone;
  bool lacks = false;
  for (const auto& lease : leases) {
    const auto old = entered_.find(lease.address);
    auto lessee = lessee_of(lease);
    if (lessee && !desired_.guests.contains(lessee->tap)) lessee.reset();
    if (lease.state == LeaseState::bound) {
      name_lessee(lease);
    } else {
      services_.tables().remove_lessee(lease.address);
    }
    if (lessee && old != entered_.end() && old->second == *lessee) continue;
    if (old != entered_.end()) {
      std::ranges::move(elements_of_lessee(old->second), std::back_inserter(before));
      if (const auto guest = desired_.guests.find(old->second.tap); guest != desired_.guests.end()) {
        guest->second.lessees.erase(lease.address);
        auto plan = dismiss_lessee(desired_.host, guest->second, lease.address, plane_.observed());
        if (!lessee || lessee->tap != old->second.tap)
          std::ranges::move(plan.operations, std::back_inserter(operations));
      }
      gone.emplace_back(lease.address);
      entered_.erase(old);
    }
    if (!lessee) continue;
    if (profiles_.lacks(*lessee, network_of(*lessee))) {
      profiles_.add(*lessee, network_of(*lessee));
      lacks = true;
    }
    std::ranges::move(elements_of_lessee(*lessee), std::back_inserter(after));
    auto& guest = desired_.guests.at(lessee->tap);
    guest.lessees.insert_or_assign(lease.address, *lessee->mac);
    auto plan = admit_lessee(desired_.host, guest, lease.address, *lessee->mac, plane_.observed());
    for (const auto& problem : plan.problems) log_warning(problem);
    std::ranges::move(plan.operations, std::back_inserter(operations));
    entered_.insert_or_assign(lease.address, std::move(*lessee));
  }
  services_.flush();
  if (before.empty() && after.empty() && operations.empty()) return true;
  if (auto changed = lacks ? plane_.restructure(skeleton(), before, after) : plane_.change(before, after); !changed) {
    log_error("leases could not be put in force: " + changed.error().to_string());
    for (const auto& lease : leases) entered_.erase(lease.address);
    failed_.all = true;
    retry_later();
    return false;
  }
  if (lacks) plane_.release_former();
  if (events_) events_->drain();
  const auto applied = plane_.apply(operations);
  if (applied.error) log_warning("a lease's route: " + applied.error->to_string());
  if (!gone.empty()) {
    conntrack_->flush(gone, [](const Result<void>& flushed) {
      if (!flushed) log_warning(flushed.error().to_string());
    });
  }
  return true;
}

// Those behind one link, before its guest goes: what is in force for them, to be taken out with it.
std::vector<firewall::Element> Router::leave_lessees(const std::string& tap) {
  std::vector<firewall::Element> elements;
  std::vector<address> gone;
  for (auto it = entered_.begin(); it != entered_.end();) {
    if (it->second.tap != tap) {
      ++it;
      continue;
    }
    std::ranges::move(elements_of_lessee(it->second), std::back_inserter(elements));
    services_.tables().remove_lessee(it->first);
    gone.emplace_back(it->first);
    it = entered_.erase(it);
  }
  if (!gone.empty()) {
    conntrack_->flush(gone, [](const Result<void>& flushed) {
      if (!flushed) log_warning(flushed.error().to_string());
    });
  }
  return elements;
}

// And once it is served: its clients may still have their leases.
void Router::bring_back_lessees(const std::string& tap) {
  follow_links();
  std::vector<Lease> leases;
  for (const auto* lease : book_.all()) {
    if (lease->state == LeaseState::bound && lease->ifindex != 0 && link_of(*lease) == tap) leases.push_back(*lease);
  }
  static_cast<void>(enter_leases(leases));
}

// --- time -----------------------------------------------------------------------------------------------------------

void Router::wait_for_lease_end() {
  const auto next = book_.next_expiry();
  if (next == lease_end_set_to_) return;
  lease_end_set_to_ = next;
  if (!next) {
    lease_end_.cancel();
    return;
  }
  lease_end_.expires_at(*next);
  lease_end_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    lease_end_set_to_.reset();
    if (auto ended = book_.expire(BootClock::now()); !ended.empty()) end_leases(std::move(ended));
    wait_for_lease_end();
  });
}

// --- telling --------------------------------------------------------------------------------------------------------

void Router::tell_lease(const Lease& lease) {
  monitors_.tell_lease([&] { return view_of(lease); });
  if (!lease_log_.take(BootClock::now())) {
    ++leases_unlogged_;
    return;
  }
  const auto others = std::exchange(leases_unlogged_, 0);
  const auto text = "lease " + text_of(lease, link_of(lease)) +
                    (others == 0 ? "" : "; and " + std::to_string(others) + " other changes of leases before it");
  if (lease.state == LeaseState::declined) {
    log_warning(text + ": somebody else was found to use this address, so it rests for a while");
  } else {
    log_info(text);
  }
}

}  // namespace vrouter::router
