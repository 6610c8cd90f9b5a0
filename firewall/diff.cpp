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
         delete_counters.empty() && expel.empty() && admit.empty();
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

// The names that both lists have, each with its two things, and those that one has alone. A ruleset that was made anew
// mostly has the same in the same order, but for a few in the middle: only those are searched for.
template <typename Thing>
struct Matched {
  std::vector<std::pair<const Thing*, const Thing*>> both;
  std::vector<const Thing*> old, fresh;

  Matched(const std::vector<Thing>& before, const std::vector<Thing>& after) {
    const auto alike = [](const Thing& a, const Thing& b) { return a.name == b.name; };
    const auto [was, is] = std::ranges::mismatch(before, after, alike);
    for (auto b = before.begin(), a = after.begin(); b != was; ++b, ++a) both.emplace_back(&*b, &*a);
    auto last_was = before.end(), last_is = after.end();
    for (; last_was != was && last_is != is && alike(*(last_was - 1), *(last_is - 1)); --last_was, --last_is) {
      both.emplace_back(&*(last_was - 1), &*(last_is - 1));
    }
    std::map<std::string_view, const Thing*> others;
    for (auto b = was; b != last_was; ++b) others.emplace(b->name, &*b);
    for (auto a = is; a != last_is; ++a) {
      const auto found = others.find(a->name);
      if (found == others.end()) {
        fresh.push_back(&*a);
      } else {
        both.emplace_back(found->second, &*a);
        others.erase(found);
      }
    }
    for (const auto& [name, thing] : others) old.push_back(thing);
  }
};

// False: not in place.
bool change_structure(const Table& before, const Table& after, Transaction& t) {
  const Matched sets{before.sets, after.sets};
  if (std::ranges::any_of(sets.both, [](const auto& pair) { return *pair.first != *pair.second; })) return false;
  for (const auto* set : sets.fresh) t.add_sets.push_back({after.family, *set});
  for (const auto* set : sets.old) t.delete_sets.push_back({after.family, set->name});
  const Matched chains{before.chains, after.chains};
  for (const auto& [had, chain] : chains.both) {
    if (had->base != chain->base) return false;
    if (had->rules != chain->rules) t.refill_chains.push_back({after.family, *chain});
  }
  for (const auto* chain : chains.fresh) t.add_chains.push_back({after.family, *chain});
  for (const auto* chain : chains.old) t.delete_chains.push_back({after.family, chain->name});
  const auto add_to = [&](std::vector<CounterRef>& counters) {
    return [&](const std::string& counter) { counters.push_back({after.family, counter}); };
  };
  if (before.counters == after.counters) return true;
  std::vector<std::string> added, gone;
  std::ranges::set_difference(after.counters, before.counters, std::back_inserter(added));
  std::ranges::set_difference(before.counters, after.counters, std::back_inserter(gone));
  std::ranges::for_each(added, add_to(t.add_counters));
  std::ranges::for_each(gone, add_to(t.delete_counters));
  return true;
}

// Both are in the order of their sets.
void change_held(const Ruleset& before, const Ruleset& after, Transaction& t) {
  auto had = before.elements.begin();
  auto wanted = after.elements.begin();
  const auto of_nobody = [](const Ruleset& rules, const SetRef& ref) {
    const auto* set = rules.find(ref);
    return set == nullptr || set->dynamic() || holds_guests(ref);
  };
  while (had != before.elements.end() || wanted != after.elements.end()) {
    const bool gone = wanted == after.elements.end() || (had != before.elements.end() && had->first < wanted->first);
    const bool added = !gone && (had == before.elements.end() || wanted->first < had->first);
    const auto& ref = gone ? had->first : wanted->first;
    const auto& held = added ? kNoElements : had->second;
    const auto& now = gone ? kNoElements : wanted->second;
    // A set that goes takes its elements with it.
    if (held != now && !of_nobody(after, ref)) diff_elements(ref, after.find(ref)->interval, now, held, t);
    if (!added) ++had;
    if (!gone) ++wanted;
  }
}

}  // namespace

std::optional<Transaction> change_rules(const Ruleset& before, const Ruleset& after) {
  if (before.owned != after.owned || before.tables.size() != after.tables.size()) return std::nullopt;
  Transaction t;
  t.owned = after.owned;
  for (const auto& table : after.tables) {
    const auto had = std::ranges::find(before.tables, table.family, &Table::family);
    if (had == before.tables.end() || !change_structure(*had, table, t)) return std::nullopt;
  }
  change_held(before, after, t);
  return t;
}

Transaction change_elements(const std::vector<Element>& before, const std::vector<Element>& after) {
  Transaction t;
  std::ranges::set_difference(before, after, std::back_inserter(t.delete_elements));
  std::ranges::set_difference(after, before, std::back_inserter(t.add_elements));
  return t;
}

}  // namespace vrouter::firewall
