// SPDX-License-Identifier: GPL-2.0-or-later
// Where in the policy's files, or in [dns.groups], something of the ruleset comes from. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/model.h"
#include "firewall/profiles.h"

namespace vrouter::firewall {

struct Origin {
  enum class Kind : std::uint8_t { rule, group, set };
  Kind kind = Kind::rule;
  std::string name;  // the rule's, the group's, the set's
  config::Place declared_at;
  bool operator==(const Origin&) const = default;
};

// Of a rule's comment, or of a chain, set or counter by its name (KernelError::subject). Of a profile's own chains it
// is the first group of its guests. Empty: it is the same whatever the policy says, or none of its.
[[nodiscard]] std::optional<Origin> origin_of(std::string_view subject, const config::Policy& policy,
                                              const Profiles& profiles);

}  // namespace vrouter::firewall
