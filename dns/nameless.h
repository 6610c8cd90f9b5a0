// SPDX-License-Identifier: GPL-2.0-or-later
// Host::name of a host that has none: it may ask, and isn't to be asked for. No name has a slash.
#pragma once

#include <string>
#include <string_view>

#include "dns/tables.h"

namespace vrouter::dns {

[[nodiscard]] inline std::string nameless(const address& its) {
  return "/" + its.to_string();
}
[[nodiscard]] inline bool is_nameless(std::string_view name) noexcept {
  return name.starts_with('/');
}

}  // namespace vrouter::dns
