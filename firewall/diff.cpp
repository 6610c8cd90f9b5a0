// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/diff.h"

#include <algorithm>
#include <ranges>
#include <string_view>

#include "firewall/decompile.h"

namespace vrouter::firewall {
namespace {

const ElementMap kNoElements;

const ElementMap& elements_of(const std::map<SetRef, ElementMap>& all, const SetRef& ref) {
  const auto found = all.find(ref);
  return found == all.end() ? kNoElements : found->second;
}

bool same_rules(const std::vector<Rule>& desired, const std::vector<ObservedRule>& observed) {
  return std::ranges::equal(desired, observed, [](const Rule& want, const ObservedRule& have) {
    return want.comment == have.comment && assemble(want) == have.code;
  });
}

// Whether the table can be brought up to date in place. The kernel changes no set's types and no chain's hook, and
// gives a table to an owner only when it makes it or when it was an orphan.
bool mendable(const Table& desired, bool owned, const ObservedTable& observed) {
  if (observed.strange) return false;
  switch (observed.ownership) {
    case Ownership::none:
      if (owned) return false;
      break;
    case Ownership::ours:
    case Ownership::orphan:
      if (!owned) return false;
      break;
    case Ownership::foreign:
      return false;
  }
  for (const auto& set : desired.sets) {
    const auto have = observed.sets.find(set.name);
    if (have != observed.sets.end() && have->second != set) return false;
  }
  for (const auto& chain : desired.chains) {
    const auto have = observed.chains.find(chain.name);
    if (have != observed.chains.end() && (have->second.base != chain.base || !have->second.accepts)) return false;
  }
  return true;
}

void diff_structure(const Table& desired, const ObservedTable& observed, Transaction& t) {
  for (const auto& counter : desired.counters) {
    if (!observed.counters.contains(counter)) t.add_counters.push_back({desired.family, counter});
  }
  for (const auto& counter : observed.counters) {
    if (!desired.counters.contains(counter)) t.delete_counters.push_back({desired.family, counter});
  }
  for (const auto& set : desired.sets) {
    if (!observed.sets.contains(set.name)) t.add_sets.push_back({desired.family, set});
  }
  for (const auto& chain : desired.chains) {
    const auto have = observed.chains.find(chain.name);
    if (have == observed.chains.end()) {
      t.add_chains.push_back({desired.family, chain});
    } else if (!same_rules(chain.rules, have->second.rules)) {
      t.refill_chains.push_back({desired.family, chain});
    }
  }
  for (const auto& name : observed.sets | std::views::keys) {
    if (std::ranges::find(desired.sets, name, &Set::name) == desired.sets.end()) {
      t.delete_sets.push_back({desired.family, name});
    }
  }
  for (const auto& name : observed.chains | std::views::keys) {
    if (std::ranges::find(desired.chains, name, &Chain::name) == desired.chains.end()) {
      t.delete_chains.push_back({desired.family, name});
    }
  }
}

void diff_elements(const SetRef& ref, bool interval, const ElementMap& desired, const ElementMap& observed,
                   Transaction& t) {
  if (desired == observed) return;
  const bool rebuild = interval && !observed.empty();
  if (rebuild) t.flush_sets.push_back(ref);
  for (const auto& [key, data] : desired) {
    const auto have = observed.find(key);
    const bool held = have != observed.end() && !rebuild;
    if (held && have->second == data) continue;
    // The kernel changes no element's data: it goes and comes again, in one transaction.
    if (held) t.delete_elements.push_back({ref, key, have->second});
    t.add_elements.push_back({ref, key, data});
  }
  if (rebuild) return;
  for (const auto& [key, data] : observed) {
    if (!desired.contains(key)) t.delete_elements.push_back({ref, key, data});
  }
}

}  // namespace

bool Transaction::empty() const noexcept {
  return adopt_tables.empty() && delete_tables.empty() && add_tables.empty() && add_sets.empty() &&
         add_chains.empty() && refill_chains.empty() && flush_sets.empty() && delete_elements.empty() &&
         delete_sets.empty() && delete_chains.empty() && add_elements.empty() && add_counters.empty() &&
         delete_counters.empty();
}

Transaction diff(const Ruleset& desired, const Observed& observed, const std::set<SetRef>* sets) {
  Transaction t;
  t.owned = desired.owned;
  for (const auto& table : desired.tables) {
    const auto have = observed.tables.find(table.family);
    const bool exists = have != observed.tables.end();
    const bool mend = exists && mendable(table, desired.owned, have->second);
    if (exists && !mend) t.delete_tables.push_back(table.family);
    if (!mend) t.add_tables.push_back(table.family);
    if (mend && have->second.ownership == Ownership::orphan) t.adopt_tables.push_back(table.family);
    diff_structure(table, mend ? have->second : ObservedTable{}, t);
    for (const auto& set : table.sets) {
      const SetRef ref{table.family, set.name};
      if (set.dynamic()) continue;
      const bool looked_at = sets == nullptr || sets->contains(ref);
      if (mend && !looked_at && have->second.sets.contains(set.name)) continue;
      diff_elements(ref, set.interval, elements_of(desired.elements, ref),
                    mend ? elements_of(observed.elements, ref) : kNoElements, t);
    }
  }
  for (const auto family : observed.tables | std::views::keys) {
    if (std::ranges::find(desired.tables, family, &Table::family) == desired.tables.end()) {
      t.delete_tables.push_back(family);
    }
  }
  return t;
}

namespace {

// False: not in place.
bool change_structure(const Table& before, const Table& after, Transaction& t) {
  std::map<std::string_view, const Set*> sets;
  for (const auto& set : before.sets) sets.emplace(set.name, &set);
  for (const auto& set : after.sets) {
    const auto had = sets.find(set.name);
    if (had == sets.end()) {
      t.add_sets.push_back({after.family, set});
      continue;
    }
    if (*had->second != set) return false;
    sets.erase(had);
  }
  for (const auto& [name, set] : sets) t.delete_sets.push_back({after.family, std::string{name}});
  std::map<std::string_view, const Chain*> chains;
  for (const auto& chain : before.chains) chains.emplace(chain.name, &chain);
  for (const auto& chain : after.chains) {
    const auto had = chains.find(chain.name);
    if (had == chains.end()) {
      t.add_chains.push_back({after.family, chain});
      continue;
    }
    if (had->second->base != chain.base) return false;
    if (had->second->rules != chain.rules) t.refill_chains.push_back({after.family, chain});
    chains.erase(had);
  }
  for (const auto& [name, chain] : chains) t.delete_chains.push_back({after.family, std::string{name}});
  for (const auto& counter : after.counters) {
    if (!before.counters.contains(counter)) t.add_counters.push_back({after.family, counter});
  }
  for (const auto& counter : before.counters) {
    if (!after.counters.contains(counter)) t.delete_counters.push_back({after.family, counter});
  }
  return true;
}

}  // namespace

std::optional<Transaction> change_rules(const Ruleset& before, const Ruleset& after) {
  if (before.owned != after.owned || before.tables.size() != after.tables.size()) return std::nullopt;
  Transaction t;
  t.owned = after.owned;
  for (const auto& table : after.tables) {
    const auto had = std::ranges::find(before.tables, table.family, &Table::family);
    if (had == before.tables.end() || !change_structure(*had, table, t)) return std::nullopt;
    for (const auto& set : table.sets) {
      const SetRef ref{table.family, set.name};
      if (set.dynamic() || holds_guests(ref)) continue;
      diff_elements(ref, set.interval, elements_of(after.elements, ref), elements_of(before.elements, ref), t);
    }
  }
  return t;
}

Transaction change_elements(const std::vector<Element>& before, const std::vector<Element>& after) {
  Transaction t;
  std::ranges::set_difference(before, after, std::back_inserter(t.delete_elements));
  std::ranges::set_difference(after, before, std::back_inserter(t.add_elements));
  return t;
}

}  // namespace vrouter::firewall
