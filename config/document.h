// SPDX-License-Identifier: GPL-2.0-or-later
// A TOML file as plain values with their places. Only document.cpp knows toml++, which costs every file that
// includes it more than a second to compile.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/problem.h"

namespace vrouter::config {

struct Position {
  std::uint32_t line = 0;  // both count from 1
  std::uint32_t column = 0;
};

struct Member;

struct Node {
  enum class Type { table, array, string, integer, boolean, fraction, date };
  Type type = Type::table;
  Position at;
  std::string text;             // string
  std::int64_t integer = 0;     // integer
  bool boolean = false;         // boolean
  std::vector<Member> members;  // table, sorted by key
  std::vector<Node> items;      // array
};

struct Member {
  std::string key;
  Position at;  // of the key; for [a.b], of the part between the dots
  Node value;
};

[[nodiscard]] std::string_view describe(Node::Type type) noexcept;  // "a string", "true or false"

// The root table, or the one problem at which the parser stopped.
[[nodiscard]] std::expected<Node, Problem> parse_document(std::string_view toml, const std::string& file);

}  // namespace vrouter::config
