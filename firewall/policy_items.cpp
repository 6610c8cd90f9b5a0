// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/policy_items.h"

#include <algorithm>
#include <cstdlib>

#include "firewall/words.h"

namespace vrouter::firewall {

using namespace words;

namespace {

Shape shape_of(const Part& part) {
  if (part.own || part.peer.address) return Shape::line;
  const bool ports = !part.service.ports.empty();
  if (!ports && !part.service.all) return Shape::line;
  if (part.peer.any) return ports ? Shape::ports : Shape::line;
  return ports ? Shape::peers_and_ports : Shape::peers;
}

}  // namespace

Key key_fields(Shape shape) {
  switch (shape) {
    case Shape::peers_and_ports:
      return {Field::mark, Field::l4proto, Field::th_dport};
    case Shape::ports:
      return {Field::l4proto, Field::th_dport};
    case Shape::peers:
      return {Field::mark};
    case Shape::line:
      break;
  }
  std::abort();
}
std::vector<Type> key_types(Shape shape) {
  switch (shape) {
    case Shape::peers_and_ports:
      return {Type::mark, Type::inet_proto, Type::inet_service};
    case Shape::ports:
      return {Type::inet_proto, Type::inet_service};
    case Shape::peers:
      return {Type::mark};
    case Shape::line:
      break;
  }
  std::abort();
}

std::vector<Item> arrange(const std::vector<Part>& parts) {
  std::vector<Item> items;
  for (const auto& part : parts) {
    const auto shape = shape_of(part);
    const auto in_the_way = [&](const Item& item) {
      return std::ranges::any_of(item.parts,
                                 [&](const Part& other) { return other.rule != part.rule && !disjoint(other, part); });
    };
    auto place = items.rend();
    for (auto item = items.rbegin(); shape != Shape::line && item != items.rend(); ++item) {
      if (item->shape == shape) {
        place = item;
        break;
      }
      if (in_the_way(*item)) break;
    }
    if (place == items.rend()) {
      items.push_back({shape, {part}});
    } else {
      place->parts.push_back(part);
    }
  }
  return items;
}

std::vector<Bytes> keys_of(const Part& part, Shape shape) {
  std::vector<Bytes> keys;
  if (shape == Shape::peers) {
    for (const auto mark : part.peer.marks) keys.push_back(host_order(mark));
    return keys;
  }
  for (const auto& [protocol, port] : part.service.ports) {
    if (shape == Shape::ports) {
      keys.push_back(concat({bytes_of(protocol), network_order(port)}));
      continue;
    }
    for (const auto mark : part.peer.marks) {
      keys.push_back(concat({host_order(mark), bytes_of(protocol), network_order(port)}));
    }
  }
  return keys;
}

}  // namespace vrouter::firewall
