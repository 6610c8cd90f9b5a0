// SPDX-License-Identifier: GPL-2.0-or-later
// A server may send thousands of names that differ in their last byte, so each is folded once and compared with few.
#include "dns/chain.h"

#include <algorithm>
#include <utility>

namespace vrouter::dns {

namespace {

// Chains that resolvers follow end at 16 or earlier; the count bounds our work, not theirs.
constexpr unsigned kMaxChain = 16;
constexpr std::size_t kMaxAliases = 32;  // that may have a place on one: some servers send a CNAME twice

using Alias = std::pair<Name, Name>;

// What lies beyond the first so many is on no chain.
std::vector<Alias> aliases_in(std::span<const std::uint8_t> message, const std::vector<Record>& answers) {
  std::vector<Alias> aliases;
  for (const auto& record : answers) {
    if (record.type != type::cname) continue;
    if (aliases.size() == kMaxAliases) break;
    WireReader r{message.subspan(record.rdata_start)};
    if (const auto target = Name::decode(message, r)) aliases.emplace_back(record.owner.lower(), target->lower());
  }
  return aliases;
}

// Of names in lower case.
bool is_at_or_above(const Name& zone, const Name& name) {
  if (zone.size() > name.size() || !std::ranges::equal(name.wire().last(zone.size()), zone.wire())) return false;
  std::size_t at = 0;
  while (name.size() - at > zone.size()) at += name.wire()[at] + std::size_t{1};
  return name.size() - at == zone.size();
}

}  // namespace

Chain::Chain(std::span<const std::uint8_t> message, const Name& start, const std::vector<Record>& answers)
    : names_{start.lower()} {
  const auto aliases = aliases_in(message, answers);
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [owner, target] : aliases) {
      if (names_.size() > kMaxChain || !holds(owner) || holds(target)) continue;
      names_.push_back(target);
      grown = true;
    }
  }
}

bool Chain::admits(const Record& record) const {
  const auto owner = record.owner.lower();
  if (holds(owner)) return true;
  if (record.type != type::dname && record.type != type::rrsig) return false;
  return std::ranges::any_of(names_, [&](const Name& n) { return is_at_or_above(owner, n); });
}

bool Chain::holds(const Name& lower) const {
  return std::ranges::any_of(names_, [&](const Name& n) { return std::ranges::equal(n.wire(), lower.wire()); });
}

}  // namespace vrouter::dns
