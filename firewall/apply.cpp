// SPDX-License-Identifier: GPL-2.0-or-later
// The transaction's meaning, without a kernel: what FakeNft does and what the real one must do.
#include <fmt/format.h>

#include "firewall/diff.h"

namespace vrouter::firewall {
namespace {

struct Refusal {
  std::string sentence;
};

class Model {
 public:
  explicit Model(Observed state) : state_{std::move(state)} {}

  Observed run(const Transaction& t) {
    for (const auto family : t.adopt_tables) table(family).ownership = Ownership::ours;
    for (const auto family : t.delete_tables) delete_table(family);
    for (const auto family : t.add_tables) {
      state_.tables.try_emplace(family).first->second.ownership = t.owned ? Ownership::ours : Ownership::none;
    }
    for (const auto& [family, counter] : t.add_counters) table(family).counters.insert(counter);
    for (const auto& [family, set] : t.add_sets) table(family).sets.insert_or_assign(set.name, set);
    for (const auto& [family, chain] : t.add_chains) table(family).chains[chain.name].base = chain.base;
    for (const auto& [family, chain] : t.refill_chains) find(family, chain.name).rules.clear();
    for (const auto& [family, name] : t.delete_chains) find(family, name).rules.clear();
    for (const auto& ref : t.flush_sets) {
      find(ref);
      state_.elements.erase(ref);
    }
    for (const auto& element : t.delete_elements) delete_element(element);
    for (const auto& ref : t.delete_sets) {
      find(ref);
      table(ref.family).sets.erase(ref.set);
      state_.elements.erase(ref);
    }
    for (const auto& [family, name] : t.delete_chains) table(family).chains.erase(name);
    for (const auto& [family, counter] : t.delete_counters) table(family).counters.erase(counter);
    for (const auto& [family, chain] : t.add_chains) fill(family, chain);
    for (const auto& [family, chain] : t.refill_chains) fill(family, chain);
    for (const auto& element : t.add_elements) add_element(element);
    for (const auto& element : t.expel) erase(element);
    for (const auto& [element, seconds] : t.admit) {
      erase(element);
      add_element(element);
    }
    return std::move(state_);
  }

 private:
  ObservedTable& table(Family family) {
    const auto found = state_.tables.find(family);
    if (found == state_.tables.end()) throw Refusal{fmt::format("no table {} {}", name(family), kTableName)};
    return found->second;
  }
  ObservedChain& find(Family family, const std::string& chain) {
    auto& chains = table(family).chains;
    const auto found = chains.find(chain);
    if (found == chains.end())
      throw Refusal{fmt::format("no chain {} in table {} {}", chain, name(family), kTableName)};
    return found->second;
  }
  const Set& find(const SetRef& ref) {
    const auto& sets = table(ref.family).sets;
    const auto found = sets.find(ref.set);
    if (found == sets.end())
      throw Refusal{fmt::format("no set {} in table {} {}", ref.set, name(ref.family), kTableName)};
    return found->second;
  }

  void delete_table(Family family) {
    table(family);
    state_.tables.erase(family);
    std::erase_if(state_.elements, [family](const auto& entry) { return entry.first.family == family; });
  }
  void fill(Family family, const Chain& chain) {
    auto& rules = find(family, chain.name).rules;
    for (const auto& rule : chain.rules) rules.push_back({assemble(rule), rule.comment});
  }
  void delete_element(const Element& element) {
    find(element.set);
    auto& elements = state_.elements[element.set];
    if (elements.own().erase(element.key) == 0)
      throw Refusal{fmt::format("no such element in set {}", element.set.set)};
    if (elements.empty()) state_.elements.erase(element.set);
  }
  void erase(const Element& element) {
    find(element.set);
    const auto elements = state_.elements.find(element.set);
    if (elements == state_.elements.end()) return;
    elements->second.own().erase(element.key);
    if (elements->second.empty()) state_.elements.erase(elements);
  }
  void add_element(const Element& element) {
    const auto& set = find(element.set);
    if (element.key.first.size() != padded_size(set.key)) {
      throw Refusal{fmt::format("set {} has keys of another size", set.name)};
    }
    if (element.data.verdict && !element.data.verdict->chain.empty())
      find(element.set.family, element.data.verdict->chain);
    const auto [held, added] = state_.elements[element.set].own().try_emplace(element.key, element.data);
    if (!added && held->second != element.data) {
      throw Refusal{fmt::format("set {} holds that key with other data", set.name)};
    }
  }

  Observed state_;
};

}  // namespace

std::expected<Observed, std::string> apply(Observed before, const Transaction& transaction) {
  try {
    return Model{std::move(before)}.run(transaction);
  } catch (const Refusal& refusal) {
    return std::unexpected(refusal.sentence);
  }
}

}  // namespace vrouter::firewall
