// SPDX-License-Identifier: GPL-2.0-or-later
// Reads one table against the list of keys it may have, collecting problems instead of stopping at the first.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/document.h"
#include "config/problem.h"
#include "config/specs.h"

namespace vrouter::config {

// The problems of one file.
class Diagnosis {
 public:
  explicit Diagnosis(std::string file) : file_{std::move(file)} {}

  void add(Position at, std::string message) {
    problems_.push_back({.where = place(at), .message = std::move(message)});
  }
  [[nodiscard]] Place place(Position at) const { return {.file = file_, .line = at.line, .column = at.column}; }
  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] std::size_t count() const noexcept { return problems_.size(); }
  [[nodiscard]] Problems take_in_file_order();

 private:
  std::string file_;
  Problems problems_;
};

struct KeySpec {
  std::string_view name;
  Node::Type type = Node::Type::string;
  std::string_view example;  // as TOML: what to write after "key = "
  bool or_boolean = false;
  bool or_string = false;  // of an array: its only item may stand by itself

  [[nodiscard]] bool takes(Node::Type given) const noexcept {
    return given == type || (or_boolean && given == Node::Type::boolean) || (or_string && given == Node::Type::string);
  }
};

class TableReader {
 public:
  // Reports unknown keys and wrong types at once; find() then gives only what has its type.
  TableReader(Diagnosis& diagnosis, const Node& table, std::string title, std::span<const KeySpec> keys);

  [[nodiscard]] Position at() const noexcept { return table_->at; }
  [[nodiscard]] const Node* find(std::string_view key) const;
  // Whether the key stands there, be it of the wrong type: an error was reported, so nothing else need be said.
  [[nodiscard]] bool present(std::string_view key) const;
  // Where the key's value is, or else the table.
  [[nodiscard]] Position at(std::string_view key) const;

  // Sets `into` where the key is there and its text parses.
  template <typename Into, typename Value>
    requires std::assignable_from<Into&, Value>
  bool read(std::string_view key, Parsed<Value> (*parse)(std::string_view), Into& into) const {
    const auto* node = find(key);
    if (node == nullptr) return false;
    auto value = parse(node->text);
    if (!value) return complain(node->at, value.error());
    into = *std::move(value);
    return true;
  }

  // An array of texts, or one text where the key takes that. Values that don't parse are reported and left out.
  template <typename Value>
  std::vector<std::pair<Value, Position>> read_list(std::string_view key,
                                                    Parsed<Value> (*parse)(std::string_view)) const {
    std::vector<std::pair<Value, Position>> values;
    const auto* node = find(key);
    if (node == nullptr) return values;
    const bool single = node->type == Node::Type::string;
    for (const auto& item : single ? std::span{node, 1} : std::span{node->items}) {
      if (!is_text(key, item)) continue;
      if (auto value = parse(item.text)) {
        values.emplace_back(*std::move(value), item.at);
      } else {
        complain(item.at, value.error());
      }
    }
    return values;
  }

  // One of the words that `values` have as their name().
  template <typename Enum, std::size_t N>
  void choose(std::string_view key, const Enum (&values)[N], Enum& into) const {
    const auto* node = find(key);
    if (node == nullptr) return;
    std::vector<std::string_view> words;
    for (const auto value : values) {
      if (node->text == name(value)) {
        into = value;
        return;
      }
      words.push_back(name(value));
    }
    complain_choice(key, *node, words);
  }

  bool complain(Position at, std::string message) const;  // always false

 private:
  [[nodiscard]] const KeySpec* spec(std::string_view key) const;
  [[nodiscard]] const Member* member(std::string_view key) const;
  bool is_text(std::string_view key, const Node& item) const;
  void complain_choice(std::string_view key, const Node& node, std::span<const std::string_view> words) const;

  Diagnosis* diagnosis_;
  const Node* table_;
  std::string title_;
  std::span<const KeySpec> keys_;
};

}  // namespace vrouter::config
