// SPDX-License-Identifier: GPL-2.0-or-later
// What a policy was compiled to, in the pieces that it is put together from. Not for other rooms.
//
// Theory: a chain of a profile depends on the rules that speak of its guests on that side, on who their peers are and
// on the groups' defaults, and on nothing else. Where all of that is as it was, so is the chain, with the sets and the
// chains of rules that it leads to. Comparing it is a hundredth of the work of making it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "firewall/compile.h"
#include "firewall/policy_parts.h"

namespace vrouter::firewall {

// A chain or a set, known by its name: several profiles may lead to one.
struct Piece {
  std::string name;
  std::optional<Set> set{};
  ElementMap held{};  // all that the set holds
  std::optional<Chain> chain{};
  std::string counter{};
  std::vector<Element> elements{};  // of sets that others fill as well
};
using Pieces = std::vector<std::shared_ptr<const Piece>>;

struct CompiledSide {
  Membership membership;
  std::vector<std::size_t> rules;  // that may speak there, as indices of the policy's
  Pieces pieces;                   // in the order in which they are put into the table
};
using CompiledSides = std::map<std::pair<ProfileId, Side>, CompiledSide>;

struct CompileCache::Last {
  std::map<std::string, config::Network> networks;
  std::map<std::string, config::Group> groups;
  std::map<std::string, config::AddressSet> sets;
  std::vector<config::PolicyRule> rules;
  std::map<std::string, std::set<ProfileId>> members;
  CompiledSides sides;
};

// Which of the sides compiled last are the same now.
class StillCompiled {
 public:
  StillCompiled(const CompileCache::Last& last, const PolicyScope& now);

  // The pieces, with `rules` as what may speak there now; null: they must be made.
  [[nodiscard]] const Pieces* find(ProfileId id, Side side, const Membership& membership,
                                   std::span<const std::size_t> rules) const;

 private:
  [[nodiscard]] bool same(const std::vector<config::Peer>& peers, const PolicyScope& now) const;

  const CompileCache::Last& last_;
  bool none_ = false;
  bool same_peers_ = false;  // all of them
  std::set<std::string> changed_groups_;
  std::vector<std::optional<std::size_t>> was_;  // by index of a rule: its index then; none: it isn't the same
};

}  // namespace vrouter::firewall
