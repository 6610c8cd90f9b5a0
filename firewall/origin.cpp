// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/origin.h"

#include "firewall/policy_parts.h"
#include "firewall/rule_names.h"

namespace vrouter::firewall {
namespace {

Origin origin(const config::PolicyRule& rule) {
  return {Origin::Kind::rule, rule.name, rule.declared_at};
}
Origin origin(const config::Group& group) {
  return {Origin::Kind::group, group.name, group.declared_at};
}

// "r_web_to_db_1a2b3c4d_eg" begins with the key "r_web_to_db_1a2b3c4d".
bool begins_with(std::string_view name, std::string_view key) {
  return name.starts_with(key) && (name.size() == key.size() || name[key.size()] == '_');
}

}  // namespace

std::optional<Origin> origin_of(std::string_view subject, const config::Policy& policy, const Profiles& profiles) {
  if (subject.empty()) return std::nullopt;
  for (const auto& rule : policy.rules) {
    // Comments of what a rule does end with its own: "over its limit: web to db (10-web.toml:3)".
    if (subject.ends_with(comment_of(rule))) return origin(rule);
    if (subject.starts_with("r_") && begins_with(subject, key_of(rule))) return origin(rule);
  }
  for (const auto& [name, group] : policy.groups) {
    if (subject == default_comment(group, true) || subject == default_comment(group, false)) return origin(group);
  }
  for (const auto& [name, group] : profiles.resolvers().all()) {
    if (subject == resolver_chain(name) || subject == resolver_comment(name, group.declared_at))
      return Origin{Origin::Kind::group, name, group.declared_at};
  }
  for (const auto& [name, set] : policy.sets) {
    if (subject == address_set_name(name, false) || subject == address_set_name(name, true))
      return Origin{Origin::Kind::set, name, set.declared_at};
  }
  for (const auto& [membership, id] : profiles.all()) {
    if (!begins_with(subject, profile_name(membership, id))) continue;
    for (const auto& name : membership.groups) {
      if (const auto group = policy.groups.find(name); group != policy.groups.end()) return origin(group->second);
    }
  }
  return std::nullopt;
}

}  // namespace vrouter::firewall
