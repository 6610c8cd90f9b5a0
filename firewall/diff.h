// SPDX-License-Identifier: GPL-2.0-or-later
// Desired ruleset against what the kernel shows -> one transaction. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "firewall/bytecode.h"
#include "firewall/domains.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

struct ObservedRule {
  std::vector<Expression> code;
  std::string comment;
  bool operator==(const ObservedRule&) const = default;
};

struct ObservedChain {
  std::optional<Base> base;
  bool accepts = true;  // a base chain's policy
  std::vector<ObservedRule> rules;
  bool operator==(const ObservedChain&) const = default;
};

enum class Ownership : std::uint8_t {
  none,    // anyone may change it
  ours,    // held by the socket that asks
  orphan,  // persistent, its owner is gone: can be adopted
  foreign  // another living process holds it
};

struct ObservedTable {
  Ownership ownership = Ownership::none;
  std::map<std::string, Set> sets;
  std::map<std::string, ObservedChain> chains;
  std::set<std::string> counters = {};
  bool strange = false;  // holds objects or sets that this version can't have made
  bool operator==(const ObservedTable&) const = default;
};

// What the kernel holds of our tables.
struct Observed {
  std::map<Family, ObservedTable> tables;
  std::map<SetRef, ElementMap> elements;
  bool operator==(const Observed&) const = default;
};

struct ChainRules {
  Family family = Family::inet;
  Chain chain;
  bool operator==(const ChainRules&) const = default;
};
struct SetDefinition {
  Family family = Family::inet;
  Set set;
  bool operator==(const SetDefinition&) const = default;
};
struct CounterRef {
  Family family = Family::inet;
  std::string counter;
  auto operator<=>(const CounterRef&) const = default;
};
struct ChainRef {
  Family family = Family::inet;
  std::string chain;
  auto operator<=>(const ChainRef&) const = default;
};

// One atomic batch, carried out in the order of the members. All of it holds afterwards, or nothing of it.
struct Transaction {
  bool owned = false;                 // how new and adopted tables are made
  std::vector<Family> adopt_tables;   // orphans, taken over as they are
  std::vector<Family> delete_tables;  // with all that is in them
  std::vector<Family> add_tables;     // empty; their sets, chains and elements follow below
  std::vector<CounterRef> add_counters;
  std::vector<SetDefinition> add_sets;
  std::vector<ChainRules> add_chains;     // all chains before the first rule, which may jump to any of them
  std::vector<ChainRules> refill_chains;  // rules flushed here and put in again after the deletions
  std::vector<SetRef> flush_sets;         // interval sets are rebuilt, not edited
  std::vector<Element> delete_elements;
  std::vector<SetRef> delete_sets;
  std::vector<ChainRef> delete_chains;  // flushed before anything is deleted
  std::vector<CounterRef> delete_counters;
  std::vector<Element> add_elements;
  std::vector<Element> expel;   // from sets of domains; what has expired there already is no error
  std::vector<Admitted> admit;  // into such; what is there already stays for as long as is said here

  [[nodiscard]] bool empty() const noexcept;
  bool operator==(const Transaction&) const = default;
};

// Empty when everything is right. Sets, chains and rules are brought up to date in place; only a table whose
// set or base chain of the same name is made differently is replaced, whole and in the same batch, without a gap.
// With `sets`, the elements of other sets that are there are taken for right, and needn't have been observed.
[[nodiscard]] Transaction diff(const Ruleset& desired, const Observed& observed,
                               const std::set<SetRef>* sets = nullptr);

// From what the kernel holds to what it is to hold, without reading it: tables, chains and the elements that are of no
// guest (decompile.h); those of guests stay. Empty optional: a set or a base chain would have to be made anew, which
// takes a look at the kernel and diff().
[[nodiscard]] std::optional<Transaction> change_rules(const Ruleset& before, const Ruleset& after);

// The element-only change from one state of a guest to another (either may be empty: add and remove). Both sorted.
[[nodiscard]] Transaction change_elements(const std::vector<Element>& before, const std::vector<Element>& after);

// What the kernel would hold after the transaction; the error is the sentence that the kernel would have no words for
// ("add element: no set pub4 in table inet vrouter"). For tests and fakes.
[[nodiscard]] std::expected<Observed, std::string> apply(Observed before, const Transaction& transaction);

}  // namespace vrouter::firewall
