// SPDX-License-Identifier: GPL-2.0-or-later
// A container whose copies share what they hold until one of them is changed: to copy one, to compare copies that
// nobody changed, and to throw one away costs nothing. It is read as the container itself is; own() is to be changed.
// Copies may be on different threads; one object is one thread's, as the container would be.
#pragma once

#include <atomic>
#include <compare>
#include <initializer_list>
#include <memory>
#include <utility>

namespace vrouter {

template <typename Container>
class CopyOnWrite {
 public:
  using value_type = typename Container::value_type;
  using size_type = typename Container::size_type;
  using iterator = typename Container::const_iterator;
  using const_iterator = iterator;

  CopyOnWrite() = default;
  CopyOnWrite(Container held) : held_{std::make_shared<Container>(std::move(held))} {}  // NOLINT: is one
  CopyOnWrite(std::initializer_list<value_type> values) : CopyOnWrite(Container(values)) {}

  operator const Container&() const noexcept { return read(); }  // NOLINT: is one
  const Container* operator->() const noexcept { return &read(); }
  [[nodiscard]] iterator begin() const noexcept { return read().begin(); }
  [[nodiscard]] iterator end() const noexcept { return read().end(); }
  [[nodiscard]] bool empty() const noexcept { return read().empty(); }
  [[nodiscard]] size_type size() const noexcept { return read().size(); }
  [[nodiscard]] decltype(auto) operator[](size_type index) const { return read()[index]; }
  [[nodiscard]] const value_type& front() const { return read().front(); }
  [[nodiscard]] const value_type& back() const { return read().back(); }
  [[nodiscard]] auto find(const auto& key) const { return read().find(key); }
  [[nodiscard]] auto upper_bound(const auto& key) const { return read().upper_bound(key); }
  [[nodiscard]] bool contains(const auto& key) const { return read().contains(key); }

  // To be changed: of this object alone. What was read before may be gone.
  [[nodiscard]] Container& own() {
    if (!held_) {
      held_ = std::make_shared<Container>();
    } else if (held_.use_count() > 1) {
      held_ = std::make_shared<Container>(*held_);
    } else {
      std::atomic_thread_fence(std::memory_order_acquire);  // another thread may have let go of it last
    }
    return *held_;
  }
  void push_back(value_type value) { own().push_back(std::move(value)); }

  friend bool operator==(const CopyOnWrite& a, const CopyOnWrite& b) {
    return a.held_ == b.held_ || a.read() == b.read();
  }
  friend auto operator<=>(const CopyOnWrite& a, const CopyOnWrite& b) { return a.read() <=> b.read(); }

 private:
  [[nodiscard]] const Container& read() const noexcept {
    static const Container kEmpty;
    return held_ ? *held_ : kEmpty;
  }

  std::shared_ptr<Container> held_;
};

}  // namespace vrouter
