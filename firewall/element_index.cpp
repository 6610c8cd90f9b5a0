// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/element_index.h"

#include <bit>
#include <functional>
#include <string_view>

namespace vrouter::firewall {
namespace {

std::size_t hash_of(const Bytes& key) {
  const auto* text = static_cast<const char*>(static_cast<const void*>(key.data()));
  return std::hash<std::string_view>{}({text, key.size()});
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
