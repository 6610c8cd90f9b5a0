// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/undeclared_group.h"

#include "config/text.h"

namespace vrouter::config {
namespace {

constexpr std::size_t kMaxNamed = 8;  // in one message

std::string groups_text(const std::map<std::string, Group>& groups) {
  std::string text;
  std::size_t count = 0;
  for (const auto& [name, group] : groups) {
    if (count++ == kMaxNamed) return text + ", ...";
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

}  // namespace

std::optional<std::pair<std::string, std::string>> undeclared_group(const std::map<std::string, Group>& groups,
                                                                    const std::string& group) {
  if (groups.contains(group)) return std::nullopt;
  const auto declare = "declare [groups." + group + "] in a policy file";
  return std::pair{"no policy file declares the group " + quoted(group),
                   groups.empty() ? declare : "name one of: " + groups_text(groups) + "; or " + declare};
}

}  // namespace vrouter::config
