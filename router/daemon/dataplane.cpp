// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/dataplane.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <iterator>
#include <map>
#include <optional>
#include <ranges>
#include <utility>

#include "firewall/decompile.h"
#include "firewall/diff.h"
#include "router/daemon/log.h"
#include "router/reconcile/desired.h"

namespace vrouter::router {

namespace {

std::optional<KernelError> owned_by_another(const firewall::Observed& observed) {
  for (const auto& [family, table] : observed.tables) {
    if (table.ownership != firewall::Ownership::foreign) continue;
    return KernelError{"another process owns the firewall tables named vrouter on this host; stop that one first",
                       EPERM, ""};
  }
  return std::nullopt;
}

// Of what was read or made for tables that others changed meanwhile.
bool came_too_late(const KernelError& error) {
  return error.code == ENOENT || error.code == EEXIST || error.code == EBUSY || error.code == ENOBUFS ||
         error.code == EINTR;
}
constexpr int kRestoreAttempts = 5;

// "this address is behind that TAP, of that profile": a guest that is another has others.
std::set<std::string> displaced_by(const firewall::Transaction& transaction) {
  std::set<std::string> taps;
  for (const auto& element : transaction.delete_elements) {
    if (element.set.set != "dst4" && element.set.set != "dst6") continue;
    const auto& key = element.key.first;
    const auto name = std::ranges::subrange(
        key.begin(), key.begin() + static_cast<std::ptrdiff_t>(firewall::size_of(firewall::Type::ifname)));
    taps.emplace(name.begin(), std::ranges::find(name, 0));
  }
  return taps;
}

// Tables that are gone leave guests open, and ten thousand guests' elements take the kernel a third of a second. With
// chains, rules and small sets alone nothing of a guest's passes, and those take a millisecond: they go first.
constexpr std::size_t kManyElements = 2000;
constexpr std::size_t kSmallSet = 64;

// Takes the elements of large sets out of it.
std::vector<firewall::Element> split_off_guests(firewall::Transaction& transaction) {
  std::map<firewall::SetRef, std::size_t> sizes;
  for (const auto& element : transaction.add_elements) ++sizes[element.set];
  std::vector<firewall::Element> small;
  std::vector<firewall::Element> large;
  for (auto& element : transaction.add_elements) {
    (sizes[element.set] <= kSmallSet ? small : large).push_back(std::move(element));
  }
  transaction.add_elements = std::move(small);
  return large;
}

// What is made before anything leads to it, what switches, and what is taken away once nothing leads to it any more.
//
// nf_tables shows a packet the rules of one generation from the base chain on, but sets as they are at the moment. In
// one transaction a packet that is under way could follow a new element into a new chain, which is still empty for it,
// and out of it: the base chain's policy accepts. Or find a map empty that old rules ask. So new chains and maps are
// there one transaction earlier, and old ones one longer.
struct Phases {
  firewall::Transaction make, change, clear;
};

Phases in_phases(firewall::Transaction whole) {
  Phases phases;
  for (auto* phase : {&phases.make, &phases.change, &phases.clear}) phase->owned = whole.owned;
  std::set<firewall::SetRef> made;
  for (const auto& [family, set] : whole.add_sets) made.insert({family, set.name});
  phases.make.add_counters = std::move(whole.add_counters);
  phases.make.add_sets = std::move(whole.add_sets);
  phases.make.add_chains = std::move(whole.add_chains);
  for (auto& element : whole.add_elements) {
    auto& phase = made.contains(element.set) ? phases.make : phases.change;
    phase.add_elements.push_back(std::move(element));
  }
  phases.change.refill_chains = std::move(whole.refill_chains);
  phases.change.flush_sets = std::move(whole.flush_sets);
  phases.change.delete_elements = std::move(whole.delete_elements);
  phases.clear.delete_sets = std::move(whole.delete_sets);
  phases.clear.delete_chains = std::move(whole.delete_chains);
  phases.clear.delete_counters = std::move(whole.delete_counters);
  return phases;
}

// Takes back what in_phases() made first.
firewall::Transaction undo(const firewall::Transaction& make) {
  firewall::Transaction back;
  back.owned = make.owned;
  for (const auto& [family, set] : make.add_sets) back.delete_sets.push_back({family, set.name});
  for (const auto& [family, chain] : make.add_chains) back.delete_chains.push_back({family, chain.name});
  back.delete_counters = make.add_counters;
  return back;
}

Result<void> apply_in_phases(firewall::NftPort& nft, firewall::Transaction transaction) {
  if (!transaction.add_tables.empty() || !transaction.delete_tables.empty() || !transaction.adopt_tables.empty()) {
    return nft.apply(transaction);
  }
  const auto phases = in_phases(std::move(transaction));
  if (!phases.make.empty()) {
    if (auto made = nft.apply(phases.make); !made) return made;
  }
  if (!phases.change.empty()) {
    auto changed = nft.apply(phases.change);
    if (!changed && !phases.make.empty()) {
      if (auto undone = nft.apply(undo(phases.make)); !undone) {
        changed.error().what += "; and what was made for it stays: " + undone.error().to_string();
      }
    }
    if (!changed) return changed;
  }
  if (phases.clear.empty()) return {};
  // What nothing leads to does no harm: the next look at the tables takes it away.
  if (auto cleared = nft.apply(phases.clear); !cleared) log_warning(cleared.error().to_string());
  return {};
}

}  // namespace

Result<Dataplane::Ports> Dataplane::open_ports() {
  auto net = open_kernel();
  if (!net) return std::unexpected(net.error());
  auto sysctls = open_sysctls();
  if (!sysctls) return std::unexpected(sysctls.error());
  auto nft = firewall::open_nft();
  if (!nft) return std::unexpected(nft.error());
  return Ports{std::move(*net), std::move(*sysctls), std::move(*nft)};
}

Result<void> Dataplane::observe() {
  auto observed = router::observe(kernel());
  if (!observed) return std::unexpected(observed.error());
  observed_ = std::move(*observed);
  return {};
}

bool Dataplane::owns_table(const config::Config& config) const {
  return config.host.table_owner == config::TableOwner::automatic && ports_.nft->features().owner_persist;
}

Affected Dataplane::look_at(const DesiredGuest& guest) {
  auto link = ports_.net->link(guest.tap);
  if (!link) {
    const Link* known = observed_.link(guest.tap);
    return link.error().code == ENODEV && known != nullptr ? observed_.on(LinkGone{known->index, guest.tap})
                                                           : Affected{};
  }
  auto affected = observed_.on(LinkChanged{std::move(*link)});
  if (observe_guest_sysctls(*ports_.sysctls, guest, observed_)) affected.links.push_back(guest.tap);
  return affected;
}

Affected Dataplane::look_at_links(std::vector<std::string> names) {
  Affected all;
  names.emplace_back("lo");
  for (const auto& name : names) {
    auto link = ports_.net->link(name);
    if (!link) continue;  // one that went tells so
    const auto affected = observed_.on(LinkChanged{std::move(*link)});
    all.links.insert(all.links.end(), affected.links.begin(), affected.links.end());
    all.host |= affected.host;
    all.uplinks |= affected.uplinks;
  }
  return all;
}

firewall::Ruleset& Dataplane::own_rules() {
  // Only this thread hands snapshots out, so nobody can begin to look meanwhile.
  if (rules_.use_count() > 1) rules_ = std::make_shared<firewall::Ruleset>(*rules_);
  std::atomic_thread_fence(std::memory_order_acquire);  // another thread may have looked last
  return *rules_;
}

Result<firewall::Transaction> Dataplane::restore_rules(const std::set<firewall::SetRef>* sets) {
  for (int attempt = 1;; ++attempt) {
    const auto observed = sets == nullptr ? ports_.nft->observe() : ports_.nft->observe_sets(*sets);
    if (!observed) {  // a set, say, that went after it was listed
      if (attempt == kRestoreAttempts || !came_too_late(observed.error())) return std::unexpected(observed.error());
      continue;
    }
    if (auto foreign = owned_by_another(*observed)) return std::unexpected(std::move(*foreign));
    auto transaction = firewall::diff(*rules_, *observed, sets);
    if (transaction.empty()) return transaction;
    std::vector<firewall::Element> guests;
    if (!transaction.add_tables.empty() && transaction.add_elements.size() > kManyElements)
      guests = split_off_guests(transaction);
    auto applied = ports_.nft->apply(transaction);
    if (applied && !guests.empty()) {
      firewall::Transaction rest;
      rest.owned = transaction.owned;
      rest.add_elements = std::move(guests);
      applied = ports_.nft->apply(rest);
    }
    if (applied) return transaction;
    if (attempt == kRestoreAttempts || !came_too_late(applied.error())) return std::unexpected(applied.error());
  }
}

Result<bool> Dataplane::install(firewall::Ruleset rules) {
  const auto observed = ports_.nft->observe();
  if (!observed) return std::unexpected(observed.error());
  if (auto foreign = owned_by_another(*observed)) return std::unexpected(std::move(*foreign));
  const auto transaction = firewall::diff(rules, *observed);
  displaced_ = displaced_by(transaction);
  if (!transaction.empty()) {
    if (auto applied = apply_in_phases(*ports_.nft, transaction); !applied) return std::unexpected(applied.error());
  }
  rules_ = std::make_shared<firewall::Ruleset>(std::move(rules));
  return !transaction.empty();
}

Result<void> Dataplane::install_after(firewall::Ruleset wanted, bool lost) {
  auto installed = install(std::move(wanted));
  if (installed) return {};
  auto error = std::move(installed.error());
  if (lost && error.code != ENOBUFS) {
    error.what = "the kernel's answer was lost; then " + error.to_string();
    error.extack.clear();
    error.code = ENOBUFS;
  }
  return std::unexpected(std::move(error));
}

// Deleting what isn't there would fail the whole batch, and a guest that was never quite added has only some.
std::vector<firewall::Element> Dataplane::held(const std::vector<firewall::Element>& elements) const {
  std::vector<firewall::Element> present;
  std::ranges::copy_if(elements, std::back_inserter(present), [this](const firewall::Element& element) {
    const auto set = rules_->elements.find(element.set);
    return set != rules_->elements.end() && set->second.contains(element.key);
  });
  return present;
}

Result<void> Dataplane::restructure(firewall::Ruleset skeleton, const std::vector<firewall::Element>& before,
                                    const std::vector<firewall::Element>& after) {
  const auto present = held(before);
  bool lost = false;  // what the kernel said to it
  auto transaction = firewall::change_rules(*rules_, skeleton);
  const auto take_guests = [&] {
    for (const auto& [ref, elements] : rules_->elements) {
      if (firewall::holds_guests(ref)) skeleton.elements[ref] = elements;
    }
  };
  const auto change_guests = [&] {
    skeleton.erase(present);
    skeleton.insert(after);
  };
  if (transaction) {
    auto guests = firewall::change_elements(present, after);
    std::ranges::move(guests.delete_elements, std::back_inserter(transaction->delete_elements));
    std::ranges::move(guests.add_elements, std::back_inserter(transaction->add_elements));
    const auto applied = apply_in_phases(*ports_.nft, std::move(*transaction));
    if (!applied && !came_too_late(applied.error())) return std::unexpected(applied.error());
    if (applied) {
      take_guests();
      former_ = std::exchange(rules_, nullptr);
      // What nobody shares is changed where it is: thousands of elements needn't be copied.
      if (former_.use_count() == 1) former_->elements.clear();
      change_guests();
      rules_ = std::make_shared<firewall::Ruleset>(std::move(skeleton));
      return {};
    }
    lost = applied.error().code == ENOBUFS;
  }
  take_guests();
  change_guests();
  return install_after(std::move(skeleton), lost);
}

Result<void> Dataplane::change(const std::vector<firewall::Element>& before,
                               const std::vector<firewall::Element>& after) {
  const auto present = held(before);
  const auto transaction = firewall::change_elements(present, after);
  if (transaction.empty()) return {};
  auto wanted_by = [&](firewall::Ruleset& rules) {
    rules.erase(present);
    rules.insert(after);
  };
  auto applied = ports_.nft->apply(transaction);
  if (!applied && applied.error().code == ENOBUFS) {
    // The kernel's answer was lost, not necessarily the change: what it shows decides.
    auto wanted = *rules_;
    wanted_by(wanted);
    return install_after(std::move(wanted), true);
  }
  if (applied) wanted_by(own_rules());
  return applied;
}

}  // namespace vrouter::router
