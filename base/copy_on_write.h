// SPDX-License-Identifier: GPL-2.0-or-later
// Values whose copies share what they hold until one of them is changed: to copy one, to compare copies that nobody
// changed, and to throw one away costs nothing. Copies may be on different threads; one object is one thread's, as the
// value itself would be.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <compare>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>

namespace vrouter {

template <typename T>
class Shared {
 public:
  Shared() = default;                                              // T{}
  Shared(T held) : held_{std::make_shared<T>(std::move(held))} {}  // NOLINT: is one

  [[nodiscard]] const T& operator*() const noexcept {
    static const T kEmpty;
    return held_ ? *held_ : kEmpty;
  }
  const T* operator->() const noexcept { return &**this; }

  // To be changed: of this object alone. What was read before may be gone.
  [[nodiscard]] T& own() {
    if (!held_) {
      held_ = std::make_shared<T>();
    } else if (held_.use_count() > 1) {
      held_ = std::make_shared<T>(*held_);
    } else {
      std::atomic_thread_fence(std::memory_order_acquire);  // another thread may have let go of it last
    }
    return *held_;
  }

  friend bool operator==(const Shared& a, const Shared& b) { return a.held_ == b.held_ || *a == *b; }
  friend auto operator<=>(const Shared& a, const Shared& b) { return *a <=> *b; }

 private:
  std::shared_ptr<T> held_;
};

// Of values that come one by one and are mostly like others before, makes those share that are alike. It looks at the
// last few kinds only: what it misses costs memory, nothing else.
template <typename T>
class Sharer {
 public:
  [[nodiscard]] Shared<T> share(Shared<T> value) {
    if (const auto known = std::ranges::find(kinds_, value); known != kinds_.end()) return *known;
    return kinds_[next_++ % kinds_.size()] = std::move(value);
  }

 private:
  std::array<Shared<T>, 8> kinds_;
  std::size_t next_ = 0;
};

// A container of that kind, which is read as the container itself is; own() is to be changed.
template <typename Container>
class CopyOnWrite {
 public:
  using value_type = typename Container::value_type;
  using size_type = typename Container::size_type;
  using iterator = typename Container::const_iterator;
  using const_iterator = iterator;

  CopyOnWrite() = default;
  CopyOnWrite(Container held) : held_{std::move(held)} {}  // NOLINT: is one
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

  [[nodiscard]] Container& own() { return held_.own(); }
  void push_back(value_type value) { own().push_back(std::move(value)); }

  friend bool operator==(const CopyOnWrite& a, const CopyOnWrite& b) { return a.held_ == b.held_; }
  friend auto operator<=>(const CopyOnWrite& a, const CopyOnWrite& b) { return a.held_ <=> b.held_; }

 private:
  [[nodiscard]] const Container& read() const noexcept { return *held_; }

  Shared<Container> held_;
};

}  // namespace vrouter
