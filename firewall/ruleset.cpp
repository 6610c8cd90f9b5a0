// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/ruleset.h"

#include <algorithm>
#include <cstdlib>

namespace vrouter::firewall {

void Ruleset::insert(const std::vector<Element>& guest) {
  // Guests mostly come in the order of their TAPs, and so do most of their keys: then nothing is searched for.
  for (const auto& element : guest) {
    auto& set = elements[element.set].own();
    set.insert_or_assign(set.end(), element.key, element.data);
  }
}

void Ruleset::erase(const std::vector<Element>& guest) {
  for (const auto& element : guest) {
    auto set = elements.find(element.set);
    if (set == elements.end()) continue;
    set->second.own().erase(element.key);
    if (set->second.empty()) elements.erase(set);
  }
}

const Set* Ruleset::find(const SetRef& ref) const {
  for (const auto& table : tables) {
    if (table.family != ref.family) continue;
    const auto set = std::ranges::find(table.sets, ref.set, &Set::name);
    if (set != table.sets.end()) return &*set;
  }
  return nullptr;
}

std::string_view name(Family family) noexcept {
  switch (family) {
    case Family::inet:
      return "inet";
    case Family::arp:
      return "arp";
  }
  std::abort();
}

std::string_view name(Type type) noexcept {
  switch (type) {
    case Type::ipv4_addr:
      return "ipv4_addr";
    case Type::ipv6_addr:
      return "ipv6_addr";
    case Type::ether_addr:
      return "ether_addr";
    case Type::inet_proto:
      return "inet_proto";
    case Type::inet_service:
      return "inet_service";
    case Type::icmp_type:
      return "icmp_type";
    case Type::mark:
      return "mark";
    case Type::icmpv6_type:
      return "icmpv6_type";
    case Type::ifname:
      return "ifname";
  }
  std::abort();
}

std::string_view name(Hook hook) noexcept {
  switch (hook) {
    case Hook::prerouting:
      return "prerouting";
    case Hook::input:
      return "input";
    case Hook::forward:
      return "forward";
    case Hook::output:
      return "output";
    case Hook::postrouting:
      return "postrouting";
  }
  std::abort();
}

std::string_view name(ChainType type) noexcept {
  switch (type) {
    case ChainType::filter:
      return "filter";
    case ChainType::nat:
      return "nat";
  }
  std::abort();
}

std::size_t size_of(Type type) noexcept {
  switch (type) {
    case Type::inet_proto:
    case Type::icmp_type:
    case Type::icmpv6_type:
      return 1;
    case Type::inet_service:
      return 2;
    case Type::ipv4_addr:
    case Type::mark:
      return 4;
    case Type::ether_addr:
      return 6;
    case Type::ipv6_addr:
    case Type::ifname:
      return 16;
  }
  std::abort();
}

std::size_t padded_size(const std::vector<Type>& fields) noexcept {
  // A single field has its own length; only a concatenation is laid out in registers.
  if (fields.size() == 1) return size_of(fields.front());
  std::size_t size = 0;
  for (const auto field : fields) size += (size_of(field) + 3) / 4 * 4;
  return size;
}

}  // namespace vrouter::firewall
