// SPDX-License-Identifier: GPL-2.0-or-later
// An optional value that is mostly none, in objects of which there are thousands: it takes a pointer's place, and
// memory of its own only where there is one. Otherwise like std::optional: a copy has a value of its own, and is
// compared by it.
#pragma once

#include <compare>
#include <memory>
#include <optional>
#include <utility>

namespace vrouter {

template <typename T>
class Boxed {
 public:
  Boxed() = default;
  Boxed(std::nullopt_t) noexcept {}                                 // NOLINT: as of an optional
  Boxed(T value) : held_{std::make_unique<T>(std::move(value))} {}  // NOLINT: as of an optional
  Boxed(std::optional<T> value) {                                   // NOLINT: is one
    if (value) held_ = std::make_unique<T>(*std::move(value));
  }
  Boxed(const Boxed& other) : held_{other.held_ ? std::make_unique<T>(*other.held_) : nullptr} {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(const Boxed& other) {
    if (this != &other) *this = Boxed{other};
    return *this;
  }
  Boxed& operator=(Boxed&&) noexcept = default;
  ~Boxed() = default;

  [[nodiscard]] bool has_value() const noexcept { return held_ != nullptr; }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] T& operator*() noexcept { return *held_; }
  [[nodiscard]] const T& operator*() const noexcept { return *held_; }
  T* operator->() noexcept { return held_.get(); }
  const T* operator->() const noexcept { return held_.get(); }
  [[nodiscard]] const T& value() const {
    if (!held_) throw std::bad_optional_access{};
    return *held_;
  }
  [[nodiscard]] T value_or(T otherwise) && { return held_ ? std::move(*held_) : std::move(otherwise); }

  T& emplace() { return *(held_ = std::make_unique<T>()); }
  void reset() noexcept { held_.reset(); }

  friend bool operator==(const Boxed& a, const Boxed& b) {
    return a.has_value() == b.has_value() && (!a.has_value() || *a == *b);
  }
  friend auto operator<=>(const Boxed& a, const Boxed& b) {
    std::compare_three_way_result_t<T> order = a.has_value() <=> b.has_value();
    if (a.has_value() && b.has_value()) order = *a <=> *b;
    return order;
  }

 private:
  std::unique_ptr<T> held_;
};

}  // namespace vrouter
