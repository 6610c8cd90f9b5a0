// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/policy_cache.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace vrouter::firewall {
namespace {

template <typename Value>
bool same_entry(const std::map<std::string, Value>& a, const std::map<std::string, Value>& b, const std::string& key) {
  const auto in_a = a.find(key);
  const auto in_b = b.find(key);
  if (in_a == a.end() || in_b == b.end()) return in_a == a.end() && in_b == b.end();
  return in_a->second == in_b->second;
}

}  // namespace

CompileCache::CompileCache() : last_{std::make_unique<Last>()} {}
CompileCache::CompileCache(CompileCache&&) noexcept = default;
CompileCache& CompileCache::operator=(CompileCache&&) noexcept = default;
CompileCache::~CompileCache() = default;

StillCompiled::StillCompiled(const CompileCache::Last& last, const PolicyScope& now) : last_{last} {
  none_ = last.sides.empty() || last.networks != now.config.networks;
  if (none_) return;
  const auto& policy = now.config.policy;
  for (const auto& [name, group] : policy.groups) {
    if (!same_entry(last.groups, policy.groups, name)) changed_groups_.insert(name);
  }
  for (const auto& [name, group] : last.groups) {
    if (!policy.groups.contains(name)) changed_groups_.insert(name);
  }
  same_peers_ = last.sets == policy.sets && last.members == now.members;
  // Mostly it is where it was, or all are one further.
  std::unordered_map<std::string_view, std::size_t> before;
  const auto index_of = [&](const std::string& name, std::size_t guess) -> std::optional<std::size_t> {
    if (guess < last.rules.size() && last.rules[guess].name == name) return guess;
    if (before.empty()) {
      for (std::size_t i = 0; i < last.rules.size(); ++i) before.emplace(last.rules[i].name, i);
    }
    const auto found = before.find(name);
    return found == before.end() ? std::nullopt : std::optional{found->second};
  };
  was_.reserve(policy.rules.size());
  std::size_t guess = 0;
  for (const auto& rule : policy.rules) {
    const auto found = index_of(rule.name, guess);
    const bool unchanged = found && last.rules[*found] == rule && same(rule.from, now) && same(rule.to, now);
    was_.push_back(unchanged ? found : std::nullopt);
    guess = (found ? *found : guess) + 1;
  }
}

// Whether the peers are who they were.
bool StillCompiled::same(const std::vector<config::Peer>& peers, const PolicyScope& now) const {
  if (same_peers_) return true;
  return std::ranges::all_of(peers, [&](const config::Peer& peer) {
    if (peer.kind == config::Peer::Kind::set) return same_entry(last_.sets, now.config.policy.sets, peer.name);
    const auto key = index_key(peer);
    return key.empty() || same_entry(last_.members, now.members, key);
  });
}

const Pieces* StillCompiled::find(ProfileId id, Side side, const Membership& membership,
                                  std::span<const std::size_t> rules) const {
  if (none_) return nullptr;
  const auto found = last_.sides.find({id, side});
  if (found == last_.sides.end()) return nullptr;
  const auto& last = found->second;
  if (last.membership != membership) return nullptr;
  if (std::ranges::any_of(membership.groups, [&](const auto& group) { return changed_groups_.contains(group); }))
    return nullptr;
  const auto is_as_it_was = [&](std::size_t now, std::size_t then) { return was_[now] == then; };
  return std::ranges::equal(rules, last.rules, is_as_it_was) ? &last.pieces : nullptr;
}

}  // namespace vrouter::firewall
