// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/document.h"

#include <toml++/toml.h>

#include <cstdlib>

#include "config/text.h"

namespace vrouter::config {
namespace {

Position position(const toml::source_region& region) {
  return {.line = region.begin.line, .column = region.begin.column};
}

// Recursion is bounded: the parser refuses values nested deeper than TOML_MAX_NESTED_VALUES (256).
Node convert(const toml::node& from) {
  Node node;
  node.at = position(from.source());
  switch (from.type()) {
    case toml::node_type::none:
    case toml::node_type::table:
      node.type = Node::Type::table;
      for (const auto& [key, value] : *from.as_table()) {
        node.members.push_back({.key = std::string{key.str()}, .at = position(key.source()), .value = convert(value)});
      }
      return node;
    case toml::node_type::array:
      node.type = Node::Type::array;
      for (const auto& value : *from.as_array()) node.items.push_back(convert(value));
      return node;
    case toml::node_type::string:
      node.type = Node::Type::string;
      node.text = from.as_string()->get();
      return node;
    case toml::node_type::integer:
      node.type = Node::Type::integer;
      node.integer = from.as_integer()->get();
      return node;
    case toml::node_type::boolean:
      node.type = Node::Type::boolean;
      node.boolean = from.as_boolean()->get();
      return node;
    case toml::node_type::floating_point:
      node.type = Node::Type::fraction;
      return node;
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      node.type = Node::Type::date;
      return node;
  }
  std::abort();
}

}  // namespace

std::string_view describe(Node::Type type) noexcept {
  switch (type) {
    case Node::Type::table:
      return "a table";
    case Node::Type::array:
      return "an array";
    case Node::Type::string:
      return "a string";
    case Node::Type::integer:
      return "an integer";
    case Node::Type::boolean:
      return "true or false";
    case Node::Type::fraction:
      return "a number with a fraction";
    case Node::Type::date:
      return "a date or time";
  }
  std::abort();
}

std::expected<Node, Problem> parse_document(std::string_view toml, const std::string& file) {
  try {
    return convert(toml::parse(toml, std::string_view{file}));
  } catch (const toml::parse_error& error) {
    const auto [line, column] = position(error.source());
    const auto said = quoted(error.description());
    return std::unexpected(Problem{.where = {.file = file, .line = line, .column = column},
                                   .message = "this is no TOML: " + said.substr(1, said.size() - 2) +
                                              "; mend it there (text goes in quotes, each key stands once)"});
  }
}

}  // namespace vrouter::config
