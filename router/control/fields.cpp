// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/control/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace vrouter::router::control {

const boost::json::value* Fields::find(std::string_view field) const {
  const auto* value = object_.if_contains(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

void Fields::fail(std::string_view field, std::string reason) {
  if (!error_) error_ = FieldError{std::string{field}, std::move(reason)};
}

void Fields::only(std::initializer_list<std::string_view> known) {
  for (const auto& member : object_) {
    const std::string_view key{member.key().data(), member.key().size()};
    if (std::ranges::find(known, key) != known.end()) continue;
    fail(key, known.size() == 0 ? std::string{"this call takes no parameters"}
                                : fmt::format("no such parameter; there are {}", fmt::join(known, ", ")));
  }
}

std::optional<std::string> Fields::optional_text(std::string_view field) {
  const auto* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (const auto* text = value->if_string()) {
    // The texts go into paths, C strings and logs: a NUL would cut them there and not here.
    if (std::ranges::find(*text, '\0') == text->end()) return std::string{text->data(), text->size()};
    fail(field, "holds a NUL character");
    return std::nullopt;
  }
  fail(field, "must be a string");
  return std::nullopt;
}

std::string Fields::text(std::string_view field) {
  auto text = optional_text(field);
  if (!text) fail(field, "is missing");
  return std::move(text).value_or(std::string{});
}

std::vector<std::string> Fields::texts(std::string_view field) {
  std::vector<std::string> texts;
  const auto* value = find(field);
  if (value == nullptr) return texts;
  const auto* array = value->if_array();
  if (array == nullptr) {
    fail(field, "must be an array of strings");
    return texts;
  }
  for (const auto& element : *array) {
    const auto* text = element.if_string();
    if (text == nullptr || std::ranges::find(*text, '\0') != text->end()) {
      fail(field, "must be an array of strings without NUL characters");
      return {};
    }
    texts.emplace_back(text->data(), text->size());
  }
  return texts;
}

bool Fields::flag(std::string_view field) {
  const auto* value = find(field);
  if (value == nullptr) return false;
  if (const auto* flag = value->if_bool()) return *flag;
  fail(field, "must be true or false");
  return false;
}

std::optional<std::int64_t> Fields::optional_number(std::string_view field) {
  const auto* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = value->if_int64()) return *number;
  fail(field, "must be a whole number");
  return std::nullopt;
}

std::uint64_t Fields::count(std::string_view field) {
  const auto* value = find(field);
  if (value == nullptr) return 0;
  if (const auto* number = value->if_uint64()) return *number;
  if (const auto* number = value->if_int64(); number != nullptr && *number >= 0) {
    return static_cast<std::uint64_t>(*number);
  }
  fail(field, "must be a whole number that is not negative");
  return 0;
}

double Fields::real(std::string_view field) {
  const auto* value = find(field);
  if (value == nullptr) return 0;
  if (value->is_number()) return value->to_number<double>();
  fail(field, "must be a number");
  return 0;
}

const boost::json::object* Fields::object(std::string_view field) {
  const auto* value = find(field);
  if (value == nullptr) return nullptr;
  const auto* object = value->if_object();
  if (object == nullptr) fail(field, "must be an object");
  return object;
}

std::vector<const boost::json::object*> Fields::objects(std::string_view field) {
  std::vector<const boost::json::object*> objects;
  const auto* value = find(field);
  if (value == nullptr) return objects;
  const auto* array = value->if_array();
  if (array == nullptr) {
    fail(field, "must be an array of objects");
    return objects;
  }
  for (const auto& element : *array) {
    const auto* object = element.if_object();
    if (object == nullptr) {
      fail(field, "must be an array of objects");
      return {};
    }
    objects.push_back(object);
  }
  return objects;
}

}  // namespace vrouter::router::control
