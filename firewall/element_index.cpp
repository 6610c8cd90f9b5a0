// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/element_index.h"

#include <bit>
#include <cstdint>

namespace vrouter::firewall {
namespace {

// FNV-1a of 64 bits: keys are a few bytes of which few differ.
std::size_t hash_of(const Bytes& key) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const auto byte : key) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

}  // namespace

ElementIndex::ElementIndex(const ElementMap& elements) : slots_(std::bit_ceil(elements.size() * 2 + 1)) {
  for (const auto& node : elements) {
    const auto hash = hash_of(node.first.first);
    auto at = hash & (slots_.size() - 1);
    while (slots_[at].node != nullptr) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {hash, &node};
  }
}

const Datum* ElementIndex::find(const Bytes& key) const {
  const auto hash = hash_of(key);
  for (auto at = hash & (slots_.size() - 1); slots_[at].node != nullptr; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash == hash && slots_[at].node->first.first == key) return &slots_[at].node->second;
  }
  return nullptr;
}

}  // namespace vrouter::firewall
