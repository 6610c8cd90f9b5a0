// SPDX-License-Identifier: GPL-2.0-or-later
// Private to the room: reads the fields of a JSON object straight through; the first that is wrong is remembered.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_to.hpp>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/control/json.h"

namespace vrouter::router::control {

class Fields {
 public:
  explicit Fields(const boost::json::object& object) : object_{object} {}

  [[nodiscard]] std::optional<std::string> optional_text(std::string_view field);
  [[nodiscard]] std::string text(std::string_view field);  // must be there
  [[nodiscard]] std::vector<std::string> texts(std::string_view field);
  [[nodiscard]] bool flag(std::string_view field);  // absent: false
  [[nodiscard]] std::optional<std::int64_t> optional_number(std::string_view field);
  [[nodiscard]] std::uint64_t count(std::string_view field);  // absent: 0
  [[nodiscard]] double real(std::string_view field);          // absent: 0
  [[nodiscard]] const boost::json::object* object(std::string_view field);
  [[nodiscard]] std::vector<const boost::json::object*> objects(std::string_view field);

  // A text that `parse` (std::expected<T, std::string>) makes a value of.
  template <typename Parse>
  auto optional_parsed(std::string_view field, Parse parse) {
    using T = typename std::invoke_result_t<Parse, const std::string&>::value_type;
    std::optional<T> value;
    if (const auto said = optional_text(field)) {
      if (auto parsed = parse(*said)) {
        value = std::move(*parsed);
      } else {
        fail(field, parsed.error());
      }
    }
    return value;
  }
  template <typename Parse>
  auto parsed(std::string_view field, Parse parse) {  // must be there
    auto value = optional_parsed(field, parse);
    if (!value) fail(field, "is missing");
    return std::move(value).value_or(typename decltype(value)::value_type{});
  }
  template <typename Parse>
  auto parsed_list(std::string_view field, Parse parse) {
    using T = typename std::invoke_result_t<Parse, const std::string&>::value_type;
    std::vector<T> values;
    for (const auto& said : texts(field)) {
      if (auto parsed = parse(said)) {
        values.push_back(std::move(*parsed));
      } else {
        fail(field, parsed.error());
      }
    }
    return values;
  }
  // A nested object that `read` (Read<T>) makes a value of.
  template <typename Reader>
  auto optional_nested(std::string_view field, Reader read) {
    using T = typename std::invoke_result_t<Reader, const boost::json::object&>::value_type;
    std::optional<T> value;
    if (const auto* inner = object(field)) {
      if (auto nested = read(*inner)) {
        value = std::move(*nested);
      } else {
        fail(std::string{field} + "." + nested.error().field, nested.error().reason);
      }
    }
    return value;
  }

  void only(std::initializer_list<std::string_view> known);
  void fail(std::string_view field, std::string reason);
  [[nodiscard]] const std::optional<FieldError>& error() const noexcept { return error_; }

  template <typename T>
  [[nodiscard]] Read<T> result(T value) {
    if (error_) return std::unexpected(*error_);
    return value;
  }

 private:
  const boost::json::value* find(std::string_view field) const;  // null counts as absent

  const boost::json::object& object_;
  std::optional<FieldError> error_;
};

}  // namespace vrouter::router::control
