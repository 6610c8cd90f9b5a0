// SPDX-License-Identifier: GPL-2.0-or-later
// Private to the room: cuts a byte stream into NUL-terminated messages, within a bound.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vrouter::router::control {

class MessageBuffer {
 public:
  explicit MessageBuffer(std::size_t max_message) : max_{max_message} {}

  void append(std::string_view bytes) { bytes_.append(bytes); }
  // The next whole message, without its NUL.
  [[nodiscard]] std::optional<std::string> next();
  // A message longer than the bound is under way: it will never be taken.
  [[nodiscard]] bool overflown() const noexcept { return overflown_; }
  // Nothing is begun: waiting for more is no sign of a stalled peer.
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }

 private:
  std::size_t max_;
  std::string bytes_;
  std::size_t searched_ = 0;  // no NUL before: a message that comes byte by byte costs linear time
  bool overflown_ = false;
};

}  // namespace vrouter::router::control
