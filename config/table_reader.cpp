// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/table_reader.h"

#include <algorithm>
#include <tuple>

#include "config/text.h"

namespace vrouter::config {
namespace {

// A policy key in the settings would else be just unknown, and whoever wrote it must learn that it protects nothing.
bool is_policy_key(std::string_view title, std::string_view key) {
  return title == "the file" && (key == "groups" || key == "sets" || key == "rules" || key == "expect");
}

}  // namespace

Problems Diagnosis::take_in_file_order() {
  std::ranges::sort(problems_, {},
                    [](const Problem& p) { return std::tuple{p.where.line, p.where.column, p.message}; });
  return std::move(problems_);
}

TableReader::TableReader(Diagnosis& diagnosis, const Node& table, std::string title, std::span<const KeySpec> keys)
    : diagnosis_{&diagnosis}, table_{&table}, title_{std::move(title)}, keys_{keys} {
  std::vector<std::string_view> names;
  for (const auto& key : keys) names.push_back(key.name);
  for (const auto& [key, at, value] : table.members) {
    if (const auto* known = spec(key)) {
      if (known->takes(value.type)) continue;
      const auto* const or_string = known->or_string ? "a string or " : "";
      complain(value.at, std::string{key} + " must be " + or_string + std::string{describe(known->type)} + ", not " +
                             std::string{describe(value.type)} + "; write " + key + " = " +
                             std::string{known->example});
    } else if (is_policy_key(title_, key)) {
      complain(at, quoted(key) + " belongs to the policy, which has files of its own; move it to one in policy.d");
    } else if (const auto near = nearest(key, names)) {
      complain(at, "unknown key " + quoted(key) + " in " + title_ + "; did you mean " + std::string{*near} + "?");
    } else {
      complain(at, "unknown key " + quoted(key) + " in " + title_ + "; it may have " + one_of(names));
    }
  }
}

const KeySpec* TableReader::spec(std::string_view key) const {
  const auto found = std::ranges::find(keys_, key, &KeySpec::name);
  return found == keys_.end() ? nullptr : &*found;
}

const Member* TableReader::member(std::string_view key) const {
  const auto found = std::ranges::find(table_->members, key, &Member::key);
  return found == table_->members.end() ? nullptr : &*found;
}

const Node* TableReader::find(std::string_view key) const {
  const auto* found = member(key);
  const auto* known = spec(key);
  if (found == nullptr || known == nullptr || !known->takes(found->value.type)) return nullptr;
  return &found->value;
}

bool TableReader::present(std::string_view key) const {
  return member(key) != nullptr;
}

Position TableReader::at(std::string_view key) const {
  const auto* found = member(key);
  return found == nullptr ? table_->at : found->value.at;
}

bool TableReader::complain(Position at, std::string message) const {
  diagnosis_->add(at, std::move(message));
  return false;
}

bool TableReader::is_text(std::string_view key, const Node& item) const {
  if (item.type == Node::Type::string) return true;
  return complain(item.at, std::string{key} + " holds strings, not " + std::string{describe(item.type)} + "; write " +
                               std::string{key} + " = " + std::string{spec(key)->example});
}

void TableReader::complain_choice(std::string_view key, const Node& node,
                                  std::span<const std::string_view> words) const {
  complain(node.at, std::string{key} + " can't be " + quoted(node.text) + "; write " + one_of(words));
}

}  // namespace vrouter::config
