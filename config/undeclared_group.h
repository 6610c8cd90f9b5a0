// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "config/policy.h"

namespace vrouter::config {

// Where no policy file declares the group: reason and remedy. A slip in its name must not go unseen, for a group that
// nothing declares protects nothing.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> undeclared_group(
    const std::map<std::string, Group>& groups, const std::string& group);

}  // namespace vrouter::config
