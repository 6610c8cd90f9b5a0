// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/control/framing.h"

namespace vrouter::router::control {

std::optional<std::string> MessageBuffer::next() {
  if (overflown_) return std::nullopt;
  const auto end = bytes_.find('\0', searched_);
  if (end == std::string::npos) {
    searched_ = bytes_.size();
    overflown_ = bytes_.size() > max_;
    return std::nullopt;
  }
  if (end > max_) {
    overflown_ = true;
    return std::nullopt;
  }
  std::string message = bytes_.substr(0, end);
  bytes_.erase(0, end + 1);
  searched_ = 0;
  return message;
}

}  // namespace vrouter::router::control
