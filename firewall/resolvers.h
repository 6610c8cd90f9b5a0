// SPDX-License-Identifier: GPL-2.0-or-later
// Whose guests may ask no other resolver than vrouter ([dns.groups.NAME] other_resolvers).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/dns.h"

namespace vrouter::firewall {

// Of the rule that sends a guest's questions to its gateway.
inline constexpr std::string_view kRedirected = "what it asks of other resolvers, its gateway answers";

struct ResolverGroup {
  config::OtherResolvers what = config::OtherResolvers::refuse;
  std::uint32_t mark = 0;  // of a packet while it is refused; each group has its own
  config::Place declared_at = {};
  bool operator==(const ResolverGroup&) const = default;
};

// Groups that leave their guests the choice are not among them.
class ResolverGroups {
 public:
  using Entry = std::map<std::string, ResolverGroup>::value_type;

  ResolverGroups() = default;
  explicit ResolverGroups(const config::Dns& dns);

  // Of a guest's groups the strictest, of several alike the first by name; none: it may ask whom it likes.
  [[nodiscard]] const Entry* of(const std::vector<std::string>& groups) const;
  [[nodiscard]] bool empty() const noexcept { return groups_.empty(); }
  [[nodiscard]] bool redirect() const;  // any of them does
  [[nodiscard]] const std::map<std::string, ResolverGroup>& all() const noexcept { return groups_; }
  bool operator==(const ResolverGroups&) const = default;

 private:
  std::map<std::string, ResolverGroup> groups_;
};

}  // namespace vrouter::firewall
