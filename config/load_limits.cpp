// SPDX-License-Identifier: GPL-2.0-or-later
#include <array>
#include <string>

#include "config/limits.h"
#include "config/loader.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::array kLimitKeys{
    KeySpec{"egress", Type::table, "{ packets = 50000, bits = \"100M\" }"},
    KeySpec{"ingress", Type::table, "{ packets = 50000, bits = \"100M\" }"},
    KeySpec{"new_connections", Type::integer, "500"},
    KeySpec{"connections", Type::integer, "16384"},
};
constexpr std::array kDirectionKeys{
    KeySpec{"packets", Type::integer, "50000"},
    KeySpec{"bits", Type::string, "\"100M\""},
};

void read_value(const TableReader& reader, std::string_view key, const LimitSpec& spec, Limits& limits) {
  const auto* node = reader.find(key);
  if (node == nullptr) return;
  auto value = spec.bits ? parse_limit_value(spec, node->text) : check_limit(spec, node->integer);
  if (value) {
    limits.*(spec.member) = *value;
  } else {
    reader.complain(node->at, value.error());
  }
}

}  // namespace

void load_limits(Diagnosis& diagnosis, const Node& table, Limits& limits) {
  const TableReader reader{diagnosis, table, "limits", kLimitKeys};
  for (const std::string direction : {"egress", "ingress"}) {
    const auto* node = reader.find(direction);
    if (node == nullptr) continue;
    const TableReader inner{diagnosis, *node, "limits." + direction, kDirectionKeys};
    for (const auto* key : {"packets", "bits"}) read_value(inner, key, *find_limit(direction + '.' + key), limits);
  }
  for (const auto* key : {"new_connections", "connections"}) read_value(reader, key, *find_limit(key), limits);
}

}  // namespace vrouter::config
